"""Hosts that speak TCP without HTTP: relays that pass octets on (layer 4), and services with a banner."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from probes.simnet.world import Service

MAX_CONNECTIONS = 256  # of one service; more are cut off
CHUNK = 2**16
IDLE_S = 30.0
CONNECT_S = 10.0


@asynccontextmanager
async def pass_through(
    service: Service, sockets: Sequence[socket.socket], tasks: asyncio.TaskGroup, own: Sequence[str] = ()
) -> AsyncIterator[None]:
    """Copy octets between each client and the backend, so that TLS ends there.

    It connects from that address of its ``own`` which is of the backend's family.
    """
    assert service.backend is not None
    host, _, port = service.backend.rpartition(":")
    host = host.strip("[]")
    version = ipaddress.ip_address(host).version
    source = next((address for address in own if ipaddress.ip_address(address).version == version), None)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_S):
            far_reader, far_writer = await asyncio.open_connection(
                host, int(port), local_addr=(source, 0) if source else None
            )
        with closing(far_writer):
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, far_writer))
                both.create_task(_copy(far_reader, writer))

    async with _listening(talk, sockets, tasks):
        yield


@asynccontextmanager
async def greeter(
    service: Service, sockets: Sequence[socket.socket], tasks: asyncio.TaskGroup
) -> AsyncIterator[None]:
    """Accept, say the banner, and take in whatever comes until the client is silent or gone."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if service.banner:
            writer.write(f"{service.banner}\r\n".encode())
        while True:
            async with asyncio.timeout(IDLE_S):
                await writer.drain()
                if not await reader.read(CHUNK):
                    return

    async with _listening(talk, sockets, tasks):
        yield


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end, and pass the end on; the other direction may still have something to say."""
    while True:
        async with asyncio.timeout(IDLE_S):
            octets = await reader.read(CHUNK)
            if not octets:
                break
            writer.write(octets)
            await writer.drain()
    writer.write_eof()


@asynccontextmanager
async def _listening(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    sockets: Sequence[socket.socket],
    tasks: asyncio.TaskGroup,
) -> AsyncIterator[None]:
    """Run ``talk`` for every client, each in a task of ``tasks``."""
    running: set[asyncio.Task[None]] = set()

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            try:
                await talk(reader, writer)
            except* (OSError, TimeoutError):
                # A connection that breaks off, or is silent for too long, is nothing special here.
                writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(running) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = tasks.create_task(attend(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    listeners = [await asyncio.start_server(accept, sock=one, limit=CHUNK) for one in sockets]
    try:
        yield
    finally:
        for listener in listeners:
            listener.close()
        for task in running:
            task.cancel()
