"""When each run is to be seen to again."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from probes.engine.run import NEVER

if TYPE_CHECKING:
    from probes.engine.run import Run

# In a second. What is waited for here is some 50 ms or more; with finer ticks each run that ends, when little
# else happens, would cost a turn of the event loop of its own.
_TICKS: Final = 200


class Timers:
    """One timer of a run counts, the earliest.

    Runs are kept by ticks: thousands share one, so that there is little to sort.
    """

    def __init__(self) -> None:
        self._runs: dict[int, list[Run]] = {}
        self._ticks: list[int] = []  # a heap of those that have runs

    def set(self, run: Run, at: float) -> None:
        """Have a run ring at the first tick after ``at``, unless it rings before."""
        if at >= run.due:
            return
        tick = int(at * _TICKS) + 1
        due = tick / _TICKS
        if due >= run.due:
            return
        run.due = due
        if tick in self._runs:
            self._runs[tick].append(run)
        else:
            self._runs[tick] = [run]
            heapq.heappush(self._ticks, tick)

    def next(self) -> float:
        """When the next rings."""
        return self._ticks[0] / _TICKS if self._ticks else NEVER

    def rung(self, now: float) -> list[Run]:
        """The runs whose time has come."""
        found: list[Run] = []
        while self._ticks and self._ticks[0] <= now * _TICKS:
            tick = heapq.heappop(self._ticks)
            due = tick / _TICKS
            for run in self._runs.pop(tick):
                if run.due == due:  # else it rang before
                    run.due = NEVER
                    found.append(run)
        return found
