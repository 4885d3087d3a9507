from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.sources import delegated
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

FILE = b"""\
2|apnic|20260520|84930|19830613|20260519|+1000
# a comment
apnic|*|asn|*|13662|summary
apnic|*|ipv4|*|5|summary
apnic|PK|asn|17557|1|20010101|allocated|A91
apnic|PK|ipv4|39.32.0.0|2097152|20100715|allocated|A91
apnic|PK|ipv4|203.0.112.5|300|20100715|assigned|A92
apnic|ZZ|ipv4|203.0.120.0|256||reserved|
apnic||ipv4|203.0.121.0|256||available|
apnic|AP|ipv4|203.0.122.0|256|20100715|allocated|A93
apnic|pk|ipv6|2400:adc0::|26|20100715|allocated|A91
"""


def countries(octets: bytes, *addresses: str) -> list[str | None]:
    found = delegated.parse(octets)
    table = Table("test", table_octets(found.ranges, found.version, found.date))
    said = [table.look_up(ipaddress.ip_address(each)) for each in addresses]
    return [None if each is None else each.entries[0].country for each in said]


class TestDelegated:
    """Registries' statistics give the country of each block that somebody holds, to the address."""

    def test_number_of_addresses_is_no_power_of_two(self) -> None:
        edges = ("203.0.112.4", "203.0.112.5", "203.0.113.48", "203.0.113.49")
        assert countries(FILE, *edges) == [None, "PK", "PK", None]

    def test_both_versions_and_the_date(self) -> None:
        assert countries(FILE, "39.32.0.1", "2400:adff::1", "2400:ae00::") == ["PK", "PK", None]
        found = delegated.parse(FILE)
        assert (found.date, found.skipped) == ("2026-05-19", [])

    def test_what_nobody_holds_and_what_is_no_country_are_unknown(self) -> None:
        free = ("203.0.120.1", "203.0.121.1", "203.0.122.1")
        assert countries(FILE, *free) == [None, None, None]

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b"apnic|PK|ipv4|39.32.0|256|20100715|allocated", "illegal IP address"),
            (b"apnic|PK|ipv4|39.32.0.0|-1|20100715|allocated", "'-1' is no number"),
            (b"apnic|PK|ipv4|39.32.0.0|0|20100715|allocated", "0 addresses from 39.32.0.0"),
            (b"apnic|PK|ipv4|255.255.255.0|257|20100715|allocated", "257 addresses from 255.255.255.0"),
            (b"apnic|PK|ipv6|2400::|129|20100715|allocated", "2400::/129 is no prefix"),
            (b"apnic|PK|ipv6|2400::1|32|20100715|allocated", "2400::1/32 is no prefix"),
            (b"apnic|PAK|ipv4|1.0.0.0|256|20100715|allocated", "'PAK' is no country"),
            (b"apnic|PK|ipv4", "has too few fields"),
        ],
    )
    def test_a_bad_line_is_skipped_by_number(self, line: bytes, why: str) -> None:
        (skipped,) = delegated.parse(FILE + line + b"\n").skipped
        assert skipped.line == 12
        assert why in skipped.why

    @pytest.mark.parametrize("octets", [b"", b"<html>", FILE[:47], b"apnic|PK|ipv4|x|1|2|allocated\n" * 9])
    def test_a_file_that_makes_no_sense_is_refused(self, octets: bytes) -> None:
        with pytest.raises(GeodataError):
            delegated.parse(octets)

    @given(st.binary(max_size=300) | st.text(alphabet="|apnicPKv46.:/0123456789\n", max_size=300))
    def test_no_octets_do_harm(self, given: bytes | str) -> None:
        octets = given if isinstance(given, bytes) else given.encode()
        try:
            found = delegated.parse(octets)
        except GeodataError:
            return
        table_octets(found.ranges, found.version, found.date)
