"""What traces show of routers decides which silent hops are asked again, and when; never what a hop is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine import routers
from probes.engine.flow import Flow
from probes.engine.path import RETRY_S, Path
from probes.engine.routers import SURE, TRIES, Routers

A, B, C, D = b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3", b"\x0a\0\0\4"


class TestExpected:
    """A router is expected where traces agree on who stands there."""

    def test_by_the_next_hop_at_once(self) -> None:
        known = Routers()
        known.note(5, 0, B, A, C, 1.0)
        assert known.expected(5, None, C) == B
        assert known.expected(4, None, B) == A
        assert known.expected(6, None, C) is None

    def test_by_the_hop_before_when_many_agree(self) -> None:
        known = Routers()
        for _ in range(SURE - 1):
            known.note(1, 0, A, None, None, 1.0)
        assert known.expected(1, None, None) is None
        known.note(1, 0, A, None, None, 1.0)
        assert known.expected(1, None, None) == A
        assert known.expected(2, None, None) is None

    def test_a_fork_tells_nothing(self) -> None:
        known = Routers()
        for follows in (B, C, *([B] * 2 * SURE)):
            known.note(3, 0, follows, A, None, 1.0)
        assert known.expected(3, A, None) is None

    def test_two_ways_to_one_hop_tell_nothing(self) -> None:
        known = Routers()
        known.note(3, 0, A, None, C, 1.0)
        known.note(3, 0, B, None, C, 1.0)
        assert known.expected(3, None, C) is None

    @given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([A, B, C]), st.sampled_from([A, B, C]))))
    def test_only_what_was_seen_there_is_expected(self, seen: list[tuple[int, bytes, bytes]]) -> None:
        known = Routers()
        for ttl, address, after in seen:
            known.note(ttl, 0, address, None, after, 1.0)
        for ttl, _, after in seen:
            there = {each for at, each, follows in seen if (at, follows) == (ttl, after)}
            expected = known.expected(ttl, None, after)
            assert expected is None or there == {expected}
            assert len(there) > 1 or expected is not None

    def test_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(routers, "MAX_KNOWN", 10)
        known = Routers()
        for number in range(1000):
            address = number.to_bytes(4, "big")
            known.note(number, 0, address, A, B, 1.0)
            assert max(len(known._before), len(known._after), len(known._routers)) <= 12


class TestTurn:
    """A router is asked again no faster than it answers."""

    def test_as_fast_as_it_answered(self) -> None:
        known = Routers()
        for number in range(500):
            known.note(1, 0, A, None, None, 10 + number / 500)
        turns = [known.turn(A, 11.0) for _ in range(101)]
        assert turns[0] == 11.0
        assert 400 < 100 / (turns[-1] - turns[0]) < 650

    def test_one_that_was_not_seen_to_answer_much(self) -> None:
        known = Routers()
        known.note(1, 0, A, None, None, 10.0)
        assert known.turn(A, 11.0) == 11.0
        assert known.turn(A, 11.0) == pytest.approx(11.02)
        assert known.turn(B, 11.0) == 11.0


class TestRetries:
    """A silent hop is tried again where an answer may be had."""

    @staticmethod
    def path(known: Routers, attempts: int = 2) -> Path:
        """A trace on which TTL 2 did not answer, and TTL 1 and 3 did."""
        flow = Flow("icmp", bytes(4), bytes(4), 1, 0)
        path = Path("192.0.2.9", flow, None, 3, 1.0, attempts, 30.0, routers=known)
        for ttl in (1, 2, 3):
            path.sent(ttl, 10.0)
        path.answer(1, 0, A, 10.01)
        path.answer(3, 0, C, 10.03)
        return path

    @staticmethod
    def tries(path: Path) -> int:
        """Probes to TTL 2 until the trace ends, if nothing answers."""
        now, count = 10.0, 1
        while not path.closed(now):
            now += 0.1
            probe = path.poll(now)
            if probe is not None:
                assert probe == count << 8 | 2
                path.sent(2, now)
                count += 1
            assert now < 30
        return count

    def test_as_often_as_asked(self) -> None:
        assert self.tries(self.path(Routers())) == 2
        assert self.tries(self.path(Routers(), 3)) == 3

    def test_more_where_others_had_an_answer(self) -> None:
        known = Routers()
        known.note(2, 0, B, A, C, 1.0)
        assert self.tries(self.path(known)) == 2 + TRIES

    def test_once_means_once(self) -> None:
        known = Routers()
        known.note(2, 0, B, A, C, 1.0)
        assert self.tries(self.path(known, 1)) == 1

    def test_one_more_where_probes_get_lost(self) -> None:
        known = Routers()
        for number in range(100):
            known.note(9, number % 10 == 0, D, None, None, 1.0)
        assert known.lossy
        assert self.tries(self.path(known)) == 3

    def test_each_has_its_turn(self) -> None:
        known = Routers()
        known.note(2, 0, B, A, C, 10.0)
        paths = [self.path(known) for _ in range(10)]
        for path in paths:
            path.poll(10.5)
        due = sorted(min(path._retries.values()) for path in paths)
        assert due[0] == pytest.approx(10.0 + RETRY_S)
        assert all(later - earlier >= 0.0199 for earlier, later in itertools.pairwise(due))
