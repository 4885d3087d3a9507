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
from geodata.city import shipped_cities
from geodata.disk import BORDER_ERROR_KM, MAX_RADIUS_KM, SPHERE_MARGIN, Disk, disjoint, grown
from geodata.errors import GeodataError
from geodata.geojson import read_rings
from geodata.homeland import Homeland
from geodata.sphere import EARTH_RADIUS_KM, tightest, unit, witnesses
from geodata.survey import Survey, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from geodata.borders import Land
    from geodata.city import City
    from geodata.sphere import Bools, Floats

__all__ = ["BORDER_ERROR_KM", "NOWHERE", "SPHERE_MARGIN", "Disk", "Feasibility", "Survey", "Territory"]

# A city is not a point: its machines may stand so far from its centre.
CITY_RADIUS_KM: Final = 15.0
_FEW: Final = 8  # disks; of more, most hold a smaller one whole or the contradiction is between two
_MAX_KNOWN: Final = 65_536  # assessments kept: many addresses share vantages and round-trip times


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
    home_cities: tuple[City, ...]
    foreign_cities: tuple[City, ...]

    @property
    def cities(self) -> tuple[City, ...]:
        """All feasible cities, those of home first."""
        return self.home_cities + self.foreign_cities


NOWHERE: Final = Feasibility(
    consistent=False, home=False, foreign=False, countries=frozenset(), home_cities=(), foreign_cities=()
)


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
        self.home_cities = np.array([self._is_home(city) for city in self._cities.all])
        self._known: dict[tuple[Disk, ...], Feasibility] = {}
        # Of vantages, which are few and asked about with every address.
        self._within: dict[tuple[float, float], bool] = {}
        self._nearest_km: dict[tuple[float, float, bool], float] = {}

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
    def anchors(self) -> tuple[Floats, Floats]:
        """Points of home's land and of foreign land, as vectors, many along the borders."""
        cities = np.array(
            [
                index
                for index in np.flatnonzero(self.home_cities)
                if self.contains(self._cities.all[index].latitude, self._cities.all[index].longitude)
            ],
            dtype=np.intp,
        )
        home = np.concatenate([self.land.anchors(self.home_features), self._cities.where[cities]])
        return home, self.land.anchors(self.foreign_features)

    @property
    def country_name(self) -> str:
        """The English name of home."""
        return self.land.names[self._feature]

    @property
    def countries(self) -> frozenset[str]:
        """All countries whose land is known; physics can rule out no other."""
        return frozenset(self.land.codes) - {""}

    def country_at(self, latitude: float, longitude: float) -> str | None:
        """The country whose land a point is on: None at sea, ``??`` where the land has no code."""
        features = self.land.features_at(latitude, longitude)
        if self._feature in features:
            return self.country
        return self.land.codes[features[0]] or "??" if features else None

    def contains(self, latitude: float, longitude: float) -> bool:
        """Whether a point is on home's land."""
        key = latitude, longitude
        if key not in self._within:
            self._within[key] = self._feature in self.land.features_at(latitude, longitude)
        return self._within[key]

    def nearest_foreign_km(self, latitude: float, longitude: float) -> float:
        """The great-circle distance to the nearest land that is not home's; 0 on it."""
        return self._nearest(latitude, longitude, foreign=True)

    def nearest_home_km(self, latitude: float, longitude: float) -> float:
        """The great-circle distance to the nearest land of home; 0 on it."""
        return self._nearest(latitude, longitude, foreign=False)

    def _nearest(self, latitude: float, longitude: float, *, foreign: bool) -> float:
        key = latitude, longitude, foreign
        if key not in self._nearest_km:
            features = self.foreign_features if foreign else self.home_features
            self._nearest_km[key] = self.nearest_angle(latitude, longitude, features) * EARTH_RADIUS_KM
        return self._nearest_km[key]

    def nearest_angle(self, latitude: float, longitude: float, features: Bools) -> float:
        """The angle (radians) from a point to the nearest land of some features; 0 on it."""
        if any(features[feature] for feature in self.land.features_at(latitude, longitude)):
            return 0.0
        return self.land.nearest(unit(latitude, longitude), features)

    def assess(self, disks: Iterable[Disk]) -> Feasibility:
        """What is feasible for something that is in all of ``disks``."""
        key = tuple(sorted({Disk(*disk) for disk in disks if disk.radius_km < MAX_RADIUS_KM}))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._assess(key)
        return known

    def assess_many(self, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Survey:
        """What :meth:`assess` says of many hosts at once, without countries and cities.

        ``vantages`` are k places (latitude, longitude), ``radii_km`` is (n, k), infinite where a vantage has
        no measurement of a host.
        """
        return survey(self, vantages, radii_km)

    def _assess(self, disks: Sequence[Disk]) -> Feasibility:
        if not disks:
            everything = np.ones(len(self.land.codes), dtype=bool)
            return self._feasible(everything, np.ones(len(self._cities.all), dtype=bool))
        latitudes, longitudes, radii_km = np.array(disks).T
        centres, radii = unit(latitudes, longitudes), grown(radii_km)
        if len(disks) > _FEW:
            if disjoint(disks).any():
                return NOWHERE
            kept = tightest(centres, radii)
            centres, radii = centres[kept], radii[kept]
        covered = self.land_in(centres, radii)
        if covered is None:
            return NOWHERE
        reach = np.cos(np.minimum(radii + CITY_RADIUS_KM / EARTH_RADIUS_KM, np.pi))
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
            home_cities=tuple(self._cities.all[i] for i in np.flatnonzero(cities & self.home_cities)),
            foreign_cities=tuple(self._cities.all[i] for i in np.flatnonzero(cities & ~self.home_cities)),
        )

    def _is_home(self, city: City) -> bool:
        """By the code that the city has; by the land where a file says what home is."""
        if not isinstance(self.land, Homeland):
            return city.country == self.country
        if city.country != self.country and not self.land.may_be_home(city.latitude, city.longitude):
            return False
        features = self.land.features_at(city.latitude, city.longitude)
        return self._feature in features or (not features and city.country == self.country)
