"""Chance that is the same on every machine and with every version of Python."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_T = TypeVar("_T")


class Chance:
    """A stream of chance that belongs to a name, such as ``7/host/12``.

    Names keep streams apart: what one part of a world draws never shifts what another does. Of
    :mod:`random`, only ``random()`` seeded by text is used: that alone is promised to stay as it is.
    """

    def __init__(self, *name: str | int) -> None:
        self._random = random.Random("/".join(map(str, name)))  # noqa: S311  no secret

    def share(self) -> float:
        """A number from 0 to 1, without 1."""
        return self._random.random()

    def happens(self, probability: float) -> bool:
        """True with that probability."""
        return self.share() < probability

    def between(self, low: float, high: float) -> float:
        """A number between two, evenly."""
        return low + (high - low) * self.share()

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.share() * (high - low + 1))

    def wait(self, mean: float) -> float:
        """An exponential number: most are small, a few are many times the mean."""
        return -mean * math.log(1.0 - self.share())

    def factor(self, sigma: float) -> float:
        """A lognormal number around 1 (Box and Muller's method)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.share()))
        return math.exp(sigma * radius * math.cos(2.0 * math.pi * self.share()))

    def pick(self, choices: Sequence[_T]) -> _T:
        """One of several, evenly."""
        return choices[int(self.share() * len(choices))]

    def weighted(self, choices: Mapping[_T, float]) -> _T:
        """One of several, in proportion to their weights."""
        left = self.share() * sum(choices.values())
        for choice, weight in choices.items():
            left -= weight
            if left < 0:
                return choice
        return list(choices)[-1]

    def some(self, choices: Sequence[_T], count: int) -> list[_T]:
        """``count`` different ones, or all if there are fewer, in an order of chance."""
        left = list(choices)
        return [left.pop(int(self.share() * len(left))) for _ in range(min(count, len(left)))]
