"""What this process can measure from a vantage, found out by doing it over the loopback interface.

Nothing leaves the machine. A finding says what works and by what means, or why not and the one command that
would allow it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from probes.engine import ordinary, receiver, sockets
from probes.engine.engine import Engine
from probes.engine.pacing import Pace
from probes.failure import MeasureError, PrivilegeError, VantageError
from probes.vantages.local import LocalVantage

if TYPE_CHECKING:
    from probes.engine.flow import Method
    from probes.vantages.local import Means

METHODS: Final[tuple[Method, ...]] = ("icmp", "udp", "tcp")
KINDS: Final = ("ping", "trace", "dns", "tcp", "tls", "http")
_INTERPRETER: Final = Path(sys.executable).resolve()
_SILENT: Final = "nothing answered on loopback; does a firewall drop it?"
_LOOPBACK: Final = {4: "127.0.0.1", 6: "::1"}
_FAR: Final = {4: "192.0.2.1", 6: "2001:db8::1"}  # documentation; connecting a datagram socket sends nothing
_DISCARD: Final = 9
_WAIT_S: Final = 0.3
_BUFFER: Final = 4 * 2**20
_UNSYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_OCTETS: Final = 256  # more than a struct timex has
_HOW: Final = {
    "raw": "raw sockets",
    "datagram": "datagram sockets and their error queues, without privilege",
    "connection": "connections and their error queues, without privilege",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: ``command`` would allow what does not work, or more than what does."""

    subject: str
    works: bool
    detail: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The findings at a vantage; ``kinds`` tells by which methods each kind of probe can be made."""

    vantage: str
    findings: tuple[Finding, ...]
    kinds: dict[str, tuple[str, ...]]

    @property
    def whole(self) -> bool:
        """Whether every kind of probe can be made somehow."""
        return all(self.kinds.values())


async def examine(means: Means) -> Diagnosis:
    """What can be measured by these means; of a vantage that cannot be used, that is the only finding."""
    kinds: dict[str, tuple[str, ...]] = dict.fromkeys(KINDS, ())
    try:
        vantage = LocalVantage(means)
        with vantage:
            findings = [found for method in METHODS for found in await _method(vantage, method)]
            findings += [_way(vantage, version) for version in (4, 6)]
            findings += [_extensions(vantage), _stamps(vantage), _buffer(vantage)]
            findings += [_clock(), _resolvers(vantage)]
    except VantageError as error:
        return Diagnosis(means.id, (Finding("vantage", works=False, detail=str(error)),), kinds)
    worked = {finding.subject.split()[0].lower() for finding in findings if finding.works}
    engine = tuple(method for method in METHODS if method in worked)
    kinds |= dict.fromkeys(("tcp", "tls", "http"), ("tcp",)) | {"ping": engine, "trace": engine}
    kinds["dns"] = ("udp", "tcp") if vantage.resolvers else ()
    return Diagnosis(means.id, tuple(findings), kinds)


async def _method(vantage: LocalVantage, method: Method) -> list[Finding]:
    """Pings of loopback over both IP versions."""
    found = []
    for version, address in _LOOPBACK.items():
        subject = f"{method.upper()} over IPv{version}"
        port = None if method == "icmp" else _DISCARD
        try:
            async with Engine(vantage, Pace()) as engine:
                result = await engine.ping(address, method, port, count=3, interval_s=0.01, timeout_s=_WAIT_S)
                used = engine.means[method, version]
        except PrivilegeError:
            groups = 'sysctl -w net.ipv4.ping_group_range="0 2147483647"'
            found.append(Finding(subject, works=False, detail="no right to send it", command=groups))
        except MeasureError as error:
            found.append(Finding(subject, works=False, detail=_why(error, version)))
        else:
            more = None if used == "raw" else f"setcap cap_net_raw+ep {_INTERPRETER}"
            answered = bool(result.rtts_ms)
            found.append(Finding(subject, answered, _HOW[used] if answered else _SILENT, more))
    return found


def _why(error: MeasureError, version: int) -> str:
    if version == 6 and error.code in {"unreachable", "unsupported"}:
        return "this machine has no IPv6"
    return str(error)


def _way(vantage: LocalVantage, version: int) -> Finding:
    subject = f"way out over IPv{version}"
    try:
        source = sockets.source_address(
            vantage, socket.AF_INET if version == 4 else socket.AF_INET6, _FAR[version]
        )
    except OSError as error:
        return Finding(subject, works=False, detail=f"none: {error.strerror}")
    return Finding(subject, works=True, detail=f"from {source}")


def _extensions(vantage: LocalVantage) -> Finding:
    """Raw sockets show ICMP extensions anyway; error queues only of a kernel that can."""
    subject = "MPLS labels"
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(sockets.open_sender(vantage, socket.AF_INET))
        except PrivilegeError:
            opened = stack.enter_context(vantage.socket(socket.AF_INET, socket.SOCK_DGRAM))
            works = ordinary.tell(opened, 4)
            detail = "by error queues" if works else "by raw sockets only: the kernel is older than 5.9"
            return Finding(subject, works, detail)
    return Finding(subject, works=True, detail="raw sockets")


def _stamps(vantage: LocalVantage) -> Finding:
    subject = "kernel receive time stamps"
    with vantage.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        try:
            receiver.stamp(opened)
        except OSError as error:
            detail = f"{error.strerror}; from a busy machine everything will look farther away"
            return Finding(subject, works=False, detail=detail)
    return Finding(subject, works=True, detail="times do not depend on how busy this process is")


def _buffer(vantage: LocalVantage) -> Finding:
    with vantage.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        size = receiver.enlarge(opened)
    enough = size >= _BUFFER
    command = None if enough else f"sysctl -w net.core.rmem_max={_BUFFER}"
    return Finding("receive buffer", enough, f"{size // 1024} KiB", command)


def _clock() -> Finding:
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_OCTETS))
    if state < 0:
        return Finding("clock", works=False, detail=os.strerror(ctypes.get_errno() or errno.EINVAL))
    if state == _UNSYNCHRONISED:
        detail = "not synchronised, as far as the kernel knows; the times in evidence may be off"
        return Finding("clock", works=False, detail=detail, command="timedatectl set-ntp true")
    return Finding("clock", works=True, detail="synchronised")


def _resolvers(vantage: LocalVantage) -> Finding:
    found = ", ".join(vantage.resolvers)
    if not found:
        return Finding("resolver", works=False, detail="none in resolv.conf; give the vantage `resolvers`")
    return Finding("resolver", works=True, detail=found)
