"""Oracle Cloud Infrastructure: the region that each prefix is used in.

docs.oracle.com/iaas/tools/public_ip_ranges.json
(docs.oracle.com/iaas/Content/General/Concepts/addressranges.htm); JSON; Oracle asks for a look at least
once a week and at most once in 24 hours; published for anybody's use, without a licence.
"""

from __future__ import annotations

from typing import Final

import msgspec

from geodata.sources.parsed import Entry, Parsed, Published, of_prefix, separately
from geodata.sources.records import Records, day, outline
from geodata.sources.regions import in_region

PROVIDER: Final = "oracle"
_NAME: Final = "public_ip_ranges.json"


class _Block(msgspec.Struct, frozen=True):
    cidr: str


class _Region(msgspec.Struct, frozen=True):
    region: str
    cidrs: list[msgspec.Raw]


class _File(msgspec.Struct, frozen=True):
    last_updated_timestamp: str
    regions: list[msgspec.Raw]


def parse(octets: bytes) -> Parsed:
    """What each region holds; raises :class:`~geodata.errors.GeodataError`."""
    file = outline(_NAME, octets, _File)
    records = Records(_NAME)
    for region in records.read(file.regions, _Region):
        for block in records.read(region.cidrs, _Block):
            try:
                records.ranges.append(of_prefix(block.cidr, entry(region.region)))
            except ValueError as error:
                records.skip(error)
    time = file.last_updated_timestamp[:40]
    return records.parsed(time, day(time))


def entry(region: str) -> Entry:
    """What Oracle says of a prefix in a region; ValueError for what is no name of one."""
    return in_region(PROVIDER, region, "Oracle Cloud")


PUBLISHED: Final = Published(
    source="oracle",
    family=PROVIDER,
    meaning="server",
    asserted_by="operator",
    urls=("https://docs.oracle.com/iaas/tools/public_ip_ranges.json",),
    licence="none stated; published for anybody's use",
    attribution="IP address ranges of Oracle Cloud Infrastructure (https://docs.oracle.com/iaas/tools/)",
    refresh_days=7,
    parse=separately(parse),
    max_octets=4 << 20,
)
