"""The rules of what others say of an address: sources, providers, headers, the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from probes.observation import (
    DnsObservation,
    DnsRecord,
    DnsResult,
    Observation,
    TraceObservation,
    TraceResult,
)
from scanner.gathering import gather
from scanner.path import PlacedHop, Upstream
from scanner.rules import judge_address
from tests.scanner.scene import (
    ADDRESS,
    ALL_PK,
    ALL_SG,
    NEAR,
    THRESHOLDS,
    TIME,
    VANTAGES,
    claim,
    http,
    judge,
    pakistan,
    ping,
)

if TYPE_CHECKING:
    from geodata.claim import Claim


class TestClaims:
    """Families of sources have one vote each, and a split is shown."""

    def test_two_families_corroborate(self) -> None:
        verdict = judge([*NEAR], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("inside", "corroborated", "claims")
        assert verdict.thresholds["speed_km_per_ms_rtt"] == 100.0

    def test_however_many_are_not_believed_where_many_cities_that_are_left_are_abroad(self) -> None:
        verdict = judge([ping("khi", 5)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "may be in any of 9 cities abroad and 38 at home" in verdict.reason
        assert verdict.thresholds["unsupported_abroad"] == 0.15
        assert judge([ping("khi", 4)], ALL_PK).location == "inside"

    def test_however_many_are_one_claim_where_no_time_was_measured(self) -> None:
        result = TraceResult(method="icmp", reached=False, hops=())
        unanswered = TraceObservation(
            id="trace", vantage="khi", endpoint=ADDRESS, address=ADDRESS, time=TIME, result=result
        )
        upstream = Upstream(PlacedHop("home", "2 sources say PK", ("PK",)), beside=False, trace="trace")
        verdict = judge([unanswered], ALL_PK, upstream=upstream)
        assert (verdict.location, verdict.assurance) == ("inside", "claimed")
        assert judge([unanswered], ALL_PK).location == "undetermined"
        assert judge([unanswered], ALL_SG).assurance == "corroborated"

    def test_one_family_claims_however_many_sources_it_has(self) -> None:
        verdict = judge([*NEAR], (claim("alpha", "PK"), claim("alpha", "PK", source="alpha.city")))
        assert verdict.assurance == "claimed"

    def test_a_split_is_conflicting(self) -> None:
        verdict = judge([ping("khi", 30)], (claim("alpha", "PK"), claim("beta", "AE"), claim("gamma", "PK")))
        assert (verdict.location, verdict.assurance) == ("conflicting", None)

    def test_foreign_countries_need_not_agree_with_each_other(self) -> None:
        verdict = judge([ping("khi", 60)], (claim("alpha", "SG"), claim("beta", "MY")))
        assert (verdict.location, verdict.assurance) == ("outside", "corroborated")

    def test_no_country_is_unknown_and_not_abroad(self) -> None:
        assert judge([ping("khi", 30)], (claim("alpha", None),)).location == "undetermined"

    def test_where_users_are_is_not_where_a_server_is(self) -> None:
        verdict = judge([ping("khi", 30)], (claim("alpha", "PK", meaning="user_egress"),))
        assert verdict.location == "undetermined"

    def test_what_the_audited_says_of_itself_never_stands_alone(self) -> None:
        verdict = judge([ping("khi", 30)], (claim("geofeed", "PK", asserted_by="operator"),))
        assert verdict.location == "undetermined"

    def test_home_is_not_believed_where_a_foreign_vantage_is_nearest(self) -> None:
        verdict = judge([ping("khi", 38), ping("dxb", 30)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("conflicting", "unsupported-claim")

    def test_a_vantage_on_the_coast_is_at_home(self) -> None:
        coast = {"khi": VANTAGES["khi"].model_copy(update={"latitude": 24.80, "longitude": 67.03})}
        evidence = gather([ADDRESS], [ping("khi", 2)], {ADDRESS: ALL_PK}, {}, coast, THRESHOLDS)
        assert judge_address(evidence[ADDRESS], pakistan(), THRESHOLDS).location == "inside"

    def test_what_several_times_rule_out_is_said_to_be(self) -> None:
        verdict = judge([ping("lhe", 6), ping("khi", 7)], (claim("alpha", "AF"),))
        assert verdict.set_aside[0].reason == (
            "AF is ruled out by the times of 2 vantages together: it answered Lahore in 6.00 ms, at most 605"
            " km away."
        )

    @pytest.mark.parametrize(("place", "location"), [("abroad", "conflicting"), ("home", "inside")])
    def test_home_is_not_believed_behind_a_router_abroad(
        self, place: Literal["home", "abroad"], location: str
    ) -> None:
        upstream = Upstream(PlacedHop(place, "2 sources say OM", ("OM",)), beside=False, trace="trace")
        verdict = judge([*NEAR], ALL_PK, upstream=upstream)
        assert verdict.location == location
        assert ("trace" in verdict.evidence) == (place == "abroad")

    @pytest.mark.parametrize(
        ("rtts_ms", "place", "more", "location"),
        [
            ({"lhe": 3, "dxb": 40}, "home", (), "conflicting"),
            ({"lhe": 3, "dxb": 40}, "abroad", (), "outside"),
            ({"lhe": 45, "dxb": 60}, "home", (), "outside"),
            ({"lhe": 31, "dxb": 30}, "home", (), "outside"),
            ({"lhe": 39, "dxb": 60}, "home", (), "conflicting"),
            ({"lhe": 3, "dxb": 40}, "home", (claim("geofeed", "IN", asserted_by="operator"),), "outside"),
        ],
    )
    def test_abroad_is_not_believed_against_what_was_measured(
        self,
        rtts_ms: dict[str, float],
        place: Literal["home", "abroad"],
        more: tuple[Claim, ...],
        location: str,
    ) -> None:
        """Near a vantage at home, and behind a router there: unless its operator admits that it is abroad."""
        upstream = Upstream(PlacedHop(place, "2 sources say PK", ("PK",)), beside=False, trace="trace")
        said = (claim("alpha", "IN"), claim("beta", "IN"), *more)
        pings = [ping(vantage, rtt_ms) for vantage, rtt_ms in rtts_ms.items()]
        verdict = judge(pings, said, upstream=upstream)
        assert verdict.location == location
        assert (verdict.rule == "unsupported-claim") == (location == "conflicting")

    @pytest.mark.parametrize("countries", [("PK",), ("OM",)])
    @pytest.mark.parametrize("rtts_ms", [{"khi": 90, "dxb": 80}, {"khi": 90}])
    def test_abroad_is_not_believed_where_the_router_right_before_it_is_at_home(
        self, rtts_ms: dict[str, float], countries: tuple[str, ...]
    ) -> None:
        """However late it answers: a delay is easily added, and its way may lead abroad and back."""
        hop = PlacedHop("home" if countries == ("PK",) else "abroad", "2 sources say so", countries)
        pings = [ping(vantage, rtt_ms) for vantage, rtt_ms in rtts_ms.items()]
        verdict = judge(pings, ALL_SG, upstream=Upstream(hop, beside=True, trace="trace"))
        assert verdict.location == ("conflicting" if hop.place == "home" else "outside")

    def test_home_is_not_believed_where_only_its_holder_is_known(self) -> None:
        """A registry's country is where the holder is registered."""
        alone = judge([*NEAR], ALL_PK[:1])
        assert (alone.location, alone.rule) == ("undetermined", "unsupported-claim")
        assert judge([*NEAR], ALL_PK[1:2]).location == "inside"

    def test_home_is_not_believed_where_every_vantage_is_far_in_time(self) -> None:
        verdict = judge([ping("khi", 95), ping("isb", 110)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")


def listed(country: str, **more: object) -> Claim:
    """What a cloud provider's own list says."""
    return claim("amazon", country, region="me-central-1", asserted_by="operator", **more)


class TestProviderRegion:
    """A cloud provider's own list admits what is abroad, and does not vouch for what is at home alone."""

    def test_abroad(self) -> None:
        verdict = judge([ping("khi", 30)], (*ALL_PK, listed("AE")))
        assert (verdict.location, verdict.assurance, verdict.rule) == (
            "outside",
            "corroborated",
            "provider-region",
        )
        assert verdict.reason == "Amazon itself lists 198.18.0.0/24 in region me-central-1, AE."

    def test_at_home_with_others(self) -> None:
        verdict = judge([*NEAR], (listed("PK"), claim("alpha", "PK")))
        assert (verdict.location, verdict.assurance, verdict.rule) == (
            "inside",
            "corroborated",
            "provider-region",
        )

    @pytest.mark.parametrize("others", [(), (claim("alpha", "AE"),)])
    def test_at_home_by_its_own_word_alone(self, others: tuple[Claim, ...]) -> None:
        assert judge([*NEAR], (listed("PK"), *others)).location != "inside"

    def test_at_home_without_support(self) -> None:
        assert judge([ping("khi", 95)], (listed("PK"), claim("alpha", "PK"))).location == "undetermined"

    @pytest.mark.parametrize("rtts_ms", [{"khi": 90.0}, {"khi": 0.5}, {"khi": 0.5, "sin": 0.5}])
    def test_a_front_that_leads_to_its_own_regions_only(self, rtts_ms: dict[str, float]) -> None:
        """However near it is; no region of Amazon's is in Pakistan. Another front may lead anywhere."""
        pings = [ping(vantage, rtt_ms) for vantage, rtt_ms in rtts_ms.items()]
        front = claim(
            "amazon", None, meaning="anycast", asserted_by="operator", network="AWS Global Accelerator"
        )
        verdict = judge(pings, (front,))
        assert (verdict.location, verdict.assurance, verdict.rule) == (
            "outside",
            "corroborated",
            "provider-region",
        )
        other = claim("amazon", None, meaning="edge_pop", asserted_by="operator", network="Amazon CloudFront")
        assert judge(pings, (other,)).location == "edge"
        hearsay = claim("alpha", None, meaning="anycast", network="AWS Global Accelerator")
        assert judge(pings, (hearsay,)).location == "edge"

    def test_physics_comes_first(self) -> None:
        verdict = judge([ping("khi", 0.5)], (listed("AE"),))
        assert (verdict.location, verdict.assurance) == ("inside", "proved")
        assert [one.family for one in verdict.set_aside] == ["amazon"]


class TestForeignPop:
    """What a content network says of its point of presence."""

    @staticmethod
    def ray(airport: str) -> dict[str, str]:
        return {"cf-ray": f"8c1a2b3c4d5e6f70-{airport}", "server": "cloudflare"}

    def test_abroad_for_who_asks_at_home(self) -> None:
        verdict = judge([ping("khi", 95), http("khi", 96, 96, self.ray("SIN"))], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == (
            "outside",
            "corroborated",
            "foreign-pop",
        )
        assert verdict.reason.startswith("Cloudflare answered Karachi from Singapore, SG, as")

    def test_at_home_it_is_an_edge_however_near(self) -> None:
        verdict = judge([ping("khi", 0.5), http("khi", 1.0, 1.0, self.ray("KHI"))], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "foreign-pop")

    def test_names_of_headers_are_the_same_in_any_case(self) -> None:
        answer = http("khi", 1, 1, {"CF-Ray": "8c1a2b3c4d5e6f70-KHI"})
        assert judge([ping("khi", 0.5), answer]).rule == "foreign-pop"

    def test_abroad_for_who_asks_abroad(self) -> None:
        verdict = judge([*NEAR, http("sin", 96, 96, self.ray("SIN"))], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "foreign-pop")

    def test_one_that_physics_rules_out_changes_nothing(self) -> None:
        verdict = judge([ping("khi", 0.5), http("khi", 1.0, 1.0, self.ray("SIN"))], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("inside", "proved", "territory")
        assert [one.family for one in verdict.set_aside] == ["http-pop"]

    def test_a_function_that_ran_abroad(self) -> None:
        """The edge is at home; what stood behind it is not, and the page came late enough for that."""
        headers = {"x-vercel-id": "khi1::iad1::8c1a2-1700000000000-8c1a2b3c4d5e", "server": "Vercel"}
        verdict = judge([ping("khi", 0.5), http("khi", 230, 1.0, headers)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("outside", "foreign-pop")
        near = judge([ping("khi", 0.5), http("khi", 2, 1.0, headers)], ALL_PK)
        assert near.location != "outside"


class TestOperatorsWord:
    """What is said of oneself is an admission abroad, and no support at home."""

    def test_a_geofeed_abroad_against_sources_at_home(self) -> None:
        own = claim("geofeed", "AE", asserted_by="operator")
        assert judge([ping("khi", 30)], (*ALL_PK, own)).location == "conflicting"

    def test_a_geofeed_at_home_raises_no_assurance(self) -> None:
        own = claim("geofeed", "PK", asserted_by="operator")
        assert judge([*NEAR], (claim("alpha", "PK"), own)).assurance == "claimed"

    @staticmethod
    def named(name: str) -> Observation:
        record = DnsRecord(name="1.0.18.198.in-addr.arpa.", type="PTR", target=name)
        return DnsObservation(
            id="d",
            vantage="khi",
            endpoint="e",
            address=ADDRESS,
            time=TIME,
            result=DnsResult(question="1.0.18.198.in-addr.arpa.", chain=(record,)),
        )

    def test_a_reverse_name_votes_where_physics_allows_it(self) -> None:
        name = "ae1.cr2.singapore.sg.example.net."
        assert judge([ping("khi", 95), self.named(name)], (claim("alpha", "MY"),)).assurance == "corroborated"
        assert judge([*NEAR, self.named(name)], ALL_PK).location == "inside"
        assert judge([self.named(name), ping("khi")], (claim("alpha", "MY"),)).location == "unreachable"

    def test_a_reverse_name_never_stands_alone(self) -> None:
        assert (
            judge([ping("khi", 95), self.named("ae1.cr2.singapore.sg.example.net.")]).location
            == "undetermined"
        )
