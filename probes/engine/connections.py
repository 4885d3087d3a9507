"""TCP probes of an ordinary user: each is a connection whose SYN has the probe's TTL.

Whoever refuses or accepts it was reached; a router that ends it says so in the socket's error queue. One
probe of a flow is under way at a time, as all have the same source port, and none longer than a second, when
the kernel would send its SYN again. What is accepted is reset at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from time import monotonic
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from probes.engine import ordinary, packets
from probes.engine.packets import Answer, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.vantages.local import LocalVantage

LIFETIME_S: Final = 0.95
_HOPS: Final = {
    4: (socket.IPPROTO_IP, socket.IP_TTL),
    6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}
_RESET: Final = struct.pack("@ii", 1, 0)  # SO_LINGER: close without waiting
_TCP_RTT: Final = struct.Struct("@68xI")  # tcpi_rtt of struct tcp_info, in microseconds
_PORTS = struct.Struct("!HHI")


_Flow: TypeAlias = tuple[int, str, int]  # source port, address, port


class _Probe(NamedTuple):
    socket: socket.socket
    flow: _Flow
    sequence: int
    transport: bytes
    sent: float


class Connections:
    """The probes under way; ``readable`` is called when one has an outcome."""

    def __init__(self, vantage: LocalVantage, version: int, readable: Callable[[], None]) -> None:
        self._vantage = vantage
        self._version = version
        self._family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._readable = readable
        self._pending: dict[_Flow, _Probe] = {}  # the oldest first
        self._decided: list[_Flow] = []

    def send(self, packet: bytes, peer: tuple[str, int]) -> None:
        """Begin the connection whose SYN the packet is; OSError as of connect(2)."""
        ttl, start = (packet[8], 20) if self._version == 4 else (packet[7], 40)
        local, port, sequence = _PORTS.unpack_from(packet, start)
        there = (local, peer[0], port)
        self._end(there)
        self._expire()
        opened = self._vantage.socket(self._family, socket.SOCK_STREAM, port=local)
        try:
            opened.setsockopt(*_HOPS[self._version], ttl)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            ordinary.tell(opened, self._version)
            sent = monotonic()
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                opened.connect(there[1:])
        except BaseException:
            opened.close()
            raise
        self._pending[there] = _Probe(opened, there, sequence, packet[start:], sent)
        asyncio.get_running_loop().add_writer(opened, self._decide, there)

    def drain(self) -> list[tuple[Answer | Segment, float]]:
        """The outcomes that came since the last call, each with its time."""
        found: list[tuple[Answer | Segment, float]] = []
        decided, self._decided = self._decided, []
        for there in decided:
            probe = self._pending.get(there)
            if probe is not None:
                outcome = self._outcome(probe)
                if outcome is not None:
                    found.append(outcome)
                self._end(there)
        self._expire()
        return found

    def close(self) -> None:
        for there in list(self._pending):
            self._end(there)

    def _decide(self, there: _Flow) -> None:
        probe = self._pending.get(there)
        if probe is not None:
            asyncio.get_running_loop().remove_writer(probe.socket)
            self._decided.append(there)
            self._readable()

    def _outcome(self, probe: _Probe) -> tuple[Answer | Segment, float] | None:
        destination = packets.packed(probe.flow[1])
        error = ordinary.next_error(probe.socket, self._version, destination, probe.transport)
        if error is not None:
            return error, monotonic()
        failed = probe.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        acknowledged = (probe.sequence + 1) & 0xFFFFFFFF
        if failed == errno.ECONNREFUSED:
            return Segment(destination, probe.flow[2], probe.flow[0], acknowledged, syn=False), monotonic()
        if failed:
            return None
        info = probe.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        # The kernel's own measure of the handshake; an event loop that is busy cannot lengthen it.
        (rtt_us,) = _TCP_RTT.unpack_from(info) if len(info) >= _TCP_RTT.size else (0,)
        at = min(monotonic(), probe.sent + rtt_us * 1e-6) if rtt_us else monotonic()
        return Segment(destination, probe.flow[2], probe.flow[0], acknowledged, syn=True), at

    def _expire(self) -> None:
        limit = monotonic() - LIFETIME_S
        for there, probe in list(self._pending.items()):
            if probe.sent > limit:
                break
            self._end(there)

    def _end(self, there: _Flow) -> None:
        probe = self._pending.pop(there, None)
        if probe is not None:
            asyncio.get_running_loop().remove_writer(probe.socket)
            probe.socket.close()
