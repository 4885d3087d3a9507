"""The engine's sockets: one to send and one to receive for each family and protocol."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import socket
import struct
from typing import TYPE_CHECKING, Final

from probes.engine.receiver import Receiver
from probes.failure import PrivilegeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.vantages.local import LocalVantage

# From Linux's headers; Python's socket module lacks them.
_SO_ATTACH_FILTER: Final = 26
_SOL_RAW: Final = 255
_ICMP_FILTER: Final = 1
_SOL_ICMPV6: Final = 58
_ICMPV6_FILTER: Final = 1

NEEDED: Final = "CAP_NET_RAW (run as root, or give the interpreter the file capability cap_net_raw+ep)"


def open_sender(vantage: LocalVantage, family: int) -> socket.socket:
    """A raw socket that takes whole packets with their IP header; :class:`PrivilegeError` without right."""
    with _privileged(vantage):
        sender = vantage.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with contextlib.suppress(OSError):
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**20)
    return sender


def open_icmp(vantage: LocalVantage, family: int) -> Receiver:
    """Receives echo replies and the errors that a probe can cause, nothing else."""
    with _privileged(vantage):
        if family == socket.AF_INET:
            opened = vantage.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            wanted = 1 << 0 | 1 << 3 | 1 << 11
            opened.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("@I", ~wanted & 0xFFFFFFFF))
        else:
            opened = vantage.socket(family, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
            blocked = [0xFFFFFFFF] * 8
            for kind in (1, 3, 129):
                blocked[kind >> 5] &= ~(1 << (kind & 31))
            opened.setsockopt(_SOL_ICMPV6, _ICMPV6_FILTER, struct.pack("@8I", *blocked))
    return Receiver(opened)


def open_tcp(vantage: LocalVantage, family: int) -> Receiver:
    """Receives TCP segments with SYN or RST, which may answer a SYN, and no other traffic of the machine."""
    with _privileged(vantage):
        opened = vantage.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    # Classic BPF: (code, jump if true, jump if false, operand). A raw IPv4 socket sees the IP header first.
    flags = [(0xB1, 0, 0, 0), (0x50, 0, 0, 13)] if family == socket.AF_INET else [(0x30, 0, 0, 13)]
    program = [*flags, (0x45, 0, 1, 0x06), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)]
    steps = ctypes.create_string_buffer(b"".join(struct.pack("@HBBI", *step) for step in program))
    fprog = struct.pack("@HxxxxxxQ", len(program), ctypes.addressof(steps))  # struct sock_fprog
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, fprog)
    return Receiver(opened)


def open_udp(vantage: LocalVantage, family: int) -> tuple[Receiver, int]:
    """Receives UDP answers (and keeps the kernel from refusing them), and its port."""
    opened, port = reserve_port(vantage, family, socket.SOCK_DGRAM)
    return Receiver(opened), port


def open_datagram(vantage: LocalVantage, family: int, method: str) -> socket.socket:
    """A datagram socket for ICMP echo or UDP; for ICMP that needs no privilege where a sysctl allows it."""
    protocol = 0
    if method == "icmp":
        protocol = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
    try:
        return vantage.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError as error:
        raise PrivilegeError(
            f"vantage {vantage.id!r}: may not send ICMP echo requests; this needs {NEEDED}, "
            "or a group of this process in the sysctl net.ipv4.ping_group_range"
        ) from error


def reserve_port(vantage: LocalVantage, family: int, kind: int) -> tuple[socket.socket, int]:
    """A bound socket, so that no other program is given its port while the engine uses it."""
    opened = vantage.socket(family, kind)
    if kind == socket.SOCK_STREAM:
        # So that the connections of an ordinary user's probes may have the port too.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if opened.getsockname()[1] == 0:
        opened.bind(("" if family == socket.AF_INET else "::", 0))
    return opened, opened.getsockname()[1]


def source_address(vantage: LocalVantage, family: int, address: str) -> str:
    """From which address the kernel would send to ``address``; OSError where there is no way."""
    with vantage.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((address, 9))  # RFC 863; connecting a datagram socket sends nothing
        return str(asked.getsockname()[0])


@contextlib.contextmanager
def _privileged(vantage: LocalVantage) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.EPERM, errno.EACCES}:
            raise PrivilegeError(
                f"vantage {vantage.id!r}: may not open raw sockets; this needs {NEEDED}"
            ) from error
        raise
