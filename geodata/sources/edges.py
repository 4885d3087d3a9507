"""Content networks' own lists of the addresses that their edges answer from, none of which has a place.

Cloudflare: cloudflare.com/ips-v4 and ips-v6, one prefix a line, rarely changed. Fastly:
api.fastly.com/public-ip-list (developer.fastly.com/reference/api/utils/public-ip-list), JSON. Gcore:
api.gcore.com/cdn/public-net-list, JSON, daily. bunny.net: bunnycdn.com/api/system/edgeserverlist/plain and
IPv6/plain, one address a line, daily. Akamai:
techdocs.akamai.com/property-manager/pdfs/akamai_ipv4_ipv6_CIDRs-txt.zip, a ZIP archive of text files
(techdocs.akamai.com/origin-ip-acl/docs/update-your-origin-server), which are the addresses that its edges
have, and not those that its caches in other networks have. All are published for anybody's use, without a
licence.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import msgspec

from geodata.packed import unzipped
from geodata.sources.parsed import (
    Entry,
    Parsed,
    Published,
    Range,
    Skipped,
    lines,
    of_prefix,
    parsed,
    separately,
)
from geodata.sources.records import Records, outline

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_OCTETS: Final = 1 << 20


class _Lists(msgspec.Struct, frozen=True):
    addresses: list[msgspec.Raw]
    ipv6_addresses: list[msgspec.Raw] = []  # Fastly
    addresses_v6: list[msgspec.Raw] = []  # Gcore


def parse_lines(network: str, octets: bytes) -> Parsed:
    """Prefixes or lone addresses, one a line, ``#`` before comments."""
    entry = Entry(network=network)
    ranges: list[Range] = []
    skipped: list[Skipped] = []
    for number, said in lines(octets):
        try:
            ranges.append(of_prefix(said, entry))
        except ValueError as error:
            skipped.append(Skipped(number, str(error)[:200]))
    return parsed(network, ranges, skipped)


def parse_lists(network: str, octets: bytes) -> Parsed:
    """A JSON object with a list of IPv4 and one of IPv6 prefixes."""
    file = outline(network, octets, _Lists)
    entry = Entry(network=network)
    records = Records(network)
    for prefix in records.read((*file.addresses, *file.ipv6_addresses, *file.addresses_v6), str):
        try:
            records.ranges.append(of_prefix(prefix, entry))
        except ValueError as error:
            records.skip(error)
    return records.parsed()


def parse_archive(network: str, octets: bytes) -> Parsed:
    """A ZIP archive of files that :func:`parse_lines` reads; lines are numbered through all of them."""
    return parse_lines(network, unzipped(octets, MAX_OCTETS, ".txt"))


def _published(
    source: str,
    parse: Callable[[str, bytes], Parsed],
    network: str,
    *urls: str,
    anycast: bool = False,
    refresh_days: int = 30,
) -> Published:
    return Published(
        source=source,
        family=source,
        meaning="anycast" if anycast else "edge_pop",
        asserted_by="operator",
        urls=urls,
        licence="none stated; published for anybody's use",
        attribution=f"Addresses of {network} ({urls[0]})",
        refresh_days=refresh_days,
        parse=separately(functools.partial(parse, network)),
        max_octets=MAX_OCTETS,
    )


PUBLISHED: Final = (
    _published(
        "akamai",
        parse_archive,
        "Akamai",
        "https://techdocs.akamai.com/property-manager/pdfs/akamai_ipv4_ipv6_CIDRs-txt.zip",
    ),
    _published(
        "bunny",
        parse_lines,
        "bunny.net",
        "https://bunnycdn.com/api/system/edgeserverlist/plain",
        "https://bunnycdn.com/api/system/edgeserverlist/IPv6/plain",
        refresh_days=1,
    ),
    _published(
        "cloudflare",
        parse_lines,
        "Cloudflare",
        "https://www.cloudflare.com/ips-v4",
        "https://www.cloudflare.com/ips-v6",
        anycast=True,
    ),
    _published("fastly", parse_lists, "Fastly", "https://api.fastly.com/public-ip-list"),
    _published("gcore", parse_lists, "Gcore", "https://api.gcore.com/cdn/public-net-list", refresh_days=1),
)
