"""The rules of the verdict, on evidence made for each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.observation import (
    DnsObservation,
    DnsRecord,
    DnsResult,
    Hop,
    HttpObservation,
    HttpResult,
    Observation,
    PingObservation,
    Reply,
    TlsObservation,
    TlsResult,
    TraceObservation,
    TraceResult,
)
from scanner.gathering import gather
from scanner.path import PlacedHop, Upstream, Way
from scanner.rules import judge_address
from scanner.verdict import AddressVerdict, combine
from tests.scanner.scene import (
    ADDRESS,
    PLACES,
    THRESHOLDS,
    TIME,
    VANTAGES,
    claim,
    http,
    pakistan,
    ping,
    tcp,
    tls,
)

if TYPE_CHECKING:
    import random

    from geodata.claim import Claim


def judge(
    observations: list[Observation],
    claims: tuple[Claim, ...] = (),
    special: str | None = None,
    upstream: Upstream | None = None,
) -> AddressVerdict:
    (evidence,) = gather(
        [ADDRESS], observations, {ADDRESS: claims}, {ADDRESS: special}, VANTAGES, THRESHOLDS
    ).values()
    return judge_address(replace(evidence, upstream=upstream), pakistan(), THRESHOLDS)


ALL_PK = (claim("registry", "PK", meaning="registrant"), claim("alpha", "PK"), claim("beta", "PK"))
NEAR = (ping("lhe", 2), ping("khi", 21))  # more cities at home than abroad are so near, and no proof
ALL_SG = (claim("registry", "SG", meaning="registrant"), claim("alpha", "SG"), claim("beta", "SG"))


class TestTerritory:
    """Constraints settle where a host is whatever databases say."""

    def test_near_karachi_is_proved_inside(self) -> None:
        verdict = judge([ping("khi", 0.9, 0.61), ping("sin", 95)], ALL_SG)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("inside", "proved", "territory")
        assert verdict.reason == (
            "It answered Karachi in 0.61 ms: at most 66 km away; the nearest foreign land is 163 km from"
            " Karachi."
        )
        assert {one.country for one in verdict.set_aside} == {"SG"}
        assert "ping-khi-0" in verdict.evidence

    def test_near_singapore_is_proved_outside_on_space_that_all_call_pakistani(self) -> None:
        verdict = judge([ping("khi", 95), ping("sin", 0.4)], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("outside", "proved", "territory")
        assert [one.family for one in verdict.set_aside] == ["alpha", "beta", "registry"]

    def test_near_lahore_the_border_is_nearer_than_any_proof(self) -> None:
        verdict = judge([ping("lhe", 0.2)], ALL_PK)
        assert verdict.location == "inside"
        assert verdict.assurance == "bounded", "India is feasible, but no city of it"

    def test_several_abroad_have_home_in_common(self) -> None:
        """What answers Lahore from Jammu, and Islamabad from Kabul, is not in Pakistan."""
        apart = [ping("lhe", 2.54), ping("isb", 2.9), ping("khi", 15.3), ping("dxb", 19.1)]
        assert judge(apart).location == "undetermined"

    @pytest.mark.parametrize("connects_ms", [(120.0, 120.4, 121.0), (3.0, 2.6, 40.0)])
    def test_connections_that_are_handed_on_abroad(self, connects_ms: tuple[float, ...]) -> None:
        """A router at home answers pings itself; what it does with a port's connections tells more."""
        assert judge([ping("khi", 0.6), tcp("khi", 0.7)]).assurance == "proved"
        assert judge([ping("khi", 0.6), tcp("khi", *connects_ms)]).assurance != "proved"

    def test_connections_that_are_handed_on_support_no_claim(self) -> None:
        verdict = judge([*NEAR, tcp("khi", 120.0)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "it took connections from Karachi in 120.00 ms at best" in verdict.reason

    def test_several_times_prove_nothing_abroad_where_one_is_of_home(self) -> None:
        """Disks have a place abroad in common although each host of several may be at home."""
        alone = judge([ping("khi", 5.9), ping("dxb", 6.1)], ALL_PK)
        assert (alone.location, alone.assurance) == ("outside", "proved")
        assert alone.reason == (
            "It answered Dubai in 6.10 ms: at most 615 km away; Pakistan is 635 km from Dubai at the nearest."
        )
        assert alone.evidence == ("ping-dxb-0",)
        together = judge([ping("isb", 7.5), ping("dxb", 11.9)])
        assert (together.location, together.rule) == ("undetermined", "claims")

    def test_several_times_prove_what_is_abroad_where_none_is_of_home(self) -> None:
        verdict = judge([ping("dxb", 13.5), ping("sin", 44.9)])
        assert (verdict.location, verdict.assurance) == ("outside", "proved")
        assert verdict.reason.endswith("and the times of 2 vantages together rule out all of Pakistan.")

    def test_a_high_rtt_proves_nothing(self) -> None:
        verdict = judge([ping("khi", 80.4), ping("dxb", 108), ping("sin", 170)])
        assert (verdict.location, verdict.assurance) == ("undetermined", None)

    def test_the_location_error_of_a_vantage_weakens_its_proof(self) -> None:
        vague = {"khi": VANTAGES["khi"].model_copy(update={"location_error_km": 900})}
        evidence = gather([ADDRESS], [ping("khi", 0.6)], {}, {}, vague, THRESHOLDS)
        assert judge_address(evidence[ADDRESS], pakistan(), THRESHOLDS).assurance is None

    def test_a_zero_or_negative_rtt_is_no_measurement(self) -> None:
        assert judge([ping("khi", 0.0, -1.0, 1e-9)]).location == "unreachable"


class TestRefusals:
    """Anybody on the way can refuse a connection in a host's name."""

    def test_one_from_near_proves_nothing_of_a_host_that_answers_from_afar(self) -> None:
        verdict = judge([tcp("khi", 0.5, open_=False), ping("khi", 110), ping("fra", 2)], ALL_PK)
        assert (verdict.location, verdict.assurance) == ("outside", "proved")

    def test_where_nothing_else_answers_it_counts(self) -> None:
        assert judge([tcp("khi", 0.5, open_=False), ping("khi")]).assurance == "proved"


class TestOnLand:
    """Machines stand on land: disks that have only sea in common are of several machines."""

    def test_several(self) -> None:
        verdict = judge([ping("sin", 24), ping("isb", 24), ping("dxb", 39)], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("edge", "proved", "anycast")
        assert "no one place on land is near enough to all" in verdict.reason

    def test_a_vantage_at_sea_accuses_nobody(self) -> None:
        """Its place is wrong, and of the host nothing follows."""
        adrift = {**VANTAGES, "dxb": VANTAGES["dxb"].model_copy(update={"latitude": 15.0, "longitude": 62.0})}
        seen = [ping("dxb", 1), ping("khi", 40)]
        evidence = gather([ADDRESS], seen, {}, {}, adrift, THRESHOLDS)
        assert judge_address(evidence[ADDRESS], pakistan(), THRESHOLDS).location == "undetermined"


class TestBogon:
    """A special-purpose address is nobody's on the Internet."""

    def test_it_is_undetermined_whatever_else_is_said(self) -> None:
        verdict = judge([ping("khi", 0.5)], ALL_PK, special="Private-Use")
        assert (verdict.location, verdict.rule) == ("undetermined", "bogon")
        assert "Private-Use" in verdict.reason


class TestAnycast:
    """One address at several places is an edge, however near it is."""

    def test_disks_that_do_not_meet(self) -> None:
        verdict = judge([ping("khi", 0.5), ping("fra", 0.5), ping("sin", 0.5)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "anycast")
        assert "Karachi" in verdict.reason
        assert "Frankfurt" in verdict.reason

        assert [(one.city, one.country, one.vantage) for one in verdict.sites] == [
            ("Frankfurt am Main", "DE", "fra"),
            ("Karachi", "PK", "khi"),
            ("Singapore", "SG", "sin"),
        ]
        assert "at least 3 sites" in verdict.reason

    def test_its_sites_are_the_fewest_that_explain_it(self) -> None:
        verdict = judge(
            [ping("khi", 0.5), ping("lhe", 12), ping("isb", 14), ping("dxb", 13), ping("fra", 0.5)]
        )
        assert [one.vantage for one in verdict.sites] == ["fra", "khi"], "the others may all be Karachi's"

    def test_a_known_anycast_network_at_one_ms(self) -> None:
        known = claim("known-networks", None, meaning="anycast", network="EXAMPLE-CDN", asn=64500)
        verdict = judge([ping("khi", 0.5)], (*ALL_PK, known))
        assert (verdict.location, verdict.rule) == ("edge", "anycast")
        assert "EXAMPLE-CDN" in verdict.reason


class TestRelay:
    """A front at home with the machine abroad is not at home."""

    def test_tls_that_ends_elsewhere(self) -> None:
        every = [tls("khi", 0.6, 28.9, number=number) for number in range(3)]
        verdict = judge([ping("khi", 0.5), *every], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")

    def test_the_least_of_many_times_is_not_steady(self) -> None:
        """Whether signing is slow, or the key far, is not seen of the least time alone."""
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 28.9, tries=20)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")

    def test_http_that_is_answered_elsewhere(self) -> None:
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.4), http("khi", 111, 110)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")

    @pytest.mark.parametrize("never_ms", [-1000.0, 0.0, 0.001])
    def test_a_time_that_cannot_be_hides_nothing(self, never_ms: float) -> None:
        """A fault of some clock, or a line that somebody put into a record, is no quick answer."""
        odd = http("khi", never_ms, never_ms, number=1)
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.4), http("khi", 111, 110), odd], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")
        quick = tls("khi", 0.6, never_ms, number=1)
        late = [tls("khi", 0.6, 28.9, number=number) for number in range(2, 5)]
        verdict = judge([ping("khi", 0.5), *late, quick], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")

    def test_a_slow_page_is_not_a_far_server(self) -> None:
        slow = [http("khi", 150 + 9 * number, 1.0, number=number) for number in range(8)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *slow], ALL_PK)
        assert (verdict.location, verdict.assurance) == ("inside", "proved")

    def test_a_vantage_that_knows_of_no_packets_knows_of_no_lateness(self) -> None:
        """The page itself is the soonest that it has of the host: that makes it no sooner."""
        late = [http("khi", 60, 1.0), http("lhe", 78, 19.0), http("isb", 82, 23.0)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert "its page comes 59.5 ms later than packets" in verdict.reason

    def test_one_busy_vantage_accuses_nobody(self) -> None:
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), ping("isb", 25), tls("isb", 25, 60)], ALL_PK)
        assert verdict.location == "inside"

    def test_work_that_varies_is_no_distance(self) -> None:
        late = [http("khi", 150 + 9 * number, 30 + 9 * number, number=number) for number in range(8)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert (verdict.location, verdict.assurance) == ("inside", "proved")

    def test_a_page_kept_in_front_hides_nothing(self) -> None:
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), http("khi", 1.0, 60)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")

    def test_a_front_that_answers_for_what_does_not_exist(self) -> None:
        """The page alone is late, and just as late in many tries: it may be slow, and it may be far."""
        late = [http("khi", 60 + number / 10, 1.0, number=number) for number in range(3)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "its page comes 59.5 ms later than packets, evenly in 15 tries" in verdict.reason

    def test_files_that_come_late_are_far(self) -> None:
        """A front answers for what does not exist, and passes on what does: a file takes no work."""
        late = [http("khi", 60 + 9 * number, 1.0, number=number, file_ms=48) for number in range(3)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")
        assert "what serves its files never less than 47.5 ms later" in verdict.reason

    @pytest.mark.parametrize(("file_ms", "location"), [(2.9, "inside"), (3.1, "undetermined")])
    def test_files_that_come_a_little_late_support_nothing(self, file_ms: float, location: str) -> None:
        """A file takes no work: a millisecond is 100 km, and too few to accuse anybody."""
        late = [http("lhe", 9 * number + 5, 2.4, number=number, file_ms=file_ms) for number in range(3)]
        verdict = judge([ping("lhe", 2.0), tls("lhe", 2.1, 2.7), *late], ALL_PK)
        assert verdict.location == location

    @pytest.mark.parametrize(("file_ms", "assurance"), [(1.52, "proved"), (1.6, "bounded"), (4.0, None)])
    def test_who_makes_what_is_late_has_a_place_of_his_own(
        self, file_ms: float, assurance: str | None
    ) -> None:
        """However late: within so much of a vantage there is no foreign land, or no city of it."""
        late = [http("khi", 9 * number + 5, 0.9, number=number, file_ms=file_ms) for number in range(3)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert verdict.assurance == assurance
        assert verdict.reason.startswith("What serves its files answered Karachi") == (assurance is not None)

    def test_the_place_of_who_makes_what_is_late_rests_on_no_refuted_vantage(self) -> None:
        late = [http("isb", 9 * number + 5, 0.5, number=number, file_ms=1.6) for number in range(3)]
        seen = [ping("khi", 0.5), ping("isb", 0.5), *late]
        found = gather([ADDRESS], seen, {}, {}, VANTAGES, THRESHOLDS)[ADDRESS]
        verdict = judge_address(found.without({"isb"}), pakistan(), THRESHOLDS)
        assert verdict.location == "undetermined"

    def test_what_varies_by_more_than_any_way_is_work(self) -> None:
        """A share of much is more than a way varies by, however long."""
        pages = [http("khi", 150 + 9 * number, 100.5 + 6 * number, number=number) for number in range(8)]
        assert judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *pages]).assurance == "proved"
        pages[1] = http("khi", 159, 105, number=1)
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *pages])
        assert verdict.reason.startswith(
            "No source says where it is; it answers for a page that nobody has 100.0 ms"
        )

    def test_files_that_an_application_serves_now_and_then_are_not(self) -> None:
        late = [http("khi", 150, 1.0, number=number, file_ms=40 + 20 * number) for number in range(8)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert verdict.rule != "relay"

    def test_a_key_that_is_proved_late_and_evenly_supports_nothing(self) -> None:
        """Octets may be passed on to a machine that is not so far that anybody could be accused."""
        near = [tls("lhe", 2.0, 4.9), tls("isb", 5.0, 7.9, number=1), tls("khi", 21, 23.9, number=2)]
        verdict = judge([ping("lhe", 2.0), ping("isb", 5.0), ping("khi", 21), *near], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "it proves its key 2.9 ms later than packets" in verdict.reason

    @pytest.mark.parametrize(("more", "location"), [((), "undetermined"), ((http("lhe", 3, 3),), "inside")])
    def test_a_key_that_is_proved_very_late_and_unevenly_is_far_where_no_page_tells(
        self, more: tuple[HttpObservation, ...], location: str
    ) -> None:
        late = [tls("lhe", 2.0, 9.1 + 4 * number, number=number) for number in range(8)]
        assert judge([*NEAR, *late, *more], ALL_PK).location == location

    @pytest.mark.parametrize("handshakes_ms", [(3.2, 6.2, 22.2), (3.5, 7.5, 23.9)])
    def test_a_key_that_is_proved_soon_or_unevenly_takes_nothing_away(
        self, handshakes_ms: tuple[float, ...]
    ) -> None:
        near = [tls("lhe", 2.0, handshakes_ms[0]), tls("isb", 5.0, handshakes_ms[1], number=1)]
        last = tls("khi", 21, handshakes_ms[2], number=2)
        verdict = judge([ping("lhe", 2.0), ping("isb", 5.0), ping("khi", 21), *near, last], ALL_PK)
        assert verdict.location == "inside"

    def test_two_pages_equally_late_are_far_on_a_busy_machine_too(self) -> None:
        late = [http("khi", 116 + 30 * number, 115 + 40 * number, number=number) for number in range(8)]
        late = [http("khi", 115.5, 115.9, number=9), *late[1:]]
        assert judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK).rule == "relay"

    def test_connections_that_are_taken_late_and_evenly_support_nothing(self) -> None:
        late = [tcp("lhe", 4.0, 4.1, 4.3), tcp("khi", 23.1, 23.2), tcp("isb", 8.0)]  # isb pings nobody
        verdict = judge([*NEAR, *late], ALL_PK)
        assert verdict.location == "undetermined"
        assert "it takes connections 2.0 ms later than packets, evenly in 5 tries" in verdict.reason
        assert judge([*NEAR, tcp("lhe", 2.0, 2.3, 2.5), tcp("khi", 21.1, 21.5)], ALL_PK).location == "inside"

    def test_slow_signing_is_not_far(self) -> None:
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 30), http("khi", 1.2, 1.0)], ALL_PK)
        assert (verdict.location, verdict.assurance) == ("inside", "proved")
        assert verdict.reason.startswith("The holder of its TLS session's keys answered Karachi in 1.00 ms")

    def test_a_handshake_that_signs_nothing_places_who_holds_the_session(self) -> None:
        """It proves what a whole one is too slow for, and that this is work and not a way."""
        seen = [ping("khi", 0.5), tls("khi", 0.6, 30, resumed_ms=(0.9, 0.8, 0.8, 1.1, 0.9))]
        verdict = judge(seen, ALL_PK)
        assert (verdict.location, verdict.assurance) == ("inside", "proved")
        assert verdict.reason.startswith("The holder of its TLS session's keys answered Karachi in 0.80 ms")

    @pytest.mark.parametrize(
        ("excess_ms", "location", "rule"),
        [(4.2, "edge", "relay"), (1.4, "undetermined", "unsupported-claim"), (1.2, "inside", "claims")],
    )
    def test_a_handshake_that_signs_nothing_and_is_late_is_far(
        self, excess_ms: float, location: str, rule: str
    ) -> None:
        resumed_ms = tuple(2.0 + excess_ms + jitter for jitter in (0.0, 0.05, 0.1, 0.1, 3.0))
        near = [ping("lhe", 2.0), ping("isb", 9), tls("lhe", 2.0, 2.2 + excess_ms, resumed_ms=resumed_ms)]
        verdict = judge(near, ALL_PK)
        assert (verdict.location, verdict.rule) == (location, rule)

    def test_what_may_be_passed_on_is_neither_proved_nor_believed(self) -> None:
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), http("khi", 1.2, 3.6)], ALL_PK)
        assert (verdict.location, verdict.assurance) == ("undetermined", None)
        assert "a machine behind it may be up to 310 km farther" in verdict.reason

    @pytest.mark.parametrize(
        ("late", "what"),
        [
            (tls("khi", 0.6, 28.9, tries=1), "it proves its key 28.4 ms later than packets, in only 1 try:"),
            (http("khi", 60.5, 1.0, tries=4), "its page comes 60.0 ms later than packets, in only 4 tries:"),
            (http("khi", 1.0, 60.5, tries=2), "it answers for a page that nobody has 60.0 ms later"),
        ],
    )
    def test_few_tries_accuse_nobody_and_support_nothing(self, late: Observation, what: str) -> None:
        verdict = judge([ping("khi", 0.5), tcp("khi", 0.6), late], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert what in verdict.reason

    def test_one_try_that_is_soon_clears(self) -> None:
        """Whoever holds a session's keys has no farther to go for a signature."""
        signing = [tls("khi", 0.6, 28.9 + number / 10, number=number) for number in range(3)]
        verdict = judge([ping("khi", 0.5), *signing, http("khi", 1.4, 1.4, tries=1)], ALL_PK)
        assert verdict.location == "inside"

    def test_a_handshake_too_slow_for_a_proof_weakens_it(self) -> None:
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 6.0)], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("inside", "corroborated", "claims")
        assert verdict.thresholds["speed_km_per_ms_rtt"] == 100.0

    def test_the_proof_is_of_the_keys_holder_where_tls_was_measured(self) -> None:
        verdict = judge([ping("khi", 0.4), tls("khi", 0.6, 1.2)])
        assert verdict.assurance == "proved"
        assert verdict.reason.startswith("The holder of its certificate's key answered Karachi in 1.20 ms")


