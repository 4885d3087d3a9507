"""Codes of airports and of the cities that they serve (IATA), by which networks name their own places."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of airports.npz: whoever makes it anew says here of which day its codes are, and on which terms.
VERSION: Final = "2026-09-05"
LICENCE: Final = "MIT, CC-BY-4.0"
_DATA: Final = Path(__file__).parent / "data"
# A code stands for the whole city. No large airport lies farther from its own than Narita: 63 km from Tokyo.
METRO_RADIUS_KM: Final = 65.0


class Airport(NamedTuple):
    """What a code means. ``country`` is ISO 3166-1 alpha-2.

    ``population`` is that of the largest city of its country within ``METRO_RADIUS_KM``; 0 where there is
    none of 15,000.
    """

    city: str
    country: str
    latitude: float
    longitude: float
    population: int


@cache
def shipped_airports() -> Mapping[str, Airport]:
    """All codes, in upper case (see data/make_airports.py)."""
    with np.load(_DATA / "airports.npz") as file:
        codes = file["code"].tolist()
        columns = [file[name].tolist() for name in Airport._fields]
    return dict(zip(codes, map(Airport, *columns), strict=True))
