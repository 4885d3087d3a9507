"""What was measured of one tool in one scenario: a run's measures, and the median of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.bench.truth import Score

OURS: Final = "sarhad"


@dataclass(frozen=True)
class Measure:
    """One run: seconds of wall clock and of processor time, packets that left, and how true it was.

    ``lost`` are packets that the world's device had no room for: more than a few, and the world was the
    bottleneck. ``busy`` is the share of one core that the world's router took. ``false_paths`` are traces
    that no one flow explains; None where that was not looked at.
    """

    wall_s: float
    cpu_s: float
    probes: int
    score: Score
    lost: int = 0
    busy: float = 0.0
    false_paths: int | None = None


@dataclass(frozen=True)
class Row:
    """All runs of one tool in one scenario; ``missing`` says why there are none, ``note`` what differs."""

    scenario: str
    tool: str
    runs: tuple[Measure, ...] = field(default=())
    missing: str | None = None
    note: str = ""

    def median(self, what: str) -> float:
        """The median over all runs of a number of :class:`Measure` or :class:`Score`."""
        return median(_number(run, what) for run in self.runs)

    def error_ms(self, share: float) -> float | None:
        """The median of the runs' error of round-trip times."""
        errors = [error for run in self.runs if (error := run.score.error_ms(share)) is not None]
        return median(errors) if errors else None


def _number(run: Measure, what: str) -> float:
    value = getattr(run, what) if hasattr(run, what) else getattr(run.score, what)
    return float(value or 0)
