from __future__ import annotations

import contextlib
import gzip
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.catalog import Catalog
from geodata.errors import GeodataError
from geodata.snapshot import Snapshot
from geodata.sources import peeringdb
from geodata.sources.parsed import Entry, of_prefix
from geodata.sources.peeringdb import Facility, facilities, parse
from geodata.update import Options, add

if TYPE_CHECKING:
    from pathlib import Path

IX: list[dict[str, Any]] = [
    {"id": 7, "name": "Indus-IX", "city": "Karachi", "country": "PK", "media": "Ethernet", "status": "ok"},
    {"id": 9, "name": "Elsewhere-IX", "city": "Frankfurt", "country": "DE", "media": "", "status": "ok"},
]
IXLAN: list[dict[str, Any]] = [
    {"id": 70, "ix_id": 7, "rs_asn": 64500, "status": "ok"},
    {"id": 90, "ix_id": 9, "rs_asn": None},
]
IXPFX: list[dict[str, Any]] = [
    {"id": 1, "ixlan_id": 70, "protocol": "IPv4", "prefix": "198.51.100.0/24", "status": "ok"},
    {"id": 2, "ixlan_id": 70, "protocol": "IPv6", "prefix": "2001:db8:7::/64", "status": "ok"},
    {"id": 3, "ixlan_id": 90, "protocol": "IPv4", "prefix": "203.0.113.0/24", "status": "ok"},
    {"id": 4, "ixlan_id": 90, "protocol": "IPv4", "prefix": "192.0.2.0/24", "status": "deleted"},
]
NETIXLAN: list[dict[str, Any]] = [
    {"id": 5, "ixlan_id": 70, "asn": 64501, "ipaddr4": "198.51.100.9", "ipaddr6": None, "status": "ok"},
    {"id": 6, "ixlan_id": 70, "asn": 64502, "ipaddr4": None, "ipaddr6": "2001:db8:7::2", "status": "ok"},
]
FAC: list[dict[str, Any]] = [
    {"name": "Indus DC1", "city": "Karachi", "country": "PK", "latitude": 24.9, "longitude": 67, "clli": ""},
    {"name": "Ravi DC", "city": "Lahore", "country": "PK", "latitude": None, "longitude": 74.3, "clli": ""},
    {"name": "Gone", "city": "Lahore", "country": "PK", "clli": "", "status": "deleted"},
    {"name": None, "city": "Lahore", "country": "PK", "clli": ""},
    {"name": "Nowhere", "city": 7, "country": "Pakistan", "latitude": 91, "longitude": 0, "clli": ""},
]
KARACHI = Entry(country="PK", city="Karachi", network="Indus-IX")
FRANKFURT = Entry(country="DE", city="Frankfurt", network="Elsewhere-IX")


def api(rows: Any, **meta: Any) -> bytes:
    return msgspec.json.encode({"meta": meta, "data": rows})


def files(ix: Any = IX, ixlan: Any = IXLAN, ixpfx: Any = IXPFX) -> list[bytes]:
    return [api(ix, generated=1793664000.5), api(ixlan, generated=1793750400), api(ixpfx)]


