"""Where networks meet: the exchanges, their LANs and the facilities that PeeringDB knows.

From PeeringDB's API (www.peeringdb.com/apidocs), JSON, kept by its users, cached anew every few minutes;
without an account a few requests a minute are answered, and large ones less often. Its Acceptable Use Policy
(www.peeringdb.com/aup) grants use for the operation of the Internet and forbids copies for anything else, so
nothing of it is embedded. CAIDA keeps a daily copy of all in one file, which `add` takes as well
(publicdata.caida.org/datasets/peeringdb, ``peeringdb_2_dump_YYYY_MM_DD.json``).

An address of an exchange's LAN is a claim of its city, and no more than a claim: a member may be far away,
over a leased line (Nomikos et al., "O Peer, Where Art Thou?", IMC 2018), and some exchanges have one LAN in
several cities. Three of the API's objects are read together: ``ixpfx`` has the prefixes of an ``ixlan``,
which belongs to an ``ix``, which has the place. ``netixlan``, where it is given too, has which member has
which address; IPv4 alone, as a table of ranges knows nothing finer than an IPv6 /64.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from geodata.packed import inflated
from geodata.sources.parsed import Entry, Parsed, Published, Range, Skipped, oldest, parsed
from geodata.sources.source import GeodataError, asn, country, number, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_OCTETS: Final = 256 << 20
# The largest exchanges have IPv4 LANs of /20 and IPv6 ones of /48. Anybody may edit PeeringDB.
_SHORTEST: Final = {4: 16, 6: 32}
_NEEDED: Final = ("ix", "ixlan", "ixpfx")
# A file of the API does not say which object its records are: by a field that no other of these has.
_MARKS: Final = (
    ("prefix", "ixpfx"),
    ("ipaddr4", "netixlan"),
    ("clli", "fac"),
    ("rs_asn", "ixlan"),
    ("media", "ix"),
)

_Record = dict[str, Any]


class Facility(NamedTuple):
    """A building in which networks meet. ``country`` is ISO 3166-1 alpha-2; coordinates are in degrees."""

    name: str
    city: str | None
    country: str | None
    latitude: float | None
    longitude: float | None


class _Tables(NamedTuple):
    records: dict[str, list[_Record]]  # of each object
    date: str | None


def parse(files: Sequence[bytes]) -> Parsed:
    """The LANs of exchanges, of files of the API in any order, or of one that has all of them."""
    tables = [_tables(octets) for octets in files]
    records = {
        name: [each for one in tables for each in one.records.get(name, [])]
        for name in (*_NEEDED, "netixlan")
    }
    missing = [name for name in _NEEDED if not records[name]]
    if missing:
        raise GeodataError(
            f"PeeringDB: no {' and no '.join(missing)} records: it takes the files of all of"
            f" {', '.join(_NEEDED)} together",
            "corrupt",
        )
    exchanges = {_id(each, "id"): _exchange(each) for each in records["ix"]}
    of_lan = {_id(each, "id"): exchanges.get(_id(each, "ix_id")) for each in records["ixlan"]}
    ranges: list[Range] = []
    skipped: list[Skipped] = []
    for name, read in (("ixpfx", _lan), ("netixlan", _member)):
        for place, record in enumerate(records[name], 1):
            try:
                found = read(record, of_lan.get(_id(record, "ixlan_id")))
            except ValueError as error:
                skipped.append(Skipped(place, f"{name}: {str(error)[:200]}"))
                continue
            if found is not None:
                ranges.append(found)
    date = oldest(one.date for one in tables)
    return parsed("PeeringDB", ranges, skipped, date, date)


def facilities(octets: bytes) -> tuple[Facility, ...]:
    """The facilities in a file of ``/api/fac`` (or of all objects); those without a name are left out."""
    found = []
    for record in _tables(octets).records.get("fac", []):
        name = text(record.get("name"))
        latitude, longitude = (
            number(record.get("latitude"), -90, 90),
            number(record.get("longitude"), -180, 180),
        )
        both = latitude is not None and longitude is not None
        if name is not None:
            found.append(
                Facility(
                    name,
                    text(record.get("city")),
                    country(record.get("country")),
                    latitude if both else None,
                    longitude if both else None,
                )
            )
    return tuple(found)


def _exchange(record: _Record) -> Entry:
    return Entry(
        country=country(record.get("country")),
        city=text(record.get("city")),
        network=text(record.get("name")),
    )


def _lan(record: _Record, exchange: Entry | None) -> Range:
    network = ipaddress.ip_network(_words(record, "prefix"))
    if network.prefixlen < _SHORTEST[network.version]:
        raise ValueError(f"{network} is larger than any exchange's LAN")
    return Range(
        network.version,
        int(network.network_address),
        int(network.broadcast_address),
        _known(record, exchange),
    )


def _member(record: _Record, exchange: Entry | None) -> Range | None:
    if not record.get("ipaddr4"):
        return None
    address = int(ipaddress.IPv4Address(_words(record, "ipaddr4")))
    entry = msgspec.structs.replace(_known(record, exchange), asn=asn(record.get("asn")))
    return Range(4, address, address, entry)


def _known(record: _Record, exchange: Entry | None) -> Entry:
    if exchange is None:
        raise ValueError(f"ixlan_id: {record.get('ixlan_id')!r:.20} is of no exchange")
    return exchange


def _id(record: _Record, field: str) -> int | None:
    value = record.get(field)
    return value if isinstance(value, int) else None


def _words(record: _Record, field: str) -> str:
    value = record.get(field)
    if not isinstance(value, str):
        raise ValueError(f"{field}: {value!r:.60} is no text")  # noqa: TRY004  one kind of error for bad records
    return value.strip()


def _tables(octets: bytes) -> _Tables:
    try:
        document = msgspec.json.decode(inflated(octets, MAX_OCTETS))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GeodataError(f"PeeringDB: {error}", "corrupt") from error
    if not isinstance(document, dict):
        raise GeodataError("PeeringDB: is not an object with records in it", "corrupt")
    found: dict[str, list[_Record]] = {}
    dates: list[str | None] = []
    for name, table in _named(document):
        rows = table.get("data")
        if isinstance(rows, list):
            found[name] = [row for row in rows if isinstance(row, dict) and row.get("status", "ok") == "ok"]
        dates.append(_day(table.get("meta")))
    return _Tables(found, oldest(dates))


def _named(document: _Record) -> Iterator[tuple[str, _Record]]:
    """The objects in a file with their names, which a file of the API leaves out."""
    rows = document.get("data")
    if not isinstance(rows, list):
        yield from ((name, table) for name, table in document.items() if isinstance(table, dict))
        return
    first = next((row for row in rows if isinstance(row, dict)), {})
    name = next((name for field, name in _MARKS if field in first), None)
    if name is None:
        raise GeodataError("PeeringDB: has no records of ix, ixlan, ixpfx, netixlan or fac", "corrupt")
    yield name, document


def _day(meta: object) -> str | None:
    """The day on which a file of the API was made."""
    generated = number(meta.get("generated"), 0, 2**40) if isinstance(meta, dict) else None
    return None if generated is None else dt.datetime.fromtimestamp(generated, dt.UTC).date().isoformat()


PUBLISHED: Final = Published(
    source="peeringdb",
    family="peeringdb",
    meaning="server",
    asserted_by="third-party",
    urls=tuple(f"https://www.peeringdb.com/api/{name}" for name in _NEEDED),
    licence="PeeringDB Acceptable Use Policy",
    attribution="Exchanges by PeeringDB (https://www.peeringdb.com)",
    refresh_days=1,
    parse=parse,
    max_octets=MAX_OCTETS,
)
