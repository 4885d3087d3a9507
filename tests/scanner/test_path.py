"""Ways from home: what hops show, and what they do not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from probes.observation import Hop, Reply, TraceObservation, TraceResult
from scanner.gathering import gather
from scanner.path import (
    Abroad,
    PlacedHop,
    Way,
    fronts,
    hop_minima,
    judge_path,
    place_hop,
    soonest_abroad,
    traces_from_home,
    upstream,
)
from scanner.rules import judge_address
from tests.scanner.scene import ADDRESS, THRESHOLDS, TIME, VANTAGES, claim, pakistan, ping

if TYPE_CHECKING:
    from geodata.claim import Claim
    from scanner.verdict import AddressVerdict


def trace(vantage: str, *hops: tuple[str, float | None], last_ms: float | None = 12.0) -> TraceObservation:
    """A trace over ``hops``; it reaches the address after ``last_ms``, if at all."""
    ends = [] if last_ms is None else [(ADDRESS, last_ms)]
    return TraceObservation(
        id=f"trace-{vantage}",
        vantage=vantage,
        endpoint="e",
        address=ADDRESS,
        time=TIME,
        result=TraceResult(
            method="icmp",
            reached=last_ms is not None,
            hops=tuple(
                Hop(ttl=number, replies=(Reply(address=address, rtt_ms=rtt_ms),))
                for number, (address, rtt_ms) in enumerate([*hops, *ends], 1)
            ),
        ),
    )


def far_hops(one: TraceObservation, start: int) -> tuple[Hop, ...]:
    """The hops of a trace, each ``start`` farther."""
    hops = one.result.hops if one.result else ()
    return tuple(msgspec.structs.replace(hop, ttl=hop.ttl + start) for hop in hops)


def with_hops(one: TraceObservation, *hops: Hop) -> TraceObservation:
    assert one.result is not None
    return msgspec.structs.replace(one, result=msgspec.structs.replace(one.result, hops=hops))


def said(country: str, asn: int, network: str | None = None) -> tuple[Claim, ...]:
    """Two sources that say the same; a network that is known to stand before others is named."""
    claims = (
        claim("registry", country, meaning="registrant"),
        claim("alpha", country),
        claim("bgp", None, meaning="origin", asn=asn),
    )
    if network is None:
        return claims
    return (*claims, claim("known-networks", None, meaning="anycast", asn=asn, network=network))


CLAIMS = {
    "198.18.1.1": said("PK", 64500),
    "198.18.1.2": said("PK", 64501),
    "198.18.2.1": said("DE", 64502),
    "198.18.3.1": said("DE", 64503, "EXAMPLE-WASHER"),
    "198.18.4.1": said("CA", 64504),  # squatted on at home
    "198.18.5.1": (claim("alpha", "PK"),),
    ADDRESS: said("PK", 64501),
}
SPECIAL = {"192.168.0.1": "private-use"}


def placed(*traces: TraceObservation) -> dict[str, PlacedHop]:
    minima = hop_minima(traces)
    return {
        address: place_hop(
            minima.get(address, {}),
            CLAIMS.get(address, ()),
            SPECIAL.get(address),
            VANTAGES,
            pakistan(),
            THRESHOLDS,
        )
        for address in {*minima, *CLAIMS}
    }


def way(*traces: TraceObservation) -> Way:
    home = traces_from_home(traces, VANTAGES, pakistan())
    return judge_path(home, placed(*traces), VANTAGES, pakistan(), THRESHOLDS)


class TestHop:
    """A hop is placed by physics, then by claims that physics allows."""

    @pytest.mark.parametrize(
        ("address", "rtt_ms", "place"),
        [
            ("198.18.1.1", 0.4, "home"),
            ("198.18.1.1", 20.0, "home"),
            ("198.18.1.1", 97.0, "unknown"),  # sources say home, and nobody there was answered soon
            ("198.18.2.1", 120.0, "abroad"),
            ("198.18.2.1", 0.4, "home"),  # whatever sources say
            ("198.18.4.1", 6.0, "nowhere"),
            ("198.18.5.1", 6.0, "unknown"),
            ("192.168.0.1", 0.4, "nowhere"),
        ],
    )
    def test_places(self, address: str, rtt_ms: float, place: str) -> None:
        assert placed(trace("khi", (address, rtt_ms)))[address].place == place

    def test_the_network_that_announces_it(self) -> None:
        assert placed(trace("khi", ("198.18.1.1", 0.4)))["198.18.1.1"].asn == 64500


class TestWay:
    """The way stays, leaves, or is not known."""

    def test_it_leaves_and_by_which_network(self) -> None:
        found = way(
            trace("khi", ("198.18.1.1", 0.4), ("198.18.1.2", 5), ("198.18.2.1", 120), ("198.18.1.2", 200))
        )
        assert found.kind == "leaves"
        assert found.border is not None
        assert (found.border.home, found.border.from_asn) == ("198.18.1.2", 64501)
        assert (found.border.abroad, found.border.to_asn) == ("198.18.2.1", 64502)
        assert "out of AS64501" in found.reason

    def test_private_and_squatted_hops_do_not_count(self) -> None:
        found = way(trace("khi", ("192.168.0.1", 0.2), ("198.18.4.1", 1.5), ("198.18.1.1", 4)))
        assert found.kind == "domestic"

    def test_they_show_nothing_either(self) -> None:
        assert way(trace("khi", ("192.168.0.1", 0.2), ("198.18.4.1", 6))).kind == "unknown"

    def test_a_trace_that_shows_nothing_is_left_out(self) -> None:
        found = way(trace("khi", ("192.168.0.1", 0.2)), trace("lhe", ("198.18.1.1", 4)))
        assert (found.kind, found.evidence) == ("domestic", ("trace-lhe",))

    def test_a_hop_that_nobody_places_leaves_it_unknown(self) -> None:
        assert way(trace("khi", ("198.18.1.1", 1), ("198.18.5.1", 6))).kind == "unknown"

    def test_what_is_not_reached_is_unknown(self) -> None:
        assert way(trace("khi", ("198.18.1.1", 1), last_ms=None)).kind == "unknown"

    def test_a_round_trip_too_short_for_abroad_stays_whatever_hops_say(self) -> None:
        assert way(trace("khi", ("198.18.5.1", 0.5), last_ms=0.9)).kind == "domestic"

    def test_no_way_to_an_address_abroad_is_domestic(self) -> None:
        traces = [trace("khi", ("198.18.1.1", 0.5))]
        home = traces_from_home(traces, VANTAGES, pakistan())
        assert judge_path(home, placed(*traces), VANTAGES, pakistan(), THRESHOLDS).kind == "domestic"
        found = judge_path(home, placed(*traces), VANTAGES, pakistan(), THRESHOLDS, {ADDRESS})
        assert (found.kind, found.reason) == (
            "unknown",
            f"No hop abroad answered before {ADDRESS}, which is abroad.",
        )

    def test_a_nat_that_answers_in_the_targets_name_is_not_the_target(self) -> None:
        nat = Hop(ttl=1, replies=(Reply(address=ADDRESS, rtt_ms=0.9, icmp=(11, 0)),))
        far = trace("khi", ("198.18.5.1", 80.0), last_ms=120.0)
        assert way(with_hops(far, nat, *far_hops(far, 1))).kind == "unknown"

    def test_traces_from_abroad_say_nothing(self) -> None:
        assert way(trace("fra", ("198.18.2.1", 1))).kind == "unknown"


class TestUpstream:
    """The last hop before an address that is placed speaks for where the address is."""

    @staticmethod
    def found(*traces: TraceObservation) -> tuple[str, bool]:
        one = upstream(traces, placed(*traces))[ADDRESS]
        return one.hop.place, one.beside

    def test_right_before_it(self) -> None:
        assert self.found(trace("khi", ("198.18.5.1", 9), ("198.18.1.2", 11))) == ("home", True)

    def test_before_something_that_nobody_places(self) -> None:
        assert self.found(trace("khi", ("198.18.1.1", 0.4), ("198.18.5.1", 6))) == ("home", False)

    def test_before_silence(self) -> None:
        assert self.found(trace("khi", ("198.18.1.1", 0.4), last_ms=None)) == ("home", False)

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_of_two_at_one_distance_one_abroad_counts(self, order: tuple[int, int]) -> None:
        both = (Reply(address="198.18.1.1", rtt_ms=11.0), Reply(address="198.18.2.1", rtt_ms=90.0))
        one = trace("khi")
        split = Hop(ttl=1, replies=tuple(both[number] for number in order))
        assert self.found(with_hops(one, split, *far_hops(one, 1)))[0] == "abroad"

    def test_hops_are_recorded_in_any_order(self) -> None:
        one = trace("khi", ("198.18.1.1", 0.4), ("198.18.2.1", 90.0), last_ms=91.0)
        turned = with_hops(one, *reversed(far_hops(one, 0)))
        assert self.found(turned) == self.found(one) == ("abroad", True)
        assert way(turned).border == way(one).border

    @pytest.mark.parametrize("turned", [False, True])
    def test_of_several_traces_one_abroad_counts_and_then_the_one_right_before_it(
        self, *, turned: bool
    ) -> None:
        far = trace("khi", ("198.18.1.1", 0.4), ("198.18.5.1", 6))
        near = trace("lhe", ("198.18.1.2", 3))
        abroad = trace("isb", ("198.18.2.1", 118))
        order = -1 if turned else 1
        assert self.found(*(far, near)[::order]) == ("home", True)
        assert self.found(*(near, abroad, far)[::order])[0] == "abroad"


class TestScrubbing:
    """A network abroad that cleans the traffic to an address at home is told apart from where it is."""

    @staticmethod
    def judge(*traces: TraceObservation, rtt_ms: float) -> AddressVerdict:
        hops = placed(*traces)
        home = traces_from_home(traces, VANTAGES, pakistan())
        (evidence,) = gather(
            [ADDRESS],
            [ping("khi", rtt_ms), *traces],
            CLAIMS,
            {},
            VANTAGES,
            THRESHOLDS,
        ).values()
        evidence = replace(
            evidence, upstream=upstream(home, hops).get(ADDRESS), front=fronts(home, hops).get(ADDRESS)
        )
        return judge_address(evidence, pakistan(), THRESHOLDS)

    washed = trace("khi", ("198.18.1.1", 0.4), ("198.18.3.1", 118), ("198.18.1.2", 210), last_ms=211)

    def test_the_way_says_so(self) -> None:
        found = way(self.washed)
        assert found.kind == "leaves"
        assert found.scrubbed is not None
        assert "EXAMPLE-WASHER" in found.scrubbed

    def test_what_sources_have_at_home_is_an_edge_then(self) -> None:
        verdict = self.judge(self.washed, rtt_ms=211)
        assert (verdict.location, verdict.assurance, verdict.rule) == ("edge", "claimed", "scrubbing")

    def test_what_is_proved_at_home_stays_there(self) -> None:
        assert self.judge(self.washed, rtt_ms=0.6).location == "inside"

    def test_the_network_of_the_address_itself_is_no_front(self) -> None:
        own = {**CLAIMS, ADDRESS: said("PK", 64503, "EXAMPLE-WASHER")}
        hops = placed(self.washed) | {
            ADDRESS: place_hop({}, own[ADDRESS], None, VANTAGES, pakistan(), THRESHOLDS)
        }
        assert fronts([self.washed], hops) == {}

    def test_nor_is_one_that_is_not_shown_to_be_abroad(self) -> None:
        assert way(trace("khi", ("198.18.3.1", 3.0))).scrubbed is None


class TestSoonestAbroad:
    """What answers home soonest of all that is abroad says how soon a host must answer to be nearer."""

    def known(self, *traces: TraceObservation) -> Abroad | None:
        return soonest_abroad(hop_minima(traces), placed(*traces), (), VANTAGES, pakistan())

    def test_it_is_the_least_time_of_all_hops_abroad(self) -> None:
        found = self.known(
            trace("lhe", ("198.18.1.1", 2.0), ("198.18.2.1", 91.0)),
            trace("khi", ("198.18.2.1", 88.0), ("198.18.4.1", 98.0)),
        )
        assert found == Abroad(88.0, "khi", "198.18.2.1", 2)

    def test_landmarks_abroad_and_vantages_that_answer_count_too(self) -> None:
        own = {"dxb": "198.19.0.1", "khi": "198.19.0.2"}
        places = {
            name: one.model_copy(update={"addresses": (own[name],) if name in own else ()})
            for name, one in VANTAGES.items()
        }
        pings = [ping("lhe", 24.0, address=own["dxb"]), ping("lhe", 20.0, address=own["khi"])]
        landmarks = gather(own.values(), pings, {}, {}, places, THRESHOLDS).values()
        assert soonest_abroad({}, {}, landmarks, places, pakistan()) == Abroad(24.0, "lhe", own["dxb"], 1)

    def test_what_vantages_abroad_see_does_not_count(self) -> None:
        assert self.known(trace("fra", ("198.18.2.1", 0.5))) is None

    def test_networks_that_stand_before_others_do_not_count(self) -> None:
        assert self.known(trace("khi", ("198.18.3.1", 95.0))) is None

    def test_claims_that_physics_rules_out_do_not_count(self) -> None:
        assert self.known(trace("khi", ("198.18.4.1", 6.0))) is None

    @pytest.mark.parametrize(
        ("rtt_ms", "known", "location"),
        [
            (16.0, Abroad(34.0, "khi", "198.18.2.1", 20), "inside"),
            (16.0, Abroad(34.0, "khi", "198.18.2.1", 15), "undetermined"),  # of few, that says little
            (15.0, Abroad(34.0, "khi", "198.18.2.1", 15), "inside"),
            (16.0, Abroad(26.0, "khi", "198.18.2.1", 500), "undetermined"),
            (41.0, Abroad(91.0, "khi", "198.18.2.1", 500), "undetermined"),  # so late, it says nothing
            (16.0, None, "undetermined"),
        ],
    )
    def test_a_host_much_sooner_than_all_that_is_abroad_may_be_at_home(
        self, rtt_ms: float, known: Abroad | None, location: str
    ) -> None:
        verdict = self.judged(rtt_ms, known)
        assert verdict.location == location
        assert ("sooner than 198.18.2.1 did khi" in verdict.reason) == (location == "inside")
        assert verdict.thresholds["abroad_addresses"] == 20

    def judged(self, rtt_ms: float, known: Abroad | None) -> AddressVerdict:
        evidence = gather([ADDRESS], [ping("lhe", rtt_ms)], CLAIMS, {}, VANTAGES, THRESHOLDS)
        return judge_address(replace(evidence[ADDRESS], abroad=known), pakistan(), THRESHOLDS)
