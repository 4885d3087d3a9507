"""A TCP socket that knows when the kernel received what was last read from it.

It works under asyncio's transports too, so that a library's connection (aiohttp's) can be timed by the
kernel and not by an event loop that may be busy with the answers of others.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

from probes.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable

_SO_TIMESTAMPNS: Final = 35  # asm-generic/socket.h
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY: Final = socket.CMSG_SPACE(_TIMESPEC.size)


class StampedSocket(socket.socket):
    """``received`` is the monotonic time at which the last octet that was read had come.

    It is never before the truth: without the kernel's stamp it is the time of reading.
    """

    received: float = 0.0
    _clock: Clock

    @classmethod
    def adopt(cls, opened: socket.socket) -> Self:
        """Take a non-blocking socket over; the one given is closed."""
        made = cls(fileno=opened.detach())
        made.settimeout(0)
        made._clock = Clock()
        with contextlib.suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        return made

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        octets, ancillary, _, _ = self.recvmsg(bufsize, _ANCILLARY, flags)
        self._stamp(ancillary)
        return octets

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        room = memoryview(buffer)[: nbytes or None]
        length, ancillary, _, _ = self.recvmsg_into([room], _ANCILLARY, flags)
        self._stamp(ancillary)
        return length

    def _stamp(self, ancillary: Iterable[tuple[int, int, bytes]]) -> None:
        now, offset = monotonic(), self._clock.offset()
        at = now
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
                seconds, nanoseconds = _TIMESPEC.unpack_from(data)
                if offset is not None:
                    at = seconds + nanoseconds * 1e-9 - offset
        # The latest of all reads: an answer in two pieces has come when both have.
        self.received = max(self.received, min(at, now))
