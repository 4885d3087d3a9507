"""Whoever asked to be rung is rung once, not before the time and not long after."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from probes.engine.flow import Flow
from probes.engine.run import NEVER, Ping, Run
from probes.engine.timers import Timers


def run() -> Ping:
    return Ping("192.0.2.9", Flow("icmp", bytes(4), bytes(4), 1, 0), None, 1, 0.0, 1.0)


class TestTimers:
    """Of a run's timers the earliest rings, and it rings once."""

    @given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), max_size=30), st.floats(0.0001, 1))
    def test_rings_once_at_the_earliest(self, asked: list[tuple[int, float]], step: float) -> None:
        timers = Timers()
        runs: list[Run] = [run() for _ in range(4)]
        earliest: dict[int, float] = {}
        for number, at in asked:
            timers.set(runs[number], at)
            earliest[number] = min(at, earliest.get(number, NEVER))
        rung: dict[int, float] = {}
        now = 0.0
        while now < 7:
            for each in timers.rung(now):
                assert runs.index(each) not in rung
                rung[runs.index(each)] = now
            assert timers.next() > now
            now += step
        assert rung.keys() == earliest.keys()
        for number, at in rung.items():
            assert earliest[number] < at <= earliest[number] + 0.0051 + step
        assert timers.next() == NEVER

    def test_it_may_be_set_again_when_it_rang(self) -> None:
        timers, ping = Timers(), run()
        timers.set(ping, 1.0)
        assert timers.rung(1.1) == [ping]
        timers.set(ping, 2.0)
        assert timers.rung(1.9) == []
        assert timers.rung(2.1) == [ping]

    def test_one_that_an_earlier_one_replaced_is_silent(self) -> None:
        timers, ping = Timers(), run()
        timers.set(ping, 2.0)
        timers.set(ping, 1.0)
        assert timers.rung(1.1) == [ping]
        assert timers.rung(2.1) == []

    def test_what_is_due_now_rings_later(self) -> None:
        """A run that is seen to in this turn is not seen to again in it."""
        timers, ping = Timers(), run()
        timers.set(ping, 1.0)
        assert timers.rung(1.0) == []
        assert timers.next() <= 1.0051
