"""Whether traces are true paths: of a world with equal routers side by side, the way that one flow takes.

Where each of the flows that a tool sent goes, the world's own router says.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from typing import TYPE_CHECKING

from probes.simnet import packets
from probes.simnet.router import Router
from probes.simnet.topology import Topology
from tests.bench.outcome import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.simnet.world import World
    from tests.bench.outcome import Outcome


class Ways:
    """Where flows go in a world without loss and limits."""

    def __init__(self, world: World) -> None:
        topology = Topology(world)
        self._router = Router(topology, list(topology.sites))
        self._known: dict[bytes, str | None] = {}

    def false_paths(self, sent: Iterable[bytes], outcomes: Iterable[Outcome]) -> int:
        """How many of the traces none of the flows explains that their probes belonged to."""
        flows: dict[str, dict[bytes, bytes]] = defaultdict(dict)
        for packet in sent:
            target = str(ipaddress.IPv4Address(packet[16:20]))
            flows[target].setdefault(packets.flow(packet, packets.layers(packet)), packet)
        return sum(
            not self._explained(list(flows[outcome.target].values()), outcome)
            for outcome in outcomes
            if isinstance(outcome, Trace)
        )

    def _explained(self, flows: list[bytes], trace: Trace) -> bool:
        """Whether one flow leads past all that answered; of several answers at a TTL any one."""
        seen: dict[int, set[str]] = defaultdict(set)
        for reply in trace.replies:
            if reply.address != trace.target:
                seen[reply.ttl].add(reply.address)
        return not seen or any(
            all(self._router_at(packet, ttl) in addresses for ttl, addresses in seen.items())
            for packet in flows
        )

    def _router_at(self, packet: bytes, ttl: int) -> str | None:
        """Who answers this packet when it is sent with a TTL."""
        probe = packet[:8] + bytes((ttl,)) + packet[9:]
        if probe not in self._known:
            self._router.receive(0, probe, 0)
            answers = [octets for _, _, _, octets in self._router.queue]
            self._router.queue.clear()
            self._known[probe] = str(ipaddress.IPv4Address(bytes(answers[0][12:16]))) if answers else None
        return self._known[probe]
