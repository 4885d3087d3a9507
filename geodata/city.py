"""Cities of 100,000 people, and smaller places that hold known data centres."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from geodata.disk import grown
from geodata.sphere import unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geodata.disk import Disk
    from geodata.sphere import Bools, Floats

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


@dataclass(frozen=True, slots=True)
class Subset:
    """Some of the shipped cities, the largest first; ``bits`` has one for each city, eight an octet.

    Very many of these are kept, and of most nobody asks more than how many cities there are.
    """

    bits: bytes

    def __len__(self) -> int:
        return int.from_bytes(self.bits, "big").bit_count()

    def __iter__(self) -> Iterator[City]:
        cities = shipped_cities().all
        held = np.flatnonzero(np.unpackbits(np.frombuffer(self.bits, np.uint8)))
        return map(cities.__getitem__, held.tolist())

    @classmethod
    def each(cls, held: Bools) -> Iterator[Self]:
        """One of each row of (n, cities), which says which are held."""
        return (cls(row.tobytes()) for row in np.packbits(held, axis=1))


@cache
def shipped_cities() -> Cities:
    """The cities of GeoNames (see data/make_borders.py)."""
    with np.load(_DATA / "cities.npz") as file:
        columns = [file[name] for name in ("name", "country", "latitude", "longitude", "population")]
    cities = tuple(City(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
    return Cities(cities, unit(columns[2], columns[3]))
