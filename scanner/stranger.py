"""Strangers: vantages that nothing near their declared place answers as a neighbour.

A high round-trip time proves nothing, so a vantage abroad that is said to be at home contradicts nobody, and
every host near its true place would be proved to be at home. But where another vantage is at that place too,
what that one is near to is known, and all of it is far from a stranger. That may be the fault of its network,
which takes every way through another country; so it refutes nothing: what is said of a place must hold with
and without a stranger.

Where each of two is near to what is far from the other, nobody can say which of them is the stranger: both
are doubtful.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.disk import disjoint
from geodata.sphere import EARTH_RADIUS_KM, angle, unit
from scanner.case import counted, up
from scanner.doubt import LINE_MS, MOST_STRETCH, Doubt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from probes.vantages.vantage import Vantage
    from scanner.doubt import Seen
    from scanner.policy import Thresholds

NEAR_KM: Final = 100.0  # an address so near to a vantage's declared place is in its neighbourhood


class _Neighbour(NamedTuple):
    """An address surely within ``away_km`` of a vantage's declared place, that answered it in ``rtt_ms``."""

    address: str
    network: str
    away_km: float
    rtt_ms: float


def strangers(
    seen: Iterable[Seen], vantages: Mapping[str, Vantage], thresholds: Thresholds
) -> dict[str, Doubt]:
    """The vantages that all their neighbours, in several networks, answered late."""
    found: defaultdict[str, list[_Neighbour]] = defaultdict(list)
    places = _Places(vantages.values())
    for one in seen:
        for name, neighbour in _neighbours(one, places, vantages):
            found[name].append(neighbour)
    return {
        name: _doubt(name, neighbours)
        for name, neighbours in sorted(found.items())
        if len({one.network for one in neighbours}) >= thresholds.doubt_networks
        and all(
            one.rtt_ms > MOST_STRETCH * one.away_km / thresholds.speed_km_per_ms_rtt + LINE_MS
            for one in neighbours
        )
    }


class _Places:
    """Which vantages are beside which, found out when it is asked."""

    def __init__(self, vantages: Iterable[Vantage]) -> None:
        self._probing = [one for one in vantages if one.probes]
        self._where = unit([one.latitude for one in self._probing], [one.longitude for one in self._probing])
        self._known: dict[str, dict[str, float]] = {}

    def beside(self, vantage: Vantage) -> dict[str, float]:
        """How far from a vantage's declared place the others in its neighbourhood are, in km, by id."""
        found = self._known.get(vantage.id)
        if found is None:
            away_km = EARTH_RADIUS_KM * angle(unit(vantage.latitude, vantage.longitude), self._where)
            near = {
                self._probing[each].id: float(away_km[each]) for each in np.flatnonzero(away_km < NEAR_KM)
            }
            near.pop(vantage.id, None)
            found = self._known[vantage.id] = near
        return found


def _neighbours(
    seen: Seen, places: _Places, vantages: Mapping[str, Vantage]
) -> Iterator[tuple[str, _Neighbour]]:
    """Whose neighbour an address is, as another vantage shows; nobody's if it is at several places."""
    pins = [one for one in seen.constraints if one.radius_km < NEAR_KM and places.beside(one.vantage)]
    if not pins or disjoint([one.disk for one in seen.constraints]).any():
        return
    owns = {one.vantage.id: one for one in seen.constraints}
    for pin in pins:
        beside = places.beside(pin.vantage)
        for name in beside.keys() & owns.keys():
            away_km = beside[name] + pin.radius_km + vantages[name].location_error_km
            if away_km < NEAR_KM:
                yield name, _Neighbour(seen.address, seen.network, away_km, owns[name].rtt_ms)


def _doubt(name: str, neighbours: list[_Neighbour]) -> Doubt:
    addresses = len({one.address for one in neighbours})
    networks = len({one.network for one in neighbours})
    soonest = min(neighbours, key=lambda one: (one.rtt_ms, one.away_km, one.address))
    return Doubt(
        vantage=name,
        refuted=False,
        reason=f"another vantage shows {counted(addresses, 'address', 'addresses')} in"
        f" {counted(networks, 'network', 'networks')} to be near its place, and none answered it as a"
        f" neighbour does: {soonest.address}, at most {up(soonest.away_km)} km away, took"
        f" {soonest.rtt_ms:.2f} ms",
    )
