"""``survey HOSTS``: what land is feasible for so many hosts seen by eight vantages, and what that costs."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.sphere import distance_km
from geodata.territory import Territory

if TYPE_CHECKING:
    from geodata.sphere import Floats

Place = tuple[float, float]
_AT_HOME: Final[tuple[Place, ...]] = (
    (24.8607, 67.0011),  # Karachi
    (31.5204, 74.3587),  # Lahore
    (33.6844, 73.0479),  # Islamabad
    (30.1798, 66.9750),  # Quetta
    (34.0151, 71.5249),  # Peshawar
    (30.1956, 71.4753),  # Multan
    (32.4945, 74.5229),  # Sialkot
    (27.7052, 68.8574),  # Sukkur
)
_ABROAD: Final[tuple[Place, ...]] = (
    (24.8607, 67.0011),
    (48.85, 2.35),
    (40.7, -74.0),
    (-33.87, 151.2),
    (1.35, 103.82),
    (-23.55, -46.63),
    (35.68, 139.69),
    (-26.2, 28.05),
)


class Case(NamedTuple):
    """Hosts are within ``spread`` degrees of ``places``, disks by up to ``excess`` too large, and 20 km."""

    home: str
    vantages: tuple[Place, ...]
    places: tuple[Place, ...]
    spread: float
    excess: float = 0.3
    unmeasured: float = 0.0


CASES: Final = {
    "hosts in Pakistan": Case("PK", _AT_HOME, _AT_HOME, 1.0),
    "hosts in its cities": Case("PK", _AT_HOME, _AT_HOME, 0.1),
    "hosts near its borders": Case(
        "PK", _AT_HOME, ((31.52, 74.36), (32.49, 74.52), (34.1, 71.1), (35.0, 74.5), (25.0, 61.6)), 0.2, 0.05
    ),
    "hosts all over the world": Case("PK", _ABROAD, ((0.0, 0.0),), 180.0, 1.0),
    "most of it not measured": Case("PK", _AT_HOME, _AT_HOME, 1.0, 0.3, 0.8),
    "home FR": Case("FR", _ABROAD, ((48.85, 2.35), (43.3, 5.37), (-20.88, 55.45)), 1.0),
    "home US": Case("US", _ABROAD, ((40.7, -74.0), (61.2, -149.9), (32.7, -117.1)), 1.0),
    "home MV": Case("MV", _ABROAD, ((4.18, 73.51), (-0.6, 73.1)), 1.0),
}


def radii_km(case: Case, hosts: int) -> Floats:
    """The radii of the disks around the vantages that are to be assessed, as (hosts, vantages)."""
    chance = np.random.default_rng(7)
    where = np.array(case.places)[chance.integers(0, len(case.places), hosts)]
    where = where + chance.uniform(-case.spread, case.spread, where.shape)
    where[:, 0] = where[:, 0].clip(-85, 85)
    distances = np.stack([distance_km(*place, *where.T) for place in case.vantages], axis=1)
    radii = distances * chance.uniform(1, 1 + case.excess, distances.shape)
    radii += chance.exponential(20, distances.shape)
    radii[chance.random(radii.shape) < case.unmeasured] = np.inf
    return radii


def main(hosts: int) -> dict[str, float]:
    found = {}
    for name, case in CASES.items():
        radii = radii_km(case, hosts)
        start = time.process_time()
        territory = Territory.load(case.home)
        found[f"{name}: load, s"] = time.process_time() - start
        for way in (territory.assess_many, territory.countries_of_many):
            start = time.process_time()
            way(case.vantages, radii)
            found[f"{name}: {way.__name__}, s"] = time.process_time() - start
    return found


if __name__ == "__main__":
    json.dump(main(int(sys.argv[1])), sys.stdout)
