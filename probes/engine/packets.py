"""What comes back: the octets of ICMP, ICMPv6, TCP and UDP answers. Pure functions.

Everything here was written by strangers. A function returns None for what is not an answer to a probe; none
of them raises, whatever the octets.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from probes.engine.extensions import split

if TYPE_CHECKING:
    from probes.observation import MplsLabel

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58

COOKIE: Final = slice(10, 18)  # in an ICMP or UDP probe: 8 octets of header, 2 of compensation, the cookie
MAX_OCTETS: Final = 2048  # of a received packet that are looked at; an ICMP error has at most 1280

_V4 = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBB")
_FRAGMENT: Final = 0x1FFF
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


def parse_icmp4(packet: bytes) -> Answer | None:
    """An answer from an IPv4 packet as a raw socket gives it, IP header first."""
    found = _ipv4(packet)
    if found is None or found[0] != ICMP or found[4]:
        return None
    source, message = found[1], found[5]
    if len(message) < 8:
        return None
    kind, code = message[0], message[1]
    if kind == _ECHO_REPLY:
        return Answer("echo", source, kind, code, message[8:], None, ())
    name = _error(kind, code, _UNREACHABLE, _EXCEEDED)
    quoted, mpls = split(message[8:], message[5] * 4)  # RFC 4884, 4.1: in 32-bit words
    inner = _ipv4(quoted)
    if name is None or inner is None or inner[4] or len(inner[5]) < 8:
        return None  # RFC 792: at least 8 octets of the transport header, and of the first fragment
    return Answer(name, source, kind, code, b"", Quote(inner[0], inner[2], inner[3], inner[5]), mpls)


def parse_icmp6(message: bytes) -> Answer | None:
    """An answer from an ICMPv6 message as a raw socket gives it, without the IPv6 header."""
    if len(message) < 8:
        return None
    kind, code = message[0], message[1]
    if kind == _ECHO_REPLY6:
        return Answer("echo", None, kind, code, message[8:], None, ())
    name = _error(kind, code, _UNREACHABLE6, _EXCEEDED6)
    quoted, mpls = split(message[8:], message[4] * 8)  # RFC 4884, 4.3 and 4.4: in 64-bit words
    if name is None or len(quoted) < 48 or quoted[0] >> 4 != 6:
        return None
    return Answer(name, None, kind, code, b"", Quote(quoted[6], quoted[24:40], None, quoted[40:]), mpls)


def parse_tcp4(packet: bytes) -> Segment | None:
    """A SYN-ACK or RST from an IPv4 packet, IP header first."""
    found = _ipv4(packet)
    if found is None or found[0] != TCP or found[4]:
        return None
    return _segment(found[1], found[5])


def parse_tcp6(message: bytes) -> Segment | None:
    """A SYN-ACK or RST as a raw IPv6 socket gives it, without the IPv6 header."""
    return _segment(None, message)


def parse_icmp4_message(message: bytes) -> Answer | None:
    """An echo reply as a datagram ICMP socket gives it, without the IPv4 header."""
    if len(message) < 8 or message[0] != _ECHO_REPLY:
        return None
    return Answer("echo", None, message[0], message[1], message[8:], None, ())


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


def _ipv4(packet: bytes) -> tuple[int, bytes, bytes, int, int, bytes] | None:
    """Protocol, source, destination, identification, fragment offset and payload of an IPv4 packet."""
    if len(packet) < 20:
        return None
    first, _, _, identification, fragment, _, protocol, _, source, destination = _V4.unpack_from(packet)
    header = (first & 15) * 4
    if first >> 4 != 4 or header < 20 or len(packet) < header:
        return None
    return protocol, source, destination, identification, fragment & _FRAGMENT, packet[header:]
