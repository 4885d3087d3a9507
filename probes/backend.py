"""Sockets of a vantage for dnspython, which asks a backend for them."""
# ruff: noqa: ASYNC109  (dnspython's interface hands the timeouts over)

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import dns.asyncbackend
import dns.exception

if TYPE_CHECKING:
    import ssl

    from probes.vantages.local import LocalVantage


class Backend(dns.asyncbackend.Backend):  # type: ignore[name-defined,misc]  # re-exported unsaid
    """Makes the sockets of a vantage; give it to dnspython's ``asyncquery`` functions."""

    def __init__(self, vantage: LocalVantage) -> None:
        self._vantage = vantage

    def name(self) -> str:
        return "sarhad"

    def datagram_connection_required(self) -> bool:
        return True  # so that "port unreachable" is heard, and strangers are not

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: Any = None,
        timeout: float | None = None,
        ssl_context: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
    ) -> _Datagrams | _Stream:
        del source, ssl_context, server_hostname  # the vantage binds its sockets itself; no DNS over TLS
        opened = self._vantage.socket(af, socktype, proto)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(opened, destination)
        except BaseException:
            opened.close()
            raise
        return _Datagrams(opened, destination) if socktype == socket.SOCK_DGRAM else _Stream(opened)


class _Datagrams(dns.asyncbackend.DatagramSocket):  # type: ignore[name-defined,misc]  # the same
    def __init__(self, opened: socket.socket, destination: tuple[str, int]) -> None:
        super().__init__(opened.family, opened.type)
        self._socket = opened
        self._destination = destination

    async def sendto(self, what: bytes, destination: Any, timeout: float | None) -> int:
        del destination  # it is connected
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_sendall(self._socket, what)
        return len(what)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.get_running_loop().sock_recv(self._socket, size), self._destination
        except TimeoutError as error:
            raise dns.exception.Timeout from error

    async def close(self) -> None:
        self._socket.close()


class _Stream(dns.asyncbackend.StreamSocket):  # type: ignore[name-defined,misc]  # the same
    def __init__(self, opened: socket.socket) -> None:
        super().__init__(opened.family, opened.type)
        self._socket = opened

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        async with asyncio.timeout(timeout):
            await asyncio.get_running_loop().sock_sendall(self._socket, what)

    async def recv(self, size: int, timeout: float | None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.get_running_loop().sock_recv(self._socket, size)
        except TimeoutError as error:
            raise dns.exception.Timeout from error

    async def close(self) -> None:
        self._socket.close()
