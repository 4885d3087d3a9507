from __future__ import annotations

import importlib.metadata
import ipaddress
import re
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import maxminddb
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from geodata.bulk import Addresses
from geodata.checks import size_of
from geodata.snapshot import GeodataError
from geodata.sources import geoip
from geodata.sources.mmdb import Mmdb
from geodata.sources.parsed import Entry, Range, of_prefix
from geodata.sources.registry import Registry
from geodata.sources.source import Found, asn, country, text, widest_block
from geodata.sources.table import MAGIC, START, Block, Header, Table
from geodata.sources.table_writer import table_octets
from geodata.special import decode

if TYPE_CHECKING:
    from pathlib import Path

FOUR = ipaddress.IPv4Address
SIX = ipaddress.IPv6Address


def _mmdb(path: Path, kind: str, records: dict[str, Any], version: int = 6) -> Path:
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type=kind)
    for prefix, record in records.items():
        writer.insert_network(IPSet([prefix]), record)
    writer.to_db_file(str(path))
    return path


def _table(version: int, *blocks: tuple[int, list[int], list[int]]) -> bytes:
    """A range table of blocks as they are given (first, steps, codes), with one label."""
    streams = []
    for _, steps, codes in blocks:
        planes = [bytes(step >> 8 * at & 255 for step in steps) for at in range(START[version])]
        streams.append(zlib.compress(b"".join([*planes, bytes(codes), bytes(3 * len(codes))])))
    told = tuple(
        Block(first, len(steps), len(octets))
        for (first, steps, _), octets in zip(blocks, streams, strict=True)
    )
    label = zlib.compress(b'[{"country":"PK"}]\n')
    four, six = (told, ()) if version == 4 else ((), told)
    header = msgspec.json.encode(Header(None, None, four, six, (Block(1, 1, len(label)),)))
    return b"".join((MAGIC, len(header).to_bytes(4, "big"), header, *streams, label))


def _look_up(path: Path, address: str) -> Found | None:
    reader = Mmdb(path)
    try:
        return reader.look_up(ipaddress.ip_address(address))
    finally:
        reader.close()


def said(prefix: str, **fields: Any) -> Found:
    """What a reader finds: one entry."""
    return Found(prefix, (Entry(**fields),))


def only(found: Found | None) -> Entry:
    assert found is not None
    (entry,) = found.entries
    return entry


