"""The kernel stamps packets with the wall clock; durations need the monotonic one."""

from __future__ import annotations

import time
from typing import Final

_STEP_S: Final = 0.0005  # beyond what slewing (500 ppm) explains, the wall clock was stepped
_SLEW: Final = 0.0006
_TIGHT_NS: Final = 500


class Clock:
    """Turns times of the wall clock into ``time.monotonic`` seconds, while the wall clock is not stepped."""

    def __init__(self) -> None:
        self._offset, self._sampled = _sample()

    def offset(self) -> float | None:
        """Wall clock minus monotonic clock in seconds; None if it was stepped since the last call.

        A step between a packet's receipt and now would else make a round trip look shorter than it was.
        """
        before, sampled = self._offset, self._sampled
        self._offset, self._sampled = _sample()
        if abs(self._offset - before) > _STEP_S + _SLEW * (self._sampled - sampled):
            return None
        return self._offset


def _sample() -> tuple[float, float]:
    """Wall clock minus monotonic clock, and the monotonic time of the sample.

    It is the first of three that was not interrupted, else the tightest of them.
    """
    samples = []
    for _ in range(3):
        before = time.monotonic_ns()
        wall = time.time_ns()
        after = time.monotonic_ns()
        # "after", not the middle: an error then lengthens a round-trip time and never shortens it.
        samples.append((after - before, wall - after, after))
        if after - before < _TIGHT_NS:
            break
    _, offset, at = min(samples)
    return offset * 1e-9, at * 1e-9
