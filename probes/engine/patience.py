"""How long silence is waited for."""

from __future__ import annotations

from typing import Final


class Patience:
    """How long silence is waited for, from what was heard before at the same vantage.

    Ten times the slowest answer, as traceroute(8) waits by default, but no less than half a second: and the
    whole wait until there is some experience. A path with slow or unsteady answers is thus always waited for.
    """

    __slots__ = ("answers", "slowest_s")
    ANSWERS: Final = 64
    FACTOR: Final = 10.0
    LEAST_S: Final = 0.5

    def __init__(self) -> None:
        self.answers = 0  # these two are the paths' to write
        self.slowest_s = 0.0

    def of(self, wait_s: float) -> float:
        """How long to wait where ``wait_s`` is the most."""
        if self.answers < self.ANSWERS:
            return wait_s
        return min(wait_s, max(self.LEAST_S, self.FACTOR * self.slowest_s))
