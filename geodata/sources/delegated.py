"""What the five regional registries wrote beside the blocks that they gave out: delegated statistics.

From each registry's own server (`PUBLISHED`), with an MD5 digest beside; text, one record a line, as APNIC's
"RIR statistics exchange format" says, which leaves it to a registry whether to sign; free to use; daily.
AFRINIC (its key is ``AFRINICPUBKEY.TXT`` there) and APNIC put a detached OpenPGP signature beside the file,
APNIC as late as nine minutes after it; LACNIC signs only the copies that have a date in their name, ARIN and
RIPE NCC none (their directories, September 2026). The number of IPv4 addresses of a record need not
be a power of two. The registries say themselves that a country is where the holder is, not its machines.
"""

from __future__ import annotations

import datetime as dt
import socket
from typing import Final

from geodata.sources.parsed import Entry, Parsed, Published, Range, Skipped, parsed, separately
from geodata.sources.source import country

_REGISTRIES: Final = frozenset({"afrinic", "apnic", "arin", "lacnic", "ripencc"})
_HELD: Final = frozenset({"allocated", "assigned"})
_NO_COUNTRY: Final = frozenset({"", "ZZ", "AP", "EU"})  # nobody, Asia/Pacific, Europe
_MAX_VALUE: Final = 10  # digits


def parse(octets: bytes) -> Parsed:
    """The holders' countries; records without one are left out, as nothing is said of them."""
    ranges: list[Range] = []
    skipped: list[Skipped] = []
    entries: dict[str, Entry | None] = {}
    date: str | None = None
    for number, line in enumerate(octets.decode("ascii", "replace").splitlines(), 1):
        fields = line.split("|")
        if len(fields) < 7 or fields[1] == "*":
            if line and line[0] != "#" and fields[-1] != "summary":
                skipped.append(Skipped(number, "has too few fields"))
            continue
        if date is None and fields[0] not in _REGISTRIES:
            date = _day(fields[5])  # the header: version, registry, serial, records, from, to, zone
            continue
        kind, status = fields[2], fields[6]
        if kind not in {"ipv4", "ipv6"} or status not in _HELD:
            continue
        code = fields[1].upper()
        if code not in entries and len(entries) < 1000:
            known = country(code)
            entries[code] = None if known is None else Entry(country=known)
        entry = entries.get(code)
        if entry is None:
            if code not in _NO_COUNTRY:
                skipped.append(Skipped(number, f"{code[:20]!r} is no country"))
            continue
        try:
            ranges.append(_range(kind, fields[3], fields[4], entry))
        except (OSError, ValueError) as error:
            skipped.append(Skipped(number, str(error)))
    return parsed("delegated statistics", ranges, skipped, date, date)


def _range(kind: str, start: str, value: str, entry: Entry) -> Range:
    if len(value) > _MAX_VALUE or not value.isascii() or not value.isdigit():
        raise ValueError(f"{value[:20]!r} is no number")
    count = int(value)
    if kind == "ipv4":
        first = int.from_bytes(socket.inet_pton(socket.AF_INET, start), "big")
        last = first + count - 1
        if not first <= last < 1 << 32:
            raise ValueError(f"{count} addresses from {start} are too few or too many")
        return Range(4, first, last, entry)
    first = int.from_bytes(socket.inet_pton(socket.AF_INET6, start), "big")
    if not 1 <= count <= 128 or first & ((1 << 128 - count) - 1):
        raise ValueError(f"{start}/{count} is no prefix")
    return Range(6, first, first + (1 << 128 - count) - 1, entry)


def _day(text: str) -> str | None:
    try:
        return dt.datetime.strptime(text, "%Y%m%d").replace(tzinfo=dt.UTC).date().isoformat()
    except ValueError:
        return None


def _of(registry: str, host: str) -> str:
    return f"https://ftp.{host}/pub/stats/{registry}/delegated-{registry}-extended-latest"


_AFRINIC: Final = _of("afrinic", "afrinic.net")
_APNIC: Final = "https://ftp.apnic.net/stats/apnic/delegated-apnic-extended-latest"
PUBLISHED: Final = Published(
    source="delegated",
    family="registry",
    meaning="registrant",
    asserted_by="registry",
    urls=(
        _AFRINIC,
        _APNIC,
        _of("arin", "arin.net"),
        _of("lacnic", "lacnic.net"),
        _of("ripencc", "ripe.net"),
    ),
    licence="free",
    attribution="Delegation statistics of AFRINIC, APNIC, ARIN, LACNIC and RIPE NCC",
    refresh_days=1,
    parse=separately(parse),
    digest=".md5",
    signed=(_AFRINIC, _APNIC),
    world=True,
)
