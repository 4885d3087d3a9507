from __future__ import annotations

import ipaddress
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.catalog import Catalog
from geodata.errors import GeodataError
from geodata.snapshot import Snapshot
from geodata.sources import origins, vrps
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets
from geodata.sources.validity import validity
from geodata.update import Options, add

if TYPE_CHECKING:
    from pathlib import Path

    from geodata.claim import Validity
    from geodata.sources.parsed import Entry


def vrp(prefix: str, asn: object, most: int | None = None) -> dict[str, Any]:
    length = {} if most is None else {"maxLength": most}
    return {"asn": asn, "prefix": prefix, "ta": "apnic", "expires": 1_764_000_000, **length}


def file(*roas: Any, **metadata: Any) -> bytes:
    return json.dumps({"metadata": metadata, "roas": roas}).encode()


FILE = file(
    vrp("198.18.0.0/15", 64500, 16),
    vrp("198.18.0.0/16", 64501),
    vrp("198.18.4.0/24", "AS64502", 24),
    vrp("198.19.0.0/16", 0),
    vrp("2001:db8::/32", 64503, 48),
    buildtime="2026-11-20T11:22:33Z",
)


def of(address: str, octets: bytes = FILE) -> tuple[Entry, ...]:
    """The payloads that cover an address, by way of a table."""
    found = Table("test", table_octets(vrps.parse(octets).ranges, None, None)).look_up(
        ipaddress.ip_address(address)
    )
    return () if found is None else found.entries


class TestValidity:
    """An origin is valid if any payload that covers all it announces allows that (RFC 6811)."""

    @pytest.mark.parametrize(
        ("address", "origin", "length", "expected"),
        [
            ("198.18.4.1", 64502, 24, "valid"),
            ("198.18.4.1", 64500, 16, "valid"),
            ("198.18.4.1", 64501, 16, "valid"),
            ("198.18.4.1", 64501, 24, "invalid"),  # longer than its payload allows
            ("198.18.4.1", 64502, 23, "invalid"),  # its own payload does not cover all of that
            ("198.18.4.1", 64999, 24, "invalid"),
            ("198.18.4.1", 64999, 14, "not-found"),  # wider than any payload
            ("203.0.113.1", 64500, 24, "not-found"),
            ("203.0.113.1", 64500, None, "not-found"),
            ("198.18.4.1", 64500, None, None),
            ("198.19.0.1", 64500, 24, "invalid"),  # AS0: nobody may
            ("2001:db8:1::1", 64503, 48, "valid"),
            ("2001:db8:1::1", 64503, 49, "invalid"),
        ],
    )
    def test_of(self, address: str, origin: int, length: int | None, expected: Validity | None) -> None:
        assert validity(origin, length, of(address)) == expected

    @given(
        roas=st.lists(
            st.tuples(st.integers(0, 255), st.integers(0, 8), st.integers(0, 8), st.integers(1, 3)),
            min_size=1,
            max_size=12,
        ),
        address=st.integers(0, 255),
        length=st.integers(0, 8),
        origin=st.integers(1, 3),
    )
    def test_as_the_definition_says(
        self, roas: list[tuple[int, int, int, int]], address: int, length: int, origin: int
    ) -> None:
        """In the space of one octet, against RFC 6811's words."""
        payloads = []
        for number, bits, more, asn in roas:
            network = ipaddress.ip_network((f"198.18.0.{number}", 24 + bits), strict=False)
            payloads.append((network, min(24 + bits + more, 32), asn))
        route = ipaddress.ip_network((f"198.18.0.{address}", 24 + length), strict=False)
        covering = [
            (most, asn)
            for network, most, asn in payloads
            if isinstance(route, ipaddress.IPv4Network)
            and isinstance(network, ipaddress.IPv4Network)
            and route.subnet_of(network)
        ]
        matched = any(asn == origin and route.prefixlen <= most for most, asn in covering)
        expected = "valid" if matched else "invalid" if covering else "not-found"
        octets = file(*(vrp(str(network), asn, most) for network, most, asn in payloads))
        assert validity(origin, route.prefixlen, of(f"198.18.0.{address}", octets)) == expected


class TestFile:
    """A validator's file is read by record; what makes no sense is skipped, or the file refused."""

    def test_the_day_is_told(self) -> None:
        assert vrps.parse(FILE).date == "2026-11-20"
        assert vrps.parse(file(vrp("198.18.0.0/15", 1), generated=1_764_000_000)).date == "2025-11-24"
        assert vrps.parse(file(vrp("198.18.0.0/15", 1), buildtime="soon")).date is None

    @pytest.mark.parametrize(
        "odd",
        [
            3,
            {},
            vrp("198.18.0.1/15", 1),
            vrp("198.18.0.0/15", 1, 14),
            vrp("198.18.0.0/15", 1, 33),
            vrp("198.18.0.0/15", -1),
            vrp("198.18.0.0/15", "ASx"),
            vrp("198.18.0.0/15", 1 << 32),
            vrp("198.18.0.0/15", "9" * 5000),
            vrp("198.18.0.0/15", None),
            {**vrp("198.18.0.0/15", 1), "maxLength": "16"},
        ],
    )
    def test_a_bad_record(self, odd: Any) -> None:
        found = vrps.parse(file(*(vrp("198.18.0.0/15", number) for number in range(1, 40)), odd))
        assert [each.line for each in found.skipped] == [40]

    @pytest.mark.parametrize(
        "octets", [b"", b"[]", b"{}", b'{"roas":[]}', b'{"roas":3}', FILE[:-2], b"[" * 10**5]
    )
    def test_a_bad_file(self, octets: bytes) -> None:
        with pytest.raises(GeodataError):
            vrps.parse(octets)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["asn", "prefix", "maxLength", "x"]), inner, max_size=4)
            ),
            max_leaves=12,
        )
    )
    def test_no_record_does_harm(self, record: Any) -> None:
        try:
            found = vrps.parse(file(vrp("198.18.0.0/15", 1), record))
        except GeodataError:
            return
        table_octets(found.ranges, None, None)


class TestSnapshot:
    """With payloads in the snapshot, the claim of an origin says whether it is valid."""

    def test_origins_are_validated_by_what_is_announced(self, tmp_path: Path) -> None:
        catalog = Catalog(tmp_path / "geodata")
        table = tmp_path / "table"
        # Two neighbours of one origin: together a /23, but what is announced are /24s.
        table.write_bytes(b"198.18.4.0/24 64502\n198.18.5.0/24 64502\n198.18.4.0/24 64999\n")
        payloads = tmp_path / "vrps.json"
        payloads.write_bytes(FILE)
        add(catalog, origins.PUBLISHED, [table], Options())
        before = self._said(catalog, "198.18.4.1")
        add(catalog, vrps.PUBLISHED, [payloads], Options())
        assert before == {64502: ("198.18.4.0/24", None), 64999: ("198.18.4.0/24", None)}
        assert self._said(catalog, "198.18.4.1") == {
            64502: ("198.18.4.0/24", "valid"),
            64999: ("198.18.4.0/24", "invalid"),
        }
        assert self._said(catalog, "198.18.5.1") == {64502: ("198.18.5.0/24", "invalid")}

    @staticmethod
    def _said(catalog: Catalog, address: str) -> dict[int | None, tuple[str, Validity | None]]:
        with Snapshot.open(catalog.home) as snapshot:
            said = [one for one in snapshot.claims(address) if one.source == "bgp"]
            assert "rpki" not in snapshot.columns([address])
        return {one.asn: (one.prefix, one.rpki) for one in said}
