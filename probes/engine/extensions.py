"""ICMP extensions (RFC 4884) and the MPLS label stack in them (RFC 4950). Pure functions over octets."""

from __future__ import annotations

import struct
from typing import Final

from probes.observation import MplsLabel

MAX_LABELS: Final = 16
_MAX_OBJECTS: Final = 16
_VERSION: Final = 2
# Routers older than RFC 4884 leave the length 0 and put the extension after 128 octets (RFC 4884, 5.5).
UNEXTENDED: Final = 128
_MPLS: Final = (1, 1)  # class and type of the object (RFC 4950, 3)


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071); 0 over octets that hold their own valid checksum."""
    return 0xFFFF - fold(octets)


def fold(octets: bytes) -> int:
    """The ones' complement sum of 16-bit words, 0 to 0xFFFF; an odd last octet is padded with zero."""
    if len(octets) & 1:
        octets += b"\0"
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16)


def split(body: bytes, length: int) -> tuple[bytes, tuple[MplsLabel, ...]]:
    """The quoted datagram and the MPLS labels of an ICMP error's ``body`` (what follows its 8 octets).

    ``length`` is the header's length field in octets, 0 where there is none. What is not a well-formed
    extension is left out: it never makes the quote unusable.
    """
    if length:
        if length > len(body):
            return body, ()
        return body[:length], labels(body[length:], checked=False)
    if len(body) > UNEXTENDED:
        found = labels(body[UNEXTENDED:], checked=True)
        if found:
            return body[:UNEXTENDED], found
    return body, ()


def labels(extension: bytes, *, checked: bool) -> tuple[MplsLabel, ...]:
    """The label stack of an extension structure; ``checked`` asks for a checksum that is there and right."""
    if len(extension) < 8 or extension[0] >> 4 != _VERSION:
        return ()
    carries_checksum = extension[2:4] != b"\0\0"
    if (checked and not carries_checksum) or (carries_checksum and checksum(extension) != 0):
        return ()
    found: list[MplsLabel] = []
    offset = 4
    for _ in range(_MAX_OBJECTS):
        if offset + 4 > len(extension):
            break
        length, *kind = struct.unpack_from("!HBB", extension, offset)
        end = offset + length
        if length < 4 or end > len(extension):
            break  # a length below the object's own header would never end
        if tuple(kind) == _MPLS:
            found.extend(
                MplsLabel(label=word >> 12, tc=word >> 9 & 7, s=word >> 8 & 1, ttl=word & 0xFF)
                for (word,) in struct.iter_unpack("!I", extension[offset + 4 : end - length % 4])
            )
        offset = end
    return tuple(found[:MAX_LABELS])
