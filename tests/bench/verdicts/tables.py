"""The tables of ``make bench-verdict`` in Markdown: what was asked, and all that was found."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.verdict import ASSURANCES, LOCATIONS
from tests.bench.table import claims, line, rule
from tests.bench.verdicts.exhibit import is_wrong
from tests.bench.verdicts.methods import CBG, MAJORITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.claim import Claim, Evidence
    from tests.bench.verdicts.exhibit import Exhibit, Judged

OURS: Final = "sarhad"
_NO_DATABASE: Final = frozenset({OURS, MAJORITY, CBG})
_PATHS: Final = ("domestic", "leaves", "unknown")
_WIDTH: Final = 118
_EXAMPLES: Final = 4  # of each class of error
_LEGEND: Final = (
    "Right is the true location, wrong claims a place that is not true (of these, false inside is what must"
    " never happen), weaker claims none. A single database, and plain CBG (disks of 2/3 c, the country of the"
    " middle of what they have in common), know no edge: an edge that they place at home is a false inside."
)


def summary(
    machine: str, asked: Sequence[tuple[str, Sequence[Claim], Evidence]], seen: Sequence[Exhibit]
) -> str:
    """What was asked and whether it was met; how others would have judged the same evidence."""
    lines = [f"{machine}.", "", line(["evidence", "asked", "bound", "measured", ""]), rule(5)]
    for name, each, evidence in asked:
        lines += claims(name, each, evidence)
    lines += [f"\n{one.name}: not measured, {one.missing}." for one in seen if one.missing]
    lines += ["", "Right, and in brackets falsely inside, of the same evidence:", ""]
    lines += [
        line(["evidence", "sarhad", "best single database", "majority of families", "plain CBG"]),
        rule(5),
    ]
    lines += [_short(one) for one in seen if not one.missing]
    return "\n".join(lines) + "\n"


def details(machine: str, seen: Sequence[Exhibit]) -> str:
    """Confusion, coverage, comparison and every class of error, exhibit by exhibit."""
    lines = ["# What `make bench-verdict` found", "", f"{machine}.", "", *textwrap.wrap(_LEGEND, _WIDTH)]
    for one in seen:
        lines += ["", f"## {one.name}", "", *textwrap.wrap(f"{one.about}.", _WIDTH), ""]
        if one.missing:
            lines += [f"Not measured: {one.missing}."]
            continue
        lines += [*_confusion(one), "", *_coverage(one), "", line(_HEADS), rule(len(_HEADS)), *_compared(one)]
        lines += [*_kinds(one), *_paths(one), *_errors(one)]
    return "\n".join(lines) + "\n"


_HEADS: Final = ("method", "right", "weaker", "false outside", "false inside")


def _confusion(exhibit: Exhibit) -> Iterator[str]:
    found = exhibit.count()
    yield line(["truth \\ verdict", *LOCATIONS])
    yield rule(len(LOCATIONS) + 1)
    for true in LOCATIONS:
        if any(found[true, location] for location in LOCATIONS):
            yield line([true, *(str(found[true, location] or "") for location in LOCATIONS)])


def _coverage(exhibit: Exhibit) -> Iterator[str]:
    """How sure the verdicts are that claim a place, and how many of these are wrong."""
    yield line(["truth", *(f"{assurance} (wrong)" for assurance in ASSURANCES), "no place"])
    yield rule(len(ASSURANCES) + 2)
    for true in ("inside", "outside", "edge"):
        those = [one for one in exhibit.judged if one.truth.location == true]
        if not those:
            continue
        placed = [one for one in those if one.location in {"inside", "outside"}]
        cells = []
        for assurance in ASSURANCES:
            of = [one for one in placed if one.assurance == assurance]
            cells.append(f"{len(of)} ({sum(one.wrong for one in of)})" if of else "")
        yield line([f"{true}, {len(those)}", *cells, str(len(those) - len(placed))])


def _short(exhibit: Exhibit) -> str:
    """One line of how our verdicts, and those of simpler methods, compare."""
    rows = _methods(exhibit)
    single = max((name for name in rows if name not in _NO_DATABASE), key=lambda name: rows[name][0])
    total = len(exhibit.judged)
    cells = []
    for name in (OURS, single, MAJORITY, CBG):
        right, _, inside = rows[name]
        note = f" {name}" if name == single else ""
        cells.append(f"{right / total:.1%} ({inside}){note}")
    return line([exhibit.name, *cells])


def _compared(exhibit: Exhibit) -> Iterator[str]:
    """Our verdicts, and those of simpler methods."""
    total = len(exhibit.judged)
    for name, (right, outside, inside) in _methods(exhibit).items():
        shares = [f"{part / total:.1%}" for part in (right, total - right - outside - inside)]
        yield line([name, *shares, str(outside), str(inside)])


def _methods(exhibit: Exhibit) -> dict[str, tuple[int, int, int]]:
    """How many each method has right, falsely outside, falsely inside."""
    rows = {OURS: _counted([(one, one.location) for one in exhibit.judged])}
    for name in dict.fromkeys(name for one in exhibit.judged for name in one.looked):
        rows[name] = _counted([(one, one.looked.get(name, "nothing")) for one in exhibit.judged])
    return rows


def _counted(found: Sequence[tuple[Judged, str]]) -> tuple[int, int, int]:
    """How many are right, falsely outside, falsely inside."""
    wrong = [location for one, location in found if is_wrong(one.truth, location)]
    right = sum(location == one.truth.location for one, location in found)
    return right, wrong.count("outside"), wrong.count("inside")


def _kinds(exhibit: Exhibit) -> Iterator[str]:
    """What became of each kind of host, where kinds are known."""
    kinds = sorted({one.truth.kind for one in exhibit.judged})
    if len(kinds) < 3:
        return
    yield from ("", line(["kind", "truth", *LOCATIONS]), rule(len(LOCATIONS) + 2))
    for kind in kinds:
        those = [one for one in exhibit.judged if one.truth.kind == kind]
        found = Counter(one.location for one in those)
        yield line([kind, those[0].truth.location, *(str(found[location] or "") for location in LOCATIONS)])


def _paths(exhibit: Exhibit) -> Iterator[str]:
    """What became of the paths from home, where they are known."""
    found = Counter((one.truth.path, one.path) for one in exhibit.judged if one.truth.path is not None)
    if not found:
        return
    yield from ("", line(["true path \\ verdict", *_PATHS]), rule(len(_PATHS) + 1))
    for true in _PATHS:
        yield line([true, *(str(found[true, path] or "") for path in _PATHS)])


class _Class(NamedTuple):
    """A class of error."""

    kind: str
    location: str
    assurance: str
    rule: str


def _errors(exhibit: Exhibit) -> Iterator[str]:
    """Each class of error with examples: a wrong place, or a host that is accused without reason."""
    classes: dict[_Class, list[Judged]] = {}
    for one in exhibit.judged:
        accused = one.rule in {"relay", "anycast"} and one.truth.location in {"inside", "outside"}
        if one.wrong or (accused and one.location not in one.truth.accept):
            key = _Class(one.truth.kind or one.truth.location, one.location, one.assurance or "-", one.rule)
            classes.setdefault(key, []).append(one)
    if not classes:
        return
    yield ""
    for key, ones in sorted(classes.items(), key=lambda each: -len(each[1])):
        what = f"{key.kind} called {key.location} ({key.assurance}) by rule {key.rule}"
        yield f"- {len(ones)} of kind {what}, such as"
        for one in ones[:_EXAMPLES]:
            behind = "" if one.truth.relay_km is None else f", {one.truth.relay_km:,.0f} km behind its front"
            yield f"  - {one.endpoint} ({one.truth.note}{behind}): {one.reason}"
