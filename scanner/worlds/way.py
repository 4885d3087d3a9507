"""Ways: how packets get from one point to another in a random world, and how long that takes.

Nothing is quicker than light in fibre along the great circle. Everything else only adds: fibre that is longer
than it, legs over cities that are not on the way, access lines, standing queues, jitter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from probes.simnet.geography import fibre_ms, great_circle_km

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.worlds.chance import Chance
    from scanner.worlds.gazetteer import Gazetteer, Spot

_ROUTER_MS: Final = 0.01  # one way, of each router
_METRO_KM: Final = 40.0  # two points of one metropolitan area are not farther apart
_NEIGHBOUR_KM: Final = 1500.0


@dataclass(frozen=True, slots=True)
class Way:
    """The points on a way with the fibre between them, and what befalls packets on it.

    ``fibre_km`` is the length of each leg. ``standing_ms`` is added to every round trip, ``jitter_ms`` is the
    mean of what is added to some; ``loss`` is the probability that no answer comes.
    """

    stops: tuple[Spot, ...]
    fibre_km: tuple[float, ...]
    standing_ms: float
    jitter_ms: float
    loss: float

    @property
    def rtt_ms(self) -> float:
        """The least round-trip time."""
        return 2 * self.one_way_ms(len(self.stops) - 1) + self.standing_ms

    def one_way_ms(self, stop: int) -> float:
        """From the start to one of the stops, without queues."""
        return fibre_ms(sum(self.fibre_km[:stop]), 1.0) + stop * _ROUTER_MS

    def sample_ms(self, chance: Chance) -> float:
        """What one packet has to wait beyond the least."""
        return chance.wait(self.jitter_ms) + (chance.wait(25.0) if chance.happens(0.02) else 0.0)


def find(start: Spot, end: Spot, gazetteer: Gazetteer, chance: Chance, via: Sequence[Spot] = ()) -> Way:
    """The way between two points, over ``via`` where its owner sends everything there first."""
    stops = [start, *(via or _detour(start, end, gazetteer, chance)), end]
    return Way(
        stops=tuple(stops),
        fibre_km=tuple(_fibre_km(one, other, chance) for one, other in pairwise(stops)),
        standing_ms=chance.wait(12.0) if chance.happens(0.06) else 0.0,
        jitter_ms=chance.weighted({0.02: 5, 0.1: 4, 0.5: 2, 3.0: 1}),
        loss=chance.weighted({0.0: 80, 0.03: 12, 0.3: 5, 1.0: 1.5}),
    )


def up_ms(time_ms: float) -> float:
    """A time in whole microseconds, rounded up: a clock's step makes nothing quicker than it was."""
    return math.ceil(time_ms * 1000) / 1000


def _fibre_km(one: Spot, other: Spot, chance: Chance) -> float:
    """The length of the fibre between two points: seldom straight, the less so the nearer they are."""
    straight_km = great_circle_km(one, other)
    if chance.happens(0.04):
        return straight_km
    if straight_km < _METRO_KM:
        return straight_km * (1.1 + chance.wait(0.6)) + chance.wait(2.0)
    return straight_km * (1.05 + min(chance.wait(0.4), 3.0))


def _detour(start: Spot, end: Spot, gazetteer: Gazetteer, chance: Chance) -> tuple[Spot, ...]:
    """Cities that the way leads over although they are not between its ends."""
    straight_km = great_circle_km(start, end)
    draw = chance.share()
    hub = chance.pick(gazetteer.hubs)
    if straight_km < _METRO_KM:
        # Two networks of one city that meet elsewhere only, at home or abroad.
        return (gazetteer.at_home(chance),) if draw < 0.02 else (hub,) if draw < 0.035 else ()
    if start.country == end.country:
        return (gazetteer.at_home(chance),) if draw < 0.15 else (hub,) if draw < 0.21 else ()
    if straight_km < _NEIGHBOUR_KM:
        return (hub,) if draw < 0.55 else ()  # neighbours seldom have a line between them
    return (hub,) if draw < 0.3 else ()
