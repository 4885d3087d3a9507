"""What others would say of the same evidence: one database, the majority of them, plain geolocation by time.

Plain constraint-based geolocation (Gueye et al. 2006) takes the middle of what the disks have in common, and
the country that this point is in.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from geodata.sphere import EARTH_RADIUS_KM, unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geodata.claim import Claim
    from geodata.sphere import Floats
    from geodata.territory import Territory
    from scanner.run import Run
    from scanner.verdict import AddressVerdict, EndpointVerdict

Looked = Literal["inside", "outside", "nothing"]
CBG: Final = "plain CBG"
MAJORITY: Final = "majority of families"
_MEANINGS: Final = frozenset({"server", "registrant", "origin"})
_KM_PER_MS: Final = 100.0  # of round trip
_POINTS: Final = 600  # in the smallest disk
_GOLDEN: Final = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True, slots=True)
class Seen:
    """One vantage's place (a unit vector) and its least time to an address."""

    where: Floats
    rtt_ms: float


def look(run: Run, verdict: EndpointVerdict, territory: Territory) -> dict[str, Looked]:
    """What each method says of an endpoint: outside if any address is, inside if all are."""
    places = {one.id: unit(one.latitude, one.longitude) for one in run.vantages}
    said = [_families(run.claims.get(one.address, ())) for one in verdict.addresses]
    found = {
        family: _worst((each.get(family) for each in said), run.country)
        for family in sorted({family for claims in run.claims.values() for family in _families(claims)})
    }
    found[MAJORITY] = _worst(map(_majority, said), run.country)
    found[CBG] = _worst((_cbg(one, places, territory) for one in verdict.addresses), run.country)
    return found


def _families(claims: Iterable[Claim]) -> dict[str, str]:
    """What the first member of each family says, that says something."""
    said: dict[str, str] = {}
    for claim in claims:
        if claim.country is not None and claim.meaning in _MEANINGS:
            said.setdefault(claim.family, claim.country)
    return said


def _majority(said: Mapping[str, str]) -> str | None:
    """The country that most families name; of several, nothing."""
    first = Counter(said.values()).most_common(2)
    if not first or (len(first) > 1 and first[0][1] == first[1][1]):
        return None
    return first[0][0]


def _worst(countries: Iterable[str | None], home: str) -> Looked:
    found = list(countries)
    if any(country not in {None, home} for country in found):
        return "outside"
    return "inside" if found and None not in found else "nothing"


def _cbg(verdict: AddressVerdict, places: Mapping[str, Floats], territory: Territory) -> str | None:
    seen = [
        Seen(places[name], rtt_ms)
        for name, rtt_ms in verdict.rtts_ms.items()
        if name in places and rtt_ms > 0
    ]
    if not seen:
        return None
    point = middle(seen)
    latitude = math.degrees(math.asin(max(-1.0, min(1.0, float(point[2])))))
    longitude = math.degrees(math.atan2(float(point[1]), float(point[0])))
    country = territory.country_at(latitude, longitude)
    if country is not None:
        return country
    # At sea: the country whose land is nearest, of which only home matters here.
    home_km = territory.nearest_home_km(latitude, longitude)
    return territory.country if home_km <= territory.nearest_foreign_km(latitude, longitude) else "??"


def middle(seen: Iterable[Seen]) -> Floats:
    """The middle of what all disks have in common; the least violated point where that is nothing."""
    ordered = sorted(seen, key=lambda one: one.rtt_ms)
    radii = np.array([min(one.rtt_ms * _KM_PER_MS / EARTH_RADIUS_KM, math.pi) for one in ordered])
    points = _spread(ordered[0].where, float(radii[0]))
    centres = np.stack([one.where for one in ordered])
    beyond = np.max(np.arccos(np.clip(points @ centres.T, -1, 1)) - radii, axis=1)
    within = points[beyond <= 1e-9]
    if not len(within):
        return np.asarray(points[int(np.argmin(beyond))])
    total = within.sum(axis=0)
    return np.asarray(total / np.linalg.norm(total))


def _spread(centre: Floats, radius: float) -> Floats:
    """Points spread evenly over a disk, its centre among them (a Fibonacci spiral)."""
    number = np.arange(_POINTS)
    height = 1 - (1 - math.cos(radius)) * number / _POINTS
    width = np.sqrt(np.clip(1 - height**2, 0, 1))
    turn = _GOLDEN * number
    east = np.cross([0.0, 0.0, 1.0], centre)
    east = east / np.linalg.norm(east) if np.linalg.norm(east) > 1e-9 else np.array([1.0, 0.0, 0.0])
    north = np.cross(centre, east)
    return np.asarray(
        height[:, None] * centre
        + (width * np.cos(turn))[:, None] * east
        + (width * np.sin(turn))[:, None] * north
    )