class TestMmdb:
    """Each schema of a MaxMind DB file is read for what it says, and for nothing else."""

    def test_a_registered_country_is_not_a_country(self, tmp_path: Path) -> None:
        """GeoLite2 has nothing but that for most anycast addresses: unknown, not the holder's country."""
        record = {"registered_country": {"iso_code": "US"}, "represented_country": {"iso_code": "US"}}
        for kind in ("GeoLite2-Country", "GeoLite2-City"):
            path = _mmdb(tmp_path / kind, kind, {"198.18.0.0/24": record})
            assert only(_look_up(path, "198.18.0.1")).country is None

    def test_a_city_record_has_place_and_radius(self, tmp_path: Path) -> None:
        record = {
            "country": {"iso_code": "PK"},
            "city": {"names": {"en": "Lahore"}},
            "location": {"latitude": 31.5, "longitude": 74.3, "accuracy_radius": 20},
            "traits": {"is_anycast": True},
        }
        path = _mmdb(tmp_path / "x", "GeoIP2-City", {"198.18.0.0/24": record})
        place = Entry(country="PK", city="Lahore", latitude=31.5, longitude=74.3, radius_km=20)
        found = Found("198.18.0.0/24", (place, Entry(meaning="anycast")))
        assert _look_up(path, "198.18.0.1") == found
        compiled = Table("x", table_octets(geoip.parse(path.read_bytes()).ranges, None, None))
        assert compiled.look_up(FOUR("198.18.0.1")) == found

    def test_an_asn_record_has_network_and_number(self, tmp_path: Path) -> None:
        record = {"autonomous_system_number": 64500, "autonomous_system_organization": "Indus"}
        path = _mmdb(tmp_path / "x", "GeoLite2-ASN", {"2001:db8::/32": record})
        found = _look_up(path, "2001:db8::1")
        assert found == said("2001:db8::/32", asn=64500, network="Indus")

    def test_flat_files_are_read_without_geoip2(self, tmp_path: Path) -> None:
        path = _mmdb(tmp_path / "x", "ipvAll", {"198.18.0.0/24": {"country_code": "PK", "asn": "AS64500"}})
        assert _look_up(path, "198.18.0.1") == said("198.18.0.0/24", country="PK", asn=64500)

    def test_who_hides_others_is_no_place_of_a_server(self, tmp_path: Path) -> None:
        records = {
            "198.18.0.0/24": {"is_anonymous": True, "is_anonymous_vpn": True, "is_tor_exit_node": True},
            "198.18.1.0/24": {"is_anonymous": True, "is_hosting_provider": True},
            "198.18.2.0/24": {"is_public_proxy": "yes", "is_residential_proxy": True},
        }
        path = _mmdb(tmp_path / "x", "GeoIP2-Anonymous-IP", records)
        table = Table("x", table_octets(geoip.parse(path.read_bytes()).ranges, None, None))
        assert [table.look_up(FOUR(f"198.18.{third}.1")) for third in range(3)] == [
            said("198.18.0.0/24", meaning="user_egress", network="Tor exit, VPN"),
            None,
            said("198.18.2.0/24", meaning="user_egress", network="residential proxy"),
        ]

    def test_an_ipv6_address_is_not_in_an_ipv4_file(self, tmp_path: Path) -> None:
        path = _mmdb(tmp_path / "x", "GeoLite2-Country", {"198.18.0.0/24": {}}, version=4)
        assert _look_up(path, "2001:db8::1") is None

    @pytest.mark.parametrize(
        "record",
        [
            {"country": {"iso_code": 5}},
            {"country": {"iso_code": "Pakistan"}},
            {"country": {"iso_code": "EU"}},
            {"country": {}, "location": {"latitude": 91.0, "longitude": 0.0}},
            {"country": {}, "location": {"latitude": "north", "longitude": True}},
            {"country": {}, "location": {"latitude": 24.9}},
            {"city": {"names": {"en": 7}}},
        ],
    )
    def test_values_that_make_no_sense_are_unknown(self, tmp_path: Path, record: dict[str, object]) -> None:
        path = _mmdb(tmp_path / "x", "GeoLite2-City", {"198.18.0.0/24": record})
        assert _look_up(path, "198.18.0.1") == said("198.18.0.0/24")

    @pytest.mark.parametrize("record", ["PK", ["PK"], {"country": ["PK"]}, {"location": 3}, {"city": "x"}])
    def test_records_of_another_shape_are_an_error_that_names_the_file(
        self, tmp_path: Path, record: object
    ) -> None:
        path = _mmdb(tmp_path / "odd.mmdb", "GeoLite2-City", {"198.18.0.0/24": record})
        with pytest.raises(GeodataError, match=r"odd\.mmdb"):
            _look_up(path, "198.18.0.1")


