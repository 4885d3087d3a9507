"""Probes of an ordinary user: what Linux tells of ICMP errors without raw sockets (ip(7), IP_RECVERR).

A datagram ICMP socket sends echo requests, where ``net.ipv4.ping_group_range`` has a group of this process
(icmp(7)); a UDP socket needs nothing. Both take the TTL with each packet, and hand over each error with who
sent it, when, and what it quotes. A TCP probe is a connection of its own, with a socket of its own.

What is read becomes the :class:`~probes.engine.packets.Answer` that a raw socket would have given, so all
else is the same. But a UDP socket keeps the quoted header to itself: of a router that quotes no more than
that, only the destination is known.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from probes.engine import packets
from probes.engine.extensions import labels
from probes.engine.packets import Answer, Quote
from probes.engine.receiver import Receiver, stamped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.observation import MplsLabel

# From Linux's headers; Python's socket module lacks them.
_IP_RECVERR: Final = 11
_IP_RECVERR_RFC4884: Final = 26
_IPV6_RECVERR: Final = 25
_IPV6_RECVERR_RFC4884: Final = 31
_MSG_ERRQUEUE: Final = 0x2000
_ORIGIN_ICMP: Final = 2
_ORIGIN_ICMP6: Final = 3
_INVALID: Final = 1  # SO_EE_RFC4884_FLAG_INVALID

_ERROR = struct.Struct("@IBBBBIHBx")  # struct sock_extended_err, its data as struct sock_ee_rfc4884
_ANCILLARY: Final = 512
_BATCH: Final = 512
_TRIES: Final = 64
_ERRORS: Final = {4: (socket.IPPROTO_IP, _IP_RECVERR), 6: (socket.IPPROTO_IPV6, _IPV6_RECVERR)}
_EXTENSIONS: Final = {4: _IP_RECVERR_RFC4884, 6: _IPV6_RECVERR_RFC4884}
_TTL: Final = {
    4: (socket.IPPROTO_IP, socket.IP_TTL),
    6: (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT),
}
# These an earlier probe's error may leave on a socket, to be told by whatever is done with it next.
_LEFT: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED, errno.EACCES, errno.EPROTO, errno.EMSGSIZE}
    | {errno.EOPNOTSUPP, errno.ENOPROTOOPT, errno.EHOSTDOWN}
)


class Told(NamedTuple):
    """An entry of a socket's error queue.

    ``payload`` is what the error quotes of what the socket's owner wrote (for ICMP with its header).
    """

    source: bytes
    type: int
    code: int
    mpls: tuple[MplsLabel, ...]
    payload: bytes


def parse_error(version: int, payload: bytes, ancillary: Iterable[tuple[int, int, bytes]]) -> Told | None:
    """An entry of an error queue from octets and control messages; None if no router or host sent it."""
    for level, kind, data in ancillary:
        if (level, kind) != _ERRORS[version] or len(data) < _ERROR.size:
            continue
        _, origin, icmp_type, icmp_code, _, _, length, flags = _ERROR.unpack_from(data)
        source = _offender(version, data[_ERROR.size :])
        if origin not in {_ORIGIN_ICMP, _ORIGIN_ICMP6} or source is None:
            return None
        mpls: tuple[MplsLabel, ...] = ()
        if 0 < length <= len(payload):
            if not flags & _INVALID:
                mpls = labels(payload[length:], checked=False)
            payload = payload[:length]
        return Told(source, icmp_type, icmp_code, mpls, payload)
    return None


def _offender(version: int, address: bytes) -> bytes | None:
    """Who sent an error, from a struct sockaddr_in or sockaddr_in6."""
    if version == 4:
        return address[4:8] if len(address) >= 8 else None
    return address[8:24] if len(address) >= 24 else None


class OrdinaryReceiver(Receiver):
    """A datagram socket (ICMP or UDP) that sends with a TTL and reads its error queue too."""

    def __init__(self, opened: socket.socket, version: int, protocol: int) -> None:
        super().__init__(opened)
        self._version = version
        self._protocol = protocol
        tell(opened, version)
        if opened.getsockname()[1] == 0:
            opened.bind(("" if version == 4 else "::", 0))
        self.local = opened.getsockname()[1]

    def send(self, packet: bytes, peer: tuple[str, int]) -> None:
        """Send what the packet has after its IP header (and that of UDP), with the packet's TTL."""
        version = self._version
        ttl, start = (packet[8], 20) if version == 4 else (packet[7], 40)
        if self._protocol == packets.UDP:
            peer = (peer[0], packet[start + 2] << 8 | packet[start + 3])
            start += 8
        control = [(*_TTL[version], struct.pack("@i", ttl))]
        for left in range(_TRIES, 0, -1):
            try:
                self.socket.sendmsg([packet[start:]], control, 0, peer)
            except OSError as error:
                if error.errno not in _LEFT or left == 1:
                    raise
            else:
                return

    def errors(self) -> list[tuple[Answer, float]]:
        """At most a batch of the error queue, and when each came."""
        found: list[tuple[Answer, float]] = []
        offset = self.clock.offset()
        for _ in range(_BATCH):
            try:
                payload, ancillary, _, peer = self.socket.recvmsg(
                    packets.MAX_OCTETS, _ANCILLARY, _MSG_ERRQUEUE
                )
            except OSError:
                break
            told = parse_error(self._version, payload, ancillary)
            if told is not None and peer:
                transport = told.payload
                if self._protocol == packets.UDP:
                    # The header that the kernel keeps: its checksum is not known, and none of ours is 0.
                    transport = struct.pack("!HHHH", self.local, peer[1], 0, 0) + transport
                destination = packets.packed(peer[0])
                answer = answer_of(self._version, told, Quote(self._protocol, destination, None, transport))
                if answer is not None:
                    found.append((answer, stamped(ancillary, offset)))
        return found


def tell(opened: socket.socket, version: int) -> bool:
    """Have a socket's error queue filled; whether also with ICMP extensions (Linux 5.9 or newer)."""
    level, option = _ERRORS[version]
    opened.setsockopt(level, option, 1)
    try:
        opened.setsockopt(level, _EXTENSIONS[version], 1)
    except OSError as error:
        if error.errno != errno.ENOPROTOOPT:
            raise
        return False
    return True


def next_error(opened: socket.socket, version: int, destination: bytes, sent: bytes) -> Answer | None:
    """What a connection's socket was told of its SYN, whose octets after the IP header are ``sent``."""
    try:
        payload, ancillary, _, _ = opened.recvmsg(packets.MAX_OCTETS, _ANCILLARY, _MSG_ERRQUEUE)
    except OSError:
        return None
    told = parse_error(version, payload, ancillary)
    return None if told is None else answer_of(version, told, Quote(packets.TCP, destination, None, sent))


def answer_of(version: int, told: Told, quote: Quote) -> Answer | None:
    """The answer that a raw socket would have given."""
    kind = packets.kind_of(version, told.type, told.code)
    return None if kind is None else Answer(kind, told.source, told.type, told.code, b"", quote, told.mpls)
