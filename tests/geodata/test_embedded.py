from __future__ import annotations

import csv
import datetime as dt
import hashlib
import random

import pytest

from geodata.airport import LICENCE, VERSION
from geodata.checks import HOME, NEVER_HOME, size_of
from geodata.data.compile import known_prefixes
from geodata.snapshot import EMBEDDED, Snapshot
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets


@pytest.fixture(scope="module")
def embedded() -> Snapshot:
    return Snapshot.open(None)


class TestEmbedded:
    """The embedded snapshot answers for the whole address space without any download."""

    @pytest.mark.parametrize(
        ("address", "countries", "asn"),
        [
            ("39.32.0.1", {"registry": "PK", "dbip": "PK"}, 17557),
            ("203.124.30.1", {"registry": "PK", "dbip": "PK"}, 38196),
            ("8.8.8.8", {"registry": "US", "dbip": "US"}, 15169),
            ("3.28.0.1", {"registry": "US", "dbip": "AE"}, 16509),  # AWS me-central-1
            ("154.192.0.1", {"registry": "SC", "dbip": "PK"}, 23674),  # leased, announced from Pakistan
            ("2407:d000::1", {"registry": "PK", "dbip": "PK"}, 23674),
        ],
    )
    def test_canaries(self, embedded: Snapshot, address: str, countries: dict[str, str], asn: int) -> None:
        """If one of these changes, look before anything is published."""
        claims = embedded.claims(address)
        said = {claim.family: claim.country for claim in claims}
        assert {family: said.get(family) for family in countries} == countries
        assert [claim.asn for claim in claims if claim.meaning == "origin"] == [asn]

    @pytest.mark.parametrize(
        "address", ["104.26.0.26", "1.1.1.1", "2400:cb00::1", "151.101.1.140", "23.32.0.1"]
    )
    def test_content_networks_are_known(self, embedded: Snapshot, address: str) -> None:
        assert "edge_pop" in {claim.meaning for claim in embedded.claims(address)}

    @pytest.mark.parametrize("address", ["52.95.0.1", "34.64.0.1", "20.36.0.1"])
    def test_networks_that_sell_hosting_are_not_called_edges(self, embedded: Snapshot, address: str) -> None:
        assert not {"edge_pop", "anycast"} & {claim.meaning for claim in embedded.claims(address)}

    @pytest.mark.parametrize(
        ("address", "source", "region", "country"),
        [
            ("3.28.0.1", "amazon", "me-central-1", "AE"),
            ("15.184.0.1", "amazon", "me-south-1", "BH"),
            ("3.6.0.1", "amazon", "ap-south-1", "IN"),
            ("52.95.0.1", "amazon", "us-east-2", "US"),
            ("2406:da1a::1", "amazon", "ap-south-1", "IN"),
            ("20.74.128.1", "azure", "uaenorth", "AE"),
            ("34.93.0.1", "google-cloud", "asia-south1", "IN"),
            ("129.151.128.1", "oracle", "me-abudhabi-1", "AE"),
            ("139.59.0.1", "digitalocean", "IN-KA", "IN"),
        ],
    )
    def test_clouds_say_where_their_regions_are(
        self, embedded: Snapshot, address: str, source: str, region: str, country: str
    ) -> None:
        (claim,) = [each for each in embedded.claims(address) if each.asserted_by == "operator"]
        assert (claim.source, claim.region, claim.country, claim.meaning) == (
            source,
            region,
            country,
            "server",
        )
        assert claim.date == "2026-10-26"

    @pytest.mark.parametrize(
        ("address", "network", "meaning"),
        [
            ("13.32.0.1", "Amazon CloudFront", "edge_pop"),
            ("75.2.60.5", "AWS Global Accelerator", "anycast"),
            ("205.251.192.1", "Amazon Route 53", "anycast"),
            ("34.160.0.1", "Google Cloud", "anycast"),
            ("13.107.246.1", "Azure Front Door", "anycast"),
            ("104.16.0.1", "Cloudflare", "anycast"),
            ("8.8.8.8", "Google Public DNS", "anycast"),
            ("2001:500:2f::f", "F-root name server", "anycast"),
            ("104.28.0.1", "Cloudflare WARP", "user_egress"),
        ],
    )
    def test_edges_and_relays_are_known_by_prefix(
        self, embedded: Snapshot, address: str, network: str, meaning: str
    ) -> None:
        by_prefix = [each for each in embedded.claims(address) if each.source != "known-networks"]
        found = [(each.meaning, each.country) for each in by_prefix if each.network == network]
        assert found == [(meaning, None)]

    def test_no_provider_says_that_it_is_in_pakistan(self, embedded: Snapshot) -> None:
        for address in NEVER_HOME:
            assert HOME not in {each.country for each in embedded.claims(address)}
        for source in embedded.manifest.sources:
            if source.asserted_by != "operator":
                continue
            table = Table.read(EMBEDDED / str(source.file))
            said = {entry.country for code in range(1, table.labels + 1) for entry in table.entries(code)}
            assert HOME not in said

    def test_every_table_is_counted(self, embedded: Snapshot) -> None:
        """An update is held against these numbers: without them the first one could bring anything."""
        for source in embedded.manifest.sources:
            if source.file is None:
                continue
            octets = (EMBEDDED / source.file).read_bytes()
            size = size_of(Table(source.file, octets))
            assert (size.addresses4, size.home4) == (source.addresses4, source.home4)
            assert source.records
            assert hashlib.sha256(octets).hexdigest() == source.sha256

    @pytest.mark.parametrize("address", ["1.1.1.1", "39.32.0.1", "52.95.0.1", "8.8.8.8", "2606:4700::1"])
    def test_every_claim_says_how_old_and_on_which_terms(self, embedded: Snapshot, address: str) -> None:
        claims = embedded.claims(address)
        assert claims
        for claim in claims:
            assert claim.version
            assert claim.date
            assert claim.licence

    def test_the_codes_of_airports_are_of_the_day_that_is_said(self) -> None:
        rows = (EMBEDDED / "ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
        (row,) = [each for each in rows if each.startswith("| `airports.npz`")]
        assert row.endswith(f"| {LICENCE} | {VERSION} |")

    def test_the_known_prefixes_are_those_of_the_list(self) -> None:
        """Fails when the list was changed and not compiled."""
        assert (EMBEDDED / "anycast.table").read_bytes() == table_octets(list(known_prefixes()), None, None)
        rows = csv.DictReader((EMBEDDED / "anycast.csv").read_text(encoding="utf-8").splitlines())
        assert all(row["reason"] and row["network"] for row in rows)

    def test_special_purpose_addresses_are_special_and_nobody_claims_them(self, embedded: Snapshot) -> None:
        for address in ("10.0.0.1", "100.64.0.1", "::ffff:192.168.0.1", "198.18.0.1", "2001:db8::1"):
            assert embedded.special(address) is not None
        assert embedded.claims("10.0.0.1") == ()

    def test_nearly_all_of_the_unicast_space_has_a_country(self, embedded: Snapshot) -> None:
        chance = random.Random(1)  # noqa: S311  a sample, not a secret
        addresses = [f"{chance.randint(1, 223)}.{chance.randint(0, 255)}.0.1" for _ in range(2000)]
        ordinary = [address for address in addresses if embedded.special(address) is None]
        for family, least in (("dbip", 0.97), ("registry", 0.95)):
            known = [one for one in ordinary if any(claim.family == family for claim in embedded.claims(one))]
            assert len(known) / len(ordinary) > least, family

    def test_every_source_is_dated_and_licensed(self, embedded: Snapshot) -> None:
        for source in embedded.sources:
            assert source.date is not None
            assert source.licence
            assert source.attribution

    def test_every_claim_carries_the_date_of_its_data(self, embedded: Snapshot) -> None:
        assert all(claim.date and claim.version for claim in embedded.claims("1.1.1.1"))

    def test_age_is_told_in_words(self, embedded: Snapshot) -> None:
        source = next(one for one in embedded.sources if one.source == "dbip-country")
        day = dt.date.fromisoformat(source.date or "")
        words = [source.freshness(day + dt.timedelta(days=age)) for age in (0, 30, 31, 90, 91)]
        assert words == ["fresh", "fresh", "ageing", "ageing", "stale"]

    def test_attribution_names_every_file(self) -> None:
        written = (EMBEDDED / "ATTRIBUTION.md").read_text()
        for path in EMBEDDED.glob("*.table"):
            assert f"`{path.name}`" in written
        with Snapshot.open(None) as snapshot:
            dates = {source.date for source in snapshot.sources}
        assert all(date in written for date in dates if date)

    def test_the_data_is_small(self) -> None:
        assert sum(path.stat().st_size for path in EMBEDDED.rglob("*") if path.is_file()) < 15_000_000
