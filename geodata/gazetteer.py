"""Cities by their names as networks write them: without case, accents, spaces and signs."""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Final

from geodata.city import shipped_cities

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geodata.city import City

# What operators write, and what GeoNames calls it.
_ALIASES: Final = {
    "bangalore": "bengaluru",
    "frankfurt": "frankfurtammain",
    "gurgaon": "gurugram",
    "kiev": "kyiv",
    "newyork": "newyorkcity",
}


def plain(name: str) -> str:
    """A name in lower-case ASCII letters and digits alone; empty where nothing is left of it."""
    kept = unicodedata.normalize("NFKD", name).lower()
    return "".join(letter for letter in kept if letter.isascii() and letter.isalnum())


@cache
def _names() -> Mapping[str, tuple[City, ...]]:
    found: defaultdict[str, list[City]] = defaultdict(list)
    for city in shipped_cities().all:
        found[plain(city.name)].append(city)
    for alias, name in _ALIASES.items():
        found[alias] += found[name]
    return {name: tuple(cities) for name, cities in found.items()}


def nearest_name(name: str, country: str) -> str | None:
    """The name of the city of ``country`` that is written most like a :func:`plain` name; None if none is."""
    names = {plain(city.name): city.name for city in shipped_cities().all if city.country == country}
    close = difflib.get_close_matches(name, names, n=1)
    return names[close[0]] if close else None


def cities_named(name: str, country: str | None = None) -> tuple[City, ...]:
    """The cities with that :func:`plain` name, in ``country`` where one is given; the largest first."""
    found = _names().get(name, ())
    return found if country is None else tuple(city for city in found if city.country == country)
