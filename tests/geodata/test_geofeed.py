from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.sources import geofeed
from geodata.sources.parsed import Entry, Parsed, of_prefix
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

FEED = b"""\xef\xbb\xbf# prefix,country,region,city,postal\r
192.0.2.0/24,US,US-AL,Alabaster,\r
192.0.2.5,us,US-AL,Alabaster,  # a lone address
2001:db8::/32,PK,pk-sd,"Karachi, Sindh",75000

203.0.113.0/24,,,,
198.51.100.0/24
2001:db8:1::/48,ZZ
192.0.2.64/26,PK,IN-MH,Mumbai
192.0.2.128/26,PK,Punjab,Lahore
"""


def said(feed: Parsed) -> dict[str, Entry]:
    """The entries by their prefixes."""
    found = {}
    for version, first, last, entry in feed.ranges:
        bits = (32 if version == 4 else 128) - (last - first).bit_length()
        kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
        found[str(kind((first, bits)))] = entry
    return found


class TestParse:
    """A geofeed is read as RFC 8805 says, and nothing is made up where it says less."""

    def test_every_form_of_a_line(self) -> None:
        feed = geofeed.parse(FEED)
        assert said(feed) == {
            "192.0.2.0/24": Entry(country="US", region="US-AL", city="Alabaster"),
            "192.0.2.5/32": Entry(country="US", region="US-AL", city="Alabaster"),
            "2001:db8::/32": Entry(country="PK", region="PK-SD", city="Karachi, Sindh"),
            "203.0.113.0/24": Entry(),
            "198.51.100.0/24": Entry(),
            "2001:db8:1::/48": Entry(),
            "192.0.2.64/26": Entry(country="PK", city="Mumbai"),
            "192.0.2.128/26": Entry(country="PK", city="Lahore"),
        }
        assert not feed.skipped

    def test_a_prefix_that_nobody_is_to_locate_hides_a_wider_one(self) -> None:
        feed = geofeed.parse(b"192.0.2.0/24,PK,,,\n192.0.2.0/28,,,,\n")
        table = Table("x", table_octets(feed.ranges, None, None))
        found = table.look_up(ipaddress.IPv4Address("192.0.2.1"))
        assert found is not None
        assert found.entries == (Entry(),)

    @pytest.mark.parametrize(
        ("line", "why"),
        [
            ("192.0.2.1/24,PK", "has host bits set"),
            ("192.0.2.0/33,PK", "is no prefix"),
            ("192.0.2,PK", "is no prefix"),
            ("router.example,PK", "is no prefix"),
            (",PK", "is no prefix"),
            ("192.0.2.0/24,Pakistan", "'Pakistan' is no country"),
            ("192.0.2.0/24,P", "'P' is no country"),
            ("192.0.2.0/24,EU", "'EU' is no country"),
            ("0.0.0.0/0,PK", "more than any one holder has"),
            ("::/0,PK", "more than any one holder has"),
            ('192.0.2.0/24,PK,"', "is no CSV"),
            ("192.0.2.0/24,PK," + "x" * 2000, "is longer than"),
            ("192.0.2.0/24,\x00", "is no"),
            ("192.0.2.\x00/24,PK", "is no prefix"),
            ("192.0.2.0/-1,PK", "is no prefix"),
            ("192.0.2.0/024,PK", "is no prefix"),
            ("192.0.2.0/,PK", "is no prefix"),
            ("192.0.2.0/\u0664,PK", "is no prefix"),
            ("192.0.2.0/255.255.255.0,PK", "is no prefix"),
            ("fe80::1%eth0,PK", "is no prefix"),
            ("192.0.02.1,PK", "is no prefix"),
        ],
    )
    def test_a_line_that_makes_no_sense_is_skipped_with_its_number(self, line: str, why: str) -> None:
        good = "".join(f"10.{n}.0.0/16,PK,,,\n" for n in range(20))
        feed = geofeed.parse(f"{good}{line}\n".encode())
        assert len(feed.ranges) == 20
        (skipped,) = feed.skipped
        assert skipped.line == 21
        assert why in skipped.why
        assert len(skipped.why) <= 200

    @pytest.mark.parametrize(
        "octets", [b"", b"# nothing\n", b"<html>404</html>", b"\x00\xff" * 500, b"a,b,c\n" * 9]
    )
    def test_a_file_that_is_no_geofeed_is_refused(self, octets: bytes) -> None:
        with pytest.raises(GeodataError) as error:
            geofeed.parse(octets)
        assert error.value.code == "corrupt"

    def test_a_file_of_which_much_makes_no_sense_is_refused(self) -> None:
        with pytest.raises(GeodataError, match="2 of 12 records make no sense"):
            geofeed.parse(b"".join(b"10.%d.0.0/16,PK\n" % n for n in range(10)) + b"x,PK\ny,PK\n")

    def test_a_long_file_of_nonsense_is_not_read_to_its_end(self) -> None:
        with pytest.raises(GeodataError, match="10001 of 10002 records make no sense"):
            geofeed.parse(b"192.0.2.0/24,PK\n" + b"x,PK\n" * 20_000)

    @given(st.binary(max_size=400))
    @settings(max_examples=200)
    def test_any_octets(self, octets: bytes) -> None:
        try:
            feed = geofeed.parse(octets)
        except GeodataError:
            return
        assert len(feed.ranges) + len(feed.skipped) <= len(octets)

    @given(
        st.lists(
            st.tuples(
                st.one_of(st.ip_addresses().map(str), st.text(max_size=12)),
                st.one_of(st.sampled_from(["PK", "US", "", "ZZ"]), st.text(max_size=4)),
                st.text(max_size=12),
                st.text(max_size=12),
            ),
            max_size=20,
        )
    )
    @settings(max_examples=200)
    def test_lines_of_any_text(self, lines: list[tuple[str, str, str, str]]) -> None:
        try:
            feed = geofeed.parse("\n".join(",".join(line) for line in lines).encode("utf-8", "replace"))
        except GeodataError:
            return
        for each in feed.ranges:
            assert each.first <= each.last
            country, region = each.entry.country, each.entry.region
            assert country is None or (len(country) == 2 and country.isascii() and country.isupper())
            assert region is None or (country is not None and region.startswith(f"{country}-"))


