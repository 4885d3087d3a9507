"""A run as a table for people: a line of facts and a sentence of reason for every endpoint."""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from scanner.dependencies import abroad, listed
from scanner.report.text import printable

if TYPE_CHECKING:
    from typing import TextIO

    from scanner.run import EndpointResult, Run

_STYLES = {
    "violation": "bold red",
    "indeterminate": "yellow",
    "waived": "magenta",
    "compliant": "green",
    "not applicable": "dim",
    "inside": "green",
    "outside": "bold red",
    "edge": "red",
    "conflicting": "yellow",
    "leaves": "yellow",
}
_HEADINGS = ("ENDPOINT", "CLASS", "VERDICT", "ASSURANCE", "PATH", "POLICY")
_PIPE_COLUMNS = 120  # a pipe has no width of its own


def render(run: Run) -> bytes:
    """The table as it looks where there is no terminal."""
    stream = io.StringIO()
    write(run, stream)
    return stream.getvalue().encode()


def write(run: Run, stream: TextIO) -> None:
    """Write every endpoint, in the register's order, and a summary to ``stream``."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    rows = [_row(result) for result in run.endpoints]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    console.print(_line(_HEADINGS, widths, bold=True), soft_wrap=True)
    for result, row in zip(run.endpoints, rows, strict=True):
        console.print(_line(row, widths), soft_wrap=True)
        console.print(Padding(Text(printable(result.verdict.reason), style="dim"), (0, 0, 0, 4)))
        if outside := abroad(result.verdict.dependencies):
            text = f"Depends on what is abroad: {listed(outside)}."
            console.print(Padding(Text(printable(text), style="dim"), (0, 0, 0, 4)))
    console.print()
    for line in _summary(run):
        console.print(Text(printable(line)))


def _row(result: EndpointResult) -> tuple[str, ...]:
    verdict = result.verdict
    return (
        printable(result.endpoint),
        result.data_class,
        verdict.location,
        verdict.assurance or "-",
        verdict.path,
        result.status.replace("_", " "),
    )


def _line(cells: tuple[str, ...], widths: list[int], *, bold: bool = False) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=True):
        line.append(cell.ljust(width + 2), style="bold" if bold else _STYLES.get(cell, ""))
    line.rstrip()
    return line


def _summary(run: Run) -> list[str]:
    locations = Counter(result.verdict.location for result in run.endpoints)
    statuses = Counter(result.status for result in run.endpoints)
    sources = ", ".join(f"{one.source} {one.date or 'undated'}" for one in run.sources)
    lines = [
        f"{len(run.endpoints)} endpoints, {len(run.vantages)} vantages, {len(run.observations)} observations,"
        f" home {run.country}, run {run.id}" + ("" if run.complete else " (INCOMPLETE: interrupted)"),
        "Verdicts: " + ", ".join(f"{count} {name}" for name, count in locations.most_common()),
        "Policy: " + ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in statuses.most_common()),
        f"Sources: {sources}",
    ]
    lines += dict.fromkeys(one.attribution for one in run.sources if one.attribution)
    lines += [f"Notice: {notice}" for notice in run.notices]
    return lines
