"""Pacing: how fast packets may leave, for the whole process, for a vantage and for a target."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

_MAX_BUCKETS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Rates:
    """Limits in packets (or connections, or questions) a second.

    A resolver is ours and made to be asked; a target is somebody's whom we check.
    """

    process: float = 2000.0
    vantage: float = 1000.0
    target: float = 50.0
    resolver: float = 500.0

    def __post_init__(self) -> None:
        rates = (self.process, self.vantage, self.target, self.resolver)
        if not all(0 < rate < float("inf") for rate in rates):
            raise ValueError("a rate must be a number above zero")


class Bucket:
    """A token bucket, kept as the time at which it is full again (the generic cell rate algorithm).

    ``rate`` tokens a second, at most ``burst`` at once. All times are ``time.monotonic`` seconds.
    """

    __slots__ = ("_full_at", "_interval", "_slack")

    def __init__(self, rate: float, burst: float = 1.0) -> None:
        self._interval = 1.0 / rate
        self._slack = (burst - 1.0) / rate
        self._full_at = 0.0

    def ready_at(self, now: float) -> float:
        """When the next token is there; ``now`` or before means at once."""
        return max(now, self._full_at - self._slack)

    def tokens(self, now: float) -> int:
        """How many tokens are there."""
        behind = self._full_at - now
        left = self._slack - behind if behind > 0 else self._slack
        return max(0, int(left / self._interval + 1.000001))  # as much as floats are inexact

    def take(self, now: float, count: int = 1) -> None:
        """Take tokens, also such that are not there yet (later ones wait longer)."""
        self._full_at = max(self._full_at, now) + count * self._interval

    def full(self, now: float) -> bool:
        """Whether the bucket is as it was when new, so that it need not be kept."""
        return self._full_at <= now


class Pace:
    """The process's pace: make one, and give it to every session."""

    def __init__(self, rates: Rates | None = None) -> None:
        self.rates = rates or Rates()
        # A timer of asyncio is 1 to 2 ms coarse, so a burst of 5 ms' worth keeps the rate reachable.
        self.process = Bucket(self.rates.process, max(1.0, self.rates.process * 0.005))
        self._buckets: dict[str, Bucket] = {}
        self._resolvers: dict[str, Bucket] = {}

    def vantage(self) -> Bucket:
        """A new bucket for one vantage's engine."""
        return Bucket(self.rates.vantage, max(1.0, self.rates.vantage * 0.005))

    def target(self, address: str, now: float) -> Bucket:
        """The bucket of one address, shared by all vantages and probes of this process."""
        return self._bucket(address, self.rates.target, now)

    async def turn(self, address: str) -> None:
        """Wait for the turn of one connection to ``address``."""
        now = monotonic()
        await self._wait(self.target(address, now), now)

    async def question(self, resolver: str) -> None:
        """Wait for the turn of one question to a resolver."""
        now = monotonic()
        await self._wait(self._bucket(f"resolver {resolver}", self.rates.resolver, now), now)

    def _bucket(self, key: str, rate: float, now: float) -> Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MAX_BUCKETS:
                self._buckets = {key: kept for key, kept in self._buckets.items() if not kept.full(now)}
            bucket = self._buckets[key] = Bucket(rate, max(1.0, rate * 0.1))
        return bucket

    async def _wait(self, bucket: Bucket, now: float) -> None:
        at = max(self.process.ready_at(now), bucket.ready_at(now))
        self.process.take(now)
        bucket.take(now)
        if at > now:
            await asyncio.sleep(at - now)
