"""Where the next vantage would prove most: over a run's unproved endpoints, city by city.

A vantage proves by itself that a host is at home where its round-trip time is less than that to the nearest
foreign land, and that it is abroad where it is less than that to the nearest land of home. How small a time a
vantage in a city would see of a host depends on where the host is, which is what is not known. So each host
is taken for every feasible city in turn, and the advice counts the share of them that would be proved.

Candidates are large cities and those with data centres or exchanges, as far as these are known: by public
lists (:mod:`geodata.hub`), and by PeeringDB's facilities where there is a file of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import numpy as np

from geodata.city import shipped_cities
from geodata.disk import BORDER_ERROR_KM, MAX_RADIUS_KM, SPHERE_MARGIN, Disk
from geodata.hub import Kind, hubs
from geodata.sphere import EARTH_RADIUS_KM, angle, unit
from scanner.verdict import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from geodata.city import Cities, City
    from geodata.sources.peeringdb import Facility
    from geodata.sphere import Bools, Floats
    from geodata.territory import Territory
    from scanner.run import EndpointResult, Run
    from scanner.verdict import AddressVerdict

# Measured round-trip times are seldom less than one and a half times what a straight fibre would take
# (Katz-Bassett et al. 2006 found two thirds of the way at best), and half a millisecond goes to last hops.
STRETCH: Final = 1.5
LAST_HOPS_MS: Final = 0.3
LOCATION_ERROR_KM: Final = 5.0  # of a new vantage: what a file of vantages takes where none is given
SAME_PLACE_KM: Final = 25.0  # a vantage so near to a city is in it
CANDIDATE_PEOPLE: Final = 300_000  # smaller ones seldom have a house to put a vantage in, unless one is known
MAX_ADVICE: Final = 20
# What another vantage could turn into a proof of a place. An edge stays one, however near it is seen.
_OPEN: Final[frozenset[Location]] = frozenset({"inside", "outside", "conflicting", "undetermined"})
_SITE_PEOPLE: Final = 1e9  # a declared site counts as more people than any city has
_LEAST: Final = 0.05  # endpoints; less is none in a sentence
_NAMED: Final = 5  # addresses and endpoints that a sentence names
_WORDS: Final[Mapping[Kind, str]] = {
    "colocation": "data centres for hire",
    "exchange": "an exchange",
    "cloud": "a cloud's region",
    "pop": "content networks",
}


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """A city for one more vantage.

    ``rtt_ms`` is below what it would have to see to prove a host ``inside`` (a city at home) or ``outside``.
    ``expected`` is the number of endpoints that it would prove, counting each by the share of the feasible
    cities from which that works; ``endpoints`` are those, the surest first. ``known`` is what the city has by
    public lists, and ``facilities`` how many PeeringDB knows in it, if it was asked.
    """

    city: str
    country: str
    latitude: float
    longitude: float
    proves: Location
    rtt_ms: float
    expected: float
    endpoints: tuple[str, ...]
    known: tuple[Kind, ...] = ()
    facilities: int | None = None


class _Ranked(NamedTuple):
    advice: Advice
    people: int


@dataclass(frozen=True, slots=True)
class _Open:
    """An unproved address: of which endpoint, and in which cities (by number, with shares of 1) it may be."""

    endpoint: str
    cities: npt.NDArray[np.intp]
    shares: Floats


def advise(
    run: Run, territory: Territory, facilities: Sequence[Facility] | None = None
) -> tuple[Advice, ...]:
    """The cities where one more vantage would prove the most, best first; none where nothing is unproved.

    Of those that would prove as much, where there is a house to put it comes first.
    """
    cities = shipped_cities()
    numbers = {city: number for number, city in enumerate(cities.all)}
    speed = float(run.policy["thresholds"]["speed_km_per_ms_rtt"])
    open_ = [
        one
        for result in run.endpoints
        for address in result.verdict.addresses
        if (one := _opened(run, result, address, territory, numbers, speed)) is not None
    ]
    kinds = {numbers[hub.city]: hub.kinds for hub in hubs()}
    houses = None if facilities is None else _houses(facilities, cities)
    likely = np.array([city.population >= CANDIDATE_PEOPLE for city in cities.all])
    likely[list(kinds)] = True
    if houses is not None:
        likely |= houses > 0
    possible = np.zeros(len(likely), dtype=bool)
    for one in open_:
        possible[one.cities] = True
    found = [
        _Ranked(
            msgspec.structs.replace(
                advice,
                known=kinds.get(index, ()),
                facilities=None if houses is None else int(houses[index]),
            ),
            cities.all[index].population,
        )
        for index in np.flatnonzero(likely & possible & ~_taken(run, cities.where)).tolist()
        if (advice := _advice(cities.all[index], cities.where, open_, territory, speed)) is not None
    ]
    found.sort(
        key=lambda one: (
            -round(one.advice.expected, 1),
            not (one.advice.known or one.advice.facilities),
            -one.people,
            one.advice.city,
        )
    )
    return tuple(one.advice for one in found[:MAX_ADVICE])


def _houses(facilities: Iterable[Facility], cities: Cities) -> npt.NDArray[np.intp]:
    """How many facilities are in each city: the nearest one, where it is near."""
    count = np.zeros(len(cities.all), dtype=np.intp)
    for one in facilities:
        if one.latitude is None or one.longitude is None:
            continue  # a name alone may be that of several cities
        away_km = angle(cities.where, unit(one.latitude, one.longitude)) * EARTH_RADIUS_KM
        nearest = int(np.argmin(away_km))
        count[nearest] += bool(away_km[nearest] < SAME_PLACE_KM)
    return count


def _opened(
    run: Run,
    result: EndpointResult,
    address: AddressVerdict,
    territory: Territory,
    numbers: Mapping[City, int],
    speed: float,
) -> _Open | None:
    """The address, if a proof of its place is lacking and possible."""
    if address.location not in _OPEN or address.assurance == "proved" or address.rule == "bogon":
        return None
    places = {one.id: one for one in run.vantages}
    disks = [
        Disk(
            places[vantage].latitude,
            places[vantage].longitude,
            rtt_ms * speed + places[vantage].location_error_km,
        )
        for vantage, rtt_ms in address.rtts_ms.items()
        if vantage in places
    ]
    feasible = territory.assess([disk for disk in disks if disk.radius_km < MAX_RADIUS_KM])
    if not disks or not feasible.consistent:
        return None  # what does not answer will not answer another vantage
    # Where sources say it is, or at home, as that is what was declared.
    said = {one.country for one in run.claims.get(address.address, ())} | {run.country}
    shares = {numbers[city]: _share(city, result.site) for city in feasible.cities if city.country in said}
    if not shares:
        return None
    weights = np.array(list(shares.values()))
    return _Open(result.endpoint, np.array(list(shares), dtype=np.intp), weights / weights.sum())


def _share(city: City, site: str | None) -> float:
    """How much of the expectation a feasible city gets: by its people, and the declared site nearly all."""
    declared = site is not None and city.name.casefold() == site.casefold()
    return _SITE_PEOPLE if declared else float(max(city.population, 1))


def _taken(run: Run, where: Floats) -> Bools:
    """Cities that have a vantage already: what it did not prove, another beside it would not."""
    own = unit(
        np.array([one.latitude for one in run.vantages]), np.array([one.longitude for one in run.vantages])
    )
    return np.asarray(
        np.any(angle(where[:, None, :], own[None, :, :]) * EARTH_RADIUS_KM < SAME_PLACE_KM, axis=1)
    )


def _advice(
    city: City,
    where: Floats,
    open_: Iterable[_Open],
    territory: Territory,
    speed: float,
) -> Advice | None:
    at_home = territory.is_home(city.latitude, city.longitude)
    nearest_km = (
        territory.nearest_foreign_km(city.latitude, city.longitude)
        if at_home
        else territory.nearest_home_km(city.latitude, city.longitude)
    )
    # What a disk is taken to be larger, as a proof must allow for it (see geodata.disk).
    rtt_ms = ((nearest_km - BORDER_ERROR_KM) / (1 + SPHERE_MARGIN) - LOCATION_ERROR_KM) / speed
    away_km = angle(where, unit(city.latitude, city.longitude)) * EARTH_RADIUS_KM
    proved = away_km * STRETCH / speed + LAST_HOPS_MS < rtt_ms
    chances: defaultdict[str, list[float]] = defaultdict(list)
    for one in open_:
        chances[one.endpoint].append(float(one.shares[proved[one.cities]].sum()))
    # An endpoint is proved when all of its open addresses are.
    expected = {endpoint: float(np.prod(each)) for endpoint, each in chances.items()}
    total = sum(expected.values())
    if total < _LEAST:
        return None
    return Advice(
        city=city.name,
        country=city.country,
        latitude=city.latitude,
        longitude=city.longitude,
        proves="inside" if at_home else "outside",
        rtt_ms=rtt_ms,
        expected=total,
        endpoints=_surest(expected),
    )


def _surest(expected: Mapping[str, float]) -> tuple[str, ...]:
    ordered = sorted(expected.items(), key=lambda item: (-item[1], item[0]))
    return tuple(endpoint for endpoint, chance in ordered if chance >= 0.01)


def sentence(one: Advice, country_name: str) -> str:
    """The advice for people."""
    what = "in" if one.proves == "inside" else "not in"
    named = ", ".join(one.endpoints[:_NAMED])
    more = f" and {len(one.endpoints) - _NAMED} more" if len(one.endpoints) > _NAMED else ""
    return (
        f"A vantage in {one.city} that sees less than {one.rtt_ms:.2f} ms proves a host {what}"
        f" {country_name}; it would settle {one.expected:.1f} of the unproved endpoints ({named}{more})."
        f" {_housed(one)}"
    )


def _housed(one: Advice) -> str:
    """What is known of the city that a vantage could be put in."""
    if one.facilities:
        return f"PeeringDB knows {one.facilities} facilit{'y' if one.facilities == 1 else 'ies'} there."
    if one.known:
        return f"Known there: {', '.join(_WORDS[kind] for kind in one.known)}."
    return "No data centre is known there."
