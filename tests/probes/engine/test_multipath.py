"""The paths of networks that exist only here: all of them are found, as surely as is said, and no others."""

from __future__ import annotations

import heapq
import itertools
import random
import socket
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.multipath import AGAIN, Paths
from probes.engine.path import GAP
from probes.engine.stopping import confidence, stopping_points

# The published numbers for 95 % (Veitch et al., INFOCOM 2009; as in scamper's tracelb).
PUBLISHED = (6, 11, 16, 21, 27, 33, 38, 44, 51, 57)
RTT_S = 0.01


class Answer(NamedTuple):
    """Who answers a probe, and if that is the destination."""

    address: bytes
    reached: bool = False


Network = Callable[[int, int, int], Answer | None]


def router(ttl: int, number: int) -> bytes:
    return bytes((10, 0, ttl, number))


def name(address: str) -> tuple[int, int]:
    _, _, ttl, number = socket.inet_aton(address)
    return ttl, number


class Graph:
    """Diamonds: at each TTL a number of routers, each with its next ones among which flows are spread."""

    def __init__(self, after: list[dict[int, list[int]]], seed: int = 0) -> None:
        self.after = (
            after  # after[ttl][router at ttl] -> routers at ttl + 1; the last TTL's is the destination
        )
        self.seed = seed

    def where(self, flow: int, ttl: int) -> int:
        here = 0
        for step in range(min(ttl, len(self.after))):
            follows = self.after[step][here]
            here = random.Random(f"{self.seed} {flow} {step} {here}").choice(follows)  # noqa: S311  no secret
        return here

    def __call__(self, flow: int, ttl: int, _attempt: int) -> Answer:
        if ttl >= len(self.after):
            return Answer(router(255, 0), reached=True)
        return Answer(router(ttl, self.where(flow, ttl)))

    def links(self) -> set[tuple[tuple[int, int], tuple[int, int]]]:
        """Those between routers."""
        return {
            ((ttl, here), (ttl + 1, there))
            for ttl, routers in enumerate(self.after[:-1])
            for here, follows in routers.items()
            for there in follows
            if ttl > 0
        }


def diamond(*widths: int, seed: int = 0) -> Graph:
    """Routers side by side at each TTL, every one linked to every one of the next."""
    sides = [1, *widths, 1]
    return Graph(
        [{here: list(range(after)) for here in range(before)} for before, after in itertools.pairwise(sides)],
        seed,
    )


def walk(network: Network, flows: int = 64, sure: float = 0.95, attempts: int = 2, window: int = 8) -> Paths:
    """Run to the end; fails if it neither sends nor waits nor ends."""
    paths = Paths(flows, sure, 30, 1.0, attempts, 300.0)
    coming: list[tuple[float, int, object, Answer]] = []
    now = 100.0
    for number in range(100_000):
        while coming and coming[0][0] <= now:
            at, _, probe, answer = heapq.heappop(coming)
            paths.answer(probe, answer.address, at, reached=answer.reached)  # type: ignore[arg-type]
        if paths.closed(now):
            return paths
        probe = paths.next(now, window)
        if probe is not None:
            paths.sent(probe, now)
            found = network(*probe)
            if found is not None:
                heapq.heappush(coming, (now + RTT_S, number, probe, found))
            continue
        now = min([max(paths.wake(), now + 0.001), *(each[0] for each in coming[:1])])
    pytest.fail("it does not end")


def links(paths: Paths) -> set[tuple[tuple[int, int], tuple[int, int]]]:
    return {
        (name(link.source), name(link.target)) for link in paths.result().links if link.target != "10.0.255.0"
    }


class TestStopping:
    """The numbers of probes are those of the paper, or one or two more where that rounds."""

    def test_published(self) -> None:
        points = stopping_points(60, 0.95)
        assert points[:6] == PUBLISHED[:6]
        assert all(0 <= ours - theirs <= 2 for ours, theirs in zip(points, PUBLISHED, strict=False))

    @given(st.integers(1, 60), st.floats(0.5, 0.999))
    def test_more_interfaces_or_confidence_ask_for_more(self, most: int, sure: float) -> None:
        points = stopping_points(most, sure)
        assert list(points) == sorted(set(points))
        assert points[-1] > most
        assert all(low <= high for low, high in zip(stopping_points(most, sure / 2), points, strict=False))

    @pytest.mark.parametrize("sure", [0, 1, -1, 2])
    def test_confidence_is_between(self, sure: float) -> None:
        with pytest.raises(ValueError, match="confidence"):
            stopping_points(8, sure)

    def test_confidence_of_what_was_seen(self) -> None:
        assert confidence(1, 6) == pytest.approx(1 - 2**-5)
        assert confidence(1, 1) == 0
        assert confidence(2, 11) > 0.95 > confidence(2, 8)


