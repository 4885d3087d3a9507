"""What passes a vantage's device, as the kernel saw it: no tool's word is needed for it."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ETH_P_ALL: Final = 0x0003  # linux/if_ether.h; with any other only what comes in is seen
_PACKET_OUTGOING: Final = 4  # linux/if_packet.h
_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h
_SO_TIMESTAMPNS: Final = 35
_ROOM: Final = 256 * 2**20  # octets; nothing is read while the tool runs
_ECHO_REPLY, _UNREACHABLE, _EXCEEDED = 0, 3, 11  # types of ICMP (RFC 792)


class Passed(NamedTuple):
    """An IPv4 packet, whether it left, and when (seconds)."""

    octets: bytes
    out: bool
    at: float


class Wire:
    """All IPv4 packets that pass a namespace's devices from now on, kept by the kernel until asked for."""

    def __init__(self, namespace: str) -> None:
        with LocalVantage(Vantage(id="wire", latitude=0, longitude=0, netns=namespace)) as vantage:
            self._socket = vantage.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ALL))
        with contextlib.suppress(PermissionError):  # not in a user's own namespaces; there it is what it is
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def passed(self) -> list[Passed]:
        """What has passed since the last time."""
        found: list[Passed] = []
        while True:
            try:
                octets, ancillary, _, source = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                return found
            if octets[0] >> 4 == 4:
                seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2][:16])
                found.append(Passed(octets, source[2] == _PACKET_OUTGOING, seconds + nanoseconds / 1e9))


def sent(passed: Iterable[Passed]) -> list[bytes]:
    """The packets that left."""
    return [each.octets for each in passed if each.out]


def echo_times(passed: Iterable[Passed]) -> Iterator[tuple[str, int, float]]:
    """Of each answered echo request its destination, TTL, and milliseconds from device to device."""
    asked: dict[tuple[bytes, bytes], tuple[int, float]] = {}
    for octets, out, at in passed:
        header = (octets[0] & 15) * 4
        if out:
            asked[octets[16:20], octets[header + 4 : header + 8]] = octets[8], at  # identifier and sequence
            continue
        kind, body = octets[header], octets[header + 8 :]
        if kind == _ECHO_REPLY:
            key = octets[12:16], octets[header + 4 : header + 8]
        elif kind in {_UNREACHABLE, _EXCEEDED} and len(body) >= 28:
            inner = (body[0] & 15) * 4
            key = body[16:20], body[inner + 4 : inner + 8]
        else:
            continue
        if (found := asked.pop(key, None)) is not None:  # of two answers the first
            ttl, start = found
            yield socket.inet_ntoa(key[0]), ttl, (at - start) * 1000
