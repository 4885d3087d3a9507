"""A trace as it grows: which TTL to probe next, what each answered, when it is over. No I/O, no clock.

Times are seconds of one monotonic clock that the caller reads. A probe is a TTL and an attempt; an answer
counts for the very probe that it answers, however late, until the trace is closed.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, ClassVar, Final

from probes.engine.hops import hop_of, silent
from probes.engine.packets import text
from probes.engine.patience import Patience
from probes.engine.routers import TRIES, Routers
from probes.engine.run import EXCEEDED, NEVER, Run
from probes.failure import MeasureError
from probes.observation import Hop, Reply, TraceResult

if TYPE_CHECKING:
    from probes.engine.flow import Flow
    from probes.engine.hops import Kept
    from probes.engine.pacing import Bucket
    from probes.engine.run import Heard
    from probes.observation import ErrorCode, MplsLabel

GAP: Final = 5  # so many silent hops in a row, each for the whole wait, end a trace (scamper's default)
WINDOW: Final = 4
MAX_REPLIES: Final = 4  # that are kept for one TTL
RETRY_S: Final = 0.5  # a hop that limits its rate needs a pause before it answers again
_FIRST_SOFT_S: Final = 0.3
_FAR: Final = 10  # so many hops as slow as the fastest, and an answer takes as long as is waited for


class Path(Run):
    """One trace: ``wait_s`` for each probe, ``attempts`` for a silent hop below an answer.

    The code of a probe is its attempt, from 0, and in the low octet its TTL. A ``serial`` trace waits for
    each probe before it sends the next: where the next ends the one before.
    """

    __slots__ = (
        "_again",
        "_attempts",
        "_bound",
        "_deadline",
        "_farthest",
        "_fastest",
        "_first",
        "_lifetime",
        "_limit",
        "_patience",
        "_reached",
        "_replies",
        "_retries",
        "_routers",
        "_rtts",
        "_serial",
        "_silent",
        "_slowest",
        "_soft",
        "_soft_at",
        "_sources",
        "_stopped",
        "_wait",
        "_waiting",
        "_window",
        "duplicates",
    )
    by_ttl: ClassVar = True

    def __init__(
        self,
        address: str,
        flow: Flow,
        bucket: Bucket | None,
        max_ttl: int,
        wait_s: float,
        attempts: int,
        deadline_s: float,
        patience: Patience | None = None,
        routers: Routers | None = None,
        *,
        serial: bool = False,
    ) -> None:
        super().__init__(address, flow, bucket)
        self._wait = wait_s
        self._patience = patience = patience or Patience()
        self._routers = routers or Routers()
        self._attempts = attempts
        self._serial = serial
        self._lifetime = deadline_s
        self._deadline = NEVER
        self._first: list[float] = []  # when each TTL, from 1, was first probed
        self._again: dict[int, list[float]] = {}  # when it was probed again
        self._waiting: list[int] = []  # TTLs whose last probe may still hold others up, oldest first
        self._silent: list[int] = []  # those that were given up to do so
        self._retries: dict[int, float] = {}  # when which of these is to be probed again
        # Who answered first at each TTL, if that was a router to the first probe there, and after how long.
        self._sources: list[bytes | None] = []
        self._rtts: list[float] = []
        self._replies: dict[int, list[Kept]] = {}  # all that came otherwise
        self._window = 0  # as the last poll() said
        # After how long a probe no longer holds the next one up (its answer still counts), and when the
        # oldest of those that wait does so.
        self._soft = min(_FIRST_SOFT_S, wait_s)
        self._soft_at = NEVER
        self._farthest = 0
        self._limit = min(max_ttl, GAP)  # the farthest TTL that may be probed as things stand
        self._bound = max_ttl  # the farthest that may be probed at all: the end, once it is known
        self._reached: int | None = None
        self._stopped: int | None = None
        self._fastest = NEVER
        self._slowest = 0.0
        self.duplicates = 0

    @property
    def reached(self) -> bool:
        return self._reached is not None

    @property
    def end(self) -> int | None:
        """The TTL beyond which nothing is of interest: where the destination, or a refusal, answered."""
        return self._stopped if self._reached is None else self._reached

    def poll(self, now: float, window: int = WINDOW) -> int | None:
        """The code of the probe to send now, or None; see :meth:`Run.poll <probes.engine.run.Run.poll>`."""
        if now >= self._soft_at:
            self._give_up(now)
        if now >= self._deadline:
            return None
        if self._silent and self._attempts > 1:
            self._plan_retries(now)
            for ttl, at in self._retries.items():
                if now >= at:
                    return (1 + len(self._again.get(ttl, ()))) << 8 | ttl
        if window > 1:
            window = self._narrowed(window)
        self._window = window
        ttl = len(self._first) + 1
        return ttl if ttl <= self._limit and len(self._waiting) < window else None

    def sent(self, code: int, now: float) -> float:
        first, waiting = self._first, self._waiting
        ttl = code & 0xFF
        if ttl > len(first):
            if ttl == 1:
                self._deadline = now + self._lifetime
            first.append(now)
            self._sources.append(None)
            self._rtts.append(0.0)
        else:
            self._silent.remove(ttl)
            del self._retries[ttl]
            self._again.setdefault(ttl, []).append(now)
        if self._serial:
            self._soft = self._patience.of(self._wait)
        waiting.append(ttl)
        count = len(waiting)
        if count == 1:
            self._soft_at = now + self._soft
        if ttl < self._limit:
            if count < self._window:
                return now
            if self._attempts == 1:  # wake() would say the same
                at, deadline = self._soft_at, self._deadline
                return at if at < deadline else deadline  # noqa: FURB136
        return self.wake()

    def _narrowed(self, window: int) -> int:
        """How many probes of this trace may be waited for, if ``window`` may of any.

        Not many where answers may take as long as is waited for. If the last probes of such a trace left
        together, it would be over before one of these was answered.
        """
        if (
            window > WINDOW
            and self._farthest
            and (self._soft >= self._wait or self._fastest * _FAR >= self._wait)
        ):
            window = WINDOW
        return min(window, self.most)

    def sent_at(self, ttl: int, attempt: int) -> float | None:
        if attempt == 0:
            return self._first[ttl - 1] if 0 < ttl <= len(self._first) else None
        again = self._again.get(ttl, ())
        return again[attempt - 1] if attempt <= len(again) else None

    def heard(self, heard: Heard) -> None:
        code, source, at, icmp, error, exceeded, _, mpls = heard
        reached = not exceeded and self.by_destination(heard)
        self.answer(code & 0xFF, code >> 8, source, at, icmp, mpls, reached, error and not reached)

    def answer(
        self,
        ttl: int,
        attempt: int,
        address: bytes,
        at: float,
        icmp: tuple[int, int] | None = None,
        mpls: tuple[MplsLabel, ...] = (),
        reached: bool = False,
        stopped: bool = False,
    ) -> None:
        """Note an answer; ``reached`` if it is the destination's, ``stopped`` if it refuses the way."""
        sent = self.sent_at(ttl, attempt)
        if sent is None:
            return
        rtt = at - sent if at > sent else 0.0
        if ttl in self._replies or self._sources[ttl - 1] is not None:
            kept = self._kept(ttl)
            if len(kept) >= MAX_REPLIES or any(each[:2] == (attempt, address) for each in kept):
                self.duplicates += 1
                return
        self._replies.setdefault(ttl, []).append((attempt, address, rtt, icmp, mpls))
        patience = self._patience
        patience.answers += 1
        self._fastest = min(self._fastest, rtt)
        if rtt > self._slowest:
            self._slowest = rtt
            self._soft = min(2 * rtt + 0.04, self._wait)
            patience.slowest_s = max(patience.slowest_s, rtt)
        if self._attempts > 1:
            self._routers.note(ttl, attempt, address, self._neighbour(ttl - 1), self._neighbour(ttl + 1), at)
        if reached or stopped:
            self._end_at(ttl, reached=reached)
        elif ttl > self._farthest:
            self._farthest = ttl
            self._limit = min(self._bound, ttl + GAP)
        self._came(ttl)

    def passed(self, code: int, address: bytes, at: float) -> None:
        """:meth:`answer` of a router by which the probe's TTL ended; ``code`` is its attempt and TTL.

        Of a trace's answers 9 in 10 are the first of their TTL to the first attempt; here is no more than
        these need.
        """
        first, sources = self._first, self._sources
        number = code - 1
        if number >= len(first) or sources[number] is not None or code in self._replies:
            self.answer(code & 0xFF, code >> 8, address, at, EXCEEDED)
            return
        rtt = at - first[number]
        if rtt < 0:
            rtt = 0.0
        sources[number] = address
        self._rtts[number] = rtt
        # With max() and min() these would be a tenth of all work for an answer.
        patience = self._patience
        patience.answers += 1
        if rtt < self._fastest:  # noqa: PLR1730
            self._fastest = rtt
        if rtt > self._slowest:
            self._slowest = rtt
            soft = 2 * rtt + 0.04
            self._soft = soft if soft < self._wait else self._wait  # noqa: FURB136
            if rtt > patience.slowest_s:  # noqa: PLR1730
                patience.slowest_s = rtt
        if self._attempts > 1:
            self._routers.note(code, 0, address, self._neighbour(code - 1), self._neighbour(code + 1), at)
        if code > self._farthest:
            self._farthest = code
            limit, bound = code + GAP, self._bound
            self._limit = limit if limit < bound else bound  # noqa: FURB136
        waiting = self._waiting
        if len(waiting) == 1 and waiting[0] == code:
            waiting.clear()
            self._soft_at = NEVER
        else:
            self._came(code)

    def _came(self, ttl: int) -> None:
        """Note that a TTL is not waited for any more."""
        waiting = self._waiting
        if ttl in waiting:
            waiting.remove(ttl)
            self._soft_at = self._last(waiting[0]) + self._soft if waiting else NEVER
        elif ttl in self._silent:
            self._silent.remove(ttl)
            self._retries.pop(ttl, None)

    def _end_at(self, ttl: int, *, reached: bool) -> None:
        """Note where the destination or a refusal answered; what lies beyond is of no interest any more."""
        if reached and (self._reached is None or ttl < self._reached):
            self._reached = ttl
        if not reached and (self._stopped is None or ttl < self._stopped):
            self._stopped = ttl
        self._farthest = max(self._farthest, ttl)
        self._limit = self._bound = end = self.end or ttl
        self._waiting = [each for each in self._waiting if each <= end]
        if self._silent:
            self._silent = [each for each in self._silent if each <= end]
            self._retries = {each: at for each, at in self._retries.items() if each <= end}
        self._soft_at = self._last(self._waiting[0]) + self._soft if self._waiting else NEVER

    def wake(self) -> float:
        at = self._soft_at if len(self._first) < self._limit else self._close_at()
        if self._attempts > 1:
            # One that waits may become a retry when it has had its time.
            at = min(at, self._soft_at, *self._retries.values())
        return at if at < self._deadline else self._deadline  # noqa: FURB136  (a call less for every probe)

    def closed(self, now: float) -> bool:
        if now >= self._deadline:
            return True
        if len(self._first) < self._limit or now < self._close_at():
            return False
        if self._attempts == 1:
            return True
        self._plan_retries(now)
        return not self._retries

    def only(self, flow: Flow) -> int | None:  # noqa: ARG002  (it has but one)
        ttls = range(1, len(self._first) + 1)
        answered = {(ttl, kept[0]) for ttl in ttls for kept in self._kept(ttl)}
        sent = [(ttl, attempt) for ttl, again in self._again.items() for attempt in range(1, len(again) + 1)]
        sent += [(ttl, 0) for ttl in ttls]
        left = [attempt << 8 | ttl for ttl, attempt in sent if (ttl, attempt) not in answered]
        return left[0] if len(left) == 1 else None

    def hops(self) -> tuple[Hop, ...]:
        """What answered at each TTL that was probed, up to the end."""
        last = self.end or len(self._first)
        hops, others = [], self._replies
        named = socket.inet_ntoa if self.flow.version == 4 else text
        routers = zip(range(1, last + 1), self._sources, self._rtts, strict=False)
        for ttl, source, rtt in routers:
            if ttl in others:
                hops.append(hop_of(ttl, self._kept(ttl)))
            elif source is None:
                hops.append(silent(ttl))
            else:
                reply = Reply(address=named(source), rtt_ms=int(rtt * 1e7 + 0.5) / 1e4, icmp=EXCEEDED)
                hops.append(Hop(ttl=ttl, replies=(reply,)))
        return tuple(hops)

    def fail(self, code: ErrorCode) -> None:
        super().fail(code)
        self._deadline = -NEVER

    def result(self) -> TraceResult:
        """The result; :class:`MeasureError` if the machine itself did not send."""
        result = TraceResult(
            method=self.flow.method, port=self.flow.remote or None, reached=self.reached, hops=self.hops()
        )
        if self.failure is not None:
            raise MeasureError(self.failure, f"trace {self.address}: {self.failure}", result)
        return result

    def _give_up(self, now: float) -> None:
        """Let those no longer hold others up that have had their time."""
        soft = self._soft
        waiting = self._waiting
        while waiting and now >= self._last(waiting[0]) + soft:
            self._silent.append(waiting.pop(0))
        self._soft_at = self._last(waiting[0]) + soft if waiting else NEVER

    def _last(self, ttl: int) -> float:
        again = self._again.get(ttl)
        return again[-1] if again else self._first[ttl - 1]

    def _close_at(self) -> float:
        """When the last probe that was not answered has been waited for."""
        if not self._waiting and not self._silent:
            return -NEVER
        if self._attempts > 1:
            last = max(map(self._last, (*self._waiting, *self._silent)))
        else:  # they left in the order of their TTLs, and are given up in it
            last = self._first[(self._waiting or self._silent)[-1] - 1]
        return last + self._patience.of(self._wait)

    def _plan_retries(self, now: float) -> None:
        """Find out when silent hops are to be probed again: soon, or when their router has room for it."""
        for ttl in self._silent:
            if ttl in self._retries:
                continue
            tries = 1 + len(self._again.get(ttl, ()))
            router = self._routers.expected(ttl, self._neighbour(ttl - 1), self._neighbour(ttl + 1))
            # Below an answer a silent hop is worth another try; beyond it the TTLs themselves are the tries.
            most = self._attempts if ttl < self._farthest else 1
            most += self._routers.lossy
            if tries < (most if router is None else most + TRIES):
                at = max(now, self._last(ttl) + RETRY_S)
                self._retries[ttl] = at if router is None else self._routers.turn(router, at)

    def _neighbour(self, ttl: int) -> bytes | None:
        if not 0 < ttl <= len(self._sources):
            return None
        kept = self._sources[ttl - 1]
        return kept if kept is not None or ttl not in self._replies else self._replies[ttl][0][1]

    def _kept(self, ttl: int) -> list[Kept]:
        """All answers at a TTL that was probed, as they came."""
        source, others = self._sources[ttl - 1], self._replies.get(ttl, [])
        return others if source is None else [(0, source, self._rtts[ttl - 1], EXCEEDED, ()), *others]
