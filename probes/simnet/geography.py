"""Distance and delay on the globe."""

from __future__ import annotations

import math
from typing import Protocol

EARTH_KM = 6371.0088  # mean radius, IUGG
KM_PER_MS = 200.0  # light in fibre: 2/3 of c
METRO_KM = 2.5  # fibre from a site to the core of its place, so two sites of one place are 5 km apart


class Located(Protocol):
    """Anything that has coordinates, in degrees."""

    @property
    def latitude(self) -> float: ...

    @property
    def longitude(self) -> float: ...


def great_circle_km(one: Located, other: Located) -> float:
    """Kilometres between two points on the Earth's surface (haversine)."""
    lat1, lat2 = math.radians(one.latitude), math.radians(other.latitude)
    half = math.sin((lat2 - lat1) / 2) ** 2
    half += math.cos(lat1) * math.cos(lat2) * math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half)))


def fibre_ms(kilometres: float, stretch: float) -> float:
    """One-way milliseconds over a fibre that is ``stretch`` times as long as ``kilometres``."""
    return kilometres * stretch / KM_PER_MS
