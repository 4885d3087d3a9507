from __future__ import annotations

import datetime as dt

import pytest

from geodata.claim import Claim
from geodata.explanation import explain
from geodata.special import decode, special_purpose

TODAY = dt.date(2026, 11, 24)


def of(given: str, *claims: Claim) -> str:
    return "\n".join(explain(given, decode(given), special_purpose(given), claims, TODAY))


def registry(country: str | None) -> Claim:
    return Claim(source="registry", family="registry", prefix="x", meaning="registrant", country=country)


def database(country: str | None, date: str | None = None) -> Claim:
    return Claim(source="db", family="alif", prefix="x", meaning="server", country=country, date=date)


def origin(asn: int, **fields: object) -> Claim:
    return Claim(source="bgp", family="bgp", prefix="1.0.0.0/8", meaning="origin", asn=asn, **fields)  # type: ignore[arg-type]  # as the struct has them


class TestExplanation:
    """What claims come to is said in sentences, and never more than they say."""

    def test_nothing_known_is_no_place(self) -> None:
        assert "unknown, which is not abroad" in of("1.2.3.4")
        assert "unknown, not abroad" in of("1.2.3.4", registry(None))

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("10.0.0.1", "10.0.0.0/8, set aside for private-use (RFC 1918)"),
            ("::ffff:10.0.0.1", "form of the IPv4"),
        ],
    )
    def test_special_addresses(self, given: str, said: str) -> None:
        assert said in of(given)
        assert "never probed" in of(given)

    def test_who_agrees(self) -> None:
        assert "2 families of sources say PK (registry, alif)." in of(
            "1.2.3.4", registry("PK"), database("PK")
        )
        assert "Only alif says a country, PK." in of("1.2.3.4", registry(None), database("PK"))

    def test_who_disagrees_and_what_a_registry_means(self) -> None:
        said = of("1.2.3.4", registry("SC"), database("PK"))
        assert "Sources disagree on the country (PK: alif; SC: registry)." in said
        assert "a registry's country is where the holder is registered" in said

    def test_origins(self) -> None:
        said = of("1.2.3.4", origin(64500, network="Indus", length=8, rpki="invalid"), origin(64501))
        assert "announced as 1.0.0.0/8 by AS64500 (Indus), which no signature of the holder allows" in said
        assert "It is announced by AS64501.\n" in said
        assert "2 networks announce it" in said
        assert "No source knows a network" in of("1.2.3.4", registry("PK"))

    def test_edges_regions_and_egress(self) -> None:
        edge = Claim(source="k", family="k", prefix="x", meaning="edge_pop", network="Cloud")
        region = Claim(
            source="a", family="a", prefix="1.0.0.0/8", meaning="server", region="me-1", country="AE"
        )
        egress = Claim(source="relay", family="r", prefix="x", meaning="user_egress", country="PK")
        assert "It is of Cloud, who answer from many places" in of("1.2.3.4", edge)
        assert "a itself lists 1.0.0.0/8 in its region me-1 (AE)." in of("1.2.3.4", region)
        said = of("1.2.3.4", egress)
        assert "relay says PK of those who use it" in said
        assert "No source says a country" in said

    @pytest.mark.parametrize(
        ("date", "said"),
        [("2026-10-25", None), ("2026-10-24", "ageing: db (31 days)"), ("2026-08-25", "stale: db (91 days)")],
    )
    def test_old_data_is_told(self, date: str, said: str | None) -> None:
        text = of("1.2.3.4", database("PK", date))
        assert (said in text) if said else ("Data that is" not in text)
