"""Whether traces are true paths: of a world with equal routers side by side, the way that one flow takes.

What the tool sent is seen on the vantage's device; where each of its flows goes, the world's own router says.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from collections import defaultdict
from typing import TYPE_CHECKING, Final, Self

from probes.simnet import packets
from probes.simnet.router import Router
from probes.simnet.topology import Topology
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage
from tests.bench.outcome import Trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.simnet.world import World
    from tests.bench.outcome import Outcome

_ETH_P_ALL: Final = 0x0003  # linux/if_ether.h; with any other only what comes in is seen
_PACKET_OUTGOING: Final = 4  # linux/if_packet.h
_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h
_ROOM: Final = 256 * 2**20  # octets; nothing is read while the tool runs


class Capture:
    """All IPv4 packets that leave a namespace from now on, kept by the kernel until they are asked for."""

    def __init__(self, namespace: str) -> None:
        vantage = Vantage(id="capture", latitude=0, longitude=0, netns=namespace)
        with LocalVantage(vantage) as there:
            self._socket = there.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        with contextlib.suppress(PermissionError):  # not in a user's own namespaces; there it is what it is
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def packets(self) -> list[bytes]:
        """What has left since the last time."""
        found: list[bytes] = []
        while True:
            try:
                packet, source = self._socket.recvfrom(2048)
            except BlockingIOError:
                return found
            if source[2] == _PACKET_OUTGOING and packet[0] >> 4 == 4:
                found.append(packet)


class Ways:
    """Where flows go in a world without loss and limits; ``flows`` of a target are packets, one for each."""

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
