"""The sockets of one vantage and one IP version, opened when first needed, and read by the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections import deque
from typing import TYPE_CHECKING, Final, Literal

from probes.engine import packets, sockets
from probes.engine.capture import checked, whole_ipv6
from probes.engine.connections import Connections
from probes.engine.ordinary import OrdinaryReceiver
from probes.engine.packets import Answer, Segment, text
from probes.engine.receiver import BATCH
from probes.failure import PrivilegeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.engine.capture import Capture
    from probes.engine.flow import Method
    from probes.engine.receiver import Receiver
    from probes.engine.run import Heard, Run
    from probes.engine.scheduler import Scheduler
    from probes.vantages.local import LocalVantage

    Match = Callable[[bytes, bytes, float], tuple[Run, Heard] | None]


# How a method's probes go: by raw sockets, a datagram socket with its error queue, or connections.
Means = Literal["raw", "datagram", "connection"]
MAX_ODD: Final = 64
_MAX_HERE: Final = 4096
# The raw IPv6 sockets, which give packets without their header. (Datagram sockets give no ports either.)
_PROTOCOLS: Final = {"icmp": socket.IPPROTO_ICMPV6, "tcp": socket.IPPROTO_TCP}


class Link:
    """Tells the scheduler when something came; :meth:`drain` then hands it over.

    Kernel time stamps make it all the same when it is read; so who reads often anyway may :meth:`pause` this.
    """

    def __init__(
        self,
        vantage: LocalVantage,
        version: int,
        scheduler: Scheduler,
        capture: Capture | None,
    ) -> None:
        self._capture = capture
        self._here: dict[str, str] = {}
        self.odd: deque[bytes] = deque(maxlen=MAX_ODD)  # the last packets that answered nothing
        self._vantage = vantage
        self.version = version
        self._family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._registry = scheduler.registry
        self._deliver = scheduler.deliver
        self._ready = scheduler.ready
        self._readable = scheduler.readable
        self._receivers: dict[str, Receiver] = {}
        self._matches: dict[str, Match] = {}
        # Send a whole packet, or what its method allows of it, to an address; OSError as of sendto(2).
        self.send: Callable[[bytes, tuple[str, int]], object] = self._send
        self._sender: socket.socket | None = None
        self._denied: PrivilegeError | None = None
        self._means: dict[Method, Means] = {}
        self._locals: dict[Method, int] = {}
        self._identifier = secrets.randbelow(0x10000)
        self._held: socket.socket | None = None  # keeps the TCP source port
        self._ordinary: dict[int, OrdinaryReceiver | Connections] = {}  # by protocol number
        self._connections: Connections | None = None
        self._paused = False
        self.strangers = 0  # answers that belong to no probe of ours

    @property
    def dropped(self) -> int:
        return sum(receiver.dropped for receiver in self._receivers.values())

    @property
    def means(self) -> dict[Method, Means]:
        """By what each method that was used sends and hears."""
        return dict(self._means)

    def source(self, address: str) -> str:
        """From which address the kernel would send; OSError where there is no way."""
        return sockets.source_address(self._vantage, self._family, address)

    def prepare(self, method: Method) -> Means:
        """Open what the method needs, and say what that is; :class:`PrivilegeError` if nothing will do."""
        if method not in self._means:
            try:
                self._open_raw()
            except PrivilegeError:
                self._open_ordinary(method)
            else:
                self._open_receiver(method)
        return self._means[method]

    def local(self, method: Method) -> int:
        """The ICMP identifier or source port of a new run; that of others too, but for raw ICMP."""
        if (method, self._means[method]) == ("icmp", "raw"):
            self._identifier = (self._identifier + 1) & 0xFFFF
            return self._identifier
        return self._locals[method]

    def most(self, method: Method) -> int:
        """How many probes of a run may be waited for at once, so that each answer has its probe."""
        return 255 if method == "icmp" or self._means[method] == "raw" else 1

    def own_port(self) -> tuple[socket.socket, int]:
        """A source port for one TCP run alone, and the socket that keeps it."""
        return sockets.reserve_port(self._vantage, self._family, socket.SOCK_STREAM)

    def _send(self, packet: bytes, peer: tuple[str, int]) -> None:
        if self._sender is not None:
            self._sender.sendto(packet, peer)
        else:
            self._ordinary[packet[9 if self.version == 4 else 6]].send(packet, peer)
        if self._capture is not None:
            self._capture.write(checked(packet) if self.version == 4 else packet)

    def pause(self) -> None:
        """Do not tell until :meth:`resume`."""
        if not self._paused:
            self._paused = True
            loop = asyncio.get_running_loop()
            for receiver in self._receivers.values():
                loop.remove_reader(receiver.socket)

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            loop = asyncio.get_running_loop()
            for receiver in self._receivers.values():
                loop.add_reader(receiver.socket, self._readable)

    def close(self) -> None:
        self.pause()
        for receiver in self._receivers.values():
            receiver.close()
        if self._connections is not None:
            self._connections.close()
        if self._held is not None:
            self._held.close()
        if self._sender is not None:
            self._sender.close()
        self._receivers.clear()
        self._sender = self._connections = self._held = None

    def _open_raw(self) -> None:
        if self._sender is not None:
            return
        if self._denied is not None:
            raise self._denied
        try:
            with contextlib.ExitStack() as stack:
                sender = stack.enter_context(sockets.open_sender(self._vantage, self._family))
                receiver = sockets.open_icmp(self._vantage, self._family)
                stack.pop_all()
        except PrivilegeError as error:
            self._denied = error
            raise
        self._sender = sender
        if self._capture is None:
            self.send = sender.sendto
        self._receive("icmp", receiver, self._registry.packet4 if self.version == 4 else self._icmp6)

    def _open_receiver(self, method: Method) -> None:
        """What a method receives by, beside raw ICMP."""
        if method == "tcp":
            self._receive("tcp", sockets.open_tcp(self._vantage, self._family), self._tcp)
            self._held, self._locals["tcp"] = self.own_port()
        elif method == "udp":
            receiver, self._locals["udp"] = sockets.open_udp(self._vantage, self._family)
            self._receive("udp", receiver, self._datagram)
        self._means[method] = "raw"

    def _open_ordinary(self, method: Method) -> None:
        """What an ordinary user sends and receives by."""
        if method == "tcp":
            self._held, self._locals["tcp"] = self.own_port()
            self._connections = Connections(self._vantage, self.version, self._readable)
            self._means["tcp"] = "connection"
            self._ordinary[packets.TCP] = self._connections
            return
        protocol = packets.UDP
        if method == "icmp":
            protocol = packets.ICMP if self.version == 4 else packets.ICMPV6
        opened = sockets.open_datagram(self._vantage, self._family, method)
        receiver = OrdinaryReceiver(opened, self.version, protocol)
        self._ordinary[protocol] = receiver
        self._locals[method], self._means[method] = receiver.local, "datagram"
        self._receive(method, receiver, self._echo if method == "icmp" else self._datagram)

    def drain(self) -> tuple[int, bool]:
        """Read a batch from every socket; how much that was, and whether there may be more."""
        count, more = 0, False
        for name, receiver in self._receivers.items():
            came = receiver.receive()
            if isinstance(receiver, OrdinaryReceiver):
                count += self._hand_over(receiver.errors())
            if not came:
                continue
            count += came
            more = more or came == BATCH
            numbers: Sequence[int] = range(came)
            match = self._matches[name]
            if match == self._registry.packet4 and self._capture is None:
                numbers = self._registry.batch4(receiver.octets, receiver.places, self._ready)
            for packet in map(receiver.packet, numbers):
                found = match(*packet)
                if found is None:
                    self.strangers += 1
                    self.odd.append(packet[0])
                    continue
                self._deliver(*found)
                if self._capture is not None:
                    self._keep(name, *packet)
        if self._connections is not None:
            count += self._hand_over(self._connections.drain())
        return count, more

    def _hand_over(self, came: Sequence[tuple[Answer | Segment, float]]) -> int:
        """Deliver what an ordinary user's sockets told."""
        for answer, at in came:
            match = self._registry.icmp if isinstance(answer, Answer) else self._registry.segment
            found = match(answer, b"", at)  # type: ignore[arg-type]  # each takes what it was chosen for
            if found is None:
                self.strangers += 1
            else:
                self._deliver(*found)
        return len(came)

    def _keep(self, name: str, octets: bytes, source: bytes, at: float) -> None:
        """Capture what answered us, as whole packets."""
        assert self._capture is not None
        if self.version == 4 and name in {"icmp", "tcp"}:
            self._capture.write(octets, at)
        elif self.version == 6 and name in _PROTOCOLS:
            there = text(source)
            if there not in self._here:
                if len(self._here) >= _MAX_HERE:
                    self._here.clear()
                self._here[there] = self.source(there).partition("%")[0]
            self._capture.write(whole_ipv6(octets, _PROTOCOLS[name], there, self._here[there]), at)

    def _receive(self, name: str, receiver: Receiver, match: Match) -> None:
        self._receivers[name] = receiver
        self._matches[name] = match
        if not self._paused:
            asyncio.get_running_loop().add_reader(receiver.socket, self._readable)

    def _icmp6(self, octets: bytes, source: bytes, at: float) -> tuple[Run, Heard] | None:
        answer = packets.parse_icmp6(octets)
        return None if answer is None else self._registry.icmp(answer, source, at)

    def _echo(self, octets: bytes, source: bytes, at: float) -> tuple[Run, Heard] | None:
        answer = packets.parse_icmp4_message(octets) if self.version == 4 else packets.parse_icmp6(octets)
        return None if answer is None else self._registry.icmp(answer, source, at)

    def _tcp(self, octets: bytes, source: bytes, at: float) -> tuple[Run, Heard] | None:
        segment = packets.parse_tcp4(octets) if self.version == 4 else packets.parse_tcp6(octets)
        return None if segment is None else self._registry.segment(segment, source, at)

    def _datagram(self, octets: bytes, source: bytes, at: float) -> tuple[Run, Heard] | None:
        return self._registry.datagram(octets, source, at)
