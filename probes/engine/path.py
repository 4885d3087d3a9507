"""A trace as it grows: which TTL to probe next, what each answered, when it is over. No I/O, no clock.

Times are seconds of one monotonic clock that the caller reads. A probe is a TTL and an attempt; an answer
counts for the very probe that it answers, however late, until the trace is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probes.observation import Hop, Reply

if TYPE_CHECKING:
    from probes.observation import MplsLabel

GAP: Final = 5  # so many silent hops in a row, each for the whole wait, end a trace (scamper's default)
WINDOW: Final = 4
MAX_REPLIES: Final = 4  # that are kept for one TTL
RETRY_S: Final = 0.5  # a hop that limits its rate needs a pause before it answers again
_FIRST_SOFT_S: Final = 0.3
_NEVER: Final = float("inf")


class Path:
    """One trace: ``wait_s`` for each probe, ``attempts`` for a silent hop below an answer."""

    def __init__(self, max_ttl: int, wait_s: float, attempts: int, deadline_s: float) -> None:
        self._max_ttl = max_ttl
        self._wait = wait_s
        self._attempts = attempts
        self._lifetime = deadline_s
        self._deadline = _NEVER
        self._next = 1
        self._sent: dict[int, list[float]] = {}
        self._replies: dict[int, dict[int, list[Reply]]] = {}
        self._farthest = 0
        self._reached: int | None = None
        self._stopped: int | None = None
        self._slowest = 0.0
        self.duplicates = 0

    @property
    def reached(self) -> bool:
        return self._reached is not None

    @property
    def end(self) -> int | None:
        """The TTL beyond which nothing is of interest: where the destination, or a refusal, answered."""
        return self._stopped if self._reached is None else self._reached

    def next(self, now: float, window: int = WINDOW) -> tuple[int, int] | None:
        """The TTL and attempt (from 0) to send now, or None; at most ``window`` probes are waited for."""
        if now >= self._deadline:
            return None
        soft = self._soft()
        waiting = 0
        for ttl in self._open():
            quiet = now - self._sent[ttl][-1]
            if quiet < soft:
                waiting += 1
            elif self._may_retry(ttl) and quiet >= max(soft, RETRY_S):
                return ttl, len(self._sent[ttl])
        if waiting < window and self._next <= self._limit():
            return self._next, 0
        return None

    def sent(self, ttl: int, now: float) -> None:
        """Note that :meth:`next`'s probe left."""
        if not self._sent:
            self._deadline = now + self._lifetime
        self._sent.setdefault(ttl, []).append(now)
        self._next = max(self._next, ttl + 1)

    def sent_at(self, ttl: int, attempt: int) -> float | None:
        times = self._sent.get(ttl, ())
        return times[attempt] if attempt < len(times) else None

    def answer(
        self,
        ttl: int,
        attempt: int,
        address: str,
        at: float,
        *,
        icmp: tuple[int, int] | None = None,
        mpls: tuple[MplsLabel, ...] = (),
        reached: bool = False,
        stopped: bool = False,
    ) -> None:
        """Note an answer; ``reached`` if it is the destination's, ``stopped`` if it refuses the way."""
        sent = self.sent_at(ttl, attempt)
        if sent is None:
            return
        kept = self._replies.setdefault(ttl, {}).setdefault(attempt, [])
        if len(kept) >= MAX_REPLIES or any(reply.address == address for reply in kept):
            self.duplicates += 1
        else:
            rtt = max(0.0, at - sent)
            self._slowest = max(self._slowest, rtt)
            kept.append(Reply(address=address, rtt_ms=round(rtt * 1000, 4), icmp=icmp, mpls=mpls))
        self._farthest = max(self._farthest, ttl)
        if reached and (self._reached is None or ttl < self._reached):
            self._reached = ttl
        if stopped and (self._stopped is None or ttl < self._stopped):
            self._stopped = ttl

    def wake(self, now: float) -> float:
        """When to look again, if nothing is answered before."""
        soft = self._soft()
        times = [self._deadline]
        for ttl in self._open():
            last = self._sent[ttl][-1]
            # The hard wait ends the trace; the soft one lets the next TTL go, or the retry.
            times += [last + self._wait, last + soft]
            if self._may_retry(ttl):
                times.append(last + max(soft, RETRY_S))
        return min((time for time in times if time > now), default=now)

    def closed(self, now: float) -> bool:
        """Whether no further probe will be sent and no answer is waited for."""
        if now >= self._deadline:
            return True
        if self._next <= self._limit():
            return False
        for ttl in self._open():
            if now - self._sent[ttl][-1] < self._wait or self._may_retry(ttl):
                return False
        return True

    def hops(self) -> tuple[Hop, ...]:
        """What answered at each TTL that was probed, up to the end."""
        last = self.end or max(self._sent, default=0)
        return tuple(
            Hop(
                ttl=ttl,
                replies=tuple(
                    reply for _, kept in sorted(self._replies.get(ttl, {}).items()) for reply in kept
                )[:MAX_REPLIES],
            )
            for ttl in range(1, last + 1)
        )

    def _limit(self) -> int:
        """The farthest TTL that may be probed as things stand."""
        return min(self._max_ttl, self._farthest + GAP) if self.end is None else min(self._max_ttl, self.end)

    def _open(self) -> list[int]:
        """The TTLs that were probed, are of interest and have not answered."""
        end = self.end
        return [ttl for ttl in self._sent if ttl not in self._replies and (end is None or ttl <= end)]

    def _may_retry(self, ttl: int) -> bool:
        # Below an answer a silent hop is worth another try; beyond it the TTLs themselves are the tries.
        return ttl < self._farthest and len(self._sent[ttl]) < self._attempts

    def _soft(self) -> float:
        """After how long a probe no longer holds the next one up; its answer still counts."""
        return min(self._wait, 2 * self._slowest + 0.04 if self._slowest else _FIRST_SOFT_S)
