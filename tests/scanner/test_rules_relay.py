"""The rule of what is answered from near and decided far away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from scanner.gathering import gather
from scanner.rules import judge_address
from tests.scanner.scene import (
    ADDRESS,
    ALL_PK,
    NEAR,
    THRESHOLDS,
    VANTAGES,
    http,
    judge,
    pakistan,
    ping,
    tcp,
    tls,
)

if TYPE_CHECKING:
    from probes.observation import HttpObservation, Observation


def replaced(response: HttpObservation, **fields: tuple[float, ...]) -> HttpObservation:
    assert response.result is not None
    return structs.replace(response, result=structs.replace(response.result, **fields))


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
        assert {one.id for one in late} <= set(verdict.evidence)

    @pytest.mark.parametrize("header", ["X-Cache", "age", "Cache-Status", "VIA"])
    def test_what_comes_out_of_a_cache_shows_nothing_of_who_made_it(self, header: str) -> None:
        """Its page is there and its key too, and all else may be anywhere."""
        seen = [ping("khi", 0.5), tls("khi", 0.6, 1.2)]
        page = replaced(http("khi", 1.0, 1.0, {header: "<b>HIT"}), probe_ttfb_ms=())
        verdict = judge([*seen, page], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert f"its response's {header.title()} speaks of a cache in front" in verdict.reason
        assert page.id in verdict.evidence
        assert judge([*seen, http("khi", 1.0, 1.0, {header: "HIT"})], ALL_PK).assurance == "proved"
        assert judge([*seen, replaced(http("khi", 1.0, 1.0), probe_ttfb_ms=())], ALL_PK).assurance == "proved"

    def test_requests_that_were_left_unanswered_show_nothing_of_who_would_have(self) -> None:
        """A front that knows a scanner leaves its requests alone, and passes on everybody's."""
        failed = structs.replace(http("khi", 1.0, 1.0), result=None, error="timeout")
        part = structs.replace(
            replaced(http("lhe", 19.1, 1.0), probe_ttfb_ms=()), error="timeout"
        )  # the page is kept in front
        for requests in ([failed], [failed, part]):
            verdict = judge([ping("khi", 0.5), tcp("khi", 0.6), *requests], ALL_PK)
            assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
            assert f"its application left {len(requests)} series of requests unanswered" in verdict.reason
            assert failed.id in verdict.evidence
        answered = http("khi", 0.9, 0.9, number=1)
        assert judge([ping("khi", 0.5), tcp("khi", 0.6), failed, answered], ALL_PK).assurance == "proved"
        assert judge([ping("khi", 0.5), failed], ALL_PK).assurance == "proved"  # nobody takes connections

    @pytest.mark.parametrize(("port", "location"), [(993, "undetermined"), (5432, "inside")])
    def test_handshakes_that_fail_where_there_must_be_tls_show_nothing_of_the_key(
        self, port: int, location: str
    ) -> None:
        """At other ports there may be none."""
        failed = structs.replace(tls("khi", 0.6, 1.2), result=None, error="timeout")
        seen = [ping("khi", 0.5), tcp("khi", 0.6), failed]
        found = gather([ADDRESS], seen, {}, {}, VANTAGES, THRESHOLDS, port)[ADDRESS]
        assert judge_address(found, pakistan(), THRESHOLDS).location == location

    def test_files_that_come_late_are_far(self) -> None:
        """A front answers for what does not exist, and passes on what does: a file takes no work."""
        late = [http("khi", 60 + 9 * number, 1.0, number=number, file_ms=48) for number in range(3)]
        verdict = judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK)
        assert (verdict.location, verdict.rule) == ("edge", "relay")
        assert "what serves its files never less than 47.5 ms later" in verdict.reason

    @pytest.mark.parametrize(("file_ms", "location"), [(1.7, "inside"), (1.9, "undetermined")])
    def test_files_that_come_a_little_late_support_nothing(self, file_ms: float, location: str) -> None:
        """A file takes no work: a millisecond is 100 km, and too few to accuse anybody."""
        late = [http("lhe", 9 * number + 5, 1.0, number=number, file_ms=file_ms) for number in range(8)]
        verdict = judge([ping("lhe", 0.6), tls("lhe", 0.7, 1.3), *late], ALL_PK)
        assert verdict.location == location

    @pytest.mark.parametrize(("file_ms", "assurance"), [(1.52, "proved"), (1.6, "bounded"), (4.0, None)])
    def test_who_makes_what_is_late_has_a_place_of_his_own(
        self, file_ms: float, assurance: str | None
    ) -> None:
        """However late: within so much of a vantage there is no foreign land, or no city of it."""
        late = [http("khi", 9 * number + 4, 0.9, number=number, file_ms=file_ms) for number in range(3)]
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
        near = [tls("lhe", 0.6, 3.5), tls("isb", 5.0, 7.9, number=1), tls("khi", 21, 23.9, number=2)]
        verdict = judge([ping("lhe", 0.6), ping("isb", 5.0), ping("khi", 21), *near], ALL_PK)
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")
        assert "it proves its key 2.9 ms later than packets" in verdict.reason

    @pytest.mark.parametrize(
        ("more", "location"), [((), "undetermined"), ((http("lhe", 1.6, 1.6),), "inside")]
    )
    def test_a_key_that_is_proved_very_late_and_unevenly_is_far_where_no_page_tells(
        self, more: tuple[HttpObservation, ...], location: str
    ) -> None:
        late = [tls("lhe", 0.6, 7.7 + 4 * number, number=number) for number in range(8)]
        assert judge([*NEAR, *late, *more], ALL_PK).location == location

    @pytest.mark.parametrize("handshakes_ms", [(1.7, 6.1, 22.1), (2.1, 7.5, 23.9)])
    def test_a_key_that_is_proved_soon_or_unevenly_takes_nothing_away(
        self, handshakes_ms: tuple[float, ...]
    ) -> None:
        near = [tls("lhe", 0.6, handshakes_ms[0]), tls("isb", 5.0, handshakes_ms[1], number=1)]
        last = tls("khi", 21, handshakes_ms[2], number=2)
        verdict = judge([ping("lhe", 0.6), ping("isb", 5.0), ping("khi", 21), *near, last], ALL_PK)
        assert verdict.location == "inside"

    def test_two_pages_equally_late_are_far_on_a_busy_machine_too(self) -> None:
        late = [http("khi", 116 + 30 * number, 115 + 40 * number, number=number) for number in range(8)]
        late = [http("khi", 115.5, 115.9, number=9), *late[1:]]
        assert judge([ping("khi", 0.5), tls("khi", 0.6, 1.2), *late], ALL_PK).rule == "relay"

    def test_connections_that_are_taken_late_and_evenly_support_nothing(self) -> None:
        late = [tcp("khi", 3.8, 3.9, 4.1), tcp("lhe", 23.1, 23.2), tcp("isb", 28.0)]  # isb pings nobody
        verdict = judge([ping("khi", 1.8), ping("lhe", 21), *late], ALL_PK)
        assert verdict.location == "undetermined"
        assert "it takes connections 2.0 ms later than packets, evenly in 5 tries" in verdict.reason
        assert judge([*NEAR, tcp("lhe", 0.6, 0.9, 1.1), tcp("khi", 21.1, 21.5)], ALL_PK).location == "inside"

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
        [(4.2, "edge", "relay"), (1.4, "undetermined", "unsupported-claim"), (1.1, "inside", "claims")],
    )
    def test_a_handshake_that_signs_nothing_and_is_late_is_far(
        self, excess_ms: float, location: str, rule: str
    ) -> None:
        resumed_ms = tuple(0.6 + excess_ms + jitter for jitter in (0.0, 0.05, 0.1, 0.1, 3.0))
        near = [ping("lhe", 0.6), ping("isb", 9), tls("lhe", 0.6, 0.8 + excess_ms, resumed_ms=resumed_ms)]
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
