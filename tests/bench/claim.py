"""What is asked of the engine in a scenario, and whether it was met."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from tests.bench.row import OURS

if TYPE_CHECKING:
    from tests.bench.row import Row

Facts = Mapping[str, float]
_Compare = Literal["≤", "≥", "="]
_COMPARE: Final[dict[_Compare, Callable[[float, float], bool]]] = {
    "≤": operator.le,
    "≥": operator.ge,
    "=": operator.eq,
}


@dataclass(frozen=True)
class Evidence:
    """What a scenario brought forth: rows by tool, facts by name."""

    rows: Mapping[str, Row]
    facts: Facts

    def of(self, tool: str, what: str) -> float | None:
        """A tool's median; None where there is no run of it, or one of them failed."""
        row = self.rows.get(tool)
        return row.median(what) if row is not None and row.runs and row.missing is None else None


@dataclass(frozen=True)
class Claim:
    """``words`` name a number, which ``value`` finds in the evidence (None: not measured), and its ``bound``.

    ``form`` is how both are written.
    """

    words: str
    compare: _Compare
    bound: float
    value: Callable[[Evidence], float | None]
    form: str = "{:.2f}"

    def met(self, evidence: Evidence) -> bool | None:
        """Whether it holds; None where it was not measured."""
        value = self.value(evidence)
        return None if value is None else _COMPARE[self.compare](value, self.bound)


def ratio(what: str, peer: str, ours: str = OURS) -> Callable[[Evidence], float | None]:
    """Our number as a multiple of a peer's."""

    def value(evidence: Evidence) -> float | None:
        mine, theirs = evidence.of(ours, what), evidence.of(peer, what)
        return mine / theirs if mine is not None and theirs else None

    return value


def number(what: str, ours: str = OURS) -> Callable[[Evidence], float | None]:
    """Our number itself."""
    return lambda evidence: evidence.of(ours, what)


def worst(
    of: Callable[[str], Callable[[Evidence], float | None]], *ours: str
) -> Callable[[Evidence], float | None]:
    """The greatest of what ``of`` finds for several of ours; None where one is missing."""

    def value(evidence: Evidence) -> float | None:
        found = [of(tool)(evidence) for tool in ours]
        numbers = [each for each in found if each is not None]
        return max(numbers) if len(numbers) == len(ours) else None

    return value


def share(ours: str = OURS) -> Callable[[Evidence], float | None]:
    """The share of the answers to be had that ours found."""

    def value(evidence: Evidence) -> float | None:
        found, answerable = evidence.of(ours, "found"), evidence.of(ours, "answerable")
        return found / answerable if found is not None and answerable else None

    return value


def unfound(ours: str = OURS) -> Callable[[Evidence], float | None]:
    """How many of the answers to be had ours did not find."""

    def value(evidence: Evidence) -> float | None:
        found, answerable = evidence.of(ours, "found"), evidence.of(ours, "answerable")
        return answerable - found if found is not None and answerable is not None else None

    return value


def fact(name: str) -> Callable[[Evidence], float | None]:
    """A fact of the scenario."""
    return lambda evidence: evidence.facts.get(name)
