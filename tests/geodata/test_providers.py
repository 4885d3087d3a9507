"""What providers publish of their own addresses, region by region."""

from __future__ import annotations

import pytest

from geodata.sources import amazon, azure, google, oracle
from tests.geodata.lists import amazon_file, amazon_row, azure_tag, google_file, json_octets, says


class TestAmazon:
    """A prefix has one entry, by its zone or region, whatever number of services it is listed for."""

    FILE = amazon_file(
        amazon_row("3.28.0.0/15", "me-central-1"),
        amazon_row("3.28.0.0/15", "me-central-1", "EC2"),
        amazon_row("15.220.160.0/21", "me-south-1", group="me-south-1-mct-1"),
        amazon_row("15.220.160.0/21", "me-south-1", "EC2", group="me-south-1-mct-1"),
        amazon_row("15.184.0.0/15", "me-south-1"),
        amazon_row("52.95.0.0/20", "us-east-2"),
        amazon_row("13.32.0.0/15", "GLOBAL"),
        amazon_row("13.32.0.0/15", "GLOBAL", "CLOUDFRONT"),
        amazon_row("3.10.17.128/25", "eu-west-2"),
        amazon_row("3.10.17.128/25", "eu-west-2", "CLOUDFRONT"),
        amazon_row("3.8.0.0/14", "eu-west-2", "EC2"),
        amazon_row("15.197.0.0/16", "GLOBAL"),
        amazon_row("15.197.0.0/16", "GLOBAL", "GLOBALACCELERATOR"),
        amazon_row("205.251.192.0/21", "GLOBAL", "ROUTE53"),
        amazon_row("99.77.0.0/24", "GLOBAL"),
        amazon_row("16.16.0.0/16", "xx-nowhere-9"),
        amazon_row("2406:da1a::/36", "ap-south-1", "EC2"),
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
            (amazon_row("3.28.0.1/15", "me-central-1"), "has host bits set"),
            (amazon_row("0.0.0.0/0", "me-central-1"), "more than any one holder has"),
            (amazon_row("3.28.0.0/15", ""), "no name of a region"),
            (amazon_row("3.28.0.0/15", "\x1b[31mme-central-1"), "no name of a region"),
            (amazon_row("3.28.0.0/15", "x" * 10_000), "no name of a region"),
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
        good = [amazon_row(f"10.{n}.0.0/16", "us-east-1") for n in range(20)]
        found = amazon.parse(amazon_file(*good, row))
        assert len(found.ranges) == 20
        (skipped,) = found.skipped
        assert skipped.line == 21
        assert why in skipped.why
        assert len(skipped.why) <= 200


class TestGoogle:
    """A scope is a region; ``global`` is anycast; the file of all of Google has no places."""

    def test_cloud(self) -> None:
        found = google.parse(
            google_file(
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
        found = google.parse(google_file({"ipv4Prefix": "8.8.8.0/24"}, {"ipv6Prefix": "2001:4860::/32"}))
        assert says(found, "8.8.8.8") == says(found, "2001:4860::1") == {(None, None, "Google", None)}

    def test_a_time_that_is_none_is_no_date(self) -> None:
        file = {"syncToken": "", "creationTime": "yesterday", "prefixes": [{"ipv4Prefix": "8.8.8.0/24"}]}
        assert google.parse(json_octets(file)).date is None


class TestAzure:
    """Tags of regions and of Front Door are read, and of services no others."""

    def test_tags(self) -> None:
        tags = [
            azure_tag("ActionGroup", "", "13.66.60.119/32"),
            azure_tag("Storage.UAENorth", "uaenorth", "52.239.233.0/25"),
            azure_tag("AzureCloud", "", "20.36.0.0/14", "20.74.0.0/15", "20.74.128.0/17", "2603:1000::/24"),
            azure_tag("AzureCloud.uaenorth", "uaenorth", "20.74.128.0/17"),
            azure_tag("AzureCloud.CentralFrance", "centralfrance", "2603:1020:800::/40"),
            azure_tag("AzureCloud.northeurope2", "northeurope2", "20.36.0.0/24"),
            azure_tag("AzureFrontDoor.Frontend", "", "13.107.246.0/24"),
            azure_tag("AzureFrontDoor.Backend", "", "20.74.200.0/29"),
        ]
        found = azure.parse(json_octets({"changeNumber": 383, "cloud": "Public", "values": tags}))
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
        tags = [azure_tag("AzureCloud.westus", "westus", *prefixes[:20], 7, "x", *prefixes[20:])]
        found = azure.parse(json_octets({"changeNumber": 1, "values": tags}))
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
        found = oracle.parse(json_octets(file))
        assert says(found, "129.151.128.1") == {("me-dubai-1", "AE", "Oracle Cloud", None)}
        assert says(found, "129.154.224.1") == {("ap-mumbai-1", "IN", "Oracle Cloud", None)}
        assert says(found, "130.35.16.1") == {("xx-atlantis-1", None, "Oracle Cloud", None)}
        assert found.date == "2026-10-21"
