from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.airport import METRO_RADIUS_KM, shipped_airports
from geodata.sources.form import FORMS, OWN, Form
from geodata.sources.pop import MAX_VALUE, pop_claims

ADDRESS = "198.51.100.7"
EDGE, SERVER = "edge_pop", "server"

# Headers as public transcripts have them: network, and of each claim meaning, place as written and country.
PLACES: list[tuple[dict[str, str], str, list[tuple[str, str | None, str | None]]]] = [
    ({"cf-ray": "7bd32409eda7b020-KHI", "server": "cloudflare"}, "Cloudflare", [(EDGE, "KHI", "PK")]),
    ({"cf-ray": "7bd32409eda7b020-FSD"}, "Cloudflare", [(EDGE, "FSD", "US")]),  # not Faisalabad
    (
        {"cf-ray": "8f7f72251f618451-DXB", "cf-placement": "remote-ZRH"},
        "Cloudflare",
        [(EDGE, "DXB", "AE"), (SERVER, "ZRH", "CH")],
    ),
    ({"cf-placement": "local-EWR"}, "Cloudflare", [(EDGE, "EWR", "US")]),
    ({"cf-ray": "7bd32409eda7b020-QQQ"}, "Cloudflare", [(EDGE, "QQQ", None)]),
    ({"x-amz-cf-pop": "DXB52-P1"}, "Amazon CloudFront", [(EDGE, "DXB52-P1", "AE")]),
    ({"x-amz-cf-pop": "TXL50-P6"}, "Amazon CloudFront", [(EDGE, "TXL50-P6", "DE")]),
    ({"x-amz-cf-pop": "IAD79-C3"}, "Amazon CloudFront", [(EDGE, "IAD79-C3", "US")]),
    ({"x-served-by": "cache-qpg1275-QPG"}, "Fastly", [(EDGE, "QPG", "SG")]),
    (
        {"x-served-by": "cache-fra-etou8220141-FRA, cache-dxb1470020-DXB"},
        "Fastly",
        [(SERVER, "FRA", "DE"), (EDGE, "DXB", "AE")],
    ),
    (
        {"x-vercel-id": "dxb1::iad1::ff2gc-1788335817872-ee5fd3cbee73"},
        "Vercel",
        [(EDGE, "dxb1", "AE"), (SERVER, "iad1", "US")],
    ),
    ({"x-vercel-id": "bom1::4zqbx-1788335817872-ee5fd3cbee73"}, "Vercel", [(EDGE, "bom1", "IN")]),
    ({"fly-request-id": "01K77TA95DPQZ8Y9HRXDGG5YPA-sin"}, "Fly.io", [(EDGE, "sin", "SG")]),
    ({"x-railway-edge": "hnd1"}, "Railway", [(EDGE, "hnd1", "JP")]),
    ({"server": "BunnyCDN-DE1-1080"}, "bunny.net", [(EDGE, "DE1", "DE")]),
    ({"server": "BunnyCDN-UK1-886"}, "bunny.net", [(EDGE, "UK1", "GB")]),
    ({"server": "BunnyCDNE-ASB1-1059"}, "bunny.net", [(EDGE, "ASB1", "US")]),  # not Ashgabat
    ({"server": "BunnyCDN-IL1-900"}, "bunny.net", [(EDGE, "IL1", None)]),  # Israel or Illinois
    ({"x-77-pop": "losangelesUSCA"}, "CDN77", [(EDGE, "losangelesUSCA", "US")]),
    ({"x-77-pop": "frankfurtDE", "server": "CDN77-Turbo"}, "CDN77", [(EDGE, "frankfurtDE", "DE")]),
    ({"x-edge-location": "chzh", "server": "keycdn"}, "KeyCDN", [(EDGE, "chzh", "CH")]),
    ({"x-edge-location": "uklo", "server": "keycdn"}, "KeyCDN", [(EDGE, "uklo", "GB")]),
    (
        {"x-id-fe": "fr5-hw-edge-gc17"},
        "Gcore",
        [(EDGE, "fr5", None)],
    ),  # Frankfurt, and nowhere is that written
    ({"x-id": "sg1-hw-edge-gc2"}, "Gcore", [(EDGE, "sg1", None)]),
    ({"x-cf1": '"28637:fG.hkg1:co:1560000000"'}, "CacheFly", [(EDGE, "hkg1", "HK")]),
    (
        {
            "akamai-request-bc": "[a=23.45.168.118,b=99653042,c=g,n=AU_QLD_BRISBANE,o=20940],"
            "[c=c,n=US_CA_SANDIEGO,o=20940],[a=128,c=o]"
        },
        "Akamai",
        [(EDGE, "AU_QLD_BRISBANE", "AU"), (SERVER, "US_CA_SANDIEGO", "US")],
    ),
    (
        {"akamai-request-bc": "[a=x.x.x.x,b=1,c=g,n=TW__TAIPEI,o=20940]"},
        "Akamai",
        [(EDGE, "TW__TAIPEI", "TW")],
    ),
    (
        {
            "via": "ens-cache17.l2de4[121,121,500-1281,M], ens-cache11.gb9[172,141,0]",
            "eagleid": "a3b5f39f" * 3,
        },
        "Alibaba Cloud CDN",
        [(SERVER, "l2de4", None), (EDGE, "gb9", "GB")],
    ),
    ({"via": "cache7.l2et15[0,200-0,H]"}, "Alibaba Cloud CDN", [(SERVER, "l2et15", None)]),  # not Ethiopia
    (
        {"x-msedge-ref": "Ref A: CFB9AC1D Ref B: BOM02EDGE0712 Ref C: 2020-11-09T10:50:10Z"},
        "Microsoft edge",
        [(EDGE, "BOM02", "IN")],
    ),
    ({"x-msedge-ref": "Ref A: CFB9 Ref B: HK2EDGE0915 Ref C: 2020"}, "Microsoft edge", [(EDGE, "HK2", None)]),
    ({"x-cdn-pop": "rbx1"}, "OVHcloud", [(EDGE, "rbx1", "FR")]),
    ({"x-cdn-pop": "lim"}, "OVHcloud", [(EDGE, "lim", "DE")]),  # Limburg, not Lima
    ({"x-cdn-pop": "khi"}, "OVHcloud", [(EDGE, "khi", None)]),
]

