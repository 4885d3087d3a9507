"""Where a code or a name is: country, city and coordinates, as far as each is known."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from geodata.airport import shipped_airports
from geodata.gazetteer import cities_named, plain

_ISO: Final = {"UK": "GB"}  # what top-level domains are called, and ISO 3166-1 calls otherwise


class Place(NamedTuple):
    """``country`` is ISO 3166-1 alpha-2; coordinates are in degrees, both or none."""

    country: str | None = None
    city: str | None = None
    latitude: float | None = None
    longitude: float | None = None


NOWHERE: Final = Place()


@cache
def _countries() -> frozenset[str]:
    return frozenset(airport.country for airport in shipped_airports().values())


def country_of(code: str) -> str | None:
    """The ISO 3166-1 code of a country, of that or of its top-level domain; ``None`` if there is none."""
    code = code.upper()
    code = _ISO.get(code, code)
    return code if code in _countries() else None


def at_airport(code: str) -> Place:
    """The city that an airport serves, at the airport; nowhere where nobody knows the code."""
    airport = shipped_airports().get(code.upper())
    if airport is None:
        return NOWHERE
    return Place(airport.country, airport.city, airport.latitude, airport.longitude)


def in_country(code: str | None, city: str | None = None) -> Place:
    """A country, and a city of it by its name, with coordinates where that is known and the only one."""
    country = None if code is None else country_of(code)
    if country is None:
        return NOWHERE
    if city is None:
        return Place(country)
    near = cities_named(plain(city), country)
    if len(near) != 1:
        return Place(country, city.title())
    return Place(country, near[0].name, near[0].latitude, near[0].longitude)
