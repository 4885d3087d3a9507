from __future__ import annotations

import bz2
import gzip
import ipaddress
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.sources import origins
from geodata.sources.parsed import Skipped
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

if TYPE_CHECKING:
    from collections.abc import Callable

TIME = 1_764_000_000
SEQUENCE, SET = 2, 1


def record(subtype: int, body: bytes, kind: int = 13) -> bytes:
    """An MRT record (RFC 6396, 2)."""
    return struct.pack("!IHHI", TIME, kind, subtype, len(body)) + body


def peers(count: int) -> bytes:
    """A PEER_INDEX_TABLE (RFC 6396, 4.3.1) of peers with four-octet numbers over IPv4."""
    rows = (struct.pack("!BIII", 2, number, 0x0A000000 + number, 64500 + number) for number in range(count))
    return record(1, struct.pack("!IHH", 1, 0, count) + b"".join(rows))


def segment(kind: int, *numbers: int) -> bytes:
    return struct.pack(f"!BB{len(numbers)}I", kind, len(numbers), *numbers)


def rib(prefix: str, *paths: bytes) -> bytes:
    """A RIB_IPV4_UNICAST or RIB_IPV6_UNICAST record (RFC 6396, 4.3.2), a path for each peer."""
    network = ipaddress.ip_network(prefix)
    octets = network.network_address.packed[: -(-network.prefixlen // 8)]
    body = struct.pack("!IB", 0, network.prefixlen) + octets + struct.pack("!H", len(paths))
    for number, path in enumerate(paths):
        attributes = b"\x40\x01\x01\x00" + struct.pack("!BBB", 0x40, 2, len(path)) + path
        body += struct.pack("!HIH", number, TIME, len(attributes)) + attributes
    return record(2 if network.version == 4 else 4, body)


ARCHIVE = b"".join(
    (
        peers(3),
        rib("198.18.0.0/16", segment(SEQUENCE, 64500, 64510), segment(SEQUENCE, 64501, 64510)),
        rib("198.18.7.0/24", segment(SEQUENCE, 64500, 64511), segment(SEQUENCE, 64501, 64512), b""),
        rib("198.19.0.0/16", segment(SEQUENCE, 64500) + segment(SET, 64513, 64514)),
        rib("0.0.0.0/0", segment(SEQUENCE, 64500)),
        rib("2001:db8::/32", segment(SEQUENCE, 64500, 64515)),
    )
)
PFX2AS = b"""\
198.18.0.0\t16\t64510
198.18.7.0\t24\t64511_64512
198.19.0.0\t16\t64513,64514
2001:db8::\t32\t64515
"""
PYASN = b"""\
; made of an archive
198.18.0.0/16\t64510
198.18.7.0/24\t64511
198.18.7.0/24\t64512
198.19.0.0/16\t64513
198.19.0.0/16\t64514
0.0.0.0/0\t64500
2001:db8::/32\t64515
"""


def announcers(octets: bytes, address: str) -> list[tuple[int | None, int | None]]:
    """The origins of an address and the lengths of what they announce."""
    table = Table("test", table_octets(origins.parse(octets).ranges, None, None))
    found = table.look_up(ipaddress.ip_address(address))
    return [] if found is None else sorted((each.asn or 0, each.length) for each in found.entries)


class TestFormats:
    """A routing table says the same in each format, compressed or not."""

    @pytest.mark.parametrize("octets", [ARCHIVE, PFX2AS, PYASN], ids=["mrt", "pfx2as", "pyasn"])
    @pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress])
    def test_origins(self, octets: bytes, packed: Callable[[bytes], bytes]) -> None:
        octets = packed(octets)
        assert announcers(octets, "198.18.1.1") == [(64510, 16)]
        assert announcers(octets, "2001:db8::1") == [(64515, 32)]
        assert announcers(octets, "203.0.113.1") == []  # a default route is nobody's claim

    @pytest.mark.parametrize("octets", [ARCHIVE, PFX2AS, PYASN], ids=["mrt", "pfx2as", "pyasn"])
    def test_several_origins_are_all_kept(self, octets: bytes) -> None:
        assert announcers(octets, "198.18.7.1") == [(64511, 24), (64512, 24)]
        assert announcers(octets, "198.19.0.1") == [(64513, 16), (64514, 16)]


class TestFaults:
    """What makes no sense is skipped by its number, or refused whole."""

    @pytest.mark.parametrize(
        "line",
        [b"198.18.0.0\t33\t1", b"198.18.0\t24\t1", b"198.18.0.0\t24", b"198.18.0.0/24\tx",
         b"198.18.0.0/24\t0", b"198.18.0.0/24\t4294967296", b"2001:db8::/129\t1", b"198.18.0.0/\xb2\t1"],
    )  # fmt: skip
    def test_a_bad_line(self, line: bytes) -> None:
        found = origins.parse(PFX2AS + line + b"\n")
        assert [each.line for each in found.skipped] == [5]
        assert len(found.ranges) == 6

    def test_a_bad_path_of_an_archive(self) -> None:
        odd = record(2, rib("198.18.9.0/24", segment(SEQUENCE, 64510))[12:-2])
        found = origins.parse(ARCHIVE + odd)
        assert len(found.skipped) == 1
        assert isinstance(found.skipped[0], Skipped)

    @pytest.mark.parametrize(
        "octets",
        [b"", b"\n", b"<html></html>", ARCHIVE[:-3], gzip.compress(ARCHIVE)[:-3], gzip.compress(PFX2AS)[:-3],
         bz2.compress(ARCHIVE)[:-3], peers(2), record(4, b"\0" * 20, 16)],
    )  # fmt: skip
    def test_a_bad_file(self, octets: bytes) -> None:
        with pytest.raises(GeodataError):
            origins.parse(octets)

    @given(data=st.data())
    def test_no_damage_does_harm(self, data: st.DataObject) -> None:
        octets = bytearray(data.draw(st.sampled_from([ARCHIVE, PFX2AS, PYASN])))
        for _ in range(data.draw(st.integers(1, 6))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        try:
            found = origins.parse(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
        except GeodataError:
            return
        table_octets(found.ranges, None, None)

    @given(st.binary(max_size=300))
    def test_no_octets_do_harm(self, octets: bytes) -> None:
        try:
            origins.parse(octets)
        except GeodataError:
            return
