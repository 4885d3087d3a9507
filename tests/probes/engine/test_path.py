"""Traces over networks that exist only here, on a clock that only moves when something happens."""

from __future__ import annotations

import heapq
import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.flow import Flow
from probes.engine.path import GAP, MAX_REPLIES, Path
from probes.engine.patience import Patience
from probes.engine.run import EXCEEDED


@dataclass(frozen=True, order=True)
class Answer:
    """What comes back for a probe after ``rtt`` seconds."""

    address: str
    rtt: float
    reached: bool = False
    stopped: bool = False


def octets(name: str) -> bytes:
    """An address for the name of somebody here."""
    return name.encode().ljust(4, b"\0")


def name(address: str) -> str:
    return socket.inet_aton(address).rstrip(b"\0").decode()


def trace(
    max_ttl: int = 30,
    wait: float = 1.0,
    attempts: int = 2,
    deadline: float = 30.0,
    patience: Patience | None = None,
) -> Path:
    """A trace to somewhere."""
    flow = Flow("icmp", bytes(4), octets("dst"), 1, 0)
    return Path("192.0.2.9", flow, None, max_ttl, wait, attempts, deadline, patience)


Network = Callable[[int, int], list[Answer]]


def line(
    hops: int, rtt: float = 0.01, silent: frozenset[int] = frozenset(), *, dead: bool = False
) -> Network:
    """A destination behind ``hops`` - 1 routers, ``rtt`` a hop."""

    def answers(ttl: int, _attempt: int) -> list[Answer]:
        if ttl in silent or (dead and ttl >= hops):
            return []
        if ttl >= hops:
            return [Answer("dst", rtt * hops, reached=True)]
        return [Answer(f"r{ttl}", rtt * ttl)]

    return answers


class Walk:
    """A trace run to its end; counts probes, fails if the path neither sends nor ends nor waits."""

    def __init__(
        self,
        network: Network,
        *,
        max_ttl: int = 30,
        wait: float = 1.0,
        attempts: int = 2,
        deadline: float = 30.0,
    ) -> None:
        self.path = trace(max_ttl, wait, attempts, deadline)
        self.sent: list[tuple[float, int]] = []
        now = 100.0
        coming: list[tuple[float, int, int, int, Answer]] = []
        for _ in range(20_000):
            while coming and coming[0][0] <= now:
                at, _, ttl, attempt, answer = heapq.heappop(coming)
                self.path.answer(
                    ttl, attempt, octets(answer.address), at, reached=answer.reached, stopped=answer.stopped
                )
            if self.path.closed(now):
                self.took = now - 100.0
                return
            code = self.path.poll(now)
            if code is not None:
                attempt, ttl = divmod(code, 256)
                self.path.sent(code, now)
                self.sent.append((now, ttl))
                for answer in network(ttl, attempt):
                    heapq.heappush(coming, (now + answer.rtt, len(self.sent), ttl, attempt, answer))
                continue
            wake = max(self.path.wake(), now + 0.0005)
            now = min([wake, *(item[0] for item in coming[:1])])
        pytest.fail("the trace does not end")

    def addresses(self) -> list[list[str]]:
        return [[name(reply.address) for reply in hop.replies] for hop in self.path.hops()]


