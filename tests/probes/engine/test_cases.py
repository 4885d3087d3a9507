"""The odd answers of the Internet that tracers have stumbled over, each behind a tree of a simulated one.

Where the cases are, by the number and source that the project's notes on probing give them:

1 late answer, 2 duplicates, 3 out of order, 4 answer of an earlier run: here and in ``test_path``; 5 more
probes than a sequence number: ``TestScale`` of ``test_load``; 6 and 7 quotes rewritten by routers and
translators, 8 time exceeded in the destination's name, 9 answers from another address, 10 and 11 refusals, 13
quoted TTL: here, and octet by octet in ``test_packets`` and ``test_registry``; 12 no reply's TTL is ever
used; 14 and 15 extensions and label stacks: ``test_packets``, ``test_ordinary`` and here; 16 loops, 17
several answers, 18 silence between answers: here; 19 gaps: ``test_path``; 20 limits of rate: here and in
``test_routers``; 21 balancing by packet, 22 diamonds: here and in ``test_multipath``; 23 change of path, 24
overshoot: here; 25 flow label: ``test_packets``; 26 other people's packets: ``TestCompany`` of ``test_load``;
27 damaged quotes: here and in ``test_packets``; 28 overflow: ``TestScale`` again; 29 clocks that step:
``TestClock`` of ``test_values``; 30 SYN-ACK and RST: ``test_engine``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from pathlib import Path

import pytest

from probes.trace import why_short
from tests.probes.engine.cases import ELSEWHERE, METHODS, Method, Odd, port

pytestmark = pytest.mark.net


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class TestTimes:
    """An answer counts for its own probe, however late, and a probe is answered once."""

    async def test_late_ones_keep_their_ttl(self, odd: Odd) -> None:
        """The third hop takes longer than is waited for; so it is silent, or known by what came meanwhile."""
        for _ in range(3):
            for seen in await odd.traces("late", wait_s=0.2, attempts=1):
                assert seen.right(3)
                assert seen.found[2] in ([], *([each] for each in seen.true[2]))

    async def test_long_waits_find_them(self, odd: Odd) -> None:
        seen = await odd.trace("late", wait_s=1.0)
        assert seen.right()
        rtt_ms = seen.result.hops[2].replies[0].rtt_ms
        assert rtt_ms is not None
        assert rtt_ms > 500

    async def test_out_of_order(self, odd: Odd) -> None:
        assert all(seen.right() for seen in await odd.traces("out of order"))

    @pytest.mark.parametrize("method", METHODS)
    async def test_copies_are_one_answer(self, odd: Odd, method: Method) -> None:
        seen = await odd.trace("copies", method)
        assert seen.right()
        ping = await odd.engine.ping(seen.target, method, port(method), count=2, timeout_s=0.3)
        assert (ping.sent, len(ping.rtts_ms)) == (2, 2)


class TestQuotes:
    """A probe is known by any of what says which it is, whatever was done to the rest."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("case", ["short quotes", "translated", "quoted ttl"])
    async def test_rewritten(self, odd: Odd, case: str, method: Method, version: int) -> None:
        seen = await odd.trace(case, method, version)
        if (case, method, version) == ("short quotes", "udp", 6):
            # It has 16 bits that only the probe had; from whoever says to be the target, that is no proof.
            assert not seen.result.reached
            assert seen.found == [list(step) for step in seen.true]
        else:
            assert seen.right(), seen.found

    @pytest.mark.parametrize("method", METHODS)
    async def test_by_the_identification_alone(self, odd: Odd, method: Method) -> None:
        """As it was, one more, or its octets exchanged; without it only a SYN says whose it is."""
        seen = await odd.trace("named", method)
        assert seen.right(4), seen.found
        assert seen.found[3] == ([seen.true[3][0]] if method == "tcp" else [])

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    async def test_damaged_ones_are_nobodys(self, odd: Odd, method: Method, version: int) -> None:
        seen = await odd.trace("damaged", method, version, wait_s=0.3)
        assert seen.right(2, 3), seen.found
        assert seen.found[1:3] == [[], []]

    @pytest.mark.parametrize("version", [4, 6])
    async def test_label_stacks(self, odd: Odd, version: int) -> None:
        seen = await odd.trace("labels", version=version)
        assert seen.right()
        (reply,) = seen.result.hops[1].replies
        assert [(label.label, label.ttl, label.s) for label in reply.mpls] == [(29657, 1, 0), (25437, 2, 1)]


