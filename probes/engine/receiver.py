"""What a socket receives: many packets with one system call, each with the kernel's time of receipt.

That time makes a busy event loop lengthen no round-trip time. The kernel stamps with the wall clock; each
batch samples how that lies to the monotonic clock, and does not use the stamps if the wall clock was stepped
since the last one.

Python's ``recvmsg`` makes a dozen objects of every packet, which costs more than all else that is done with
it. With recvmmsg(2) the kernel writes a batch of packets into one buffer, and what it says of them into
others, each at a place of its own; these are then read for the whole batch at once.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
from time import monotonic
from typing import TYPE_CHECKING, Final

from probes.clock import Clock
from probes.engine.packets import MAX_OCTETS

if TYPE_CHECKING:
    from collections.abc import Iterable

BATCH: Final = 128
_STARTS: Final = range(0, BATCH * MAX_OCTETS, MAX_OCTETS)
_BUFFER: Final = 16 * 2**20
# From Linux's headers; Python's socket module lacks them.
_SO_RCVBUFFORCE: Final = 33
_SO_TIMESTAMPNS: Final = 35
_SO_RXQ_OVFL: Final = 40
_TIMESPEC: Final = struct.Struct("@ll")
_NAME: Final = 32  # octets for an address: a struct sockaddr_in6 has 28
_ADDRESS: Final = {socket.AF_INET: slice(4, 8), socket.AF_INET6: slice(8, 24)}  # where in it the octets are
# What the kernel says of each packet: a struct cmsghdr, of which the level and type tell what it is, and a
# struct timespec; then, once it had no room for some, a struct cmsghdr and how many.
_SAID: Final = struct.Struct("@8xqll8xqI4x8x")
_SAID_OF_ALL: Final = struct.Struct("@8xqll32x")
_STAMP, _COUNT = (
    int.from_bytes(struct.pack("@ii", socket.SOL_SOCKET, kind), sys.byteorder)
    for kind in (_SO_TIMESTAMPNS, _SO_RXQ_OVFL)
)


class _Place(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("start", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """struct msghdr."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("places", ctypes.POINTER(_Place)),
        ("places_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """struct mmsghdr."""

    _fields_ = (("header", _Header), ("received", ctypes.c_uint))


_receive = ctypes.CDLL(None).recvmmsg


class Receiver:
    """A socket that is read in batches, of which ``octets`` holds the last.

    ``dropped`` counts the packets that the kernel had no room for.
    """

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.dropped = 0
        self.clock = Clock()
        stamp(opened)
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
        enlarge(opened)
        self._descriptor = opened.fileno()
        self._address = _ADDRESS[opened.family]
        self.octets = bytearray(BATCH * MAX_OCTETS)
        self._sizes: list[int] = []
        self._times: list[float] = []
        self._names = bytearray(BATCH * _NAME)
        self._said = bytearray(BATCH * _SAID.size)
        self._places = (_Place * BATCH)()
        self._messages = (_Message * BATCH)()
        octets, names, self._said_at = map(_start, (self.octets, self._names, self._said))
        for number, (place, message) in enumerate(zip(self._places, self._messages, strict=True)):
            place.start, place.size = octets + number * MAX_OCTETS, MAX_OCTETS
            header = message.header
            header.name, header.name_size = names + number * _NAME, _NAME
            header.places, header.places_count = ctypes.pointer(place), 1
            header.control, header.control_size = self._said_at + number * _SAID.size, _SAID.size
        self._fresh = bytes(self._messages)  # the kernel writes into the sizes how much it used
        fields = memoryview(self._messages).cast("B").cast("I")
        self._received = fields[_Message.received.offset // 4 :: ctypes.sizeof(_Message) // 4]

    def receive(self) -> int:
        """Take at most a batch of what is there, and say how many packets that is."""
        count: int = _receive(self._descriptor, self._messages, BATCH, socket.MSG_DONTWAIT, None)
        if count <= 0:
            self._sizes, self._times = [], []
            return 0  # nothing, or an error that an earlier probe left on the socket
        self._sizes = self._received[:count].tolist()
        self._times = self._when(count)
        *_, kind, dropped = _SAID.unpack_from(self._said, (count - 1) * _SAID.size)
        if kind == _COUNT:
            self.dropped = dropped
        # What the kernel does not say of the next packets shall not be what it said of these.
        ctypes.memset(self._said_at, 0, count * _SAID.size)
        ctypes.memmove(self._messages, self._fresh, count * ctypes.sizeof(_Message))
        return count

    @property
    def places(self) -> Iterable[tuple[int, int, float]]:
        """Where each packet begins, how long it is, and when it was received (``time.monotonic`` seconds)."""
        return zip(_STARTS, self._sizes, self._times, strict=False)  # there are more places than packets

    def packet(self, number: int) -> tuple[bytes, bytes, float]:
        """One of them: its octets, its source as the socket tells it (packed), and its time."""
        start = _STARTS[number]
        name = self._names[number * _NAME : (number + 1) * _NAME]
        octets = bytes(self.octets[start : start + self._sizes[number]])
        return octets, bytes(name[self._address]), self._times[number]

    def close(self) -> None:
        self.socket.close()

    def _when(self, count: int) -> list[float]:
        """When the kernel received each packet, or now where that is not known."""
        offset, now = self.clock.offset(), monotonic()
        if offset is None:
            return [now] * count
        said = _SAID_OF_ALL.iter_unpack(memoryview(self._said)[: count * _SAID.size])
        times = [
            seconds + nanoseconds * 1e-9 - offset if kind == _STAMP else now
            for kind, seconds, nanoseconds in said
        ]
        return times if max(times) <= now else [min(at, now) for at in times]


def stamp(opened: socket.socket) -> None:
    """Have a socket give the kernel's time of receipt; OSError."""
    opened.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def enlarge(opened: socket.socket) -> int:
    """Make a socket's receive buffer as large as may be; its size in octets."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
    except OSError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER // 4)
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles it (socket(7))


def stamped(ancillary: Iterable[tuple[int, int, bytes]], offset: float | None) -> float:
    """When the kernel received what these control messages came with, or now if it is not known."""
    now = monotonic()
    for level, kind, data in ancillary:
        if kind == _SO_TIMESTAMPNS and level == socket.SOL_SOCKET and len(data) >= _TIMESPEC.size:
            if offset is None:
                break
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            return min(now, float(seconds + nanoseconds * 1e-9 - offset))
    return now


def _start(buffer: bytearray) -> int:
    """Where a buffer is in memory; it must live as long as that is used, and never be resized."""
    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))
