"""What the reverse names of addresses say of their places, also those that are no names."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.airport import METRO_RADIUS_KM, shipped_airports
from geodata.errors import GeodataError
from geodata.place import in_country
from geodata.sources.convention import CITY_WORDS, CONVENTIONS, HUBS, LOCODE_WORDS
from geodata.sources.rdns import MAX_NAMES, hints, name_claims
from tests.geodata.router_names import HELD_OUT, LEARNT, NOTHING, pairs

ADDRESS = "198.51.100.7"


def country(name: str) -> str | None:
    claims = name_claims(ADDRESS, [name])
    return claims[0].country if claims else None


class TestPrecision:
    """No name is read wrongly; of those with a place, most of the known operators' are read."""

    @pytest.mark.parametrize(("name", "wanted"), pairs(LEARNT) + pairs(HELD_OUT))
    def test_what_is_said_is_right(self, name: str, wanted: str) -> None:
        assert country(name) in {wanted, None}

    @pytest.mark.parametrize("name", NOTHING.split())
    def test_nothing_is_said(self, name: str) -> None:
        assert name_claims(ADDRESS, [name]) == ()

    @pytest.mark.parametrize(("table", "least"), [(LEARNT, 0.9), (HELD_OUT, 0.6)])
    def test_recall(self, table: str, least: float) -> None:
        found = [country(name) is not None for name, _ in pairs(table)]
        assert sum(found) / len(found) >= least


class TestHints:
    """Each way to write a place."""

    @pytest.mark.parametrize(
        ("name", "token", "wanted", "city"),
        [
            ("static.khi77.pie.net.pk", "khi77", "PK", "Karachi"),
            ("lhr63.pie.net.pk", "lhr63", "PK", "Lahore"),  # not Heathrow
            ("rwp44.pie.net.pk", "rwp44", "PK", "Rawalpindi"),
            ("sjo-b21-link.ip.twelve99.net", "sjo-b21-link", "US", "San Jose"),  # not San José in Costa Rica
            ("las-b24-link.ip.twelve99.net", "las-b24-link", "US", "Los Angeles"),  # not Las Vegas
            ("port-channel1.core2.ash1.he.net", "ash1", "US", "Ashburn"),  # not Nashua
            ("100ge1.core1.tor1.he.net", "tor1", "CA", "Toronto"),  # not Torrington
            ("cr1.fra2.example.net", "fra2", "DE", "Frankfurt am Main"),
            ("cr1.acc.gh.example.net", None, None, None),  # gh is not sure to be a country
            ("cr1.mnl.ph.example.net", None, None, None),
            ("mad1.uk.example.net", "uk", "GB", None),
            ("cr1.lhr.uk.example.net", "lhr", "GB", "London"),
            ("cr1.uk-lhr3.example.net", "lhr3", "GB", "London"),
            ("xe-1.defra2.example.net", "defra2", "DE", "Frankfurt am Main"),
            ("xe-1.pkkhi1.example.net", "pkkhi1", "PK", "Karachi"),
            ("xe-1.gblon1.example.net", "gblon1", "GB", "London"),
            ("bas1.paris.example.net", "paris", "FR", "Paris"),
            ("cr1-karachi3.example.com.pk", "karachi3", "PK", "Karachi"),
            ("r1.los-angeles2.example.net", "los-angeles2", "US", "Los Angeles"),
            ("r1-los-angeles.example.net", "los-angeles", "US", "Los Angeles"),
            ("ae1.cr1.pk.example.net", "pk", "PK", None),
            ("CR1.FRA2.Example.NET.", "fra2", "DE", "Frankfurt am Main"),
            ("ae-15.r25.osakjp02.jp.bb.gin.ntt.net", "jp.bb", "JP", None),
            ("ae1.cs1.fra9.nl.eth.zayo.com", None, None, None),  # contradicts itself
            ("ae1.cs1.xxx9.de.eth.zayo.com", None, None, None),
        ],
    )
    def test_form(self, name: str, token: str | None, wanted: str | None, city: str | None) -> None:
        claims = name_claims(ADDRESS, [name])
        found = (claims[0].region, claims[0].country, claims[0].city) if claims else (None, None, None)
        assert found == (token, wanted, city)

    def test_a_claim_is_the_operators_and_of_that_address_alone(self) -> None:
        (claim,) = name_claims("::ffff:202.125.128.171", ["static.khi77.pie.net.pk"])
        assert (claim.source, claim.family, claim.meaning, claim.asserted_by) == (
            "rdns",
            "rdns",
            "server",
            "operator",
        )
        assert (claim.prefix, claim.network) == ("202.125.128.171/32", "pie.net.pk")
        assert claim.latitude == pytest.approx(24.86, abs=0.1)
        assert claim.longitude == pytest.approx(67.01, abs=0.1)
        assert claim.radius_km == METRO_RADIUS_KM

    def test_a_country_alone_has_no_coordinates(self) -> None:
        (claim,) = name_claims(ADDRESS, ["ae1.cr1.pk.example.net"])
        assert (claim.latitude, claim.longitude, claim.radius_km) == (None, None, None)

    def test_what_is_no_address_is_an_error(self) -> None:
        with pytest.raises(GeodataError, match="not an IP address"):
            name_claims("pie.net.pk", ["khi77.pie.net.pk"])


