"""Range tables, written and read, also those that are damaged."""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from geodata.bulk import Addresses
from geodata.checks import size_of
from geodata.snapshot import GeodataError
from geodata.sources.parsed import Entry, Range, of_prefix
from geodata.sources.source import Found, widest_block
from geodata.sources.table import MAGIC, START, Block, Header, Table
from geodata.sources.table_writer import table_octets
from geodata.special import decode
from tests.geodata.found import FOUR, SIX, only, said

if TYPE_CHECKING:
    from pathlib import Path


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
