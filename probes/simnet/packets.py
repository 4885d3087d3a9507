"""IP packets as octets: what a simulated router reads in them, changes in them and answers.

Everything here takes octets that anybody may have written and never raises because of what they say.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.simnet.world import Label

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58  # IANA protocol numbers
_V6_EXTENSIONS = {0, 43, 60}  # hop-by-hop, routing, destination options (RFC 8200)
_V6_FRAGMENT = 44
_MAX_EXTENSIONS = 8
_V4_ERRORS = {3, 4, 5, 11, 12}  # ICMP types that no router answers (RFC 1122 section 3.2.2)
_V4_QUOTED = 576 - 28  # an error is at most 576 octets long (RFC 1812 section 4.3.2.3)
_V6_QUOTED = 1280 - 48  # RFC 4443 section 2.4 (c)
_ERROR4 = struct.Struct("!BBHHHBBH4s4sBBHI")
_CONTROL = 0x45C0  # version, header length and precedence of ICMP errors
_EXTENDED = 128  # octets of the original before extensions (RFC 4884 section 3)


def packed(address: str) -> bytes:
    """An address in octets; ten times faster than the ipaddress module."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def checksum(octets: bytes | bytearray) -> int:
    """The Internet checksum (RFC 1071); a ones' complement sum of words is the number modulo 0xffff."""
    if len(octets) % 2:
        octets = bytes(octets) + b"\0"
    return 0xFFFF - (int.from_bytes(octets, "big") % 0xFFFF)


def mpls_extension(labels: Sequence[Label]) -> bytes:
    """An ICMP extension structure with a label stack (RFC 4884 section 7, RFC 4950)."""
    if not labels:
        return b""
    stack = b"".join(
        struct.pack("!I", label.label << 12 | label.tc << 9 | (n == len(labels) - 1) << 8 | label.ttl)
        for n, label in enumerate(labels)
    )
    body = struct.pack("!HBB", 4 + len(stack), 1, 1) + stack
    return struct.pack("!BBH", 0x20, 0, checksum(b"\x20\0\0\0" + body)) + body


class Layers:
    """Where the transport header of a packet is: ``protocol``, ``offset`` (0: it has none here)."""

    __slots__ = ("offset", "protocol")

    def __init__(self, protocol: int, offset: int) -> None:
        self.protocol = protocol
        self.offset = offset


def layers(packet: bytes) -> Layers:
    """Find the transport header of an IPv4 or IPv6 packet whose fixed header is whole."""
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        later_fragment = int.from_bytes(packet[6:8], "big") & 0x1FFF
        return Layers(packet[9], 0 if later_fragment or header >= len(packet) else header)
    protocol, offset = packet[6], 40
    for _ in range(_MAX_EXTENSIONS):
        if offset + 8 > len(packet):
            break
        if protocol in _V6_EXTENSIONS:
            protocol, offset = packet[offset], offset + 8 + packet[offset + 1] * 8
        elif protocol == _V6_FRAGMENT:
            if int.from_bytes(packet[offset + 2 : offset + 4], "big") >> 3:
                return Layers(packet[offset], 0)
            protocol, offset = packet[offset], offset + 8
        else:
            return Layers(protocol, offset)
    return Layers(protocol, offset if offset < len(packet) else 0)


def whole(packet: bytes) -> bytes | None:
    """The IP packet without what follows its stated length; None if it is not one."""
    if len(packet) < 20:
        return None
    version = packet[0] >> 4
    if version == 4:
        length = int.from_bytes(packet[2:4], "big")
        header = (packet[0] & 15) * 4
        fits = 20 <= header <= length <= len(packet)
    elif version == 6 and len(packet) >= 40:
        length = 40 + int.from_bytes(packet[4:6], "big")
        fits = length <= len(packet)
    else:
        return None
    if not fits:
        return None
    return packet if length == len(packet) else packet[:length]


def flow(packet: bytes, found: Layers) -> bytes:
    """What routers hash to choose among equals: addresses, protocol, four transport octets, flow label."""
    transport = packet[found.offset : found.offset + 4] if found.offset else b""
    if packet[0] >> 4 == 4:
        return packet[12:20] + bytes((found.protocol,)) + transport
    label = bytes((packet[1] & 15, packet[2], packet[3]))
    return packet[8:40] + label + bytes((found.protocol,)) + transport


def aged(packet: bytes, routers: int) -> bytearray:
    """The packet after ``routers`` routers; its TTL must be larger than that."""
    older = bytearray(packet)
    if packet[0] >> 4 == 4:
        older[8] -= routers
        total = (packet[10] << 8 | packet[11]) + (routers << 8)  # RFC 1141
        total = (total & 0xFFFF) + (total >> 16)
        older[10], older[11] = total >> 8, total & 0xFF
    else:
        older[7] -= routers
    return older


def is_icmp_error(packet: bytes, found: Layers) -> bool:
    """Whether the packet is an ICMP or ICMPv6 error, or too short to tell."""
    if found.protocol == ICMP:
        return not found.offset or packet[found.offset] in _V4_ERRORS
    if found.protocol == ICMPV6:
        return not found.offset or packet[found.offset] < 128  # RFC 4443 section 2.1
    return False