class TestInside:
    """A feed is believed only within the block that refers to it (RFC 9632)."""

    FEED = geofeed.parse(
        b"192.0.2.0/25,PK,,,\n192.0.2.0/23,DE,,,\n192.0.4.0/24,IN,,,\n2001:db8::/32,PK,,,\n2001:db8:1::/48,SG,,,\n"
    )

    @pytest.mark.parametrize(
        ("block", "countries"),
        [
            ("192.0.2.0/24", {"PK"}),
            ("192.0.2.0/23", {"PK", "DE"}),
            ("192.0.3.0/24", set()),
            ("2001:db8:1::/48", {"SG"}),
            ("2001:db8::/32", {"PK", "SG"}),
        ],
    )
    def test_what_reaches_beyond_is_left_out(self, block: str, countries: set[str]) -> None:
        version, first, last, _ = of_prefix(block, Entry())
        left = geofeed.inside(self.FEED, version, first, last)
        assert {each.entry.country for each in left.ranges} == countries


class TestEgress:
    """Of a relay's or an access network's feed no server is located."""

    @pytest.mark.parametrize(
        "url",
        [
            "https://api.cloudflare.com/local-ip-ranges.csv",
            "https://mask-api.icloud.com/egress-ip-ranges.csv",
            "https://geoip.starlinkisp.net/feed.csv",
            "https://www.gstatic.com/geofeed/corp_external",
            "HTTPS://API.CLOUDFLARE.COM:443/x",
        ],
    )
    def test_is(self, url: str) -> None:
        assert geofeed.is_egress(url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://geofeed.constant.com/",
            "https://www.gstatic.com/ipranges/cloud_geofeed",
            "https://api.cloudflare.com.example/x",
            "https://[",
            "",
        ],
    )
    def test_is_not(self, url: str) -> None:
        assert not geofeed.is_egress(url)
