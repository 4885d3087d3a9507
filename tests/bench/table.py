"""The benchmark's tables in Markdown: what is asked, whose place is README, and all that was measured."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final, TypeAlias

from tests.bench.row import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.claim import Claim, Evidence
    from tests.bench.row import Row

# Name, what its world is, what is asked, and what was found.
Played: TypeAlias = "tuple[str, str, Sequence[Claim], Evidence]"
PROBES: Final = "bench-probes"
GEODATA: Final = "bench-geodata"
SERVICE: Final = "bench-service"
_LEGEND: Final = (
    "Medians of n runs. Wall clock and processor time are those of the whole process, its start included; "
    "probes are counted where they leave the namespace. Found are hops (of pings, answers) of those that "
    "answer; nobody is asked to look behind five silent hops in a row. Router is what the simulated one took "
    "of a core."
)
_WIDTH: Final = 118
_VERDICT: Final = {True: "met", False: "**not met**", None: "not measured"}


def claims(scenario: str, asked: Iterable[Claim], evidence: Evidence) -> list[str]:
    """Lines of the table of what is asked."""
    lines = []
    for claim in asked:
        value = claim.value(evidence)
        measured = "-" if value is None else claim.form.format(value)
        bound = f"{claim.compare} {claim.form.format(claim.bound)}"
        lines.append(line([scenario, claim.words, bound, measured, _VERDICT[claim.met(evidence)]]))
    return lines


def row(each: Row) -> str:
    """One line of the table of tools."""
    tool = f"**{each.tool}**" if each.tool.partition(" ")[0] == OURS else each.tool
    if not each.runs:
        return line([each.scenario, tool, "0", *["-"] * 8, each.missing or "not run"])
    first = each.runs[0].score
    error = each.error_ms(0.9)
    notes = [each.note]
    if (false_paths := each.runs[0].false_paths) is not None:
        notes.append(
            f"false paths {each.median('false_paths'):.0f} of {first.alive}"
            if false_paths
            else "no false path"
        )
    if lost := each.median("lost"):
        notes.append(f"the world had no room for {lost:,.0f} packets")
    if each.missing is not None:
        notes.append(each.missing)
    cells = [
        each.scenario,
        tool,
        str(len(each.runs)),
        f"{each.median('wall_s'):.2f}",
        f"{each.median('probes'):,.0f}",
        f"{each.median('cpu_s'):.2f}",
        f"{each.median('found'):,.0f} of {first.answerable:,}",
        f"{each.median('wrong'):,.0f}",
        f"{each.median('reached'):,.0f} of {first.alive:,}",
        "-" if error is None else f"{error:.2f}",
        f"{each.median('busy'):.0%}",
        "; ".join(note for note in notes if note),
    ]
    return line(cells)


def facts(scenario: str, evidence: Evidence) -> list[str]:
    """A table of facts named ``row: column``; nothing where there are none."""
    names = [name.partition(": ") for name in evidence.facts]
    rows = list(dict.fromkeys(head for head, separator, _ in names if separator))
    columns = list(dict.fromkeys(column for _, separator, column in names if separator))
    if not rows:
        return []
    lines = [line([scenario, *columns]), rule(len(columns) + 1)]
    for head in rows:
        values = [evidence.facts.get(f"{head}: {column}") for column in columns]
        lines.append(line([head, *("-" if value is None else _number(value) for value in values)]))
    return lines


def summary(machine: str, played: Sequence[Played], where: str = "world") -> str:
    """What was asked and whether it was met; ``where`` is the head of the names."""
    lines = [
        *textwrap.wrap(machine, _WIDTH),
        "",
        line([where, "asked", "bound", "measured", ""]),
        rule(5),
    ]
    for name, _, asked, evidence in played:
        lines += claims(name, asked, evidence)
    return "\n".join(lines) + "\n"


def details(machine: str, played: Sequence[Played]) -> str:
    """What every tool did in every world."""
    lines = ["# What `make bench-probes` measured", "", *textwrap.wrap(machine, _WIDTH), ""]
    for name, about, _, _ in played:
        lines += textwrap.wrap(f"- {name}: {about}.", _WIDTH, subsequent_indent="  ")
    heads = [
        "world",
        "tool",
        "n",
        "wall, s",
        "probes",
        "CPU, s",
        "found",
        "wrong",
        "reached",
        "RTT error p90, ms",
        "router",
        "",
    ]
    lines += ["", *textwrap.wrap(_LEGEND, _WIDTH), "", line(heads), rule(len(heads))]
    for _, _, _, evidence in played:
        lines += [row(each) for each in evidence.rows.values()]
    for name, _, _, evidence in played:
        if table := facts(name, evidence):
            lines += ["", *table]
    return "\n".join(lines) + "\n"


def placed(text: str, tables: str, section: str) -> str:
    """A document with the tables between a section's two marks; a ValueError where these are not in it."""
    marks = f"<!-- {section} -->", f"<!-- /{section} -->"
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"no section between {marks[0]} and {marks[1]}")
    return f"{before}{begin}\n{tables}{end}{after}"


def _number(value: float) -> str:
    if value and abs(value) < 10:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def line(cells: Iterable[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def rule(columns: int) -> str:
    """What stands under a table's head."""
    return "|" + "---|" * columns