def error(packet: bytes, source: bytes, kind: tuple[int, int], ttl: int, extension: bytes = b"") -> bytes:
    """An ICMP(v6) error of ``kind`` (type and code) about ``packet``, from ``source`` to its sender."""
    version6 = packet[0] >> 4 == 6
    if not extension and not version6:
        return _error4(packet[:_V4_QUOTED], source, kind, ttl)
    if extension:
        quoted = packet[:_EXTENDED].ljust(_EXTENDED, b"\0") + extension
        # The length counts 32-bit words in the sixth octet, for IPv6 64-bit words in the fifth (RFC 4884).
        rest = bytes((_EXTENDED // 8, 0, 0, 0)) if version6 else bytes((0, _EXTENDED // 4, 0, 0))
    else:
        quoted, rest = packet[:_V6_QUOTED], b"\0\0\0\0"
    message = bytes(kind) + b"\0\0" + rest + quoted
    if version6:
        return _datagram6(source, packet[8:24], message, ttl)
    return _datagram4(source, packet[12:16], message, ttl)


def _error4(quoted: bytes, source: bytes, kind: tuple[int, int], ttl: int) -> bytes:
    """What routers send most; the same as in general, in a third of the time."""
    destination = quoted[12:16]
    length = 28 + len(quoted)
    padded = quoted if length % 2 == 0 else quoted + b"\0"
    check = 0xFFFF - ((kind[0] << 8) + kind[1] + int.from_bytes(padded, "big")) % 0xFFFF
    header = (_CONTROL + length + (ttl << 8) + ICMP + int.from_bytes(source + destination, "big")) % 0xFFFF
    return (
        _ERROR4.pack(
            0x45, 0xC0, length, 0, 0, ttl, ICMP, 0xFFFF - header, source, destination, *kind, check, 0
        )
        + quoted
    )


def echo_reply(packet: bytes, found: Layers, ttl: int, source: bytes | None = None) -> bytes | None:
    """The answer to an echo request, from the address that was asked or ``source``; None if it is none."""
    body = packet[found.offset :]
    if not found.offset or len(body) < 8:
        return None
    if packet[0] >> 4 == 4:
        if found.protocol != ICMP or body[0] != 8:
            return None
        return _datagram4(source or packet[16:20], packet[12:16], b"\0\0\0\0" + body[4:], ttl)
    if found.protocol != ICMPV6 or body[0] != 128:
        return None
    return _datagram6(source or packet[24:40], packet[8:24], b"\x81\0\0\0" + body[4:], ttl)


def reset(packet: bytes, found: Layers, ttl: int) -> bytes | None:
    """The refusal of a SYN, from the port that was asked (RFC 9293 section 3.5.2); None if it is none."""
    body = packet[found.offset :]
    if found.protocol != TCP or not found.offset or len(body) < 20 or body[13] & 0x17 != 0x02:
        return None
    acknowledged = (int.from_bytes(body[4:8], "big") + 1) & 0xFFFFFFFF
    segment = body[2:4] + body[:2] + struct.pack("!IIBBHHH", 0, acknowledged, 5 << 4, 0x14, 0, 0, 0)
    if packet[0] >> 4 == 4:
        return _datagram4(packet[16:20], packet[12:16], segment, ttl, TCP)
    return _datagram6(packet[24:40], packet[8:24], segment, ttl, TCP)


def expired(packet: bytes) -> bytes:
    """The packet as the router sees it in whose hands its TTL ends: with a TTL of 1."""
    if packet[0] >> 4 == 6:
        return packet if packet[7] <= 1 else packet[:7] + b"\x01" + packet[8:]
    return packet if packet[8] <= 1 else bytes(aged(packet, packet[8] - 1))


def _datagram4(source: bytes, destination: bytes, message: bytes, ttl: int, protocol: int = ICMP) -> bytes:
    pseudo = b"" if protocol == ICMP else source + destination + struct.pack("!HH", protocol, len(message))
    message = _checked(pseudo, message, protocol)
    # Precedence 6, internetwork control, as routers give it to ICMP errors (RFC 1812 section 4.3.2.5).
    header = struct.pack("!BBHHHBBH", 0x45, 0xC0, 20 + len(message), 0, 0, ttl, protocol, 0)
    header += source + destination
    return header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + message


def _datagram6(source: bytes, destination: bytes, message: bytes, ttl: int, protocol: int = ICMPV6) -> bytes:
    message = _checked(source + destination + struct.pack("!II", len(message), protocol), message, protocol)
    header = struct.pack("!IHBB", 0x60000000, len(message), protocol, ttl)
    return header + source + destination + message


def _checked(pseudo: bytes, message: bytes, protocol: int) -> bytes:
    at = 16 if protocol == TCP else 2
    return message[:at] + checksum(pseudo + message).to_bytes(2, "big") + message[at + 2 :]
