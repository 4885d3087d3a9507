"""Territory: whose land a set of disks covers.

Land is Natural Earth's 1:10m, as administered (Pakistan with Gilgit-Baltistan and Azad Jammu & Kashmir). Home
is a parameter, any ISO 3166-1 country, and its land can be replaced by a GeoJSON file. Sea is nobody's. Every
doubt (the sphere's error, the borders' error, disputed land, disks too large to bound anything) makes land
*feasible*, so that it can weaken a proof and never make one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.borders import read_geojson, shipped_land
from geodata.city import shipped_cities
from geodata.errors import GeodataError
from geodata.sphere import EARTH_RADIUS_KM, unit, witnesses

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from geodata.borders import Land
    from geodata.city import City
    from geodata.sphere import Bools

# A great circle on the mean sphere differs from the geodesic on WGS 84 by at most 0.56 %.
SPHERE_MARGIN: Final = 0.0056
# How far Natural Earth's lines, rounded to 0.0036 degrees, may be from the borders.
BORDER_ERROR_KM: Final = 1.0
# A city is not a point: its machines may stand so far from its centre.
CITY_RADIUS_KM: Final = 15.0
# From a quarter of the Earth's circumference on, the intersection of disks need not be one piece; a disk so
# large is left out, which can only make more land feasible.
_MAX_RADIUS_KM: Final = EARTH_RADIUS_KM * np.pi / 2
# Land that its feature gives to nobody, or to one of several: home-possible and foreign at once for these.
_DISPUTED: Final = {"Siachen Glacier": ("IN", "PK")}
_MAX_KNOWN: Final = 65_536  # assessments kept: many addresses share vantages and round-trip times


class Disk(NamedTuple):
    """Everything within ``radius_km`` of a point (degrees)."""

    latitude: float
    longitude: float
    radius_km: float


@dataclass(frozen=True, slots=True)
class Feasibility:
    """What the intersection of some disks covers.

    ``consistent`` is false where the disks have no common point; then nothing is feasible. ``countries`` are
    ISO codes (features without one are ``??``). Without any disk everything is feasible.
    """

    consistent: bool
    home: bool
    foreign: bool
    countries: frozenset[str]
    home_cities: tuple[City, ...]
    foreign_cities: tuple[City, ...]


class Territory:
    """All land, seen from one home country; immutable once loaded. Use :meth:`load`."""

    def __init__(self, country: str, land: Land) -> None:
        self.country = country
        self._land = land
        self._cities = shipped_cities()
        codes = land.codes
        self._home = np.array([code == country for code in codes])
        self._disputed = np.array([country in _DISPUTED.get(name, ()) for name in land.names])
        self._known: dict[tuple[Disk, ...], Feasibility] = {}

    @classmethod
    def load(cls, country: str, home_geojson: Path | None = None) -> Territory:
        """The world with ``country`` as home, whose land is that of ``home_geojson`` where given.

        Raises GeodataError for an unknown country or a file that is no GeoJSON of polygons.
        """
        land = shipped_land()
        if country not in land.codes:
            raise GeodataError(f"{country!r} is no country with land in the borders that are shipped")
        if home_geojson is not None:
            land = land.replaced(country, read_geojson(home_geojson))
        return cls(country, land)

    @property
    def country_name(self) -> str:
        """The English name of home."""
        return self._land.names[self._land.codes.index(self.country)]

    @property
    def countries(self) -> frozenset[str]:
        """All countries whose land is known; physics can rule out no other."""
        return frozenset(self._land.codes)

    def country_at(self, latitude: float, longitude: float) -> str | None:
        """The country whose land a point is on: None at sea, ``??`` where the land has no code."""
        feature = self._land.feature_at(latitude, longitude)
        return None if feature is None else self._land.codes[feature] or "??"

    def contains(self, latitude: float, longitude: float) -> bool:
        """Whether a point is on home's land."""
        return self.country_at(latitude, longitude) == self.country

    def nearest_foreign_km(self, latitude: float, longitude: float) -> float:
        """The great-circle distance to the nearest land that is not home's; 0 on it."""
        return self._nearest_km(latitude, longitude, home=False)

    def nearest_home_km(self, latitude: float, longitude: float) -> float:
        """The great-circle distance to the nearest land of home; 0 on it."""
        return self._nearest_km(latitude, longitude, home=True)

    def assess(self, disks: Iterable[Disk]) -> Feasibility:
        """What is feasible for something that is in all of ``disks``."""
        key = tuple(sorted({disk for disk in disks if disk.radius_km < _MAX_RADIUS_KM}))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._assess(key)
        return known

    def _assess(self, disks: Sequence[Disk]) -> Feasibility:
        if not disks:
            return self._feasible(
                np.ones(len(self._land.codes), dtype=bool), np.ones(len(self._cities.where), bool)
            )
        latitudes, longitudes, radii_km = (np.array(values, float) for values in zip(*disks, strict=True))
        centres = unit(latitudes, longitudes)
        radii = (radii_km * (1 + SPHERE_MARGIN) + BORDER_ERROR_KM) / EARTH_RADIUS_KM
        points = witnesses(centres, radii)
        if not len(points):
            return Feasibility(
                consistent=False,
                home=False,
                foreign=False,
                countries=frozenset(),
                home_cities=(),
                foreign_cities=(),
            )
        covered = self._land.covered(centres, radii)
        # Where no border of a country is in the intersection, it is all within that country or all without.
        for point in points:
            feature = self._land.feature_at_vector(point)
            if feature is not None:
                covered[feature] = True
        reach = np.cos(np.minimum(radii + CITY_RADIUS_KM / EARTH_RADIUS_KM, np.pi))
        return self._feasible(covered, np.all(self._cities.where @ centres.T >= reach, axis=1))

    def _feasible(self, covered: Bools, cities: Bools) -> Feasibility:
        home = bool(np.any(covered & (self._home | self._disputed)))
        foreign = bool(np.any(covered & ~self._home))
        found = [self._cities.all[index] for index in np.flatnonzero(cities)]
        return Feasibility(
            consistent=True,
            home=home,
            foreign=foreign,
            countries=frozenset(self._land.codes[index] or "??" for index in np.flatnonzero(covered)),
            home_cities=tuple(city for city in found if city.country == self.country),
            foreign_cities=tuple(city for city in found if city.country != self.country),
        )

    def _nearest_km(self, latitude: float, longitude: float, *, home: bool) -> float:
        wanted = self._home if home else ~self._home
        feature = self._land.feature_at(latitude, longitude)
        if feature is not None and wanted[feature]:
            return 0.0
        return self._land.nearest(unit(latitude, longitude), wanted) * EARTH_RADIUS_KM
