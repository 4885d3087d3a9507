"""Google: the region that each prefix of Google Cloud is used in, and all of Google's prefixes.

www.gstatic.com/ipranges/cloud.json and goog.json (support.google.com/a/answer/10026322); JSON; daily;
published for anybody's use, without a licence. In ``cloud.json``, ``scope`` is a region or ``global``: the
addresses of global load balancers, which are anycast
(cloud.google.com/load-balancing/docs/load-balancing-overview). ``goog.json`` has no places; what is in it
and not in the other file serves Google's own products and APIs, from edges or not.
"""

from __future__ import annotations

from typing import Final

import msgspec

from geodata.sources.parsed import Entry, Parsed, Published, of_prefix, separately
from geodata.sources.records import Records, day, outline
from geodata.sources.regions import in_region

PROVIDER: Final = "google"
_NAME: Final = "ipranges"
_CLOUD: Final = "Google Cloud"
_GLOBAL: Final = Entry(network=_CLOUD, meaning="anycast")
_ALL: Final = Entry(network="Google")


class _Row(msgspec.Struct, frozen=True, rename="camel"):
    ipv4_prefix: str = ""
    ipv6_prefix: str = ""
    scope: str | None = None


class _File(msgspec.Struct, frozen=True, rename="camel"):
    sync_token: str
    creation_time: str
    prefixes: list[msgspec.Raw]


def parse(octets: bytes) -> Parsed:
    """What either file says of each prefix; raises :class:`~geodata.errors.GeodataError`."""
    file = outline(_NAME, octets, _File)
    records = Records(_NAME)
    for row in records.read(file.prefixes, _Row):
        try:
            records.ranges.append(of_prefix(row.ipv4_prefix or row.ipv6_prefix, entry(row.scope)))
        except ValueError as error:
            records.skip(error)
    return records.parsed(file.sync_token[:40], day(file.creation_time))


def entry(scope: str | None) -> Entry:
    """What Google says of a prefix by its scope, if it has one; ValueError for what is none."""
    if scope is None:
        return _ALL
    return _GLOBAL if scope == "global" else in_region(PROVIDER, scope, _CLOUD)


def _published(source: str, file: str) -> Published:
    return Published(
        source=source,
        family=PROVIDER,
        meaning="server",
        asserted_by="operator",
        urls=(f"https://www.gstatic.com/ipranges/{file}",),
        licence="none stated; published for anybody's use",
        attribution="IP address ranges of Google (https://www.gstatic.com/ipranges/)",
        refresh_days=1,
        parse=separately(parse),
        max_octets=4 << 20,
    )


PUBLISHED: Final = (_published("google-cloud", "cloud.json"), _published("google", "goog.json"))