class TestNames:
    """Who answers is not what an answer's source says."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    async def test_time_exceeded_in_the_targets_name_is_a_router(
        self, odd: Odd, method: Method, version: int
    ) -> None:
        seen = await odd.trace("in the target's name", method, version)
        assert seen.right(1, 4), seen.found
        assert seen.found[0] == seen.found[3] == [seen.target]
        ping = await odd.engine.ping(seen.target, method, port(method), count=1)
        assert len(ping.rtts_ms) == 1

    @pytest.mark.parametrize("version", [4, 6])
    async def test_echo_from_another_address_has_reached(self, odd: Odd, version: int) -> None:
        seen = await odd.trace("from elsewhere", version=version)
        assert (seen.result.reached, seen.found[-1]) == (True, [ELSEWHERE[version]])
        assert len((await odd.engine.ping(seen.target, count=1)).rtts_ms) == 1

    async def test_port_unreachable_from_another_address_has_not(self, odd: Odd) -> None:
        """A box in between that says so cannot be told from a host with two addresses."""
        seen = await odd.trace("from elsewhere", "udp")
        assert (seen.result.reached, seen.found[-1]) == (False, [ELSEWHERE[4]])

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("case", "error"),
        [("middle box", "unreachable"), ("no host", "unreachable"), ("filter", "prohibited")],
    )
    async def test_refusals_end_a_trace_with_a_reason(
        self, odd: Odd, case: str, error: str, method: Method, version: int
    ) -> None:
        seen = await odd.trace(case, method, version)
        assert (seen.result.reached, len(seen.found)) == (False, 4)
        assert seen.found[3] in [[each] for each in seen.true[2]]
        assert why_short(seen.result, version) == error


class TestPaths:
    """Paths that are odd are told as they are."""

    async def test_loop(self, odd: Odd) -> None:
        seen = await odd.trace("loop", max_ttl=20)
        assert not seen.result.reached
        assert seen.found == [[seen.true[ttl][0]] for ttl in (0, 1, 2, 3, *[2, 3] * 8)]

    async def test_silence_between_answers(self, odd: Odd) -> None:
        found = await odd.traces("silence")
        for seen in found:
            gap = max(len(list(run)) for quiet, run in itertools.groupby(seen.silent) if quiet)
            assert seen.right() == (gap < 5), (seen.found, seen.silent)
        assert sum(seen.right() for seen in found) > 20

    async def test_nothing_is_told_beyond_the_target(self, odd: Odd) -> None:
        for method in METHODS:
            assert all(seen.right() for seen in await odd.traces("plain", method))

    @pytest.mark.parametrize("case", ["limited", "lossy"])
    async def test_lost_answers_are_asked_for_again(self, odd: Odd, case: str) -> None:
        """What limits of rate and losses leave out of first tries, later ones find."""
        found = await odd.traces(case, attempts=4, wait_s=0.5)
        hops = sum(len(seen.true) for seen in found)
        told = [hop for seen in found for hop in zip(seen.found, seen.true, strict=False) if hop[0]]
        assert all(len(here) == 1 and here[0] in true for here, true in told)
        assert len(told) >= 0.99 * hops

    async def test_a_change_of_path_is_no_mixture(self, odd: Odd) -> None:
        """Every probe is answered by whom it met, at its own TTL."""
        first, second = await odd.trace("change"), await odd.trace("change")
        assert first.right()
        assert second.right()

    async def test_one_flow_through_equal_routers_takes_one_path(self, odd: Odd) -> None:
        """No trace shows two flows' paths: asked again, each hop of a flow is the same."""
        for method in METHODS:
            for seen in await odd.traces("ecmp", method):
                assert seen.right()


class TestMultipath:
    """All load-balanced paths are found, by every method, and how they are balanced is told."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    async def test_equal_routers(self, odd: Odd, method: Method, version: int) -> None:
        made = odd.tree("ecmp", version)
        target = made.targets[0]
        result = await odd.engine.paths(target, method, port(method), flows=200, confidence=0.999)
        assert result.reached
        assert result.multipath is not None
        true = made.hops(target)
        assert [set(hop.addresses) for hop in result.multipath.hops] == [set(step) for step in true]
        assert [hop.balancing for hop in result.multipath.hops] == [*["none"] * 2, *["flow"] * 5, "none"]
        places = {address: ttl for ttl, step in enumerate(true, 1) for address in step}
        assert all(
            places[link.source] == link.ttl == places[link.target] - 1 for link in result.multipath.links
        )
        assert len({(link.source, link.target) for link in result.multipath.links}) >= 66  # of 73
        # The first flow's own path; some of it was asked again, to see whether a flow keeps to it.
        assert all(len({reply.address for reply in hop.replies}) == 1 for hop in result.hops)

    async def test_balancing_by_packet(self, odd: Odd) -> None:
        made = odd.tree("by packet")
        result = await odd.engine.paths(made.targets[0])
        assert result.multipath is not None
        hop = result.multipath.hops[3]
        assert (hop.balancing, set(hop.addresses)) == ("packet", set(made.hops(made.targets[0])[3]))

    async def test_cancelled_it_leaves_nothing_behind(self, odd: Odd) -> None:
        before = descriptors()
        task = asyncio.create_task(odd.engine.paths(odd.tree("ecmp").targets[0], "tcp", 443))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        registry = odd.engine._registry
        assert (registry.runs, registry._by_destination) == ({}, {})
        assert descriptors() <= before + 4  # the engine's own
