"""Cities of 100,000 people, and smaller places that hold known data centres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.disk import grown
from geodata.sphere import unit

if TYPE_CHECKING:
    from geodata.disk import Disk
    from geodata.sphere import Floats

_DATA: Final = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class City:
    """One city; ``country`` is ISO 3166-1 alpha-2."""

    name: str
    country: str
    latitude: float
    longitude: float
    population: int


@dataclass(frozen=True, slots=True)
class Cities:
    """All cities, the largest first, and their unit vectors in the same order."""

    all: tuple[City, ...]
    where: Floats

    def largest_in(self, disk: Disk) -> City | None:
        """The most populated city whose centre is in a disk."""
        centre = unit(disk.latitude, disk.longitude)
        inside = np.flatnonzero(self.where @ centre >= np.cos(min(float(grown(disk.radius_km)), np.pi)))
        return self.all[inside[0]] if len(inside) else None


@cache
def shipped_cities() -> Cities:
    """The cities of GeoNames (see data/make_borders.py)."""
    with np.load(_DATA / "cities.npz") as file:
        columns = [file[name] for name in ("name", "country", "latitude", "longitude", "population")]
    cities = tuple(City(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
    return Cities(cities, unit(columns[2], columns[3]))
