"""The rules of the verdict, on evidence made for each."""

from __future__ import annotations

import pytest

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
from scanner.path import Way
from scanner.rules import judge_address
from scanner.verdict import AddressVerdict, combine
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
    tcp,
)


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

    def test_connections_that_something_before_the_host_takes_place_nothing(self) -> None:
        """Pings that come as late as the host is far tell of a firewall that takes connections for it."""
        verdict = judge([ping("khi", 48.0), tcp("khi", 0.5)], ALL_PK)
        assert (verdict.location, verdict.rtts_ms) == ("undetermined", {"khi": 48.0})
        assert judge([ping("khi", 4.4), tcp("khi", 0.5)]).assurance == "proved"

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

    def test_what_could_not_be_asked_is_left_to_claims_of_abroad(self) -> None:
        """An IPv6 address that no vantage can reach may be anywhere: what is missing is never at home."""
        silent = PingObservation(
            id="p", vantage="khi", endpoint="e", address=ADDRESS, time=TIME, error="unsupported"
        )
        verdict = judge([silent], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "no probe was answered, and no way to it from home was seen" in verdict.reason
        assert judge([silent], ALL_SG).location == "outside"

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
