"""What comes back: the octets of ICMP, ICMPv6, TCP and UDP answers. Pure functions.

Everything here was written by strangers. A function returns None for what is not an answer to a probe; none
of them raises, whatever the octets.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from probes.engine.extensions import split

if TYPE_CHECKING:
    from probes.observation import MplsLabel

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58

# An ICMP or UDP probe: 8 octets of header, 2 of compensation, then its tag: the run's slot, the probe's code
# and its cookie.
TAG: Final = struct.Struct("!IHQ")
TAG_AT: Final = 10
TAGGED: Final = TAG_AT + TAG.size
MAX_OCTETS: Final = 2048  # of a received packet that are looked at; an ICMP error has at most 1280

_TCP = struct.Struct("!HHIIBB")
_V6_EXTENSIONS: Final = frozenset({0, 43, 60})  # hop-by-hop, routing, destination options (RFC 8200)
_V6_FRAGMENT: Final = 44
_MAX_EXTENSIONS: Final = 8
_ECHO_REPLY, _UNREACHABLE, _EXCEEDED = 0, 3, 11
_ECHO_REPLY6, _UNREACHABLE6, _EXCEEDED6 = 129, 1, 3

Kind = Literal["echo", "exceeded", "unreachable"]


class Quote(NamedTuple):
    """The probe as an ICMP error quotes it; ``identification`` is None for IPv6."""

    protocol: int
    destination: bytes
    identification: int | None
    transport: bytes


class Answer(NamedTuple):
    """An ICMP message; ``source`` is None where only the socket knows it, ``quote`` None for an echo."""

    kind: Kind
    source: bytes | None
    type: int
    code: int
    payload: bytes
    quote: Quote | None
    mpls: tuple[MplsLabel, ...]


class Segment(NamedTuple):
    """A TCP segment that may answer a SYN."""

    source: bytes | None
    source_port: int
    destination_port: int
    acknowledged: int
    syn: bool


def packed(address: str) -> bytes:
    """An address as a socket writes it, in octets; OSError if it is none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address.partition("%")[0])


def text(address: bytes) -> str:
    """An address in octets as sockets and results write it."""
    if len(address) == 4:
        return socket.inet_ntoa(address)
    return socket.inet_ntop(socket.AF_INET6, address)


def parse_icmp4(packet: bytes) -> Answer | None:
    """An answer from an IPv4 packet as a raw socket gives it, IP header first."""
    header = header4(packet)
    if packet[9:10] != b"\x01" or not header or len(packet) < header + 8:
        return None
    source, kind, code = packet[12:16], packet[header], packet[header + 1]
    if kind == _ECHO_REPLY:
        return Answer("echo", source, kind, code, packet[header + 8 :], None, ())
    name = _error(kind, code, _UNREACHABLE, _EXCEEDED)
    if name is None:
        return None
    # RFC 4884, 4.1: the length counts 32-bit words.
    quoted, mpls = split(packet[header + 8 :], packet[header + 5] * 4)
    inner = header4(quoted)
    if not inner or len(quoted) < inner + 8:
        return None  # RFC 792: at least 8 octets of the transport header, and of the first fragment
    identification = quoted[4] << 8 | quoted[5]
    return Answer(
        name, source, kind, code, b"", Quote(quoted[9], quoted[16:20], identification, quoted[inner:]), mpls
    )


def parse_icmp6(message: bytes) -> Answer | None:
    """An answer from an ICMPv6 message as a raw socket gives it, without the IPv6 header."""
    if len(message) < 8:
        return None
    kind, code = message[0], message[1]
    if kind == _ECHO_REPLY6:
        return Answer("echo", None, kind, code, message[8:], None, ())
    name = _error(kind, code, _UNREACHABLE6, _EXCEEDED6)
    if name is None:
        return None
    quoted, mpls = split(message[8:], message[4] * 8)  # RFC 4884, 4.3 and 4.4: in 64-bit words
    if len(quoted) < 48 or quoted[0] >> 4 != 6:
        return None
    protocol, transport = _transport6(quoted)
    return Answer(name, None, kind, code, b"", Quote(protocol, quoted[24:40], None, transport), mpls)


def parse_tcp4(packet: bytes) -> Segment | None:
    """A SYN-ACK or RST from an IPv4 packet, IP header first."""
    header = header4(packet)
    return _segment(packet[12:16], packet[header:]) if header and packet[9] == TCP else None


def parse_tcp6(message: bytes) -> Segment | None:
    """A SYN-ACK or RST as a raw IPv6 socket gives it, without the IPv6 header."""
    return _segment(None, message)


def parse_icmp4_message(message: bytes) -> Answer | None:
    """An echo reply as a datagram ICMP socket gives it, without the IPv4 header."""
    if len(message) < 8 or message[0] != _ECHO_REPLY:
        return None
    return Answer("echo", None, message[0], message[1], message[8:], None, ())


def kind_of(version: int, kind: int, code: int) -> Kind | None:
    """What an ICMP or ICMPv6 error says to a prober, None for those that say nothing."""
    if version == 4:
        return _error(kind, code, _UNREACHABLE, _EXCEEDED)
    return _error(kind, code, _UNREACHABLE6, _EXCEEDED6)


def _error(kind: int, code: int, unreachable: int, exceeded: int) -> Kind | None:
    if kind == unreachable:
        return "unreachable"
    # Code 1, fragment reassembly time exceeded, says nothing of a hop.
    return "exceeded" if kind == exceeded and code == 0 else None


def _segment(source: bytes | None, octets: bytes) -> Segment | None:
    if len(octets) < 20:
        return None
    source_port, destination_port, _, acknowledged, _, flags = _TCP.unpack_from(octets)
    acknowledges, syn, reset = flags & 0x10, flags & 0x02, flags & 0x04
    if not acknowledges or not (syn or reset):
        return None  # RFC 9293, 3.5.2: an answer to our SYN, also a reset, acknowledges it
    return Segment(source, source_port, destination_port, acknowledged, bool(syn) and not reset)


def header4(packet: bytes) -> int:
    """Octets of the IPv4 header; 0 if it is none that is whole, or of a fragment that is not the first."""
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[6] & 0x1F or packet[7]:
        return 0
    header = (packet[0] & 15) * 4
    return header if 20 <= header <= len(packet) else 0


def _transport6(packet: bytes) -> tuple[int, bytes]:
    """Protocol and octets of what follows an IPv6 header and its extensions (RFC 8200, 4)."""
    protocol, at = packet[6], 40
    for _ in range(_MAX_EXTENSIONS):
        if protocol not in _V6_EXTENSIONS and protocol != _V6_FRAGMENT:
            break
        if at + 8 > len(packet):
            return protocol, b""
        if protocol == _V6_FRAGMENT:
            if packet[at + 2] or packet[at + 3] & 0xF8:
                return packet[at], b""  # not the first fragment
            protocol, at = packet[at], at + 8
        else:
            protocol, at = packet[at], at + 8 + packet[at + 1] * 8
    return protocol, packet[at:]
