"""Rates are kept over any stretch of time, and each limit holds on its own."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.pacing import Bucket, Pace, Rates


class TestBucket:
    """A bucket lets its burst through at once and then its rate."""

    @given(
        rate=st.floats(1, 10_000),
        burst=st.integers(1, 50),
        gaps=st.lists(st.floats(0, 0.5), min_size=1, max_size=80),
    )
    def test_rate_is_kept(self, rate: float, burst: int, gaps: list[float]) -> None:
        bucket, now, sent = Bucket(rate, burst), 1000.0, []
        for gap in gaps:
            now = max(now + gap, bucket.ready_at(now + gap))
            bucket.take(now)
            sent.append(now)
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                allowed = burst + (sent[last] - sent[first]) * rate
                assert last - first + 1 <= allowed * (1 + 1e-6) + 1e-6

    def test_burst_then_wait(self) -> None:
        bucket = Bucket(10, 3)
        for _ in range(3):
            assert bucket.ready_at(50.0) == 50.0
            bucket.take(50.0)
        assert bucket.ready_at(50.0) == pytest.approx(50.1)


class TestPace:
    """The process, each vantage and each target have limits of their own."""

    @pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
    def test_rates_are_above_zero(self, rate: float) -> None:
        with pytest.raises(ValueError, match="above zero"):
            Rates(target=rate)

    def test_target_is_shared(self) -> None:
        pace = Pace()
        assert pace.target("192.0.2.1", 0) is pace.target("192.0.2.1", 1)
        assert pace.target("192.0.2.1", 0) is not pace.target("192.0.2.2", 0)

    async def test_turns_are_spread(self) -> None:
        pace = Pace(Rates(process=1000, target=50))
        started = time.monotonic()
        await asyncio.gather(*(pace.turn("192.0.2.1") for _ in range(10)))
        assert time.monotonic() - started >= (10 - 5) / 50 - 0.005