NETWORKS: list[tuple[str, str, str, str]] = [
    ("cf-cache-status", "DYNAMIC", "Cloudflare", EDGE),
    ("server", "cloudflare", "Cloudflare", EDGE),
    ("server-timing", 'cfL4;desc="?proto=TCP&rtt=2171"', "Cloudflare", EDGE),
    ("x-amz-cf-id", "5odqSyWCFuIfMmAhaKVK_xP-Mgwqv_5koFaM9gk6LqXKwBoA7HdyeA==", "Amazon CloudFront", EDGE),
    ("via", "1.1 4282107b43c6547bd498baa733c53e85.cloudfront.net (CloudFront)", "Amazon CloudFront", EDGE),
    ("x-cache", "Error from cloudfront", "Amazon CloudFront", EDGE),
    ("x-fastly-request-id", "a" * 40, "Fastly", EDGE),
    ("x-timer", "S1597257077.907034,VS0,VE0", "Fastly", EDGE),
    ("server", "AkamaiGHost", "Akamai", EDGE),
    ("x-akamai-transformed", "9 - 0 pmb=mRUM,1", "Akamai", EDGE),
    ("x-akamai-request-id", "1e1c07f6", "Akamai", EDGE),
    ("akamai-grn", "0.3c7f1ab8.1781573552.3d7fc59f", "Akamai", EDGE),
    ("akamai-request-bc", "[a=1.2.3.4,b=12,c=g,o=20940]", "Akamai", EDGE),
    ("server-timing", 'ak_p; desc="1781573551802_3088744252";dur=1', "Akamai", EDGE),
    ("server", "Vercel", "Vercel", EDGE),
    ("server", "Fly/40bd1ce81 (2026-08-13)", "Fly.io", EDGE),
    ("x-railway-edge", "railway/europe-west4-drams3a", "Railway", EDGE),
    ("server", "CDN77-Turbo", "CDN77", EDGE),
    ("cdn-pullzone", "6194262", "bunny.net", EDGE),
    ("x-iinfo", "10-17146307-17146311 NNNN CT(34 109 0) RT(1757107886206 68) q(0 0 2 0) U6", "Imperva", EDGE),
    ("x-cdn", "Incapsula", "Imperva", EDGE),
    ("x-sucuri-id", "15016", "Sucuri", EDGE),
    ("eagleid", "a3b5f39f17683349974638410e", "Alibaba Cloud CDN", EDGE),
    ("x-nws-log-uuid", "6ee542b4-754f-41ff-a61b-fdc40ef519cc", "Tencent Cloud CDN", EDGE),
    ("eo-log-uuid", "13426361529703584917", "Tencent EdgeOne", EDGE),
    ("x-azure-ref", "0zxV+XAAAAABKMMOjBv2NT4TY6SQVjC0zV1NURURHRTA2MTkANDM3Yzgy", "Azure Front Door", EDGE),
    ("server", "ArvanCloud", "ArvanCloud", EDGE),
    ("x-nf-request-id", "01FHCX1P4S3GNPSCHD72RVQGC8", "Netlify", EDGE),
    ("x-nf-request-id", "7cb5e5c1-27a3-41ef-a352-8bb94064f514-7650812", "Netlify", EDGE),
    ("via", "1.1 google, 1.1 google", "Google Cloud", EDGE),
    ("x-goog-generation", "1678901234567890", "Google Cloud Storage", SERVER),
    ("x-github-request-id", "D139:2FAB9E:11C74B2:43DB60F:6A0F6D0B", "GitHub", SERVER),
]

