"""What providers publish of their own addresses: what the publishers write, and worse."""

from __future__ import annotations

import csv
import io
import ipaddress
import zipfile
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.snapshot import EMBEDDED
from geodata.sources import amazon, azure, edges, google, oracle
from geodata.sources.parsed import Entry
from geodata.sources.published import PUBLISHED
from geodata.sources.regions import in_region
from geodata.sources.source import country
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geodata.sources.parsed import Parsed, Published


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def says(found: Parsed, address: str) -> set[tuple[str | None, str | None, str | None, str | None]]:
    """Region, country, network and meaning of what counts for an address, as the snapshot has it."""
    look = Table("x", table_octets(found.ranges, None, None)).look_up(ipaddress.ip_address(address))
    entries = () if look is None else look.entries
    return {(each.region, each.country, each.network, each.meaning) for each in entries}


def _row(prefix: str, region: str, service: str = "AMAZON", group: str | None = None) -> dict[str, str]:
    name = "ipv6_prefix" if ":" in prefix else "ip_prefix"
    return {name: prefix, "region": region, "service": service, "network_border_group": group or region}


def _amazon(*rows: object, **more: object) -> bytes:
    four = [row for row in rows if not (isinstance(row, dict) and "ipv6_prefix" in row)]
    six = [row for row in rows if isinstance(row, dict) and "ipv6_prefix" in row]
    file = {"syncToken": "1792977064", "createDate": "2026-10-26-01-11-04", "prefixes": four}
    return _json(file | {"ipv6_prefixes": six} | more)


class TestAmazon:
    """A prefix has one entry, by its zone or region, whatever number of services it is listed for."""

    FILE = _amazon(
        _row("3.28.0.0/15", "me-central-1"),
        _row("3.28.0.0/15", "me-central-1", "EC2"),
        _row("15.220.160.0/21", "me-south-1", group="me-south-1-mct-1"),
        _row("15.220.160.0/21", "me-south-1", "EC2", group="me-south-1-mct-1"),
        _row("15.184.0.0/15", "me-south-1"),
        _row("52.95.0.0/20", "us-east-2"),
        _row("13.32.0.0/15", "GLOBAL"),
        _row("13.32.0.0/15", "GLOBAL", "CLOUDFRONT"),
        _row("3.10.17.128/25", "eu-west-2"),
        _row("3.10.17.128/25", "eu-west-2", "CLOUDFRONT"),
        _row("3.8.0.0/14", "eu-west-2", "EC2"),
        _row("15.197.0.0/16", "GLOBAL"),
        _row("15.197.0.0/16", "GLOBAL", "GLOBALACCELERATOR"),
        _row("205.251.192.0/21", "GLOBAL", "ROUTE53"),
        _row("99.77.0.0/24", "GLOBAL"),
        _row("16.16.0.0/16", "xx-nowhere-9"),
        _row("2406:da1a::/36", "ap-south-1", "EC2"),
    )

    @pytest.mark.parametrize(
        ("address", "want"),
        [
            ("3.28.0.1", ("me-central-1", "AE", "Amazon", None)),
            ("15.184.0.1", ("me-south-1", "BH", "Amazon", None)),
            ("15.220.160.1", ("me-south-1-mct-1", "OM", "Amazon", None)),
            ("52.95.0.1", ("us-east-2", "US", "Amazon", None)),
            ("13.32.0.1", (None, None, "Amazon CloudFront", "edge_pop")),
            ("3.10.17.200", ("eu-west-2", "GB", "Amazon CloudFront", "edge_pop")),
            ("3.10.17.1", ("eu-west-2", "GB", "Amazon", None)),
            ("15.197.0.1", (None, None, "AWS Global Accelerator", "anycast")),
            ("205.251.192.1", (None, None, "Amazon Route 53", "anycast")),
            ("99.77.0.1", (None, None, "Amazon", None)),
            ("16.16.0.1", ("xx-nowhere-9", None, "Amazon", None)),
            ("2406:da1a::1", ("ap-south-1", "IN", "Amazon", None)),
        ],
    )
    def test_says(self, address: str, want: tuple[str | None, ...]) -> None:
        assert says(amazon.parse(self.FILE), address) == {want}

    def test_rows_of_the_same_prefix_are_one(self) -> None:
        found = amazon.parse(self.FILE)
        assert len(found.ranges) == 12
        assert (found.version, found.date) == ("1792977064", "2026-10-26")
        assert not found.skipped

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            (_row("3.28.0.1/15", "me-central-1"), "has host bits set"),
            (_row("0.0.0.0/0", "me-central-1"), "more than any one holder has"),
            (_row("3.28.0.0/15", ""), "no name of a region"),
            (_row("3.28.0.0/15", "\x1b[31mme-central-1"), "no name of a region"),
            (_row("3.28.0.0/15", "x" * 10_000), "no name of a region"),
            ({"region": "me-central-1", "service": "EC2"}, "is no prefix"),
            ({"ip_prefix": "3.28.0.0/15"}, "missing required field"),
            ({"ip_prefix": 7, "region": "me-central-1", "service": "EC2"}, "Expected `str`"),
            ({"ip_prefix": "3.28.0.0/15", "region": None, "service": "EC2"}, "Expected `str`"),
            (7, "Expected `object`"),
            (None, "Expected `object`"),
            ([[]], "Expected `object`"),
        ],
    )
    def test_a_row_that_makes_no_sense_is_skipped_with_its_number(self, row: object, why: str) -> None:
        good = [_row(f"10.{n}.0.0/16", "us-east-1") for n in range(20)]
        found = amazon.parse(_amazon(*good, row))
        assert len(found.ranges) == 20
        (skipped,) = found.skipped
        assert skipped.line == 21
        assert why in skipped.why
        assert len(skipped.why) <= 200


