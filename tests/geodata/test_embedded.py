from __future__ import annotations

import datetime as dt
import random

import pytest

from geodata.snapshot import EMBEDDED, Snapshot


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
