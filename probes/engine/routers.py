"""Which routers answered between which neighbours, how fast: one that limits its rate is not a silent one.

A hop that did not answer is worth more tries if other traces show who stands there: the address that they
always had before the same next hop, or after the same one before. It is only asked when that router has room
for an answer again. Nothing is inferred: a hop is what answered on its own trace. No I/O, no clock.
"""

from __future__ import annotations

from typing import Final

MAX_KNOWN: Final = 65_536  # neighbours and routers that are remembered; then all are forgotten
SURE: Final = 8  # traces that must agree on what follows a hop, which may fork
TRIES: Final = 8  # more for a hop whose router is known
LOSSY: Final = 0.005  # with more of the answers only to a second try, a hop is worth a third
_ENOUGH: Final = 8
_BIN_S: Final = 0.25  # answers are counted by so many seconds
_LEAST_RATE: Final = 50.0  # answers a second that any router may be asked for
_GROWTH: Final = 1.1  # how much faster than it answered a router is asked, to find out if it can


class _Router:
    """How many answers a router gave in the last whole bin and this one, and who may ask it next when."""

    __slots__ = ("before", "bin", "count", "free_at")

    def __init__(self) -> None:
        self.bin = 0
        self.count = 0
        self.before = 0
        self.free_at = 0.0

    def answered(self, at: float) -> None:
        current = int(at / _BIN_S)
        if current != self.bin:
            self.before = self.count if current == self.bin + 1 else 0
            self.bin, self.count = current, 0
        self.count += 1

    def rate(self) -> float:
        return max(_LEAST_RATE, _GROWTH * max(self.before, self.count) / _BIN_S)


class _Next:
    """What follows a hop, and in how many traces; -1 once two of them differ."""

    __slots__ = ("address", "traces")

    def __init__(self, address: bytes) -> None:
        self.address = address
        self.traces = 1


class Routers:
    """What the traces of one vantage show of routers; addresses are packed, None before the first hop."""

    def __init__(self) -> None:
        self._before: dict[tuple[int, bytes], bytes | None] = {}  # (TTL, who follows) -> who is there
        self._after: dict[tuple[int, bytes | None], _Next] = {}  # (TTL, who precedes) -> who is there
        self._routers: dict[bytes, _Router] = {}
        self._answers = 0
        self._again = 0

    @property
    def lossy(self) -> bool:
        """Whether probes are lost so often that two tries do not show that a hop is silent."""
        return self._again >= _ENOUGH and self._again >= LOSSY * self._answers

    def note(
        self, ttl: int, attempt: int, address: bytes, before: bytes | None, after: bytes | None, at: float
    ) -> None:
        """Note an answer of ``address`` at ``ttl``, and its neighbours where they are known (None: not)."""
        self._answers += 1
        self._again += attempt > 0
        if max(len(self._before), len(self._after), len(self._routers)) >= MAX_KNOWN:
            self._before, self._after, self._routers = {}, {}, {}
        router = self._routers.get(address)
        if router is None:
            router = self._routers[address] = _Router()
        router.answered(at)
        if before is not None or ttl == 1:
            self._follows(ttl, before, address)
        if before is not None:
            self._precedes(ttl - 1, address, before)
        if after is not None:
            self._precedes(ttl, after, address)
            self._follows(ttl + 1, address, after)

    def expected(self, ttl: int, before: bytes | None, after: bytes | None) -> bytes | None:
        """Who will answer at ``ttl`` between these; None where traces do not agree or say nothing."""
        if after is not None and (ttl, after) in self._before:
            return self._before[ttl, after]
        if before is not None or ttl == 1:
            known = self._after.get((ttl, before))
            if known is not None and known.traces >= SURE:
                return known.address
        return None

    def turn(self, address: bytes, now: float) -> float:
        """When to ask this router next; that moment is then taken."""
        router = self._routers.get(address)
        if router is None:
            return now
        at = max(now, router.free_at)
        router.free_at = at + 1 / router.rate()
        return at

    def _precedes(self, ttl: int, after: bytes, address: bytes) -> None:
        if self._before.setdefault((ttl, after), address) != address:
            self._before[ttl, after] = None

    def _follows(self, ttl: int, before: bytes | None, address: bytes) -> None:
        known = self._after.get((ttl, before))
        if known is None:
            self._after[ttl, before] = _Next(address)
        elif known.address != address:
            known.traces = -1
        elif known.traces > 0:
            known.traces += 1
