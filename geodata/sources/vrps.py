"""Who may announce which prefix, by signature of its holder: validated ROA payloads (RFC 6811, RFC 6482).

rpki-client's JSON (console.rpki-client.org/vrps.json, plain, every 20 minutes, no terms beside being gentle);
routinator and other validators write the same fields. An origin that is *invalid* is a sign of a hijack or of
a mistake, never of a place. Payloads that expired since are kept: they were valid when the data was made,
which every claim says the day of.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from geodata.packed import inflated
from geodata.sources.parsed import Entry, Parsed, Published, Range, Skipped, parsed, separately
from geodata.sources.records import outline

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_OCTETS: Final = 256 << 20
MAX_COVERING: Final = 1024  # payloads that one address may be in
_MAX_ASN: Final = (1 << 32) - 1
_LAST_DAY: Final = 253402300799  # of year 9999, in seconds
_Prefix = tuple[int, int, int]  # IP version, first address, length


class _Roa(msgspec.Struct, frozen=True):
    prefix: Annotated[str, msgspec.Meta(max_length=64)]
    asn: int | Annotated[str, msgspec.Meta(max_length=16)]
    max_length: int | None = msgspec.field(name="maxLength", default=None)


class _File(msgspec.Struct, frozen=True):
    roas: list[Any]
    metadata: dict[str, Any] = {}


def parse(octets: bytes) -> Parsed:
    """The payloads; each address has all that cover it, since any of them may make an origin valid."""
    file = outline("VRPs", inflated(octets, MAX_OCTETS), _File)
    own: defaultdict[_Prefix, set[tuple[int, int]]] = defaultdict(set)
    skipped: list[Skipped] = []
    for number, record in enumerate(file.roas, 1):
        try:
            prefix, asn, most = _payload(record)
        except (ValueError, msgspec.ValidationError) as error:
            skipped.append(Skipped(number, str(error)[:200]))
            continue
        own[prefix].add((asn, most))
    return parsed("VRPs", list(_ranges(own)), skipped, *_built(file.metadata))


def _payload(record: Any) -> tuple[_Prefix, int, int]:
    roa = msgspec.convert(record, _Roa)
    network = ipaddress.ip_network(roa.prefix)
    asn = int(roa.asn.removeprefix("AS")) if isinstance(roa.asn, str) else roa.asn
    most = network.prefixlen if roa.max_length is None else roa.max_length
    if not 0 <= asn <= _MAX_ASN:  # 0: nobody may announce it (RFC 7607)
        raise ValueError(f"{asn} is no autonomous system")
    if not network.prefixlen <= most <= network.max_prefixlen:
        raise ValueError(f"{most} is no greatest length for {network}")
    return (network.version, int(network.network_address), network.prefixlen), asn, most


def _ranges(own: dict[_Prefix, set[tuple[int, int]]]) -> Iterable[Range]:
    """A range for each payload that covers a prefix, as only the narrowest ranges around an address count."""
    entries: dict[tuple[int, int, int], Entry] = {}
    above: list[tuple[int, int, list[Entry]]] = []  # version and last address of the prefixes around this one
    for (version, first, length), payloads in sorted(own.items()):
        last = first | ((1 << (32 if version == 4 else 128) - length) - 1)
        while above and (above[-1][0] != version or above[-1][1] < first):
            above.pop()
        covering = list(above[-1][2]) if above else []
        for asn, most in sorted(payloads):
            key = (asn, length, most)
            entry = entries.get(key)
            if entry is None:
                entry = entries[key] = Entry(asn=asn, length=length, max_length=most)
            covering.append(entry)
        del covering[MAX_COVERING:]
        above.append((version, last, covering))
        for entry in covering:
            yield Range(version, first, last, entry)


def _built(metadata: dict[str, Any]) -> tuple[str | None, str | None]:
    """When the data was made, as a version (what the file says) and as a day."""
    text = metadata.get("buildtime", metadata.get("generatedTime"))
    seconds = metadata.get("generated")
    try:
        if isinstance(text, str):
            return text[:40], dt.datetime.fromisoformat(text[:40]).astimezone(dt.UTC).date().isoformat()
        if isinstance(seconds, int) and 0 <= seconds <= _LAST_DAY:
            return str(seconds), dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()
    except (ValueError, OverflowError):
        pass
    return None, None


PUBLISHED: Final = Published(
    source="rpki",
    family="rpki",
    meaning="origin",
    asserted_by="operator",
    urls=("https://console.rpki-client.org/vrps.json",),
    licence="free",
    attribution="Validated ROA payloads by rpki-client (https://www.rpki-client.org)",
    refresh_days=1,
    parse=separately(parse),
    max_octets=MAX_OCTETS,
    format="vrps",
)