class TestTable:
    """A range table gives back the ranges that were written, with the widest prefix that is true."""

    @pytest.fixture
    def countries(self, tmp_path: Path) -> Path:
        ranges = [
            Range(4, 0x0A00_0000, 0x0A00_02FF, Entry(country="PK")),
            Range(4, 0x0A00_0300, 0x0A00_03FF, Entry(country="DE")),
            of_prefix("2001:db8::/64", Entry(country="DE")),
        ]
        (tmp_path / "x.table").write_bytes(table_octets(ranges, "v1", "2026-06-01"))
        return tmp_path / "x.table"

    @pytest.mark.parametrize(
        ("address", "record"),
        [
            ("9.255.255.255", None),
            ("10.0.0.0", said("10.0.0.0/23", country="PK")),
            ("10.0.2.255", said("10.0.2.0/24", country="PK")),
            ("10.0.3.0", said("10.0.3.0/24", country="DE")),
            ("10.0.4.0", None),
            ("255.255.255.255", None),
            ("2001:db8::ffff", said("2001:db8::/64", country="DE")),
            ("2001:db8:0:1::", None),
            ("::1", None),
        ],
    )
    def test_looks_up(self, countries: Path, address: str, record: Found | None) -> None:
        assert Table.read(countries).look_up(ipaddress.ip_address(address)) == record

    def test_has_version_and_date(self, countries: Path) -> None:
        table = Table.read(countries)
        assert (table.version, table.date) == ("v1", "2026-06-01")

    def test_networks_have_names_of_any_script(self) -> None:
        networks = [(64500, "سندھ"), (64501, None), (2**32 - 1, "last\n")]
        ranges = [Range(4, at, at, Entry(asn=asn, network=name)) for at, (asn, name) in enumerate(networks)]
        table = Table("x", table_octets(ranges, None, None))
        found = [only(table.look_up(FOUR(number))) for number in range(3)]
        assert [(one.asn, one.network) for one in found] == networks
        assert table.look_up(SIX("2001:db8::1")) is None

    def test_all_fields_of_an_entry(self) -> None:
        entry = Entry(
            country="AE",
            city="Dubai",
            region="me-central-1",
            latitude=25.2,
            longitude=55.3,
            radius_km=50,
            asn=16509,
            network="Amazon",
            meaning="edge_pop",
        )
        table = Table("x", table_octets([of_prefix("3.28.0.0/16", entry)], None, None))
        assert table.look_up(FOUR("3.28.1.1")) == Found("3.28.0.0/16", (entry,))

    @given(
        st.lists(
            st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from(["PK", "IN", "CN"])),
            max_size=12,
        ),
        st.sampled_from([4, 6]),
    )
    @settings(max_examples=300)
    def test_the_narrowest_counts(self, given_: list[tuple[int, int, str]], version: int) -> None:
        """However ranges are nested, overlap or repeat: as if all of them were looked through."""
        shift = 0 if version == 4 else 64
        ranges = [
            Range(version, min(a, b) << shift, (max(a, b) + 1 << shift) - 1, Entry(country=code))
            for a, b, code in given_
        ]
        table = Table("x", table_octets(ranges, None, None))
        for key in range(45):
            address = FOUR(key) if version == 4 else SIX(key << 64 | 5)
            holding = [each for each in ranges if each.first <= int(address) <= each.last]
            narrowest = min((each.last - each.first for each in holding), default=None)
            want = {each.entry for each in holding if each.last - each.first == narrowest}
            found = table.look_up(address)
            assert (set() if found is None else set(found.entries)) == want
            assert found is None or len(found.entries) == len(want)
            if found is not None:
                network = ipaddress.ip_network(found.prefix)
                assert address in network

    @pytest.mark.parametrize("version", [4, 6])
    def test_many_blocks_are_as_one(self, version: int) -> None:
        """Ranges and labels go on from block to block, and a prefix reaches over where one ends."""
        shift = 0 if version == 4 else 64
        ranges = [
            Range(version, at << shift, (at + 2 << shift) - 1, Entry(asn=1 + at % 1000))
            for at in range(0, 50_000, 2)
            if at % 7
        ]
        table = Table("x", table_octets(ranges, None, None))
        assert table.labels == 1000 // 2
        for at in range(50_002):
            found = table.look_up(FOUR(at) if version == 4 else SIX(at << 64 | 9))
            if at >= 50_000 or at // 2 * 2 % 7 == 0:
                assert found is None, at
            else:
                length = 31 if version == 4 else 63
                base = ipaddress.ip_network(((FOUR if version == 4 else SIX)(at // 2 * 2 << shift), length))
                assert found == Found(str(base), (Entry(asn=1 + at // 2 * 2 % 1000),))
        starts, codes = table.ranges(version)
        assert len(starts) == len(codes) > 3 * 8192
        assert size_of(table).ranges == len(ranges)

    def test_very_many_addresses_say_the_same(self, countries: Path) -> None:
        table = Table.read(countries)
        texts = [
            "10.0.0.0",
            "10.0.3.255",
            "9.9.9.9",
            "2001:db8::7",
            "::1",
            "::ffff:10.0.2.1",
            "255.255.255.255",
        ]
        column = table.column(Addresses.of(texts))
        for code, text_ in zip(column.codes, texts, strict=True):
            found = table.look_up(decode(text_))
            assert column.entries[int(code)] == (() if found is None else found.entries)
        assert len(column.entries) == 3
        assert column.entries[1:] == [column.entries[1], column.entries[2]]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (b'"version":"v1"', b'"version":1111', "header: Expected"),
            (b'"ranges4":[[0,4,', b'"ranges4":[[0,0,', "header: Expected"),
            (b'"ranges6"', b'"ranges7"', "header: Object"),
            (b'"labels":[[1,2,', b'"labels":[[1,3,', "labels from 1: not 3"),
            (b'"labels":[[1,2,', b'"labels":[[2,2,', "labels: not all there"),
            (b'"ranges4":[[0,4,', b'"ranges4":[[0,3,', "ranges4: cut short or too long"),
            (b'"ranges4":[[0,4,', b'"ranges4":[[0,5,', "ranges4: not 5 ranges from 0"),
            (b"sarhad.table/3", b"sarhad.table/1", "not a range table"),
        ],
    )
    def test_a_header_that_is_wrong_is_named(
        self, countries: Path, old: bytes, new: bytes, message: str
    ) -> None:
        octets = countries.read_bytes()
        assert old in octets
        countries.write_bytes(octets.replace(old, new))
        with pytest.raises(GeodataError, match=message):
            size_of(Table.read(countries))

    def test_octets_after_the_end_are_refused(self, countries: Path) -> None:
        countries.write_bytes(countries.read_bytes() + b"x")
        with pytest.raises(GeodataError, match="octets after the last block"):
            Table.read(countries)

    @given(data=st.data())
    @settings(max_examples=300)
    def test_octets_that_are_wrong_are_an_error(
        self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        directory = tmp_path_factory.mktemp("fuzz")
        path = directory / "odd.table"
        ranges = [
            Range(4, 0, 8, Entry(asn=64500, network="Indus")),
            Range(4, 9, 2**32 - 1, Entry(asn=64501, network="Ravi")),
            Range(6, 5 << 64, 2**128 - 1, Entry(asn=64500, network="Indus")),
        ]
        octets = bytearray(table_octets(ranges, "v", "2026-06-01"))
        whole = len(octets)
        if data.draw(st.booleans()):
            octets = octets[: data.draw(st.integers(0, len(octets) - 1))]
        else:
            octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(octets)
        message = ""
        try:
            table = Table.read(path)
            table.look_up(FOUR(10))
            size_of(table)
        except GeodataError as error:
            message = str(error)
        assert not message or "odd.table: " in message
        assert message or len(octets) == whole  # what is cut short is never accepted

    @given(
        version=st.sampled_from([4, 6]),
        first=st.integers(0, 9) | st.integers(0, 2**64 - 1),
        rows=st.lists(
            st.tuples(st.integers(0, 3) | st.integers(0, 2**64 - 1), st.integers(0, 2)),
            min_size=1,
            max_size=9,
        ),
        order=st.sampled_from(["any", "rising", "rising slowly"]),
    )
    @example(4, 5, [(0, 1), (2**32 - 1, 1)], "any")
    @example(6, 5, [(0, 1), (2**64 - 1, 1)], "any")
    @example(6, 5, [(0, 1), (1, 2)], "any")
    def test_one_by_one_and_all_at_once_read_the_same(
        self, version: int, first: int, rows: list[tuple[int, int]], order: str
    ) -> None:
        """Or refuse the same, with the same words; one is without numpy, as that is slow to import."""
        most = 1 << 8 * START[version]
        first %= most
        steps = [step % most for step, _ in rows]
        if order != "any":
            steps = [0, *(max(1, step) for step in steps[1:])]
        if order == "rising slowly":
            first, steps = first % 1000, [step % 1000 + (step > 999) for step in steps]
        octets = _table(version, (first, steps, [code for _, code in rows]))
        kind, shift = (FOUR, 0) if version == 4 else (SIX, 64)
        table = Table("x", octets)
        try:
            starts, codes = table.ranges(version)
        except GeodataError as error:
            with pytest.raises(GeodataError, match=re.escape(str(error))):
                table.look_up(kind(first << shift))
            return
        for start, code in zip(starts.tolist(), codes.tolist(), strict=True):
            found = table.look_up(kind(start << shift))
            assert (found is not None) == (code == 1)
            assert found is None or found.entries == (Entry(country="PK"),)

    def test_a_block_may_not_reach_into_the_next(self) -> None:
        table = Table("x", _table(4, (5, [0, 5], [1, 1]), (10, [0], [1])))
        for read in (lambda: table.look_up(FOUR(5)), lambda: table.ranges(4)):
            with pytest.raises(GeodataError, match="x: ranges4: not in order from 5"):
                read()

    def test_one_address_needs_no_numpy(self) -> None:
        """To import it takes longer than all else that a first answer needs."""
        program = (
            "import sys; from geodata.snapshot import Snapshot\n"
            "assert Snapshot.open(None).claims('39.32.0.1') and Snapshot.open(None).claims('2400:adc0::1')\n"
            "sys.exit('numpy' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0

    @given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
    def test_the_widest_block_is_inside_and_cannot_be_wider(self, one: int, two: int, three: int) -> None:
        first, key, last = sorted((one, two, three))
        base, length = widest_block(key, first, last, 32)
        block = ipaddress.ip_network((base, length))
        assert FOUR(key) in block
        assert first <= int(block[0])
        assert int(block[-1]) <= last
        wider = block.supernet() if length else None
        assert wider is None or int(wider[0]) < first or int(wider[-1]) > last


class TestCompile:
    """Compiling joins neighbours and drops nothing but what is finer than a /64."""

    def test_every_address_says_the_same_as_in_the_source(self, tmp_path: Path) -> None:
        said = {
            "198.18.0.0/24": "PK",
            "198.18.1.0/24": "PK",
            "198.18.2.0/25": "DE",
            "255.255.255.0/24": "SG",
            "2001:db8::/48": "PK",
            "2001:db8:1::/64": "PK",
            "2001:db8:2::/80": "DE",
            "2001:db8:3:0:8000::/65": "DE",
            "2001:db8:3:1::/64": "DE",
            "ffff:ffff:ffff:ffff::/64": "SG",
        }
        source = _mmdb(
            tmp_path / "x.mmdb", "flat", {prefix: {"country_code": code} for prefix, code in said.items()}
        )
        table = Table("x", table_octets(geoip.parse(source.read_bytes()).ranges, None, None))
        with maxminddb.open_database(source) as reader:
            for prefix in said:
                network = ipaddress.ip_network(prefix)
                for address in (network[0], network[-1]):
                    record = reader.get(address)
                    found = table.look_up(address)
                    if network.prefixlen <= 64:
                        want = record["country_code"] if isinstance(record, dict) else None
                        assert only(found).country == want, address
                    else:
                        assert found is None
        for unsaid in ("198.17.255.255", "198.18.2.128", "255.255.254.255", "2001:db8:1:1::", "::1"):
            assert table.look_up(ipaddress.ip_address(unsaid)) is None
        joined = table.look_up(FOUR("198.18.0.7"))
        assert joined is not None
        assert joined.prefix == "198.18.0.0/23"


class TestRegistry:
    """The registries' answer for an address, dated only if it is known which data is installed."""

    def test_knows_the_registries(self) -> None:
        registry = Registry()
        found = registry.look_up(FOUR("39.32.0.1"))
        assert found == said("39.32.0.1/32", country="PK")
        assert registry.look_up(FOUR("10.0.0.1")) is None
        assert registry.version == importlib.metadata.version("iptocc")

    def test_the_installed_version_is_dated(self) -> None:
        """Fails when the lock file moves: then the date of the new version is to be written down."""
        assert Registry().date is not None


class TestValues:
    """What is not a country, a number or a name is unknown."""

    @pytest.mark.parametrize(
        "value", [None, 5, "", "P", "PAK", "P1", "EU", "AP", "ZZ", "\uff30\uff2b", ["PK"], "PK\n"]
    )
    def test_no_country(self, value: object) -> None:
        assert country(value) is None

    def test_case_does_not_matter(self) -> None:
        assert country("pk") == "PK"

    @pytest.mark.parametrize(
        "value", [None, 0, -1, 2**32, True, 1.0, "AS", "ASx", "٣", "AS99999999999", "ASAS1"]
    )
    def test_no_asn(self, value: object) -> None:
        assert asn(value) is None

    def test_names_are_cut(self) -> None:
        assert text("x" * 1000) == "x" * 200
        assert text("") is None
        assert text(7) is None