class TestClaims:
    """Families of sources have one vote each, and a split is shown."""

    def test_two_families_corroborate(self) -> None:
        verdict = judge([ping("lhe", 2), ping("khi", 21)], ALL_PK)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("inside", "corroborated", "claims")
        assert verdict.thresholds["speed_km_per_ms_rtt"] == 100.0

    def test_however_many_are_not_believed_where_most_cities_that_are_left_are_abroad(self) -> None:
        verdict = judge([ping("khi", 16)], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "cities abroad and" in verdict.reason
        assert verdict.thresholds["unsupported_abroad"] == 1.0

    def test_however_many_are_one_claim_where_no_time_was_measured(self) -> None:
        result = TraceResult(method="icmp", reached=False, hops=())
        unanswered = TraceObservation(
            id="trace", vantage="khi", endpoint=ADDRESS, address=ADDRESS, time=TIME, result=result
        )
        verdict = judge([unanswered], ALL_PK)
        assert (verdict.location, verdict.assurance) == ("inside", "claimed")
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
        upstream = Upstream(PlacedHop(place, "2 sources say OM", ("OM",)), beside=False)
        verdict = judge([*NEAR], ALL_PK, upstream=upstream)
        assert verdict.location == location

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
        upstream = Upstream(PlacedHop(place, "2 sources say PK", ("PK",)), beside=False)
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
        verdict = judge(pings, ALL_SG, upstream=Upstream(hop, beside=True))
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


class TestUnmeasured:
    """Claims that nothing was measured against place nothing."""

    def test_an_address_that_was_not_probed_is_undetermined(self) -> None:
        verdict = judge([], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unmeasured")


class TestUnreachable:
    """What does not answer is neither at home nor abroad."""

    def test_silence_is_unreachable_whatever_is_claimed(self) -> None:
        verdict = judge([ping("khi"), ping("sin")], ALL_PK)
        assert (verdict.location, verdict.evidence) == ("unreachable", ("ping-khi-0", "ping-sin-0"))

    def test_what_could_not_be_asked_is_left_to_the_claims(self) -> None:
        silent = PingObservation(
            id="p", vantage="khi", endpoint="e", address=ADDRESS, time=TIME, error="unsupported"
        )
        assert judge([silent], ALL_PK).location == "inside"

    def test_a_traces_last_answer_counts_and_a_nats_does_not(self) -> None:
        def trace(icmp: tuple[int, int] | None) -> Observation:
            hops = (Hop(ttl=3, replies=(Reply(address=ADDRESS, rtt_ms=0.6, icmp=icmp),)),)
            return TraceObservation(
                id="t",
                vantage="khi",
                endpoint="e",
                address=ADDRESS,
                time=TIME,
                result=TraceResult(method="icmp", reached=icmp != (11, 0), hops=hops),
            )

        assert judge([trace((0, 0))]).assurance == "proved"
        assert judge([trace((11, 0))]).assurance is None


class TestApplications:
    """What comes of an application bounds how far its host is, where nothing else was measured too."""

    @staticmethod
    def _page(vantage: str, ms: float) -> Observation:
        return http(vantage, ms, ms + 0.1)

    def test_a_page_alone_places_who_sends_it(self) -> None:
        assert judge([ping("khi"), self._page("khi", 1)]).assurance == "proved"
        abroad = judge([self._page("fra", 1)], ALL_PK)
        assert (abroad.location, abroad.assurance) == ("outside", "proved")

    def test_a_handshake_alone_places_who_makes_it(self) -> None:
        result = TlsResult(port=443, handshake_ms=1.0)
        one = TlsObservation(id="t", vantage="khi", endpoint="e", address=ADDRESS, time=TIME, result=result)
        assert judge([one]).assurance == "proved"

    def test_applications_that_do_not_answer_are_unreachable_whatever_is_claimed(self) -> None:
        silent = [
            kind(id=kind.__name__, vantage="khi", endpoint="e", address=ADDRESS, time=TIME, error="timeout")
            for kind in (TlsObservation, HttpObservation)
        ]
        assert judge(list(silent), ALL_PK).location == "unreachable"

    @pytest.mark.parametrize("impossible_ms", [0.0, -80.0, 0.001])
    def test_an_impossible_time_hides_no_relay(self, impossible_ms: float) -> None:
        """Where a clock was set back, a time says nothing; of pages neither."""
        times_ms = (90.0, 90.1, 90.2, 90.1, 90.3, impossible_ms)
        result = HttpResult(url="http://e.example/", ttfb_ms=times_ms, probe_ttfb_ms=times_ms)
        page = HttpObservation(id="h", vantage="khi", endpoint="e", address=ADDRESS, time=TIME, result=result)
        assert judge([ping("khi", 0.6), page]).rule == "relay"


class TestEndpoint:
    """An endpoint takes the worst of its addresses."""

    @staticmethod
    def _combine(*locations: str) -> str:
        addresses = [
            AddressVerdict(address=f"198.18.0.{index}", location=location, rule="r", reason=location)  # type: ignore[arg-type]  # names of locations
            for index, location in enumerate(locations)
        ]
        return combine("e", addresses, Way(), ("e does not exist.", ("d",))).location

    def test_one_of_three_abroad_is_abroad(self) -> None:
        assert self._combine("inside", "outside", "inside") == "outside"

    def test_one_that_does_not_answer_leaves_it_undetermined(self) -> None:
        assert self._combine("inside", "unreachable") == "undetermined"
        assert self._combine("unreachable", "unreachable") == "unreachable"

    def test_an_edge_is_worse_than_a_doubt(self) -> None:
        assert self._combine("conflicting", "edge", "inside") == "edge"

    def test_no_address_at_all(self) -> None:
        verdict = combine("e", [], Way(), ("e does not exist.", ("d",)))
        assert (verdict.location, verdict.reason, verdict.evidence) == (
            "unreachable",
            "e does not exist.",
            ("d",),
        )

    def test_a_name_that_nobody_asked_for(self) -> None:
        """What was not measured is not known: it is not shown to be out of reach."""
        verdict = combine("e", [], Way(), ("e was not asked for.", ()))
        assert (verdict.location, verdict.rule) == ("undetermined", "unmeasured")

    def test_reverse_names_are_kept_as_hints(self) -> None:
        record = DnsRecord(name="1.0.18.198.in-addr.arpa.", type="PTR", target="\\027[31m.example.")
        one = DnsObservation(
            id="d",
            vantage="khi",
            endpoint="e",
            address=ADDRESS,
            time=TIME,
            result=DnsResult(question="1.0.18.198.in-addr.arpa.", chain=(record,)),
        )
        evidence = gather([ADDRESS], [one], {}, {}, VANTAGES, THRESHOLDS)
        assert evidence[ADDRESS].names == ("\\027[31m.example.",)


RAYS = tuple({"cf-ray": f"8c1a2b3c4d5e6f70-{airport}"} for airport in ("KHI", "SIN", "FRA"))
rtts = st.dictionaries(st.sampled_from(sorted(PLACES)), st.floats(0.05, 300), max_size=6)
countries = st.lists(st.sampled_from(["PK", "SG", "AE", "IN", "US"]), max_size=4)
sources = st.lists(
    st.tuples(
        st.sampled_from(["PK", "SG", "AE", "IN", "US", None]),
        st.sampled_from(["server", "registrant", "origin", "user_egress"]),
        st.sampled_from(["third-party", "registry", "operator"]),
    ),
    max_size=5,
)
layers = st.dictionaries(
    st.sampled_from(sorted(PLACES)),
    st.tuples(
        st.floats(0.05, 300),  # of the transport; then what the handshake, a page and an error take longer
        st.floats(0.1, 60),
        st.floats(0.1, 60),
        st.floats(0.1, 60),
        st.sampled_from([None, {}, *RAYS]),  # headers; without them no HTTP
    ),
    max_size=6,
)
Layers = dict[str, tuple[float, float, float, float, dict[str, str] | None]]


def _claims(countries: list[str]) -> tuple[Claim, ...]:
    return tuple(claim(f"f{index}", country) for index, country in enumerate(countries))


def _sources(said: list[tuple[str | None, str, str]]) -> tuple[Claim, ...]:
    return tuple(
        claim(f"f{index}", country, meaning=meaning, asserted_by=by)
        for index, (country, meaning, by) in enumerate(said)
    )


def _all(layers: Layers, number: int = 0) -> list[Observation]:
    """Pings, handshakes and pages; a second number gives other observations."""
    found: list[Observation] = []
    for name, (rtt_ms, handshake_ms, page_ms, error_ms, headers) in layers.items():
        found += [ping(name, rtt_ms, number=number), tls(name, rtt_ms, rtt_ms + handshake_ms, number=number)]
        if headers is not None:
            found.append(http(name, rtt_ms + page_ms, rtt_ms + error_ms, headers, number=number))
    return found


class TestProperties:
    """What holds of every verdict, whatever the evidence."""

    @given(layers, sources, st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_the_order_of_observations_never_matters(
        self, layers: Layers, said: list[tuple[str | None, str, str]], shuffle: random.Random
    ) -> None:
        observations = _all(layers)
        again = observations.copy()
        shuffle.shuffle(again)
        assert judge(observations, _sources(said)) == judge(again, _sources(said))

    @given(layers, sources, st.lists(st.floats(0, 100), min_size=24, max_size=24))
    @settings(max_examples=60, deadline=None)
    def test_added_delay_never_creates_a_proof(
        self, layers: Layers, said: list[tuple[str | None, str, str]], delays: list[float]
    ) -> None:
        """On any of the times, each by itself."""
        before = judge(_all(layers), _sources(said))
        late = iter(delays)
        slower: Layers = {
            name: (rtt + next(late), tls + next(late), page + next(late), error + next(late), headers)
            for name, (rtt, tls, page, error, headers) in layers.items()
        }
        after = judge(_all(slower), _sources(said))
        if after.assurance == "proved" and after.rule == "territory":
            assert before.assurance == "proved"
            assert before.location in {after.location, "edge"}

    @given(layers, sources, layers, sources)
    @settings(max_examples=60, deadline=None)
    def test_more_evidence_never_turns_proved_outside_into_inside(
        self,
        first: Layers,
        said: list[tuple[str | None, str, str]],
        more: Layers,
        later: list[tuple[str | None, str, str]],
    ) -> None:
        before = judge(_all(first), _sources(said))
        after = judge([*_all(first), *_all(more, 1)], (*_sources(said), *_sources(later)))
        if (before.location, before.assurance) == ("outside", "proved"):
            assert after.location in {"outside", "edge"}

    @given(layers, sources)
    @settings(max_examples=60, deadline=None)
    def test_a_claim_that_physics_forbids_changes_no_verdict(
        self, layers: Layers, said: list[tuple[str | None, str, str]]
    ) -> None:
        """Nor does a point of presence that it forbids."""
        claims = _sources(said)
        with_all = judge(_all(layers), claims)
        aside = {one.source for one in with_all.set_aside}
        allowed = tuple(one for one in claims if one.source not in aside)
        nearer: Layers = {
            name: (*one[:4], {} if one[4] and _ruled_out(layers, name) else one[4])
            for name, one in layers.items()
        }
        without = judge(_all(nearer), allowed)
        assert (with_all.location, with_all.assurance, with_all.rule) == (
            without.location,
            without.assurance,
            without.rule,
        )


def _ruled_out(layers: Layers, name: str) -> bool:
    """Whether the point of presence that a response names is set aside."""
    alone = judge(_all({name: layers[name]}))
    return any(one.source == "http:cf-ray" for one in alone.set_aside)
