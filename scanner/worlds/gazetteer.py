"""Where things of a random world stand: cities at home, near its borders, and farther abroad."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.city import shipped_cities
from geodata.errors import GeodataError
from geodata.sphere import EARTH_RADIUS_KM
from geodata.territory import Territory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.worlds.chance import Chance

METRO_KM: Final = 12.0  # machines of a city stand so far from its centre, at most
_NEIGHBOURS: Final = 10  # countries whose cities are nearest to those of home
_NEAR: Final = 6  # cities of each that are nearest
_FAR: Final = 250  # largest cities of the world
# Where much of the world's hosting is.
_HUBS: Final = (
    ("Amsterdam", "NL"),
    ("Ashburn", "US"),
    ("Chennai", "IN"),
    ("Dubai", "AE"),
    ("Frankfurt am Main", "DE"),
    ("Fujairah", "AE"),
    ("Hong Kong", "HK"),
    ("Johannesburg", "ZA"),
    ("London", "GB"),
    ("Marseille", "FR"),
    ("Mumbai", "IN"),
    ("Muscat", "OM"),
    ("Paris", "FR"),
    ("Singapore", "SG"),
    ("São Paulo", "BR"),
    ("Sydney", "AU"),
    ("Tokyo", "JP"),
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A point of a city (degrees); ``country`` is ISO 3166-1 alpha-2."""

    city: str
    country: str
    latitude: float
    longitude: float


class Gazetteer:
    """The cities of a world whose home is a territory's country.

    ``home`` maps home's cities to how likely each is, ``near`` are the foreign ones nearest to them, the
    nearest first, ``hubs`` those where the world hosts, ``far`` the largest of all. None is in disputed land.
    Raises :class:`GeodataError` for a home without any land.
    """

    @classmethod
    @cache
    def of(cls, country: str) -> Gazetteer:
        """The cities of a world with that home, made once; raises :class:`GeodataError`."""
        return cls(Territory.load(country))

    def __init__(self, territory: Territory) -> None:
        self._territory = territory
        cities = shipped_cities()
        named: dict[tuple[str, str], Spot] = {}
        home: dict[Spot, float] = {}
        foreign: list[int] = []
        every = [
            Spot(city.name, city.country, round(city.latitude, 4), round(city.longitude, 4))
            for city in cities.all
        ]
        places = np.array([(spot.latitude, spot.longitude) for spot in every])
        for index, (spot, country) in enumerate(zip(every, territory.countries_at(*places.T), strict=True)):
            city, at_home = cities.all[index], bool(territory.home_cities[index])
            if not self._agrees(country, spot, at_home=at_home):
                continue
            named.setdefault((city.name, city.country), spot)
            if at_home:
                home.setdefault(spot, float(city.population) + 10_000)
            else:
                foreign.append(index)
        self.home = home or {self._land(): 1.0}
        hubs = [named[name] for name in _HUBS if name in named]
        self.hubs = tuple(hub for hub in hubs if hub not in self.home)
        spots = [named[cities.all[index].name, cities.all[index].country] for index in foreign]
        self.far = tuple(dict.fromkeys(spots))[:_FAR]
        here = np.radians([(spot.latitude, spot.longitude) for spot in self.home])
        vectors = np.stack(
            [
                np.cos(here[:, 0]) * np.cos(here[:, 1]),
                np.cos(here[:, 0]) * np.sin(here[:, 1]),
                np.sin(here[:, 0]),
            ]
        )
        nearness = np.max(cities.where[foreign] @ vectors, axis=1)
        order = np.argsort(-np.round(nearness, 9), kind="stable")
        self.near = _near(spots[index] for index in order)

    def at_home(self, chance: Chance) -> Spot:
        """A city of home."""
        return chance.weighted(self.home)

    def abroad(self, chance: Chance, near: float = 0.4) -> Spot:
        """A city abroad, with the probability ``near`` one of the nearest to home."""
        if chance.happens(near):
            return chance.pick(self.near)
        return chance.pick(self.hubs if chance.happens(0.6) else self.far)

    def beside(self, spot: Spot, chance: Chance, reach_km: float = METRO_KM) -> Spot:
        """A point of the same city on the same country's land."""
        at_home = self._territory.contains(spot.latitude, spot.longitude)
        for _ in range(8):
            bearing, far_km = 2 * math.pi * chance.share(), reach_km * math.sqrt(chance.share())
            latitude = spot.latitude + math.degrees(far_km * math.cos(bearing) / EARTH_RADIUS_KM)
            width = max(math.cos(math.radians(spot.latitude)), 0.05)
            longitude = spot.longitude + math.degrees(far_km * math.sin(bearing) / EARTH_RADIUS_KM / width)
            if abs(longitude) <= 180 and self._fits(spot, latitude, longitude, at_home=at_home):
                return Spot(spot.city, spot.country, round(latitude, 4), round(longitude, 4))
        return spot

    def is_home(self, spot: Spot) -> bool:
        """Whether a point is on home's land."""
        return self._territory.contains(spot.latitude, spot.longitude)

    def _fits(self, spot: Spot, latitude: float, longitude: float, *, at_home: bool) -> bool:
        """Whether a point is where nobody disputes that it is: home for home's, the country for others'."""
        found = self._territory.country_at(round(latitude, 4), round(longitude, 4))
        return self._agrees(found, spot, at_home=at_home)

    def _agrees(self, found: str | None, spot: Spot, *, at_home: bool) -> bool:
        """Whether the country of whose land a spot is, is undisputedly the one that it should be."""
        return found == (self._territory.country if at_home else spot.country) and (
            at_home or found != self._territory.country
        )

    def _land(self) -> Spot:
        """A point of a country that has no city: of its largest piece of land."""
        territory = self._territory
        rings = [
            ring for ring in territory.land.rings if territory.land.codes[ring.feature] == territory.country
        ]
        ring = max(rings, key=lambda one: len(one.latitude))
        latitudes = np.linspace(ring.latitude.min(), ring.latitude.max(), 23)[1:-1]
        longitudes = np.linspace(ring.longitude.min(), ring.longitude.max(), 23)[1:-1]
        middle = [(latitudes[10], longitudes[10])]
        for latitude, longitude in (*middle, *((y, x) for y in latitudes for x in longitudes)):
            spot = Spot(
                territory.country_name,
                territory.country,
                round(float(latitude), 4),
                round((float(longitude) + 180) % 360 - 180, 4),
            )
            if self._fits(spot, spot.latitude, spot.longitude, at_home=True):
                return spot
        raise GeodataError(
            f"the shipped borders draw {territory.country_name} as a point, on which nothing can stand",
            "country",
        )


def _near(ordered: Iterable[Spot]) -> tuple[Spot, ...]:
    """The nearest cities of the nearest countries, of cities in the order of their distance."""
    found: dict[str, list[Spot]] = {}
    for spot in ordered:
        cities = found.get(spot.country)
        if cities is None and len(found) < _NEIGHBOURS:
            found[spot.country] = [spot]
        elif cities is not None and len(cities) < _NEAR and spot not in cities:
            cities.append(spot)
    return tuple(spot for cities in found.values() for spot in cities)
