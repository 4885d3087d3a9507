"""A local vantage: this process, or a network namespace of this machine, opens the sockets.

A socket belongs for its whole life to the namespace in which it was made, so one process serves the
vantages of many namespaces: the thread enters the namespace, makes the socket and returns, without giving
the event loop a turn in between.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from probes.failure import PrivilegeError, VantageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_RESOLV_CONF_OCTETS = 65_536
_libc = ctypes.CDLL(None, use_errno=True)


class Means(Protocol):
    """How a vantage probes from this machine; :class:`~probes.vantages.vantage.Vantage` says it and where."""

    @property
    def id(self) -> str: ...
    @property
    def netns(self) -> str | None: ...
    @property
    def source_address(self) -> str | None: ...
    @property
    def interface(self) -> str | None: ...
    @property
    def resolvers(self) -> tuple[str, ...]: ...
    @property
    def resolver_port(self) -> int: ...
    def require_local(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Here:
    """This machine as it is, where it does not matter where it stands."""

    id: str = "here"
    netns: str | None = None
    source_address: str | None = None
    interface: str | None = None
    resolvers: tuple[str, ...] = ()
    resolver_port: int = 53

    def require_local(self) -> None:
        """It is local."""


class LocalVantage:
    """Sockets as seen from one vantage; use as a context manager, or ``open`` and ``close``.

    Opening raises :class:`VantageError` where the namespace does not exist and :class:`PrivilegeError`
    where this process may not enter it.
    """

    def __init__(self, vantage: Means) -> None:
        vantage.require_local()
        self.vantage = vantage
        self.resolvers: tuple[str, ...] = ()
        self._home = -1
        self._there = -1

    @property
    def id(self) -> str:
        return self.vantage.id

    @property
    def resolver_port(self) -> int:
        return self.vantage.resolver_port

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Take hold of the namespace, make sure that it can be entered and left, and read the resolvers."""
        if self.vantage.netns is not None and self._there < 0:
            try:
                self._open_namespace(self.vantage.netns)
            except BaseException:
                self.close()
                raise
        self.resolvers = self.vantage.resolvers or self._system_resolvers()

    def close(self) -> None:
        """Let go of the namespace; sockets that were made stay usable."""
        for name in ("_there", "_home"):
            descriptor = getattr(self, name)
            if descriptor >= 0:
                os.close(descriptor)
                setattr(self, name, -1)

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """This thread inside the namespace; the body must not await."""
        if self.vantage.netns is None:
            yield
            return
        if self._there < 0:
            raise VantageError(f"vantage {self.id!r} is not open")
        _setns(self._there)
        try:
            yield
        finally:
            _setns(self._home)

    def socket(self, family: int, kind: int, protocol: int = 0, *, port: int = 0) -> socket.socket:
        """A non-blocking socket of this vantage, bound to its source address and interface if it has them.

        With a ``port`` it is bound to that too, which others may have that were made so. Raises OSError:
        EAFNOSUPPORT also where the source address is of the other family.
        """
        source = self.vantage.source_address
        if source is not None and (":" in source) != (family == socket.AF_INET6):
            raise OSError(errno.EAFNOSUPPORT, f"vantage {self.id!r} has a source address of the other family")
        with self.inside():
            made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(0)
            if self.vantage.interface is not None:
                made.setsockopt(
                    socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.vantage.interface.encode() + b"\0"
                )
            if port:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port or source is not None:
                made.bind((source or ("" if family == socket.AF_INET else "::"), port))
        except BaseException:
            made.close()
            raise
        return made

    def _open_namespace(self, name: str) -> None:
        path = Path(name) if name.startswith("/") else Path("/run/netns", name)
        try:
            self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self._there = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise PrivilegeError(
                f"vantage {self.id!r}: may not open the network namespace {path}; "
                "run as root or as the user who made it"
            ) from error
        except OSError as error:
            raise VantageError(
                f"vantage {self.id!r}: no network namespace at {path}: {error.strerror}"
            ) from error
        try:
            _setns(self._home)  # before entering, be sure that the way back is allowed
            with self.inside():
                pass
        except OSError as error:
            if error.errno == errno.EPERM:
                raise PrivilegeError(
                    f"vantage {self.id!r}: may not enter the network namespace {path}; this needs "
                    "CAP_SYS_ADMIN (run as root, or inside `unshare --user --map-root-user --net`)"
                ) from error
            raise VantageError(f"vantage {self.id!r}: {path} is not a network namespace") from error

    def _system_resolvers(self) -> tuple[str, ...]:
        """Name servers of ``resolv.conf``; a named namespace may have its own (ip-netns(8))."""
        files = [Path("/etc/resolv.conf")]
        name = self.vantage.netns
        if name is not None and not name.startswith("/"):
            files.insert(0, Path("/etc/netns", name, "resolv.conf"))
        for file in files:
            try:
                with file.open("rb") as stream:
                    text = stream.read(_RESOLV_CONF_OCTETS).decode("ascii", "replace")
            except OSError:
                continue
            words = [line.split() for line in text.splitlines()]
            return tuple(word[1] for word in words if len(word) > 1 and word[0] == "nameserver")
        return ()


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
