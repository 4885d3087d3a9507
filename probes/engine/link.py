"""The sockets of one vantage and one IP version, opened when first needed, and read by the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

from probes.engine import packets, sockets
from probes.engine.capture import whole_ipv6
from probes.vantages.vantage import PrivilegeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from probes.engine.capture import Capture
    from probes.engine.flow import Method
    from probes.engine.registry import Registry
    from probes.engine.run import Heard, Run
    from probes.engine.sockets import Receiver
    from probes.vantages.local import LocalVantage

    Match = Callable[[bytes, str, float], tuple[Run, Heard] | None]


MAX_ODD: Final = 64
_MAX_HERE: Final = 4096
# The raw IPv6 sockets, which give packets without their header. (Datagram sockets give no ports either.)
_PROTOCOLS: Final = {"icmp": socket.IPPROTO_ICMPV6, "tcp": socket.IPPROTO_TCP}


class Link:
    """``readable`` is called when something came; :meth:`drain` then hands it to ``deliver``.

    ``deliver`` gets every batch of what was matched, and the number of what was not.
    """

    def __init__(
        self,
        vantage: LocalVantage,
        version: int,
        registry: Registry,
        deliver: Callable[[list[tuple[Run, Heard]], int], None],
        readable: Callable[[], None],
        capture: Capture | None,
    ) -> None:
        self._capture = capture
        self._here: dict[str, str] = {}
        self.odd: deque[bytes] = deque(maxlen=MAX_ODD)  # the last packets that answered nothing
        self._vantage = vantage
        self._version = version
        self._family = socket.AF_INET if version == 4 else socket.AF_INET6
        self._registry = registry
        self._deliver = deliver
        self._readable = readable
        self._receivers: dict[str, Receiver] = {}
        self._matches: dict[str, Match] = {}
        self._sender: socket.socket | None = None
        self._udp_port = 0

    @property
    def dropped(self) -> int:
        return sum(receiver.dropped for receiver in self._receivers.values())

    @property
    def unprivileged(self) -> bool:
        """Whether only echo requests can be sent, by a datagram ICMP socket."""
        return self._sender is None and "datagram" in self._receivers

    def source(self, address: str) -> str:
        """From which address the kernel would send; OSError where there is no way."""
        return sockets.source_address(self._vantage, self._family, address)

    def prepare(self, method: Method, *, trace: bool) -> tuple[int, socket.socket | None]:
        """Open what the method needs: the source port, and the socket that holds it for this run alone.

        Raises :class:`PrivilegeError`; an ICMP ping may do without raw sockets.
        """
        try:
            self._open_raw()
        except PrivilegeError:
            if method != "icmp" or trace:
                raise
            if "datagram" not in self._receivers:
                self._receive("datagram", sockets.open_datagram_icmp(self._vantage, self._family), self._echo)
        if method == "tcp":
            if "tcp" not in self._receivers:
                self._receive("tcp", sockets.open_tcp(self._vantage, self._family), self._tcp)
            held, port = sockets.reserve_port(self._vantage, self._family, socket.SOCK_STREAM)
            return port, held
        if method == "udp" and "udp" not in self._receivers:
            receiver, self._udp_port = sockets.open_udp(self._vantage, self._family)
            self._receive("udp", receiver, self._registry.datagram)
        return self._udp_port, None

    def send(self, packet: bytes, address: str) -> None:
        """Send a whole packet; OSError as of sendto(2)."""
        if self._sender is not None:
            self._sender.sendto(packet, (address, 0))
        else:
            # The kernel writes the IP header, the identifier and the checksum itself.
            header = 20 if self._version == 4 else 40
            self._receivers["datagram"].socket.sendto(packet[header:], (address, 0))
        if self._capture is not None:
            self._capture.write(packet)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for receiver in self._receivers.values():
            loop.remove_reader(receiver.socket)
            receiver.close()
        self._receivers.clear()
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _open_raw(self) -> None:
        if self._sender is not None:
            return
        with contextlib.ExitStack() as stack:
            sender = stack.enter_context(sockets.open_sender(self._vantage, self._family))
            receiver = sockets.open_icmp(self._vantage, self._family)
            stack.pop_all()
        self._sender = sender
        self._receive("icmp", receiver, self._icmp)

    def drain(self) -> bool:
        """Read a batch from every socket; whether there may be more."""
        more = False
        for name, receiver in self._receivers.items():
            match = self._matches[name]
            came = list(receiver.drain())
            found = [match(octets, source.partition("%")[0], at) for octets, source, at in came]
            if found:
                known = [each for each in found if each is not None]
                self._deliver(known, len(found) - len(known))
                if len(known) < len(found):
                    self.odd += [
                        octets for (octets, *_), each in zip(came, found, strict=True) if each is None
                    ]
                if self._capture is not None:
                    self._keep(name, [one for one, each in zip(came, found, strict=True) if each is not None])
                more = more or len(found) >= sockets.BATCH
        return more

    def _keep(self, name: str, came: Iterable[tuple[bytes, str, float]]) -> None:
        """Capture what answered us, as whole packets."""
        assert self._capture is not None
        for octets, source, at in came:
            if self._version == 4 and name in {"icmp", "tcp"}:
                self._capture.write(octets, at)
            elif self._version == 6 and name in _PROTOCOLS:
                there = source.partition("%")[0]
                if there not in self._here:
                    if len(self._here) >= _MAX_HERE:
                        self._here.clear()
                    self._here[there] = self.source(there).partition("%")[0]
                whole = whole_ipv6(octets, _PROTOCOLS[name], there, self._here[there])
                self._capture.write(whole, at)

    def _receive(self, name: str, receiver: Receiver, match: Match) -> None:
        self._receivers[name] = receiver
        self._matches[name] = match
        asyncio.get_running_loop().add_reader(receiver.socket, self._readable)

    def _icmp(self, octets: bytes, source: str, at: float) -> tuple[Run, Heard] | None:
        answer = packets.parse_icmp4(octets) if self._version == 4 else packets.parse_icmp6(octets)
        return None if answer is None else self._registry.icmp(answer, source, at)

    def _echo(self, octets: bytes, source: str, at: float) -> tuple[Run, Heard] | None:
        answer = packets.parse_icmp4_message(octets) if self._version == 4 else packets.parse_icmp6(octets)
        return None if answer is None else self._registry.icmp(answer, source, at)

    def _tcp(self, octets: bytes, source: str, at: float) -> tuple[Run, Heard] | None:
        segment = packets.parse_tcp4(octets) if self._version == 4 else packets.parse_tcp6(octets)
        return None if segment is None else self._registry.segment(segment, source, at)