LOOK_ALIKES = [
    ("cf-ray", "KHI"),
    ("cf-ray", "7bd32409eda7b020"),
    ("cf-ray", "7bd32409eda7b020-khi"),
    ("cf-ray", "not-hex-KHI"),
    ("cf-ray", "7bd32409eda7b020-KHI-2"),
    ("cf-ipcountry", "PK"),  # the client's
    ("cf-connecting-ip", "39.32.0.1"),
    ("x-vercel-ip-country", "PK"),
    ("cdn-requestcountrycode", "PK"),
    ("cloudfront-viewer-country", "PK"),
    ("x-akamai-edgescape", "georegion=1,country_code=PK,city=KARACHI"),
    ("x-amz-cf-pop", "Karachi"),
    ("x-amz-cf-pop", "dxb52-p1"),
    ("x-amz-bucket-region", "us-east-1"),  # MinIO says so everywhere
    ("x-served-by", "cache-01"),
    ("x-served-by", "varnish-KHI"),
    ("x-served-by", "cache-lhr1234-KHI"),  # Varnish of somebody's own: the codes differ
    ("x-served-by", "web3.khi.example.pk"),
    ("via", "1.1 varnish"),
    ("via", "1.1 googlebot"),
    ("via", "1.1 squid-KHI (squid/5.7)"),
    ("x-cache", "HIT"),
    ("x-cache", "HIT from squid.khi"),
    ("x-vercel-id", "dxb1"),
    ("x-vercel-id", "http://host:abc1:x"),
    ("fly-request-id", "01K77TA95D-sin"),
    ("server", "nginx"),
    ("server", "cloudflare-nginx-khi"),
    ("server", "BunnyCDN"),
    ("server-timing", "cache;desc=hit, edge;dur=1"),
    ("x-edge-location", "chzh"),  # without KeyCDN beside it
    ("x-edge-location", "Karachi, PK"),
    ("x-id", "4711"),
    ("x-77-pop", "PK"),
    ("x-railway-edge", "Karachi"),
    ("x-request-id", "6ee542b4-754f-41ff-a61b-fdc40ef519cc"),
]  # fmt: skip


class TestPlaces:
    """A header that names a place gives a claim with it: the edge, or what stood behind."""

    @pytest.mark.parametrize(("headers", "network", "wanted"), PLACES)
    def test_form(
        self, headers: dict[str, str], network: str, wanted: list[tuple[str, str | None, str | None]]
    ) -> None:
        claims = pop_claims(ADDRESS, headers)
        assert [(each.meaning, each.region, each.country) for each in claims] == wanted
        assert {each.network for each in claims} == {network}

    def test_a_claim_has_its_evidence_and_is_the_operators_of_that_address_alone(self) -> None:
        (claim,) = pop_claims(ADDRESS, {"cf-ray": "7bd32409eda7b020-KHI"})
        assert (claim.source, claim.region, claim.family) == ("http:cf-ray", "KHI", "http-pop")
        assert (claim.asserted_by, claim.prefix) == ("operator", "198.51.100.7/32")
        assert (claim.city, claim.latitude, claim.longitude) == ("Karachi", 24.9065, 67.1608)
        assert claim.radius_km == METRO_RADIUS_KM

    def test_an_address_is_decoded(self) -> None:
        headers = {"x-railway-edge": "hnd1"}
        (claim,) = pop_claims("::ffff:198.51.100.7", headers)
        assert claim.prefix == "198.51.100.7/32"
        (claim,) = pop_claims("2001:db8::7", headers)
        assert claim.prefix == "2001:db8::7/128"

    @pytest.mark.parametrize(
        ("headers", "city", "latitude"),
        [
            ({"x-77-pop": "losangelesUSCA"}, "Los Angeles", 34.05),
            ({"x-77-pop": "frankfurtDE"}, "Frankfurt am Main", 50.12),
            ({"x-77-pop": "karachiPK"}, "Karachi", 24.86),
            ({"akamai-request-bc": "[c=g,n=DE_SL_SAARLOUIS,o=42652]"}, "Saarlouis", None),
            ({"server": "BunnyCDN-SG1-945"}, "Singapore", 1.29),
            ({"x-cdn-pop": "rbx1"}, None, None),
        ],
    )
    def test_a_city_has_coordinates_where_it_is_known(
        self, headers: dict[str, str], city: str | None, latitude: float | None
    ) -> None:
        """Saarlouis is too small to be known."""
        (claim,) = pop_claims(ADDRESS, headers)
        assert claim.city == city
        assert claim.latitude == (latitude if latitude is None else pytest.approx(latitude, abs=0.1))

    def test_two_networks_in_a_row_are_both_told(self) -> None:
        vercel = "dxb1::iad1::ff2gc-1788335817872-ee5fd3cbee73"
        headers = {"cf-ray": "7bd32409eda7b020-KHI", "x-vercel-id": vercel}
        assert [(each.network, each.country) for each in pop_claims(ADDRESS, headers)] == [
            ("Cloudflare", "PK"),
            ("Vercel", "AE"),
            ("Vercel", "US"),
        ]

    def test_same_header_twice(self) -> None:
        headers = {"x-amz-cf-pop": "DXB52-P1, FRA56-P3, DXB52-P1"}
        assert [each.country for each in pop_claims(ADDRESS, headers)] == ["AE", "DE"]


