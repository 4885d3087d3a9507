"""All load-balanced paths to a destination: the Multipath Detection Algorithm. No I/O, no clock.

Hop by hop, and at each hop router by router: probes of different flows that are known to go through a router
are sent one TTL farther, until as many as ``stopping`` asks for show no further next hop. Where too few
flows go through it, new ones are tried (Veitch et al., INFOCOM 2009). Each is a Paris flow, of one path.

A router that spreads packets and not flows is found out by asking one flow again: it shows addresses, and no
links. Silence is a node of its own at its TTL, for whoever does not answer there. Nothing is inferred: a link
is what one flow showed at both of its ends.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from probes.engine.hops import hop_of
from probes.engine.packets import text
from probes.engine.path import GAP, MAX_REPLIES
from probes.engine.patience import Patience
from probes.engine.run import NEVER
from probes.engine.stopping import confidence as surely
from probes.engine.stopping import stopping_points
from probes.observation import Multipath, MultipathHop, MultipathLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.engine.hops import Kept
    from probes.observation import Balancing, Hop, MplsLabel

MAX_FLOWS: Final = 256
MAX_PROBES: Final = 0x10000  # so many codes has a run
AGAIN: Final = 6  # times one flow is asked; of two routers that packets are spread over, both are then seen


class Probe(NamedTuple):
    """A probe: its flow (from 0), TTL and attempt (from 0)."""

    flow: int
    ttl: int
    attempt: int


class Paths:
    """Enumerates the paths of at most ``flows`` flows, with ``confidence`` that none is left at a router.

    ``wait_s``, ``attempts`` and ``deadline_s`` as of a :class:`~probes.engine.path.Path`; attempts are for
    probes that are not answered where others are.
    """

    def __init__(
        self,
        flows: int,
        confidence: float,
        max_ttl: int,
        wait_s: float,
        attempts: int,
        deadline_s: float,
        patience: Patience | None = None,
    ) -> None:
        if not 1 <= flows <= MAX_FLOWS:
            raise ValueError(f"paths must be 1 to {MAX_FLOWS}")
        self._points = stopping_points(flows, confidence)
        self._confidence = confidence
        self._most = flows
        self._max_ttl = max_ttl
        self._wait = wait_s
        self._attempts = attempts
        self._lifetime = deadline_s
        self._patience = patience or Patience()
        self.flows = 0  # that were begun
        self.probes = 0
        self._sent: dict[tuple[int, int], list[float]] = {}  # (flow, TTL) -> when each attempt left
        self._replies: dict[tuple[int, int], list[Kept]] = {}
        self._seen: dict[tuple[int, int], bytes | None] = {}  # who answered first; None is silence
        self._waiting: dict[tuple[int, int], float] = {}  # when the last probe left that was not answered
        self._reached: dict[int, int] = {}  # flow -> at which TTL
        self._stopped: dict[int, int] = {}
        self._per_packet: set[int] = set()  # TTLs
        self._again: Counter[int] = Counter()  # TTL -> probes of flows that had an answer already
        self._deadline = NEVER
        self._ttl = 1  # the hop that is looked at

    @property
    def reached(self) -> bool:
        return bool(self._reached)

    def next(self, now: float, window: int) -> Probe | None:
        """What to send now, or None; at most ``window`` probes are waited for."""
        soft = self._patience.of(self._wait)
        for key in [key for key, at in self._waiting.items() if now >= at + soft]:
            del self._waiting[key]
            self._seen.setdefault(key, None)  # should it answer yet, that counts
        if now >= self._deadline or len(self._waiting) >= window or self.probes >= MAX_PROBES:
            return None
        while self._ttl <= self._max_ttl:
            wanted = next(self._wanted(), None)
            if wanted is not None:
                return wanted
            if any(ttl in {self._ttl - 1, self._ttl} for _, ttl in self._waiting) or self._over():
                return None
            self._ttl += 1
        return None

    def sent(self, probe: Probe, now: float) -> None:
        """Note that :meth:`next`'s probe left."""
        key = probe.flow, probe.ttl
        if self.probes == 0:
            self._deadline = now + self._lifetime
        self.probes += 1
        self.flows = max(self.flows, probe.flow + 1)
        self._sent.setdefault(key, []).append(now)
        self._waiting[key] = now
        if self._seen.get(key) is not None:
            self._again[probe.ttl] += 1

    def answer(
        self,
        probe: Probe,
        address: bytes,
        at: float,
        icmp: tuple[int, int] | None = None,
        mpls: tuple[MplsLabel, ...] = (),
        *,
        reached: bool = False,
        stopped: bool = False,
    ) -> None:
        """Note an answer, however late; the rest as of :meth:`probes.engine.path.Path.answer`."""
        flow, ttl, attempt = probe
        key = flow, ttl
        times = self._sent.get(key, ())
        if attempt >= len(times):
            return
        kept = self._replies.setdefault(key, [])
        if len(kept) >= MAX_REPLIES + AGAIN or any(each[:2] == (attempt, address) for each in kept):
            return
        rtt = max(0.0, at - times[attempt])
        kept.append((attempt, address, rtt, icmp, mpls))
        self._patience.answers += 1
        self._patience.slowest_s = max(self._patience.slowest_s, rtt)
        if attempt == len(times) - 1:
            self._waiting.pop(key, None)
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = address
        elif known != address:
            self._per_packet.add(ttl)
        for ends, here in ((self._reached, reached), (self._stopped, stopped)):
            if here:
                ends[flow] = min(ttl, ends.get(flow, ttl))

    def only(self, flow: int) -> Probe | None:
        """The flow's one probe that was not answered; None if there are more or none."""
        left = [
            Probe(flow, ttl, attempt)
            for (each, ttl), times in self._sent.items()
            for attempt in range(len(times))
            if each == flow and all(kept[0] != attempt for kept in self._replies.get((flow, ttl), ()))
        ]
        return left[0] if len(left) == 1 else None

    def wake(self) -> float:
        """When to look again, if nothing is answered before; the past if there is nothing to wait for."""
        if not self._waiting:
            return -NEVER
        return min(min(self._waiting.values()) + self._patience.of(self._wait), self._deadline)

    def closed(self, now: float) -> bool:
        """Whether nothing more will be sent and no answer is waited for."""
        return now >= self._deadline or (not self._waiting and self.next(now, MAX_FLOWS) is None)

    def hops(self) -> tuple[Hop, ...]:
        """The first flow's path."""
        last = self._end(0)
        last = max((ttl for flow, ttl in self._sent if flow == 0), default=0) if last == NEVER else int(last)
        return tuple(hop_of(ttl, self._replies.get((0, ttl), [])[:MAX_REPLIES]) for ttl in range(1, last + 1))

    def result(self) -> Multipath:
        """The hops and links of all paths, and how surely they are all."""
        last = max((ttl for _, ttl in self._replies), default=0)
        return Multipath(
            confidence=self._confidence,
            flows=self.flows,
            probes=self.probes,
            hops=tuple(self._hop(ttl) for ttl in range(1, last + 1)),
            links=tuple(link for ttl in range(1, last) for link in self._links(ttl)),
        )

    def _hop(self, ttl: int) -> MultipathHop:
        shown = {
            kept[1]
            for (flow, at), replies in self._replies.items()
            for kept in replies
            if at == ttl <= self._end(flow)
        }
        balancing: Balancing = "none" if len(shown) < 2 else "flow"
        if ttl in self._per_packet:
            balancing = "packet"
        sure: list[float] = []
        for flows in self._groups(ttl - 1):
            answered = [self._seen[flow, ttl] for flow in flows if self._seen.get((flow, ttl)) is not None]
            sure.append(surely(len(set(answered)), len(answered)))
        known = bool(shown) and balancing != "packet" and bool(sure)
        return MultipathHop(
            ttl=ttl,
            addresses=tuple(map(text, sorted(shown))),
            balancing=balancing,
            confidence=round(min(sure), 4) if known else None,
        )

    def _links(self, ttl: int) -> Iterator[MultipathLink]:
        if {ttl, ttl + 1} & self._per_packet:
            return
        flows: Counter[tuple[bytes, bytes]] = Counter()
        for flow in range(self.flows):
            here, there = self._seen.get((flow, ttl)), self._seen.get((flow, ttl + 1))
            if here is not None and there is not None and ttl < self._end(flow):
                flows[here, there] += 1
        for (here, there), count in sorted(flows.items()):
            yield MultipathLink(ttl=ttl, source=text(here), target=text(there), flows=count)

    def _end(self, flow: int) -> float:
        """The TTL at which a flow arrives or is refused."""
        return self._reached.get(flow, self._stopped.get(flow, NEVER))

    def _groups(self, ttl: int) -> list[list[int]]:
        """The flows that go on beyond a TTL, by who stands there; all in one where that is not the flow's."""
        flows = [flow for flow in range(self.flows) if self._end(flow) > ttl]
        if ttl == 0 or ttl in self._per_packet:
            return [flows]
        found: dict[bytes | None, list[int]] = {}
        for flow in flows:
            if (flow, ttl) in self._seen:
                found.setdefault(self._seen[flow, ttl], []).append(flow)
        return list(found.values())

    def _wanted(self) -> Iterator[Probe]:
        """The probes that the hop that is looked at still needs."""
        ttl = self._ttl
        for flows in self._groups(ttl - 1):
            asked = [flow for flow in flows if (flow, ttl) in self._seen or (flow, ttl) in self._waiting]
            found = {self._seen.get((flow, ttl)) for flow in asked} - {None}
            missing = self._points[min(max(1, len(found)), len(self._points)) - 1] - len(asked)
            if missing > 0:
                idle = [flow for flow in flows if flow not in asked]
                yield from (Probe(flow, ttl, 0) for flow in idle[:missing])
                # New flows may come this way: find out whether they do.
                coming = sum(at == ttl - 1 for _, at in self._waiting)
                if coming < missing - len(idle) and self.flows < self._most:
                    yield Probe(self.flows, max(1, ttl - 1), 0)
            yield from self._once_more(ttl, asked, found)

    def _once_more(self, ttl: int, asked: list[int], found: set[bytes | None]) -> Iterator[Probe]:
        """Does one flow keep to one of several routers; and are those silent that did not answer?"""
        for flow in asked:
            seen, tries = self._seen.get((flow, ttl)), len(self._sent[flow, ttl])
            if (flow, ttl) in self._waiting or (flow, ttl) not in self._seen:
                continue
            if seen is None and found and tries < self._attempts:
                yield Probe(flow, ttl, tries)
            doubted = len(found) > 1 and ttl not in self._per_packet and self._again[ttl] < AGAIN - 1
            if seen is not None and doubted:
                yield Probe(flow, ttl, tries)

    def _over(self) -> bool:
        """Whether every flow has ended, or nothing has answered for too long a stretch."""
        on = any(self._end(flow) > self._ttl for flow in range(self.flows))
        return not on or self._ttl - max((ttl for _, ttl in self._replies), default=0) >= GAP