class TestGoogle:
    """A scope is a region; ``global`` is anycast; the file of all of Google has no places."""

    @staticmethod
    def _file(*prefixes: object) -> bytes:
        file = {"syncToken": "1792", "creationTime": "2026-10-26T07:04:13.123", "prefixes": prefixes}
        return _json(file)

    def test_cloud(self) -> None:
        found = google.parse(
            self._file(
                {"ipv4Prefix": "34.93.0.0/16", "service": "Google Cloud", "scope": "asia-south1"},
                {"ipv6Prefix": "2600:1900:40a0::/44", "service": "Google Cloud", "scope": "me-central1"},
                {"ipv4Prefix": "34.160.0.0/16", "service": "Google Cloud", "scope": "global"},
                {"ipv4Prefix": "34.1.0.0/20", "service": "Google Cloud", "scope": "europe-west15"},
            )
        )
        assert says(found, "34.93.0.1") == {("asia-south1", "IN", "Google Cloud", None)}
        assert says(found, "2600:1900:40a0::1") == {("me-central1", "QA", "Google Cloud", None)}
        assert says(found, "34.160.0.1") == {(None, None, "Google Cloud", "anycast")}
        assert says(found, "34.1.0.1") == {("europe-west15", None, "Google Cloud", None)}
        assert (found.version, found.date) == ("1792", "2026-10-26")

    def test_all_of_google(self) -> None:
        found = google.parse(self._file({"ipv4Prefix": "8.8.8.0/24"}, {"ipv6Prefix": "2001:4860::/32"}))
        assert says(found, "8.8.8.8") == says(found, "2001:4860::1") == {(None, None, "Google", None)}

    def test_a_time_that_is_none_is_no_date(self) -> None:
        file = {"syncToken": "", "creationTime": "yesterday", "prefixes": [{"ipv4Prefix": "8.8.8.0/24"}]}
        assert google.parse(_json(file)).date is None


