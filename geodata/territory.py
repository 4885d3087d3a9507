"""Territory: whose land a set of disks covers.

Land is Natural Earth's 1:10m, as administered. Home is a parameter, any ISO 3166-1 country, and its land can
be replaced by a GeoJSON file. Sea is nobody's. Every doubt (the sphere's error, the borders' error, disputed
land, disks too large to bound anything) makes land *feasible*: it can weaken a proof and never make one.

The intersection of disks smaller than hemispheres is one piece. So it has land of a country exactly when a
point of the country's border is in all disks, or when any one point of it is the country's, as then all are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.borders import shipped_land
from geodata.city import Subset, shipped_cities
from geodata.disk import (
    BORDER_ERROR_KM,
    CITY_RADIUS,
    MAX_RADIUS_KM,
    SPHERE_MARGIN,
    Disk,
    disjoint,
    grown,
)
from geodata.errors import GeodataError
from geodata.forest import Forest
from geodata.geojson import read_rings
from geodata.homeland import Homeland
from geodata.sphere import EARTH_RADIUS_KM, angle, tightest, unit, witnesses
from geodata.survey import Countries, Survey, countries, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from geodata.borders import Land
    from geodata.city import City
    from geodata.sphere import Bools, Floats

__all__ = [
    "BORDER_ERROR_KM",
    "NOWHERE",
    "SPHERE_MARGIN",
    "Countries",
    "Disk",
    "Feasibility",
    "Survey",
    "Territory",
]

_ALL_KM: Final = EARTH_RADIUS_KM * np.pi  # half way around the Earth: nothing is farther
_FEW: Final = 8  # disks; of more, most hold a smaller one whole or the contradiction is between two
_MANY: Final = 512  # hosts whose cities are found at once
_FEW_VANTAGES: Final = 32  # for which the same work for all hosts is less than what each needs
_FEW_HOSTS: Final = 500  # that are assessed in the time that it takes to get ready for many
_MAX_KNOWN: Final = 16_384  # assessments kept: many addresses share vantages and round-trip times


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What the intersection of some disks covers.

    ``consistent`` is false where the disks have no common point; then nothing is feasible. ``home`` and
    ``foreign`` say whether some land of home, or of anybody else, is feasible; over open water neither is.
    ``countries`` are ISO codes (features without one are ``??``). Without any disk everything is feasible.
    Cities are those of 100,000 people and places of known data centres, the largest first.
    """

    consistent: bool
    home: bool
    foreign: bool
    countries: frozenset[str]
    home_cities: Subset
    foreign_cities: Subset

    @property
    def cities(self) -> tuple[City, ...]:
        """All feasible cities, those of home first."""
        return (*self.home_cities, *self.foreign_cities)


NOWHERE: Final = Feasibility(
    consistent=False,
    home=False,
    foreign=False,
    countries=frozenset(),
    home_cities=Subset(b""),
    foreign_cities=Subset(b""),
)


def _key(disks: Iterable[Disk]) -> tuple[Disk, ...]:
    return tuple(sorted({disk for disk in disks if disk.radius_km < _ALL_KM}))