class TestPath:
    """The hops are those of the network, whatever its oddities."""

    @pytest.mark.parametrize("hops", [1, 2, 4, 5, 12, 30])
    def test_plain(self, hops: int) -> None:
        walk = Walk(line(hops))
        assert walk.path.reached
        assert walk.addresses() == [*([f"r{ttl}"] for ttl in range(1, hops)), ["dst"]]
        assert len(walk.sent) <= hops + 4
        assert [hop.replies[0].rtt_ms for hop in walk.path.hops()][-1] == pytest.approx(hops * 10)

    def test_silent_hop_is_asked_again_after_a_pause(self) -> None:
        walk = Walk(line(6, silent=frozenset({3})))
        assert walk.addresses() == [["r1"], ["r2"], [], ["r4"], ["r5"], ["dst"]]
        times = [at for at, ttl in walk.sent if ttl == 3]
        assert len(times) == 2
        assert times[1] - times[0] >= 0.5

    def test_first_loss_is_made_good(self) -> None:
        plain = line(6)
        walk = Walk(lambda ttl, attempt: [] if (ttl, attempt) == (2, 0) else plain(ttl, attempt))
        assert walk.addresses()[1] == ["r2"]

    def test_dead_destination_costs_a_gap(self) -> None:
        walk = Walk(line(4, dead=True))
        assert not walk.path.reached
        assert walk.addresses() == [["r1"], ["r2"], ["r3"], *([[]] * GAP)]
        assert len(walk.sent) == 3 + GAP
        assert 1.0 <= walk.took < 2.5

    def test_gap_is_not_crossed_before_its_time(self) -> None:
        """Five silent hops, but each answers late: none is taken for dead."""
        walk = Walk(line(12, rtt=0.075))
        assert walk.path.reached
        assert all(walk.addresses())

    def test_gap_of_four_is_crossed(self) -> None:
        walk = Walk(line(8, silent=frozenset({3, 4, 5, 6})))
        assert walk.path.reached
        assert walk.addresses()[2:] == [[], [], [], [], ["r7"], ["dst"]]

    def test_late_answer_counts_for_its_own_probe(self) -> None:
        """An answer after the soft timeout, when the retry is on its way, has the first probe's time."""
        plain = line(6, rtt=0.001)

        def slow(ttl: int, attempt: int) -> list[Answer]:
            return [Answer("r3", 0.7)] if (ttl, attempt) == (3, 0) else plain(ttl, attempt)

        walk = Walk(slow)
        assert "r3" in walk.addresses()[2]
        assert max(reply.rtt_ms or 0 for reply in walk.path.hops()[2].replies) <= 700.001
        assert min(reply.rtt_ms or 0 for reply in walk.path.hops()[2].replies) == pytest.approx(3)

    def test_duplicates_keep_the_first(self) -> None:
        walk = Walk(lambda ttl, attempt: line(3)(ttl, attempt) * 3)
        assert walk.addresses() == [["r1"], ["r2"], ["dst"]]
        assert walk.path.duplicates > 0

    def test_several_answers_are_bounded(self) -> None:
        walk = Walk(lambda ttl, _: [Answer(f"{ttl}-{i}", 0.01, reached=ttl == 2) for i in range(9)])
        assert [len(replies) for replies in walk.addresses()] == [MAX_REPLIES, MAX_REPLIES]

    def test_refusal_ends_the_trace(self) -> None:
        plain = line(9)
        walk = Walk(
            lambda ttl, attempt: [Answer("fw", 0.03, stopped=True)] if ttl >= 3 else plain(ttl, attempt)
        )
        assert not walk.path.reached
        assert walk.addresses() == [["r1"], ["r2"], ["fw"]]

    def test_nothing_beyond_the_destination_is_told(self) -> None:
        """The near answer comes last: the probes beyond have answered already."""
        walk = Walk(
            lambda ttl, _: (
                [Answer("dst", 0.5 - ttl * 0.05, reached=True)] if ttl >= 2 else [Answer("r1", 0.01)]
            )
        )
        assert walk.addresses() == [["r1"], ["dst"]]

    def test_loop_ends_at_the_last_ttl(self) -> None:
        walk = Walk(lambda ttl, _: [Answer(f"r{ttl % 2}", 0.001)], max_ttl=20)
        assert not walk.path.reached
        assert len(walk.addresses()) == 20

    def test_deadline_ends_everything(self) -> None:
        walk = Walk(line(30, rtt=0.5), wait=60, deadline=3)
        assert walk.took <= 3.01

    @given(
        hops=st.integers(1, 30),
        silent=st.frozensets(st.integers(1, 30), max_size=12),
        rtt=st.floats(0.0001, 0.2),
        dead=st.booleans(),
        lost=st.frozensets(st.tuples(st.integers(1, 30), st.integers(0, 1)), max_size=12),
    )
    def test_ends_and_never_lies(
        self,
        hops: int,
        silent: frozenset[int],
        rtt: float,
        dead: bool,
        lost: frozenset[tuple[int, int]],
    ) -> None:
        network = line(hops, rtt, silent, dead=dead)
        walk = Walk(lambda ttl, attempt: [] if (ttl, attempt) in lost else network(ttl, attempt))
        for hop in walk.path.hops():
            for reply in hop.replies:
                assert name(reply.address) == ("dst" if hop.ttl >= hops else f"r{hop.ttl}")
                assert reply.rtt_ms == pytest.approx(1000 * rtt * min(hop.ttl, hops), abs=0.01)
        assert len(walk.sent) <= 30 * 2
        assert walk.took <= 30.01


class TestClosing:
    """A trace is over when the last probe that was not answered has had its wait."""

    @pytest.mark.parametrize("attempts", [1, 2])
    @pytest.mark.parametrize(("answered", "last"), [([], 10.4), ([5], 10.3), ([4, 5], 10.2), ([1], 10.4)])
    def test_the_last_counts(self, attempts: int, answered: list[int], last: float) -> None:
        path = trace(5, 1.0, attempts)
        for ttl in range(1, 6):
            path.sent(ttl, 9.9 + ttl / 10)
        for ttl in answered:
            path.passed(ttl, octets("r"), 10.5)
        path.poll(10.9)  # some are given up
        assert not path.closed(last + 0.99)
        if attempts == 1:
            assert path.wake() == pytest.approx(last + 1.0)
            assert path.closed(last + 1.01)