class TestParse:
    """The LANs of exchanges, of three objects of the API."""

    def test_lans(self) -> None:
        found = parse(files())
        assert list(found.ranges) == [
            of_prefix("198.51.100.0/24", KARACHI),
            of_prefix("2001:db8:7::/64", KARACHI),
            of_prefix("203.0.113.0/24", FRANKFURT),
        ]
        assert list(found.skipped) == []
        assert found.date == "2026-11-03"  # as old as the oldest file

    def test_files_are_taken_in_any_order_and_compressed(self) -> None:
        assert parse([gzip.compress(each) for each in reversed(files())]) == parse(files())

    def test_a_copy_of_everything_is_one_file(self) -> None:
        """As CAIDA keeps it."""
        tables = {"ix": IX, "ixlan": IXLAN, "ixpfx": IXPFX, "net": [{"id": 1}], "fac": FAC}
        whole = msgspec.json.encode({name: {"data": rows} for name, rows in tables.items()})
        assert parse([whole]).ranges == parse(files()).ranges
        assert [each.name for each in facilities(whole)] == ["Indus DC1", "Ravi DC", "Nowhere"]

    def test_members(self) -> None:
        member = msgspec.structs.replace(KARACHI, asn=64501)
        found = parse([*files(), api(NETIXLAN)])
        assert found.ranges[-1] == of_prefix("198.51.100.9", member)
        assert len(found.ranges) == 4

    @pytest.mark.parametrize(
        ("bad", "why"),
        [
            ({"ixlan_id": 70, "prefix": "0.0.0.0/0"}, "larger than any"),
            ({"ixlan_id": 70, "prefix": "2001:db8::/29"}, "larger than any"),
            ({"ixlan_id": 70, "prefix": "198.51.100.1/24"}, "host bits"),
            ({"ixlan_id": 70, "prefix": 7}, "no text"),
            ({"ixlan_id": 71, "prefix": "192.0.2.0/24"}, "71 is of no exchange"),
            ({"ixlan_id": [70], "prefix": "192.0.2.0/24"}, "of no exchange"),
            ({"prefix": "192.0.2.0/24"}, "of no exchange"),
        ],
    )
    def test_a_bad_record_is_skipped_with_its_number(self, bad: dict[str, Any], why: str) -> None:
        found = parse(files(ixpfx=[*IXPFX[:2], bad]))
        assert len(found.ranges) == 2
        ((place, told),) = found.skipped
        assert place == 3
        assert told.startswith("ixpfx: ")
        assert why in told

    def test_a_member_with_a_bad_address_is_skipped(self) -> None:
        found = parse([*files(), api([{"ixlan_id": 70, "asn": 1, "ipaddr4": "2001:db8::1"}])])
        assert [each.line for each in found.skipped] == [1]

    @pytest.mark.parametrize("left_out", range(3))
    def test_what_is_missing_is_named(self, left_out: int) -> None:
        given = files()
        del given[left_out]
        with pytest.raises(GeodataError, match=f"no {('ix', 'ixlan', 'ixpfx')[left_out]} records"):
            parse(given)

    @pytest.mark.parametrize(
        "octets",
        [b"", b"{", b"[]", b"7", api([]), api([7]), api([{"id": 1}]), api("x"), b"[" * 100_000, b"\x1f\x8bx"],
    )
    def test_a_file_of_another_kind_is_refused_whole(self, octets: bytes) -> None:
        with pytest.raises(GeodataError):
            parse([octets])

    def test_no_country_is_unknown_and_the_exchange_is_named_all_the_same(self) -> None:
        found = parse(files(ix=[{"id": 7, "name": "Indus-IX", "media": ""}, IX[1]]))
        assert found.ranges[0].entry == Entry(network="Indus-IX")


class TestFacilities:
    """The buildings, with coordinates where both are there."""

    def test_facilities(self) -> None:
        assert facilities(api(FAC)) == (
            Facility("Indus DC1", "Karachi", "PK", 24.9, 67.0),
            Facility("Ravi DC", "Lahore", "PK", None, None),
            Facility("Nowhere", None, None, None, None),
        )

    def test_none(self) -> None:
        assert facilities(api(IX)) == ()


class TestSource:
    """A snapshot that was given PeeringDB's files answers for the addresses of exchanges."""

    def test_look_up(self, tmp_path: Path) -> None:
        for number, octets in enumerate([*files(), api(NETIXLAN)]):
            (tmp_path / f"{number}.json").write_bytes(octets)
        home = tmp_path / "home"
        paths = sorted(tmp_path.glob("*.json"))
        (outcome,) = add(Catalog(home), peeringdb.PUBLISHED, paths, Options()).outcomes
        assert (outcome.outcome, outcome.records) == ("updated", 4)
        with Snapshot.open(home) as snapshot:
            (claim,) = [each for each in snapshot.claims("198.51.100.9") if each.family == "peeringdb"]
            assert (claim.meaning, claim.country, claim.city, claim.network, claim.asn) == (
                "server",
                "PK",
                "Karachi",
                "Indus-IX",
                64501,
            )
            assert claim.date == "2026-11-03"
            (claim,) = [each for each in snapshot.claims("2001:db8:7::2") if each.family == "peeringdb"]
            assert (claim.country, claim.asn) == ("PK", None)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
known = st.sampled_from([7, 70, "198.51.100.0/24", "::/0", "198.51.100.9"])
RECORDS = [IX[0], IXLAN[0], IXPFX[0], NETIXLAN[0], FAC[0]]
fields = st.sampled_from(sorted({field for record in RECORDS for field in record}))
values = scalars | st.lists(scalars, max_size=2) | known
rows = st.lists(st.dictionaries(fields, values, max_size=6) | scalars, max_size=6)


class TestHostile:
    """Whatever is in a file: ranges of real networks, or an error that can be shown."""

    @given(st.lists(rows, max_size=4))
    def test_any_records(self, given: list[Any]) -> None:
        try:
            found = parse([*files(), *(api(each) for each in given)])
        except GeodataError:
            return
        for version, first, last, entry in found.ranges:
            assert first <= last < 1 << (32 if version == 4 else 128)
            assert last - first < 1 << (16 if version == 4 else 96)
            assert entry.country is None or len(entry.country) == 2

    @given(st.binary(max_size=200))
    def test_any_octets(self, octets: bytes) -> None:
        with pytest.raises(GeodataError):
            parse([octets])
        with contextlib.suppress(GeodataError):
            facilities(octets)

    @given(rows)
    def test_any_facilities(self, given: list[Any]) -> None:
        try:
            found = facilities(api(given))
        except GeodataError:
            return
        for each in found:
            assert each.name
            assert (each.latitude is None) == (each.longitude is None)