class Territory:
    """All land, seen from one home country; immutable once loaded. Use :meth:`load`."""

    def __init__(self, country: str, land: Land) -> None:
        self.country = country
        self.land = land
        self._feature = land.codes.index(country)
        home = np.array([code == country for code in land.codes])
        self.home_features = home | np.array([country in codes.split() for codes in land.claimed])
        self.foreign_features = ~home
        self._cities = shipped_cities()
        self._known: dict[tuple[Disk, ...], Feasibility] = {}
        self._wanted = 0  # of prepare(), until now
        self._features: dict[tuple[float, float], tuple[int, ...]] = {}
        self._towns: dict[tuple[float, float, bool], float] = {}
        self._angles: dict[tuple[float, float, bool], float] = {}
        self.home_cities = np.array([self._is_home(city) for city in self._cities.all])

    @classmethod
    def load(cls, country: str, home_geojson: Path | None = None) -> Territory:
        """The world with ``country`` (ISO 3166-1 alpha-2) as home, its land from ``home_geojson`` if given.

        Raises :class:`GeodataError` for an unknown country or a file that is no GeoJSON of polygons.
        """
        land = shipped_land()
        if not country or country not in land.codes:
            raise GeodataError(
                f"{country!r} is no country with land in the borders that are shipped", "country"
            )
        if home_geojson is not None:
            land = Homeland(land, country, read_rings(home_geojson))
        return cls(country, land)

    @cached_property
    def cities(self) -> Forest:
        """Cities at home and abroad, as two groups."""
        return Forest.of_points(
            [self._cities.where[which] for which in (self.home_cities, ~self.home_cities)]
        )

    @cached_property
    def by_country(self) -> tuple[tuple[str, ...], Bools]:
        """All codes, and as (features, codes) which features each is of."""
        codes = [code or "??" for code in self.land.codes]
        found = tuple(sorted(set(codes)))
        return found, np.array(codes)[:, None] == np.array(found)

    @cached_property
    def country_borders(self) -> Forest:
        """The borders of each country, in the order of their codes."""
        return self.land.forest(self.by_country[1].T)

    @cached_property
    def borders(self) -> Forest:
        """The borders of home's land and of foreign land, as two groups."""
        return self.land.forest(np.stack([self.home_features, self.foreign_features]))

    @property
    def country_name(self) -> str:
        """The English name of home."""
        return self.land.names[self._feature]

    @cached_property
    def countries(self) -> frozenset[str]:
        """All countries whose land is known; physics can rule out no other."""
        return frozenset(self.land.codes) - {""}

    def country_at(self, latitude: float, longitude: float) -> str | None:
        """The country whose land a point is on: None at sea, ``??`` where the land has no code."""
        return self._country_of(self._features_at(latitude, longitude))

    def countries_at(self, latitudes: Floats, longitudes: Floats) -> list[str | None]:
        """The same of many points at once."""
        found: list[list[int]] = [[] for _ in latitudes]
        for point, feature in zip(*self.land.features_of(unit(latitudes, longitudes)), strict=True):
            found[point].append(feature)
        return list(map(self._country_of, found))

    def _country_of(self, features: Sequence[int]) -> str | None:
        if self._feature in features:
            return self.country
        return self.land.codes[features[0]] or "??" if features else None

    def contains(self, latitude: float, longitude: float) -> bool:
        """Whether a point is on home's land."""
        return self._feature in self._features_at(latitude, longitude)

    def is_home(self, latitude: float, longitude: float) -> bool:
        """Whether who is at a point is at home: on its land, or off its coast by what a map may be wrong."""
        if self._features_at(latitude, longitude):
            return self.contains(latitude, longitude)
        home_km = self.nearest_home_km(latitude, longitude)
        return home_km <= BORDER_ERROR_KM and home_km < self.nearest_foreign_km(latitude, longitude)

    def _features_at(self, latitude: float, longitude: float) -> tuple[int, ...]:
        """The same places, those of vantages and cities, are asked about for every address."""
        place = latitude, longitude
        found = self._features.get(place)
        if found is None:
            if len(self._features) >= _MAX_KNOWN:
                self._features.clear()
            found = self._features[place] = self.land.features_at(latitude, longitude)
        return found

    def nearest_foreign_km(self, latitude: float, longitude: float) -> float:
        """The great-circle distance to the nearest land that is not home's; 0 on it."""
        return self._nearest_km(latitude, longitude, home=False)

    def nearest_home_km(self, latitude: float, longitude: float) -> float:
        """The great-circle distance to the nearest land of home; 0 on it."""
        return self._nearest_km(latitude, longitude, home=True)

    def nearest_city_km(self, latitude: float, longitude: float, *, home: bool) -> float:
        """How large a disk must be, at least, that a city at home (or else abroad) is surely in it."""
        key = latitude, longitude, home
        found = self._towns.get(key)
        if found is None:
            cities = self._cities.where[self.home_cities == home]
            angles = angle(unit(latitude, longitude), cities)
            found = self._towns[key] = float(angles.min(initial=np.inf)) * EARTH_RADIUS_KM
        return found

    def _nearest_km(self, latitude: float, longitude: float, *, home: bool) -> float:
        key = latitude, longitude, home
        found = self._angles.get(key)
        if found is None:
            if len(self._angles) >= _MAX_KNOWN:
                self._angles.clear()
            features = self.home_features if home else self.foreign_features
            found = self._angles[key] = self.nearest_angle(latitude, longitude, features)
        return found * EARTH_RADIUS_KM

    def nearest_angle(self, latitude: float, longitude: float, features: Bools) -> float:
        """The angle (radians) from a point to the nearest land of some features; 0 on it."""
        if any(features[feature] for feature in self._features_at(latitude, longitude)):
            return 0.0
        return self.land.nearest(unit(latitude, longitude), features)

    def assess(self, disks: Iterable[Disk]) -> Feasibility:
        """What is feasible for something that is in all of ``disks``."""
        key = _key(disks)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._assess(key)
        return known

    def prepare(self, wanted: Iterable[Iterable[Disk]]) -> None:
        """Assess some thousands at once, so that :meth:`assess` has them at hand; of few vantages only.

        What is asked of each by itself costs a millisecond; of many from the same vantages, a tenth of that,
        once all borders are sorted, which takes half a second: the first few hundred are not worth it.
        """
        keys = [key for key in dict.fromkeys(map(_key, wanted)) if key and key not in self._known]
        places = {
            place: number for number, place in enumerate({disk[:2]: None for key in keys for disk in key})
        }
        self._wanted += len(keys)
        if not keys or self._wanted < _FEW_HOSTS or len(places) > _FEW_VANTAGES or len(keys) > _MAX_KNOWN:
            return
        if len(self._known) + len(keys) > _MAX_KNOWN:
            self._known.clear()
        radii_km = np.full((len(keys), len(places)), np.inf)
        for row, key in enumerate(keys):
            for disk in key:
                column = places[disk[:2]]
                radii_km[row, column] = min(radii_km[row, column], disk.radius_km)
        self._known.update(zip(keys, self._assess_all(list(places), radii_km), strict=True))

    def _assess_all(self, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Iterator[Feasibility]:
        consistent, home, foreign, *_ = self.assess_many(vantages, radii_km)
        codes, feasible = self.countries_of_many(vantages, radii_km)
        names = np.array(codes, dtype=object)
        for row, (at_home, abroad) in enumerate(self._cities_of_many(vantages, radii_km)):
            if not consistent[row]:
                yield NOWHERE
                continue
            yield Feasibility(
                consistent=True,
                home=bool(home[row]),
                foreign=bool(foreign[row]),
                countries=frozenset(names[feasible[row]].tolist()),
                home_cities=at_home,
                foreign_cities=abroad,
            )

    def _cities_of_many(
        self, vantages: Sequence[tuple[float, float]], radii_km: Floats
    ) -> Iterator[tuple[Subset, Subset]]:
        """The cities that are feasible for each host, at home and abroad."""
        reach = np.cos(np.minimum(grown(radii_km) + CITY_RADIUS, np.pi))
        cosines = unit(*np.array(vantages).T) @ self._cities.where.T
        for start in range(0, len(radii_km), _MANY):
            some = reach[start : start + _MANY]
            held = np.ones((len(some), len(self.home_cities)), dtype=bool)
            for column, cosine in enumerate(cosines):
                held &= cosine >= some[:, column, None]
            yield from zip(
                Subset.each(held & self.home_cities), Subset.each(held & ~self.home_cities), strict=True
            )

    def assess_many(self, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Survey:
        """What :meth:`assess` says of many hosts at once; of cities only whether there is one.

        ``vantages`` are k places (latitude, longitude), ``radii_km`` is (n, k), infinite where a vantage has
        no measurement of a host.
        """
        return survey(self, vantages, radii_km)

    def countries_of_many(self, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Countries:
        """The countries that :meth:`assess` says, of many hosts as in :meth:`assess_many`."""
        return countries(self, vantages, radii_km)

    def _assess(self, disks: Sequence[Disk]) -> Feasibility:
        bounding = [disk for disk in disks if disk.radius_km < MAX_RADIUS_KM]
        if (len(disks) > _FEW or len(bounding) < len(disks)) and disjoint(disks).any():
            return NOWHERE
        if not bounding:
            everything = np.ones(len(self.land.codes), dtype=bool)
            return self._feasible(everything, np.ones(len(self._cities.all), dtype=bool))
        latitudes, longitudes, radii_km = np.array(bounding).T
        centres, radii = unit(latitudes, longitudes), grown(radii_km)
        if len(bounding) > _FEW:
            kept = tightest(centres, radii)
            centres, radii = centres[kept], radii[kept]
        covered = self.land_in(centres, radii)
        if covered is None:
            return NOWHERE
        reach = np.cos(np.minimum(radii + CITY_RADIUS, np.pi))
        return self._feasible(covered, np.all(self._cities.where @ centres.T >= reach, axis=1))

    def land_in(self, centres: Floats, radii: Floats) -> Bools | None:
        """Which features have land in all disks (of unit vectors and radians); None if they are apart."""
        points = witnesses(centres, radii)
        if not len(points):
            return None
        covered = self.land.covered(centres, radii)
        for point in points[
            :: max(len(points) - 1, 1)
        ]:  # one would do, were it not within metres of a border
            covered[list(self.land.features_at_vector(point))] = True
        return covered

    def _feasible(self, covered: Bools, cities: Bools) -> Feasibility:
        return Feasibility(
            consistent=True,
            home=bool(np.any(covered & self.home_features)),
            foreign=bool(np.any(covered & self.foreign_features)),
            countries=frozenset(self.land.codes[index] or "??" for index in np.flatnonzero(covered)),
            home_cities=next(Subset.each(cities[None] & self.home_cities)),
            foreign_cities=next(Subset.each(cities[None] & ~self.home_cities)),
        )

    def _is_home(self, city: City) -> bool:
        """By the code that the city has; by the land where a file says what home is."""
        if not isinstance(self.land, Homeland):
            # Réunion's code has no land of its own in the borders: it is on France's.
            return city.country == self.country or (
                city.country not in self.countries and self.contains(city.latitude, city.longitude)
            )
        if city.country != self.country and not self.land.may_be_home(city.latitude, city.longitude):
            return False
        features = self.land.features_at(city.latitude, city.longitude)
        return self._feature in features or (not features and city.country == self.country)