class TestWindow:
    """So many probes are waited for at once as the caller allows, and fewer where answers are slow."""

    @staticmethod
    def burst(path: Path, now: float, window: int) -> int:
        """How many probes leave at once."""
        count = 0
        again = now
        while again <= now and (code := path.poll(now, window)) is not None:
            again = path.sent(code, now)
            count += 1
        assert path.poll(now, window) is None
        return count

    @pytest.mark.parametrize("window", [1, 2, 4, 16])
    def test_is_kept(self, window: int) -> None:
        path = trace()
        assert self.burst(path, 10.0, window) == min(window, GAP)
        path.passed(1, octets("r1"), 10.01)
        assert self.burst(path, 10.01, window) == 1

    @pytest.mark.parametrize(("rtt", "quick"), [(0.6, False), (0.11, False), (0.09, True)])
    def test_slow_answers_narrow_it(self, rtt: float, *, quick: bool) -> None:
        """Else the last probes would leave together, and the trace be over before the first was answered."""
        path = trace(wait=1.0)
        assert self.burst(path, 10.0, 16) == GAP
        path.passed(1, octets("r1"), 10.0 + rtt)
        assert self.burst(path, 10.0 + rtt, 16) == quick
        path.passed(2, octets("r2"), 10.0 + rtt)
        assert self.burst(path, 10.0 + rtt, 16) == 1

    def test_one_slow_answer_among_quick_ones_does_not(self) -> None:
        path = trace(wait=1.0)
        assert self.burst(path, 10.0, 16) == GAP
        path.passed(1, octets("r1"), 10.01)
        path.passed(2, octets("r2"), 10.4)
        assert self.burst(path, 10.4, 16) == 2


class TestPassed:
    """The short way of noting what a router answered does what the long way does."""

    @given(
        attempts=st.sampled_from([1, 2]),
        steps=st.lists(
            st.tuples(st.integers(1, 9), st.integers(0, 1), st.sampled_from(["r1", "r2"]), st.floats(0, 0.4)),
            max_size=40,
        ),
        ended=st.one_of(st.none(), st.integers(1, 9)),
    )
    def test_agrees(self, attempts: int, steps: list[tuple[int, int, str, float]], ended: int | None) -> None:
        short, long = (trace(8, 1.0, attempts) for _ in range(2))
        now = 10.0
        for number, (ttl, attempt, router, pause) in enumerate(steps):
            now += pause
            for path in (short, long):
                probe = path.poll(now)
                if probe is not None:
                    path.sent(probe, now)
                if number == 20 and ended is not None:
                    path.answer(ended, 0, octets("dst"), now, reached=True)
            if number % 5 == 4:
                for path in (short, long):
                    path.answer(ttl, attempt, octets("r3"), now, (3, 1))
            short.passed(attempt << 8 | ttl, octets(router), now)
            long.answer(ttl, attempt, octets(router), now, EXCEEDED)
            assert short.poll(now) == long.poll(now)
            assert (short.wake(), short.closed(now)) == (long.wake(), long.closed(now))
        assert short.hops() == long.hops()
        assert (short.reached, short.duplicates) == (long.reached, long.duplicates)
        assert short._patience.slowest_s == long._patience.slowest_s
        assert short._patience.answers == long._patience.answers


class TestPatience:
    """Silence is waited for ten times as long as the slowest answer took, within bounds."""

    def test_without_experience_the_whole_wait(self) -> None:
        patience = Patience()
        patience.answers, patience.slowest_s = Patience.ANSWERS - 1, 0.001
        assert patience.of(3.0) == 3.0
        patience.answers += 1
        assert patience.of(3.0) == Patience.LEAST_S
        assert patience.of(0.2) == 0.2

    @given(st.floats(0, 10), st.floats(0.01, 10))
    def test_never_less_than_what_was_slow(self, slowest: float, wait: float) -> None:
        patience = Patience()
        patience.answers, patience.slowest_s = Patience.ANSWERS, slowest
        assert min(wait, slowest) <= patience.of(wait) <= wait

    def test_paths_tell_what_they_heard(self) -> None:
        patience = Patience()
        path = trace(30, 5.0, 1, 30.0, patience)
        for ttl, rtt in ((1, 0.2), (2, 0.7), (3, 0.1)):
            path.sent(ttl, 1.0)
            path.answer(ttl, 0, octets("r"), 1.0 + rtt)
        assert patience.answers == 3
        assert patience.slowest_s == pytest.approx(0.7)

    def test_a_trace_ends_sooner_with_experience(self) -> None:
        patience = Patience()
        patience.answers, patience.slowest_s = Patience.ANSWERS, 0.01
        path = trace(30, 5.0, 1, 30.0, patience)
        for ttl in range(1, GAP + 1):
            path.sent(ttl, 1.0)
        assert not path.closed(1.4)
        assert path.closed(1.51)
