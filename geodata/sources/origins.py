"""Which networks announce a prefix: routing tables as others have condensed them.

CAIDA's pfx2as (publicdata.caida.org/datasets/routing/routeviews-prefix2as, gzip, daily; CAIDA's acceptable
use agreement): ``prefix length origin``, where ``1_2`` are several origins and ``1,2`` a set. pyasn's files
(``prefix/length origin``, ``;`` before comments), which anybody makes of a RouteViews or RIS archive. A
prefix that several networks announce has an entry for each. Bring one with ``geodata add``, as the address
of CAIDA's newest changes every day.
"""

from __future__ import annotations

import re
import socket
from typing import Final

from geodata.file import inflated
from geodata.sources.parsed import Entry, Parsed, Published, Range, Skipped, parsed, separately
from geodata.sources.source import asn

MAX_OCTETS: Final = 256 << 20
MAX_ORIGINS: Final = 64  # of one prefix
_SEPARATOR: Final = re.compile(r"[_,]")
_COMMENT: Final = (";", "#")


def parse(octets: bytes) -> Parsed:
    """Origins from either format, compressed or not."""
    ranges: list[Range] = []
    skipped: list[Skipped] = []
    entries: dict[str, tuple[Entry, ...]] = {}
    for number, line in enumerate(inflated(octets, MAX_OCTETS).decode("ascii", "replace").splitlines(), 1):
        if not line or line[0] in _COMMENT:
            continue
        fields = line.replace("/", "\t").split()
        try:
            prefix, length, origins = fields
            version, first, last = _prefix(prefix, length)
            found = entries.get(origins)
            if found is None:
                found = entries[origins] = _entries(origins)
        except (OSError, ValueError) as error:
            skipped.append(Skipped(number, str(error)[:200]))
            continue
        ranges.extend([Range(version, first, last, entry) for entry in found])
    return parsed("routing table", ranges, skipped)


def _prefix(prefix: str, length: str) -> tuple[int, int, int]:
    version, family, bits = (6, socket.AF_INET6, 128) if ":" in prefix else (4, socket.AF_INET, 32)
    if len(length) > 3 or not length.isdigit() or int(length) > bits:
        raise ValueError(f"{length[:20]!r} is no length of a prefix")
    first = int.from_bytes(socket.inet_pton(family, prefix), "big")
    last = first | ((1 << bits - int(length)) - 1)
    return version, first & ~(last ^ first), last


def _entries(origins: str) -> tuple[Entry, ...]:
    numbers = [asn(each) for each in _SEPARATOR.split(origins)[:MAX_ORIGINS]]
    if None in numbers:
        raise ValueError(f"{origins[:60]!r} are no autonomous systems")
    return tuple(Entry(asn=number) for number in dict.fromkeys(numbers))


PUBLISHED: Final = Published(
    source="bgp",
    family="bgp",
    meaning="origin",
    asserted_by="third-party",
    urls=(),
    licence="CAIDA acceptable use agreement, or that of whose table it is",
    attribution="Routing data of RouteViews (https://www.routeviews.org), by CAIDA",
    refresh_days=1,
    parse=separately(parse),
    max_octets=MAX_OCTETS,
)