class TestNetworks:
    """A header that names its network and no place gives a claim without one."""

    @pytest.mark.parametrize(("name", "value", "network", "meaning"), NETWORKS)
    def test_form(self, name: str, value: str, network: str, meaning: str) -> None:
        (claim,) = pop_claims(ADDRESS, {name: value})
        assert (claim.network, claim.meaning, claim.source) == (network, meaning, f"http:{name}")
        assert (claim.country, claim.city, claim.region, claim.latitude) == (None, None, None, None)

    def test_one_claim_for_a_network_that_says_it_twice(self) -> None:
        claims = pop_claims(ADDRESS, {"server": "cloudflare", "cf-cache-status": "HIT"})
        assert [each.source for each in claims] == ["http:cf-cache-status"]
        claims = pop_claims(ADDRESS, {"cf-ray": "7bd32409eda7b020-KHI", "cf-cache-status": "HIT"})
        assert [each.source for each in claims] == ["http:cf-ray"]


class TestLookAlikes:
    """What only looks like a content network's header, or tells of the client, gives no claim."""

    @pytest.mark.parametrize(("name", "value"), LOOK_ALIKES)
    def test_no_claim(self, name: str, value: str) -> None:
        assert pop_claims(ADDRESS, {name: value}) == ()

    def test_nothing(self) -> None:
        assert pop_claims(ADDRESS, {}) == ()


class TestTable:
    """The table is whole: every form is cited and tried here, and every code of a network is in the world."""

    def test_every_form_is_tried(self) -> None:
        tried = {(header, network) for headers, network, _ in PLACES for header in headers}
        tried |= {(header, network) for header, _, network, _ in NETWORKS}
        assert {(form.header, form.network) for form in FORMS} <= tried

    def test_every_form_is_cited_and_read_by_its_lower_case_name(self) -> None:
        assert all(form.source and form.header == form.header.lower() for form in FORMS)

    def test_own_codes(self) -> None:
        countries = {airport.country for airport in shipped_airports().values()}
        networks = {form.network for form in FORMS if "own" in form.pattern.groupindex}
        assert set(OWN) == networks
        assert {country for codes in OWN.values() for _, country in codes.values()} <= countries


headers = st.dictionaries(
    st.sampled_from(sorted({form.header for form in FORMS})),
    st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=600),
        *(st.from_regex(form.pattern) for form in FORMS),
    ),
    max_size=20,
)


class TestHostile:
    """Whatever a server sends, there is no exception and no more than a bounded number of claims."""

    @given(headers)
    def test_any_headers(self, given: dict[str, str]) -> None:
        claims = pop_claims(ADDRESS, given)
        assert len(claims) <= sum(min(len(value), MAX_VALUE) for value in given.values())
        for claim in claims:
            assert claim.asserted_by == "operator"
            assert claim.version
            assert claim.licence
            assert claim.meaning in {EDGE, SERVER}
            assert claim.country is None or len(claim.country) == 2
            assert (claim.latitude is None) == (claim.longitude is None) == (claim.radius_km is None)
            assert len(claim.region or "") <= MAX_VALUE

    @pytest.mark.parametrize(
        "unit", ["cache-khi1234-KHI, ", "dxb1::", "[c=g,", "cache1.gb9[", " ", "a", ",", "-", "1"]
    )
    @pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.header}-{form.network}")
    def test_what_is_very_long_is_cut(self, form: Form, unit: str) -> None:
        """Patterns are tried on the worst repetitions; one that backtracks without end would time out."""
        assert len(pop_claims(ADDRESS, {"server": "keycdn", form.header: unit * 100_000})) < 200
