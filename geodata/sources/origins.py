"""Which networks announce a prefix: routing tables, whole or as others have condensed them.

CAIDA's pfx2as (publicdata.caida.org/datasets/routing/routeviews-prefix2as, gzip, daily; CAIDA's acceptable
use agreement): ``prefix length origin``, where ``1_2`` are several origins and ``1,2`` a set. pyasn's files
(``prefix/length origin``, ``;`` before comments), which anybody makes of a RouteViews or RIS archive; or such
an archive itself (:mod:`geodata.sources.mrt`). A prefix that several networks announce has an entry for each.
Bring one with ``geodata add``, as the address of the newest changes every day.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Final

from geodata.packed import beginning, inflated
from geodata.sources.parsed import Entry, Parsed, Published, Range, Skipped, parsed, separately
from geodata.sources.source import asn

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OCTETS: Final = 512 << 20
MAX_ORIGINS: Final = 64  # of one prefix
_SEPARATOR: Final = re.compile(r"[_,]")
_COMMENT: Final = (";", "#")
_BITS: Final = {4: 32, 6: 128}


def parse(octets: bytes) -> Parsed:
    """Origins from any of the formats, compressed or not."""
    from geodata.sources.mrt import announced, is_mrt  # noqa: PLC0415  its library is for archives only

    skipped: list[Skipped] = []
    entries: dict[tuple[tuple[int, ...], int], tuple[Entry, ...]] = {}
    found = announced(octets, skipped) if is_mrt(beginning(octets)) else _lines(octets, skipped)
    ranges: list[Range] = []
    for version, first, length, origins in found:
        last = first | ((1 << _BITS[version] - length) - 1)
        same = entries.get((origins, length))
        if same is None:
            same = tuple(Entry(asn=number, length=length) for number in origins[:MAX_ORIGINS])
            entries[origins, length] = same
        ranges += [Range(version, first, last, entry) for entry in same]
    return parsed("routing table", ranges, skipped)


def _lines(octets: bytes, skipped: list[Skipped]) -> Iterator[tuple[int, int, int, tuple[int, ...]]]:
    """IP version, first address, length and origins, of each line."""
    known: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(inflated(octets, MAX_OCTETS).decode("ascii", "replace").splitlines(), 1):
        if not line or line[0] in _COMMENT:
            continue
        try:
            prefix, length, origins = line.replace("/", "\t").split()
            version, first, bits = _prefix(prefix, length)
            numbers = known.get(origins)
            if numbers is None:
                numbers = known[origins] = _origins(origins)
        except (OSError, ValueError) as error:
            skipped.append(Skipped(number, str(error)[:200]))
            continue
        if bits:  # a default route says nothing of who has an address
            yield version, first, bits, numbers


def _prefix(prefix: str, length: str) -> tuple[int, int, int]:
    version, family = (6, socket.AF_INET6) if ":" in prefix else (4, socket.AF_INET)
    bits = _BITS[version]
    if len(length) > 3 or not (length.isascii() and length.isdigit()) or int(length) > bits:
        raise ValueError(f"{length[:20]!r} is no length of a prefix")
    first = int.from_bytes(socket.inet_pton(family, prefix), "big")
    return version, first >> bits - int(length) << bits - int(length), int(length)


def _origins(text: str) -> tuple[int, ...]:
    numbers = dict.fromkeys(asn(each) for each in _SEPARATOR.split(text)[:MAX_ORIGINS])
    if None in numbers:
        raise ValueError(f"{text[:60]!r} are no autonomous systems")
    return tuple(number for number in numbers if number is not None)


PUBLISHED: Final = Published(
    source="bgp",
    family="bgp",
    meaning="origin",
    asserted_by="third-party",
    urls=(),
    licence="of whose table it is (CAIDA: acceptable use agreement; RouteViews: CC-BY-4.0)",
    attribution="Routing data of RouteViews (https://www.routeviews.org), RIPE RIS or CAIDA",
    refresh_days=1,
    parse=separately(parse),
    max_octets=MAX_OCTETS,
)