class TestPaths:
    """What is found is what is there."""

    def test_one_path(self) -> None:
        paths = walk(diamond(1, 1, 1))
        result = paths.result()
        assert [hop.addresses for hop in result.hops] == [
            ("10.0.1.0",),
            ("10.0.2.0",),
            ("10.0.3.0",),
            ("10.0.255.0",),
        ]
        assert {hop.balancing for hop in result.hops} == {"none"}
        assert all(hop.confidence is not None and hop.confidence >= 0.95 for hop in result.hops)
        assert paths.reached
        assert result.probes == 6 * 4

    @pytest.mark.parametrize("widths", [(2,), (1, 4, 1), (1, 2, 2, 1), (3, 1, 2), (1, 8, 1)])
    def test_diamonds(self, widths: tuple[int, ...]) -> None:
        graph = diamond(*widths, seed=5)
        paths = walk(graph, 200, 0.999)
        assert [len(hop.addresses) for hop in paths.result().hops] == [*widths, 1]
        assert links(paths) == graph.links()

    def test_the_first_flows_path_is_one_of_them(self) -> None:
        graph = diamond(1, 4, 4, 1)
        hops = walk(graph).hops()
        assert [[name(reply.address) for reply in hop.replies][:1] for hop in hops[:-1]] == [
            [(ttl, graph.where(0, ttl))] for ttl in range(1, 5)
        ]

    @given(
        widths=st.lists(st.integers(1, 4), min_size=1, max_size=5),
        seed=st.integers(0, 10**6),
        flows=st.integers(1, 40),
    )
    def test_no_link_is_made_up(self, widths: list[int], seed: int, flows: int) -> None:
        graph = diamond(*widths, seed=seed)
        paths = walk(graph, flows)
        assert links(paths) <= graph.links()
        assert paths.flows <= flows
        assert paths.probes <= flows * (len(widths) + 1) * (1 + AGAIN)

    def test_failures_are_as_rare_as_stated(self) -> None:
        """A router with two next hops is taken for one with a single one in at most 5 % of cases."""
        tries = 600
        missed = sum(
            len(walk(diamond(1, 2, seed=seed)).result().hops[1].addresses) < 2 for seed in range(tries)
        )
        assert 0 < missed / tries <= 0.05

    def test_unequal_ways(self) -> None:
        """One branch is two hops longer, so the destination answers at different TTLs."""

        def network(flow: int, ttl: int, _attempt: int) -> Answer:
            length = 4 if flow % 2 else 6
            return (
                Answer(router(255, 0), reached=True)
                if ttl >= length
                else Answer(router(ttl, flow % 2 if ttl > 1 else 0))
            )

        result = walk(network).result()
        assert [len(hop.addresses) for hop in result.hops] == [1, 2, 2, 2, 1, 1]
        assert "10.0.255.0" in result.hops[3].addresses
        assert all(link.source != "10.0.255.0" for link in result.links)

    def test_packets_that_are_spread_show_no_links(self) -> None:
        source = random.Random(4)  # noqa: S311  no secret

        def network(_flow: int, ttl: int, _attempt: int) -> Answer:
            if ttl >= 4:
                return Answer(router(255, 0), reached=True)
            return Answer(router(ttl, source.randrange(2) if ttl == 2 else 0))

        result = walk(network).result()
        assert [hop.balancing for hop in result.hops] == ["none", "packet", "none", "none"]
        assert result.hops[1].confidence is None
        assert {link.ttl for link in result.links} == {3}

    def test_silent_routers(self) -> None:
        """One of two routers is silent: the other is found, and what is behind both."""
        graph = diamond(1, 2, 2, 1, seed=1)

        def network(flow: int, ttl: int, attempt: int) -> Answer | None:
            return None if ttl == 2 and graph.where(flow, ttl) == 1 else graph(flow, ttl, attempt)

        result = walk(network, 200, 0.999).result()
        assert [len(hop.addresses) for hop in result.hops] == [1, 1, 2, 1, 1]

    def test_a_dead_destination_costs_a_gap(self) -> None:
        def network(flow: int, ttl: int, attempt: int) -> Answer | None:
            return diamond(1, 2, 1)(flow, ttl, attempt) if ttl < 4 else None

        paths = walk(network)
        assert not paths.reached
        assert len(paths.hops()) == 3 + GAP
        assert len(paths.result().hops) == 3

    def test_lost_answers_are_asked_for_again(self) -> None:
        graph = diamond(1, 2, 1, seed=2)
        lost = random.Random(1)  # noqa: S311  no secret

        def network(flow: int, ttl: int, attempt: int) -> Answer | None:
            return None if attempt == 0 and lost.random() < 0.1 else graph(flow, ttl, attempt)

        assert links(walk(network, 200, 0.999)) == graph.links()

    def test_the_number_of_flows_is_kept_and_honestly_said(self) -> None:
        result = walk(diamond(1, 16, 1), flows=8).result()
        assert result.flows == 8
        assert result.hops[1].confidence is not None
        assert result.hops[1].confidence < 0.95

    @pytest.mark.parametrize("flows", [0, 257])
    def test_bounds(self, flows: int) -> None:
        with pytest.raises(ValueError, match="paths must be"):
            Paths(flows, 0.95, 30, 1.0, 2, 30.0)
