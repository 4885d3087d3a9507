"""A TCP connection of a vantage: how long its handshake took, and when its octets came.

Both times are the kernel's where it gives them, so that a busy event loop does not lengthen them: the
round-trip time of the SYN from ``TCP_INFO``, and the time of receipt from ``SO_TIMESTAMPNS``. A cheat cannot
shorten the first: it is only used where the kernel timed the SYN itself and never sent it again (else it
may stem from a timestamp option that the peer echoes, RFC 7323), and it is never longer than our own watch.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final, Self

from probes.failure import MeasureError, error_code
from probes.stamped import StampedSocket

if TYPE_CHECKING:
    from probes.observation import ErrorCode
    from probes.vantages.local import LocalVantage

_TCP_INFO: Final = 11  # linux/tcp.h; Python names it on Linux, its type stubs do not everywhere
_RTT: Final = 68  # offset of tcpi_rtt (microseconds) in struct tcp_info
_TOTAL_RETRANSMITS: Final = 100  # offset of tcpi_total_retrans
_INFO_OCTETS: Final = 104
_READ: Final = 65_536
_RECVERR: Final = {  # IP_RECVERR and IPV6_RECVERR of linux/in.h and in6.h
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}


class Stream:
    """An open connection; ``rtt_s`` is from the SYN to its acknowledgement."""

    def __init__(self, opened: socket.socket, rtt_s: float) -> None:
        self.rtt_s = rtt_s
        self._socket = StampedSocket.adopt(opened)
        self._sent = monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    async def send(self, octets: bytes) -> float:
        """Send everything; the monotonic time just before the octets were handed to the kernel."""
        self._sent = monotonic()
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, octets)
        except OSError as error:
            raise MeasureError(_broken(error), str(error)) from error
        return self._sent

    async def receive(self) -> tuple[bytes, float]:
        """What has come, at most 64 KiB, and the monotonic time of its last octet; nothing at the end."""
        try:
            octets = await asyncio.get_running_loop().sock_recv(self._socket, _READ)
        except OSError as error:
            raise MeasureError(_broken(error), str(error)) from error
        at = self._socket.received
        return octets, at if at >= self._sent else monotonic()  # what came before answers nothing


@dataclass(frozen=True, slots=True)
class Refused:
    """The host answered with RST after ``rtt_s``: nothing listens, but it is there."""

    rtt_s: float


async def connect(vantage: LocalVantage, address: str, port: int, timeout_s: float) -> Stream | Refused:
    """Connect; :class:`MeasureError` where nobody answered, or somebody else did (a router, our firewall)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    started = monotonic()
    opened: socket.socket | None = None
    try:
        opened = vantage.socket(family, socket.SOCK_STREAM)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(*_RECVERR[family], 1)
        async with asyncio.timeout(timeout_s):
            started = monotonic()
            await asyncio.get_running_loop().sock_connect(opened, (address, port))
            elapsed = monotonic() - started
    except ConnectionRefusedError:
        elapsed = monotonic() - started
        assert opened is not None
        with opened:
            if _by_icmp(opened):
                # "Port unreachable" says the same to connect(2), but any router on the way can have sent it.
                raise MeasureError("refused", "ICMP port unreachable") from None
        return Refused(elapsed)
    except OSError as error:
        if opened is not None:
            opened.close()
        raise MeasureError(error_code(error), str(error)) from error
    except BaseException:
        if opened is not None:
            opened.close()
        raise
    return Stream(opened, _handshake(opened, elapsed))


def _handshake(opened: socket.socket, elapsed: float) -> float:
    try:
        info = opened.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_OCTETS)
    except OSError:
        return elapsed
    if len(info) < _INFO_OCTETS:
        return elapsed
    (microseconds,) = struct.unpack_from("@I", info, _RTT)
    (retransmits,) = struct.unpack_from("@I", info, _TOTAL_RETRANSMITS)
    if retransmits or not microseconds:
        return elapsed
    return min(elapsed, float(microseconds) * 1e-6)


def _by_icmp(opened: socket.socket) -> bool:
    """Whether it was an ICMP message, and not the peer's RST, that ended the connection (ip(7), RECVERR)."""
    try:
        _, ancillary, _, _ = opened.recvmsg(0, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return False
    return bool(ancillary)


def _broken(error: OSError) -> ErrorCode:
    code = error_code(error)
    return "reset" if code in {"refused", "unreachable"} else code
