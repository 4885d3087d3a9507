"""A run as a table for a terminal, or as plain text where there is none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scanner.report.text import printable

if TYPE_CHECKING:
    from typing import TextIO

    from scanner.run import EndpointResult, Run

_STATUS_STYLE = {
    "violation": "bold red",
    "indeterminate": "yellow",
    "waived": "magenta",
    "compliant": "green",
    "not_applicable": "dim",
}
_LOCATION_STYLE = {"inside": "green", "outside": "bold red", "edge": "red", "conflicting": "yellow"}
_PIPE_COLUMNS = 200  # a pipe has no width; wide enough for the reasons, narrow enough to read


def render(run: Run, stream: TextIO) -> None:
    """Write the table of every endpoint, worst first within its provider, and a summary, to ``stream``."""
    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, expand=False)
    for heading, options in (
        ("Endpoint", {"overflow": "fold", "max_width": 44}),
        ("Class", {"no_wrap": True}),
        ("Verdict", {"no_wrap": True}),
        ("Assurance", {"no_wrap": True}),
        ("Path", {"no_wrap": True}),
        ("Policy", {"no_wrap": True}),
        ("Reason", {"overflow": "fold", "ratio": 1}),
    ):
        table.add_column(heading, **options)
    for result in run.endpoints:
        table.add_row(*_row(result))
    console.print(table)
    for line in _summary(run):
        console.print(Text(printable(line)))


def _row(result: EndpointResult) -> list[Text]:
    verdict = result.verdict
    return [
        Text(printable(result.endpoint)),
        Text(result.data_class),
        Text(verdict.location, style=_LOCATION_STYLE.get(verdict.location, "")),
        Text(verdict.assurance or "-"),
        Text(verdict.path),
        Text(result.status.replace("_", " "), style=_STATUS_STYLE[result.status]),
        Text(printable(verdict.reason)),
    ]


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
    lines += [one.attribution for one in run.sources if one.attribution]
    lines += [f"Notice: {notice}" for notice in run.notices]
    return lines
