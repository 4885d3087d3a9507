"""Amazon Web Services: the region, or the zone outside it, that each prefix is used in.

ip-ranges.amazonaws.com/ip-ranges.json (docs.aws.amazon.com/vpc/latest/userguide/aws-ip-ranges.html); JSON,
one row for each prefix and service, several times a week; published for anybody's use, without a licence;
whoever wants to be told of changes subscribes to Amazon's topic. A ``network_border_group`` other than the
region is a Local or Wavelength Zone, which may be in another country. ``GLOBAL`` is no place. CloudFront,
Global Accelerator and Route 53 answer from edges, whatever region stands beside them. Addresses that
customers brought along are not in the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from geodata.sources.parsed import Entry, Parsed, Published, Range, of_prefix, separately
from geodata.sources.records import Records, day, outline
from geodata.sources.regions import in_region

if TYPE_CHECKING:
    from geodata.claim import Meaning

PROVIDER: Final = "amazon"
_NAME: Final = "ip-ranges.json"
_NOWHERE: Final = "GLOBAL"
ACCELERATOR: Final = "AWS Global Accelerator"
# Services that answer from edges, and what their addresses are where no region is named. The first that a
# prefix is used for counts.
_EDGES: Final[dict[str, tuple[str, Meaning]]] = {
    "CLOUDFRONT": ("Amazon CloudFront", "edge_pop"),
    "CLOUDFRONT_ORIGIN_FACING": ("Amazon CloudFront", "edge_pop"),
    "GLOBALACCELERATOR": (ACCELERATOR, "anycast"),
    "ROUTE53": ("Amazon Route 53", "anycast"),
}


class _Row(msgspec.Struct, frozen=True):
    region: str
    service: str
    network_border_group: str = _NOWHERE
    ip_prefix: str = ""
    ipv6_prefix: str = ""


class _File(msgspec.Struct, frozen=True, rename={"sync_token": "syncToken", "create_date": "createDate"}):
    sync_token: str
    create_date: str
    prefixes: list[msgspec.Raw]
    ipv6_prefixes: list[msgspec.Raw] = []


def parse(octets: bytes) -> Parsed:
    """One entry for each prefix, which has a row for each service; raises :class:`GeodataError`."""
    file = outline(_NAME, octets, _File)
    records = Records(_NAME)
    services: dict[tuple[int, int, int, str], set[str]] = {}
    for row in records.read((*file.prefixes, *file.ipv6_prefixes), _Row):
        place = row.region if row.network_border_group == _NOWHERE else row.network_border_group
        try:
            found = of_prefix(row.ip_prefix or row.ipv6_prefix, entry(place, row.service))
        except ValueError as error:
            records.skip(error)
            continue
        services.setdefault((*found[:3], place), set()).add(row.service)
    records.ranges.extend(
        Range(version, first, last, entry(place, *given))
        for (version, first, last, place), given in services.items()
    )
    return records.parsed(file.sync_token[:40], day(file.create_date))


def entry(place: str, *services: str) -> Entry:
    """What Amazon says of a prefix in a region or zone that these services use; ValueError for no place."""
    edge = next((said for service, said in _EDGES.items() if service in services), None)
    network, meaning = edge or ("Amazon", None)
    if place == _NOWHERE:
        return Entry(network=network, meaning=meaning)
    return in_region(PROVIDER, place, network, "edge_pop" if edge else None)


PUBLISHED: Final = Published(
    source="amazon",
    family=PROVIDER,
    meaning="server",
    asserted_by="operator",
    urls=("https://ip-ranges.amazonaws.com/ip-ranges.json",),
    licence="none stated; published for anybody's use",
    attribution="IP address ranges of Amazon Web Services (https://ip-ranges.amazonaws.com)",
    refresh_days=7,
    parse=separately(parse),
    max_octets=8 << 20,
)
