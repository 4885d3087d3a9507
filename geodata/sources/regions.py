"""Where the regions of cloud providers are, by the providers' own names and their own words.

``geodata/data/regions.csv``: the country of each, the city where the provider names one, and that city's
coordinates (GeoNames). Amazon: the descriptions of regions in botocore's ``partitions.json``; Local and
Wavelength Zones, by their network border groups, as github.com/chriselsen/AWS-Geofeed has them. Google:
docs.cloud.google.com/compute/docs/regions-zones. Azure: learn.microsoft.com/azure/reliability/regions-list
and, for the short names in service tags, the same. Oracle:
docs.oracle.com/iaas/Content/General/Concepts/regions.htm and the names themselves, which have the city in
them. A country that is in a region's name (``us-east7``) counts as stated; where nothing is stated
(``northeurope2``) the region is not in the table and its country is unknown.
"""

from __future__ import annotations

import csv
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from geodata.sources.parsed import Entry
from geodata.sources.source import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geodata.claim import Meaning

_TABLE: Final = Path(__file__).parents[1] / "data" / "regions.csv"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def in_region(provider: str, region: str, network: str, meaning: Meaning | None = None) -> Entry:
    """What a provider says of a prefix by naming its region; ValueError for what is no name of one."""
    if not _NAME.fullmatch(region):
        raise ValueError(f"{region[:60]!r} is no name of a region")
    return _in_region(provider, region, network, meaning)


@functools.cache
def countries_of(provider: str) -> frozenset[str]:
    """The countries in which a provider has regions."""
    return frozenset(row["country"] for (owner, _), row in _rows().items() if owner == provider)


@functools.lru_cache(maxsize=4096)
def _in_region(provider: str, region: str, network: str, meaning: Meaning | None) -> Entry:
    row = _rows().get((provider, region))
    if row is None:
        return Entry(region=region, network=network, meaning=meaning)
    placed = bool(row["latitude"])
    return Entry(
        country=row["country"],
        city=text(row["city"]),
        region=region,
        latitude=float(row["latitude"]) if placed else None,
        longitude=float(row["longitude"]) if placed else None,
        network=network,
        meaning=meaning,
    )


@functools.cache
def _rows() -> Mapping[tuple[str, str], Mapping[str, str]]:
    with _TABLE.open(encoding="utf-8", newline="") as stream:
        return {(row["provider"], row["region"]): row for row in csv.DictReader(stream)}