class TestSeveralNames:
    """Several names of an address count together."""

    def test_that_agree(self) -> None:
        names = ["mail.example.org", "static.khi77.pie.net.pk", "cr1-karachi3.example.net"]
        (claim,) = name_claims(ADDRESS, names)
        assert (claim.country, claim.city, claim.network) == ("PK", "Karachi", "pie.net.pk")

    def test_of_two_cities_of_a_country(self) -> None:
        (claim,) = name_claims(ADDRESS, ["static.khi77.pie.net.pk", "lhr63.pie.net.pk"])
        assert (claim.country, claim.city, claim.latitude) == ("PK", None, None)

    def test_that_contradict_each_other(self) -> None:
        assert name_claims(ADDRESS, ["static.khi77.pie.net.pk", "cr1.fra2.example.net"]) == ()

    def test_a_servers_own_name_can_only_contradict(self) -> None:
        assert name_claims(ADDRESS, ["paris.example.net"]) == ()
        assert name_claims(ADDRESS, ["static.khi77.pie.net.pk", "paris.example.net"]) == ()

    def test_none(self) -> None:
        assert name_claims(ADDRESS, []) == ()

    def test_of_very_many_the_first_are_read(self) -> None:
        assert name_claims(ADDRESS, ["x.example.net"] * MAX_NAMES + ["khi77.pie.net.pk"]) == ()


class TestTables:
    """The tables say what they mean to."""

    def test_every_hub_is_an_airport_of_a_city(self) -> None:
        assert all(shipped_airports()[code.upper()].population > 0 for code in HUBS)

    @pytest.mark.parametrize(
        "word", ["net", "com", "cdn", "vps", "lan", "isp", "per", "den", "mad", "lhr", "hyd"]
    )
    def test_words_are_no_hubs(self, word: str) -> None:
        assert word not in HUBS
        assert hints(f"cr1.{word}1.example.net") == ()

    @pytest.mark.parametrize("word", sorted(CITY_WORDS | LOCODE_WORDS))
    def test_words_are_no_cities(self, word: str) -> None:
        assert hints(f"cr1.{word}.example.net") == ()

    def test_every_code_of_a_convention_has_its_place(self) -> None:
        for convention in CONVENTIONS:
            for city, home in convention.codes.values():
                assert in_country(home, city).country == home

    def test_every_convention_is_tried(self) -> None:
        named = [name.lower() for name, _ in pairs(LEARNT) + pairs(HELD_OUT) if country(name)]
        for convention in CONVENTIONS:
            assert any(name.rstrip(".").endswith(convention.suffix) for name in named), convention.suffix


letters = st.sampled_from([*string.ascii_lowercase, *string.digits, "-", "_", "."])
parts = st.sampled_from(
    ["fra", "khi77", "lhr", "pk", "de", "karachi", "paris", "-", ".", "1", "pie.net.pk", "he.net"]
)
names = st.one_of(
    st.text(max_size=300),
    st.text(letters, max_size=260),
    st.lists(parts, max_size=12).map("".join),
    st.lists(parts, max_size=12).map(".".join),
)


class TestHostile:
    """Whatever a reverse zone has: at most one claim, with a real country."""

    @given(st.lists(names, max_size=20))
    def test_any_names(self, given: list[str]) -> None:
        claims = name_claims(ADDRESS, given)
        assert len(claims) <= 1
        for claim in claims:
            assert claim.country in {airport.country for airport in shipped_airports().values()}
            assert claim.asserted_by == "operator"
            assert claim.version
            assert claim.licence
            assert claim.prefix == "198.51.100.7/32"
            assert len(claim.region or "") <= 64
            assert (claim.latitude is None) == (claim.longitude is None) == (claim.radius_km is None)

    @pytest.mark.parametrize(
        "name",
        [
            "",
            ".",
            "..",
            "a" * 100_000,
            "khi77." * 50_000 + "pie.net.pk",
            "-" * 253,
            "khi77\x00.pie.net.pk",
            "khi77 .pie.net.pk",
            "khi77\n.pie.net.pk",
            "-khi77.pie.net.pk",
            "khi77..pie.net.pk",
            "كراتشي.example.net",
        ],
    )
    def test_what_is_no_host_name(self, name: str) -> None:
        assert country(name) is None

    def test_a_long_name_is_a_name(self) -> None:
        assert country("fra1." * 42 + "example.net") == "DE"