class TestAzure:
    """Tags of regions and of Front Door are read, and of services no others."""

    @staticmethod
    def _tag(name: str, region: str, *prefixes: object) -> dict[str, object]:
        more = {"changeNumber": 7, "platform": "Azure", "systemService": "", "networkFeatures": ["NSG"]}
        return {
            "name": name,
            "id": name,
            "properties": {"region": region, "addressPrefixes": prefixes, **more},
        }

    def test_tags(self) -> None:
        tags = [
            self._tag("ActionGroup", "", "13.66.60.119/32"),
            self._tag("Storage.UAENorth", "uaenorth", "52.239.233.0/25"),
            self._tag("AzureCloud", "", "20.36.0.0/14", "20.74.0.0/15", "20.74.128.0/17", "2603:1000::/24"),
            self._tag("AzureCloud.uaenorth", "uaenorth", "20.74.128.0/17"),
            self._tag("AzureCloud.CentralFrance", "centralfrance", "2603:1020:800::/40"),
            self._tag("AzureCloud.northeurope2", "northeurope2", "20.36.0.0/24"),
            self._tag("AzureFrontDoor.Frontend", "", "13.107.246.0/24"),
            self._tag("AzureFrontDoor.Backend", "", "20.74.200.0/29"),
        ]
        found = azure.parse(_json({"changeNumber": 383, "cloud": "Public", "values": tags}))
        network = "Microsoft Azure"
        assert says(found, "20.74.128.1") == {("uaenorth", "AE", network, None)}
        assert says(found, "2603:1020:800::1") == {("centralfrance", "FR", network, None)}
        assert says(found, "20.36.0.1") == {("northeurope2", None, network, None)}
        assert says(found, "20.36.1.1") == {(None, None, network, None)}
        assert says(found, "13.107.246.1") == {(None, None, "Azure Front Door", "anycast")}
        assert says(found, "20.74.200.1") == {(None, None, "Azure Front Door", "edge_pop")}
        assert says(found, "13.66.60.119") == says(found, "52.239.233.1") == set()
        assert (found.version, found.date) == ("383", None)

    def test_one_prefix_does_not_spoil_its_tag(self) -> None:
        prefixes = [f"20.{n}.0.0/16" for n in range(40)]
        tags = [self._tag("AzureCloud.westus", "westus", *prefixes[:20], 7, "x", *prefixes[20:])]
        found = azure.parse(_json({"changeNumber": 1, "values": tags}))
        assert len(found.ranges) == 40
        assert [each.line for each in found.skipped] == [22, 23]


class TestOracle:
    """Each region has its prefixes."""

    def test_regions(self) -> None:
        regions = [
            {"region": "me-dubai-1", "cidrs": [{"cidr": "129.151.128.0/19", "tags": ["OCI"]}]},
            {
                "region": "ap-mumbai-1",
                "cidrs": [{"cidr": "129.154.224.0/19", "tags": ["OSN", "OBJECT_STORAGE"]}],
            },
            {"region": "xx-atlantis-1", "cidrs": [{"cidr": "130.35.16.0/22"}]},
        ]
        file = {"last_updated_timestamp": "2026-10-21T15:49:30.123456", "regions": regions}
        found = oracle.parse(_json(file))
        assert says(found, "129.151.128.1") == {("me-dubai-1", "AE", "Oracle Cloud", None)}
        assert says(found, "129.154.224.1") == {("ap-mumbai-1", "IN", "Oracle Cloud", None)}
        assert says(found, "130.35.16.1") == {("xx-atlantis-1", None, "Oracle Cloud", None)}
        assert found.date == "2026-10-21"


