"""Rows and values on standard output, as several commands print them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

_PIPE_COLUMNS: Final = 200  # a pipe has no width


def print_json(value: object) -> None:
    """Write a value as JSON."""
    import msgspec  # noqa: PLC0415  --help does not need it

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=1))


def print_table(rows: Iterable[dict[str, object]]) -> None:
    """Write rows of the same keys as a table; what is not known is a dash."""
    from rich import box  # noqa: PLC0415  rich is slow to import
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from scanner.report.text import printable  # noqa: PLC0415

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    styles = {"stale": "bold red", "ageing": "yellow", "undated": "yellow", "fresh": "green"}
    for number, row in enumerate(rows):
        if number == 0:
            for name in row:
                table.add_column(name.replace("_", " ").capitalize(), overflow="fold")
        table.add_row(
            *(
                Text("-" if value is None else printable(str(value)), style=styles.get(str(value), ""))
                for value in row.values()
            )
        )
    console.print(table)
