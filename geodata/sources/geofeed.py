"""Geofeeds (RFC 8805): where the holder of addresses says that they are used, one prefix a line.

``prefix,country,subdivision,city,postal code``, as CSV in UTF-8, ``#`` before comments; prefixes may be
nested, and the narrowest counts. A holder that leaves all fields empty asks that nobody locates the prefix
(2.1.2), which is an entry that says nothing. Postal codes are deprecated (2.1.1.5) and not read. Of a
subdivision (ISO 3166-2) that is not the country's, and of text that is no code, nothing is taken.

Whoever is audited writes their own feed, so it can only corroborate. In the feed of a relay, a VPN or an
access network (`EGRESS_HOSTS`) the place is that of the users behind an address, never that of a server.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from geodata.sources.parsed import Entry, Parsed, Range, Skipped, give_up, lines, of_prefix, parsed
from geodata.sources.source import country, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_NAME: Final = "geofeed"
MAX_LINE: Final = 1024  # characters; the longest that were met have 120
_MAX_SHARED: Final = 100_000  # entries that are kept to be used again
_SUBDIVISION: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")
_NOBODY: Final = frozenset({"", "ZZ"})  # "do not locate", and ISO's code for no country

# Cloudflare WARP, Apple iCloud Private Relay, Google's VPN and Fi, Starlink, Zscaler: their users' places.
EGRESS_HOSTS: Final = frozenset(
    {
        "api.cloudflare.com",
        "config.zscaler.com",
        "geoip.starlinkisp.net",
        "mask-api.icloud.com",
        "www.gstatic.com",
    }
)
_NO_EGRESS: Final = frozenset({"/ipranges/cloud_geofeed"})  # on the same host: Google Cloud's regions


def parse(octets: bytes) -> Parsed:
    """What a feed says of each prefix; raises :class:`~geodata.errors.GeodataError` where it is none."""
    ranges: list[Range] = []
    skipped: list[Skipped] = []
    shared: dict[tuple[str, ...], Entry] = {}
    for number, fields in _rows(octets):
        if isinstance(fields, str):
            skipped.append(Skipped(number, fields))
            give_up(_NAME, ranges, skipped)
            continue
        prefix, *place = fields
        key = tuple(place[:3])
        try:
            entry = shared.get(key)
            if entry is None:
                entry = _entry(*key)
                if len(shared) < _MAX_SHARED:
                    shared[key] = entry
            ranges.append(of_prefix(prefix, entry))
        except ValueError as error:
            skipped.append(Skipped(number, str(error)[:200]))
            give_up(_NAME, ranges, skipped)
    return parsed(_NAME, ranges, skipped)


def inside(feed: Parsed, version: int, first: int, last: int) -> Parsed:
    """What a feed says of addresses ``first`` to ``last`` (inclusive, as numbers) and of none beside them.

    A feed is believed only within the block whose registration refers to it (RFC 9632): a prefix that
    reaches beyond it is left out whole. There may be nothing left.
    """
    ranges = [
        each for each in feed.ranges if each.version == version and first <= each.first and each.last <= last
    ]
    return feed._replace(ranges=ranges)


def is_egress(url: str) -> bool:
    """Whether the feed at an URL says where users are, and nothing of servers."""
    try:
        split = urlsplit(url)
        host = split.hostname
    except ValueError:
        return False
    return host in EGRESS_HOSTS and split.path not in _NO_EGRESS


def _rows(octets: bytes) -> Iterator[tuple[int, Sequence[str] | str]]:
    """The number and the fields of each line that says something, or why it has none."""
    for number, said in lines(octets):
        if len(said) > MAX_LINE:
            yield number, f"is longer than {MAX_LINE} characters"
            continue
        try:
            (fields,) = csv.reader([said], strict=True)
        except (csv.Error, ValueError) as error:
            yield number, f"is no CSV: {error}"
            continue
        yield number, [each.strip() for each in fields]


def _entry(code: str = "", subdivision: str = "", city: str = "") -> Entry:
    """The place in a line; ValueError for a country that is none."""
    known = country(code)
    if known is None and code.upper() not in _NOBODY:
        raise ValueError(f"{code[:20]!r} is no country")
    region = subdivision.upper()
    fits = known is not None and _SUBDIVISION.fullmatch(region) and region.startswith(known)
    return Entry(
        country=known, region=region if fits else None, city=text(city) if known is not None else None
    )