def _zip(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return stream.getvalue()


class TestEdges:
    """A content network's list has prefixes and no places."""

    def _published(self, source: str) -> Published:
        (found,) = [one for one in PUBLISHED if one.source == source]
        assert found.meaning in {"edge_pop", "anycast"}
        return found

    def _parse(self, source: str) -> Callable[[bytes], Parsed]:
        found = self._published(source)
        return lambda octets: found.parse([octets])

    def test_lines(self) -> None:
        found = self._parse("cloudflare")(b"173.245.48.0/20\n103.21.244.0/22\n\n# x\n2400:cb00::/32\n")
        assert (
            says(found, "173.245.48.1") == says(found, "2400:cb00::1") == {(None, None, "Cloudflare", None)}
        )
        assert len(self._parse("bunny")(b"185.93.1.1\r\n185.93.1.2\r\n").ranges) == 2

    def test_lists(self) -> None:
        fastly = _json({"addresses": ["23.235.32.0/20"], "ipv6_addresses": ["2a04:4e40::/32"]})
        assert says(self._parse("fastly")(fastly), "2a04:4e40::1") == {(None, None, "Fastly", None)}
        gcore = _json({"addresses": ["92.223.64.0/20"], "addresses_v6": ["2a03:90c0::/32"]})
        assert says(self._parse("gcore")(gcore), "2a03:90c0::1") == {(None, None, "Gcore", None)}

    def test_archive(self) -> None:
        octets = _zip(
            {
                "akamai_ipv4_CIDRs.txt": b"23.32.0.0/11\n23.192.0.0/11",
                "akamai_ipv6_CIDRs.txt": b"2600:1400::/24\n",
                "__MACOSX/._akamai_ipv4_CIDRs.txt": b"\x00\x05\x16\x07Mac OS X",
                "readme.pdf": b"%PDF",
            }
        )
        found = self._parse("akamai")(octets)
        assert len(found.ranges) == 3
        assert not found.skipped
        assert says(found, "2600:1400::1") == {(None, None, "Akamai", None)}

    @pytest.mark.parametrize(
        ("octets", "why"),
        [
            (b"PK\x03\x04", "no ZIP archive"),
            (_zip({"x.txt": b"1.1.1.1\n"})[:-30], "no ZIP archive"),
            (_zip({"x.txt": b"0" * (edges.MAX_OCTETS + 1)}), "is more than"),
            (_zip({"a.txt": b"#" * edges.MAX_OCTETS, "b.txt": b"1.1.1.1"}), "is more than"),
            (_zip({"x.csv": b"1.1.1.1\n"}), "no record that makes sense"),
        ],
    )
    def test_an_archive_that_is_wrong_is_refused(self, octets: bytes, why: str) -> None:
        with pytest.raises(GeodataError, match=why):
            self._parse("akamai")(octets)

    @pytest.mark.parametrize(
        "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    )
    def test_an_archive_that_is_damaged_anywhere(self, method: int) -> None:
        octets = _zip({"x.txt": b"23.32.0.0/11\n" * 9}, method)
        for place in range(len(octets)):
            for flip in (0x01, 0xFF):
                damaged = bytearray(octets)
                damaged[place] ^= flip
                _either(self._published("akamai").parse, bytes(damaged))


class TestRegions:
    """The table of regions is whole: every country is one, and no region that is known is in Pakistan."""

    ROWS = tuple(csv.DictReader((EMBEDDED / "regions.csv").read_text(encoding="utf-8").splitlines()))

    def test_every_row(self) -> None:
        for row in self.ROWS:
            assert country(row["country"]) == row["country"] != "PK", row
            entry = in_region(row["provider"], row["region"], "x")
            assert (entry.country, entry.region) == (row["country"], row["region"])
            assert bool(row["latitude"]) == bool(row["longitude"])
            assert not row["latitude"] or row["city"], row
        keys = [(row["provider"], row["region"]) for row in self.ROWS]
        assert len(set(keys)) == len(keys) > 300

    def test_a_place_lies_in_its_country(self) -> None:
        """By eye of the box around each: a city of the same name elsewhere would be far outside."""
        boxes = {
            "AE": (22, 27, 51, 57),
            "IN": (6, 36, 68, 98),
            "GB": (49, 61, -9, 2),
            "JP": (24, 46, 123, 146),
        }
        for row in self.ROWS:
            if row["latitude"] and row["country"] in boxes:
                south, north, west, east = boxes[row["country"]]
                assert south < float(row["latitude"]) < north, row
                assert west < float(row["longitude"]) < east, row

    def test_unknown_regions_have_no_country(self) -> None:
        entry = in_region("amazon", "pk-south-1", "Amazon")
        assert entry == Entry(region="pk-south-1", network="Amazon")


def _either(parse: Callable[[Sequence[bytes]], Parsed], octets: bytes) -> Parsed | None:
    """What is parsed, which is no more than was given, or None for a file that is refused."""
    try:
        found = parse([octets])
    except GeodataError:
        return None
    assert found.ranges
    assert len(found.ranges) + len(found.skipped) <= len(octets)
    for each in found.ranges:
        assert 0 <= each.first <= each.last < 1 << (32 if each.version == 4 else 128)
    for skipped in found.skipped:
        assert skipped.line > 0
        assert len(skipped.why) <= 200
    return found


# One of each parser: those of several sources are shared.
LISTS = [
    one
    for one in PUBLISHED
    if one.source in {"amazon", "google-cloud", "azure", "oracle", "vultr", "akamai", "bunny", "fastly"}
]
BY_NAME = pytest.mark.parametrize("source", LISTS, ids=[one.source for one in LISTS])

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["1.2.3.0/24", "2001:db8::/32", "GLOBAL", "global", "us-east-1", "0.0.0.0/0", "AzureCloud"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "ip_prefix",
                        "ipv6_prefix",
                        "region",
                        "service",
                        "network_border_group",
                        "scope",
                        "cidr",
                    ),
                    *("ipv4Prefix", "ipv6Prefix", "name", "properties", "addressPrefixes", "cidrs", "tags"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
RECORDS = st.lists(ANY, max_size=8)
OUTLINE = st.fixed_dictionaries(
    {},
    optional={
        "syncToken": st.text(max_size=5) | ANY,
        "createDate": st.text(max_size=20) | ANY,
        "creationTime": st.text(max_size=20) | ANY,
        "last_updated_timestamp": st.text(max_size=20) | ANY,
        "changeNumber": st.integers(0, 2**70) | ANY,
        "prefixes": RECORDS | ANY,
        "ipv6_prefixes": RECORDS | ANY,
        "values": RECORDS | ANY,
        "regions": RECORDS | ANY,
        "addresses": RECORDS | ANY,
        "ipv6_addresses": RECORDS | ANY,
    },
)


_PREFIXES = [f"10.{n}.0.0/16" for n in range(30)]
GOOD = {
    "amazon": _amazon(*(_row(prefix, "us-east-1") for prefix in _PREFIXES)),
    "google-cloud": TestGoogle._file(*({"ipv4Prefix": each, "scope": "us-west1"} for each in _PREFIXES)),
    "azure": _json(
        {"changeNumber": 1, "values": [TestAzure._tag("AzureCloud.westus", "westus", *_PREFIXES)]}
    ),
    "oracle": _json(
        {
            "last_updated_timestamp": "",
            "regions": [{"region": "me-dubai-1", "cidrs": [{"cidr": each}]} for each in _PREFIXES],
        }
    ),
    "fastly": _json({"addresses": _PREFIXES, "ipv6_addresses": []}),
}


class TestHostile:
    """Whatever octets a list has: what makes sense of them, or a refusal of the file, and no other error."""

    @BY_NAME
    @given(octets=st.binary(max_size=200))
    @settings(max_examples=40)
    def test_any_octets(self, source: Any, octets: bytes) -> None:
        _either(source.parse, octets)

    @given(value=OUTLINE)
    @settings(max_examples=160)
    def test_json_of_about_the_right_outline(self, value: dict[str, object]) -> None:
        """Each value is read by every parser: it takes far longer to make than to read."""
        octets = _json(value) if _small(value) else b"{}"
        for published in LISTS:
            _either(published.parse, octets)

    @BY_NAME
    @pytest.mark.parametrize(
        "octets",
        [
            b"",
            b"null",
            b"{}",
            b"[]",
            b"[" * 200_000,
            b'{"prefixes":' * 50_000,
            b'{"syncToken":"1","createDate":"","creationTime":"","prefixes":[' + b"[" * 100_000,
            b'{"changeNumber":1,"values":[{"name":"AzureCloud","properties":' + b'{"a":' * 100_000,
            b'{"changeNumber":' + b"9" * 100_000 + b',"values":[]}',
            b'{"addresses":["\\ud800"]}',
            b'{"addresses":["\xff"]}',
            b'{"addresses":[1e999]}',
            b'{"addresses":[' + b"1," * 20_000 + b'"10.0.0.0/16"]}',
            b"\x1f\x8b" + b"\x00" * 50,
            b"\xef\xbb\xbf",
            b"<!DOCTYPE html><title>Sign in</title>",
        ],
        ids=lambda octets: octets[:30].decode("latin-1"),
    )
    def test_a_bad_file_is_refused_whole(self, source: Any, octets: bytes) -> None:
        assert _either(source.parse, octets) is None

    @pytest.mark.parametrize("source", sorted(GOOD))
    @given(data=st.data())
    @settings(max_examples=80)
    def test_a_good_file_that_is_damaged(self, source: str, data: st.DataObject) -> None:
        """A flipped octet makes another record of one, or none; or no JSON of the whole."""
        octets = bytearray(GOOD[source])
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
        (published,) = [one for one in PUBLISHED if one.source == source]
        found = _either(published.parse, bytes(octets))
        assert found is None or len(found.ranges) >= 28

    @BY_NAME
    def test_one_that_covers_everything_is_refused(self, source: Any) -> None:
        """An empty or lying list must not place the world."""
        for octets in GOOD.values():
            for prefix in (b"0.0.0.0/0", b"128.0.0.0/1", b"::/0"):
                hostile = octets.replace(b"10.7.0.0/16", prefix)
                found = _either(source.parse, hostile)
                assert found is None or all(
                    each.last - each.first < 1 << (25 if each.version == 4 else 113) for each in found.ranges
                )


def _small(value: object) -> bool:
    """Whether msgspec can write it: numbers of more than 64 bits it cannot."""
    try:
        _json(value)
    except (OverflowError, msgspec.MsgspecError, UnicodeEncodeError):
        return False
    return True
