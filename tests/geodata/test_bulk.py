from __future__ import annotations

import hashlib
import ipaddress
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from geodata.bulk import Addresses
from geodata.errors import GeodataError
from geodata.snapshot import Snapshot
from geodata.sources.parsed import Entry, Range
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets
from geodata.special import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture(scope="module")
def embedded() -> Iterator[Snapshot]:
    with Snapshot.open(None) as snapshot:
        yield snapshot


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snapshot]:
    """A table of some blocks, with several entries at once and gaps, a MaxMind DB, and the registries."""
    directory = tmp_path_factory.mktemp("snapshot")
    ranges = [
        Range(version, at << shift, (at + 1 << shift) - 1, Entry(asn=1 + at % 700, country="PK"))
        for version, shift, first in ((4, 8, 39 << 16), (6, 64, 0x2407_D000_0000_0000))
        for at in range(first, first + 20_000)
        if at % 5
    ]
    ranges += [
        Range(4, 39 << 24, (40 << 24) - 1, Entry(asn=asn, meaning="anycast")) for asn in (64500, 64501)
    ]
    table = table_octets(ranges, "1", "2026-11-01")
    writer = MMDBWriter(ip_version=6, database_type="GeoLite2-Country", ipv4_compatible=True)
    for prefix, code in (("39.32.0.0/11", "PK"), ("2407:d000::/32", "PK"), ("8.8.8.0/24", "US")):
        writer.insert_network(IPSet([prefix]), {"country": {"iso_code": code}})
    writer.to_db_file(str(directory / "country.mmdb"))
    (directory / "origins.table").write_bytes(table)
    sources = [
        {"source": "registry", "family": "registry", "meaning": "registrant", "format": "iptocc"},
        {
            "source": "origins",
            "family": "bgp",
            "meaning": "origin",
            "format": "table",
            "file": "origins.table",
            "sha256": hashlib.sha256(table).hexdigest(),
        },
        {"source": "geolite", "family": "geolite", "meaning": "server", "file": "country.mmdb"},
    ]
    manifest = {"schema": "sarhad.snapshot/1", "name": "test", "date": "2026-11-01", "sources": sources}
    (directory / "manifest.json").write_text(json.dumps(manifest))
    with Snapshot.open(directory) as snapshot:
        yield snapshot


def written(address: ipaddress.IPv4Address | ipaddress.IPv6Address, form: int) -> str:
    """An address in one of the ways in which it may be written."""
    if isinstance(address, ipaddress.IPv6Address):
        return (str(address), address.exploded.upper(), f"{address}%eth0")[form % 3]
    value = int(address)
    inside = (0xFFFF << 32 | value, 0x0064_FF9B << 96 | value, 0x2002 << 112 | value << 80 | 7)
    more = (0x2001_0000 << 96 | (value ^ 0xFFFF_FFFF), 0xFFFE << 32 | value)
    return (str(address), f"::ffff:{address}", *(str(ipaddress.IPv6Address(one)) for one in inside + more))[
        form % 7
    ]


near = st.integers(0, 20_100 << 8).map(lambda at: ipaddress.IPv4Address((39 << 24) + at))
near6 = st.integers(0, 20_100 << 64).map(lambda at: ipaddress.IPv6Address((0x2407_D000 << 96) + at))
addresses = st.builds(
    written,
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6), near, near6),
    st.integers(0, 41),
)


def check(snapshot: Snapshot, texts: Sequence[str]) -> None:
    """Every source says of each address alone what it says of all at once, and so do the claims."""
    columns = snapshot.columns(texts)
    for source, reader in zip(snapshot.manifest.sources, snapshot._readers, strict=True):
        column = columns[source.source]
        assert len(column.codes) == len(texts)
        for text, code in zip(texts, column.codes.tolist(), strict=True):
            found = reader.look_up(decode(text))
            entries = column.entries[code]
            assert entries == (() if found is None else found.entries), (source.source, text)
            assert bool(code) == bool(entries)
            claims = [claim for claim in snapshot.claims(text) if claim.source == source.source]
            assert [(one.country, one.asn, one.network) for one in claims] == [
                (one.country, one.asn, one.network) for one in entries
            ]


class TestBulk:
    """Very many addresses get the answers that each of them gets alone."""

    @given(texts=st.lists(addresses, max_size=30))
    @settings(max_examples=100, deadline=None)
    def test_of_the_embedded_snapshot(self, embedded: Snapshot, texts: list[str]) -> None:
        check(embedded, texts)

    @given(texts=st.lists(addresses, max_size=30))
    @settings(max_examples=100, deadline=None)
    def test_of_every_kind_of_source(self, all_kinds: Snapshot, texts: list[str]) -> None:
        check(all_kinds, texts)

    def test_where_ranges_and_blocks_begin_and_end(self, all_kinds: Snapshot, embedded: Snapshot) -> None:
        for snapshot, step in ((all_kinds, 97), (embedded, 5003)):
            tables = [reader for reader in snapshot._readers if isinstance(reader, Table)]
            starts4 = np.concatenate(
                [table.ranges(4)[0][first::step] for table in tables for first in (0, 8192)]
            )
            starts6 = np.concatenate(
                [table.ranges(6)[0][first::step] for table in tables for first in (0, 8192)]
            )
            keys4 = {int(key) + by for key in starts4 for by in (-1, 0)} - {-1}
            keys6 = {int(key) + by for key in starts6 for by in (-1, 0)} - {-1}
            check(snapshot, [str(ipaddress.IPv4Address(key)) for key in sorted(keys4)])
            check(snapshot, [str(ipaddress.IPv6Address(key << 64 | 1)) for key in sorted(keys6)])


class TestAddresses:
    """What is no address is named, and nothing is said of the others."""

    @pytest.mark.parametrize(
        "wrong",
        [
            "",
            "1.2.3",
            "01.2.3.4",
            "1.2.3.4 ",
            "1.2.3.4\0",
            "1.2.3.4%eth0",
            "::g",
            "::1%",
            "fe80::1%a%b",
            "host",
            "\u0661.2.3.4",
        ],
    )
    def test_the_first_is_named(self, wrong: str) -> None:
        with pytest.raises(GeodataError, match="address 3: ") as caught:
            Addresses.of(["1.2.3.4", "::1%eth0", wrong, "also wrong"])
        assert repr(wrong) in str(caught.value)
        with pytest.raises(ValueError, match="does not appear"):
            decode(wrong)

    def test_none(self) -> None:
        found = Addresses.of([])
        assert [len(keys) for keys in found.keys.values()] == [0, 0]

    @given(texts=st.lists(addresses, max_size=40))
    def test_each_is_where_it_was(self, texts: list[str]) -> None:
        found = Addresses.of(texts)
        decoded = [decode(text) for text in texts]
        assert [decode(text) for text in found.texts] == decoded
        for version, shift in ((4, 0), (6, 64)):
            places, keys = found.places[version].tolist(), found.keys[version].tolist()
            assert sorted(places) == [at for at, one in enumerate(decoded) if one.version == version]
            assert keys == [int(decoded[at]) >> shift for at in places]
            assert keys == sorted(keys)
