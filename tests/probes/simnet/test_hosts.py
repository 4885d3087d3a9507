"""Hosts, run on this machine's loopback addresses and asked by real clients."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
import pytest

from probes.simnet import authority, hosts
from probes.simnet.world import Farm, Host, Service, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PORT = 4433


def loopback() -> str:
    """An address of this machine that no other test uses."""
    return f"127.{secrets.randbelow(200) + 10}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"


def host(address: str, *services: Service, dead: bool = False) -> Host:
    """A host that stands on loopback, where a world's file would not let it."""
    return Host.model_construct(addresses=(address,), services=services, allow=None, dead=dead)


@asynccontextmanager
async def serving(*standing: Host, dns: object = None) -> AsyncIterator[authority.Credentials]:
    farm = Farm.model_construct(id="farm", place="x", hosts=standing)
    world = World.model_construct(name="test", farms=(farm,), dns=dns, vantages=())
    credentials = authority.issue(world)
    ready = asyncio.Event()
    task = asyncio.create_task(hosts.serve(farm, world, credentials, ready.set))
    waiter = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiter}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if task.done():
        task.result()
    try:
        yield credentials
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def trusting(credentials: authority.Credentials) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=credentials.ca_pem.decode())


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


class TestServe:
    """A farm's hosts listen when they are said to be ready, and leave nothing when they are stopped."""

    async def test_all_listen_once_ready(self) -> None:
        here, there = loopback(), loopback()
        service = Service(kind="tcp", port=PORT, banner="hello")
        async with serving(host(here, service), host(there, service)):
            for address in (here, there):
                reader, writer = await asyncio.open_connection(address, PORT)
                assert await reader.readline() == b"hello\r\n"
                await hang_up(writer)

    async def test_the_dead_do_not_listen(self) -> None:
        address = loopback()
        async with serving(host(address, Service(kind="tcp", port=PORT), dead=True)):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(address, PORT)

    async def test_nothing_listens_after_the_end(self) -> None:
        address = loopback()
        async with serving(host(address, Service(kind="https", port=PORT))):
            pass
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, PORT)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_a_port_that_is_taken_is_named(self) -> None:
        address = loopback()
        service = Service(kind="tcp", port=PORT)
        with pytest.raises(ExceptionGroup) as caught:
            async with serving(host(address, service), host(address, service)):
                pass
        assert caught.group_contains(OSError, match=f"{address} port {PORT}")

    async def test_both_families(self) -> None:
        opened = hosts.listen("::1", 0)
        port = opened.getsockname()[1]
        opened.close()
        async with serving(host("::1", Service(kind="tcp", port=port, banner="six"))):
            reader, writer = await asyncio.open_connection("::1", port)
            assert await reader.readline() == b"six\r\n"
            await hang_up(writer)


class TestEveryKind:
    """The kinds of service that the world's model knows can be run."""

    async def test_clients_get_what_the_kind_says(self) -> None:
        front, back = loopback(), loopback()
        async with (
            serving(
                host(
                    back,
                    Service(kind="https", port=PORT, names=("back.example",)),
                    Service(kind="http", port=PORT + 1),
                ),
                host(
                    front,
                    Service(kind="relay4", port=PORT, backend=f"{back}:{PORT}"),
                    Service(kind="relay7", port=PORT + 1, backend=f"{back}:{PORT}", names=("front.example",)),
                    Service(
                        kind="relay7",
                        port=PORT + 2,
                        backend=f"{back}:{PORT + 1}",
                        backend_tls=False,
                        names=("plain.example",),
                    ),
                ),
            ) as credentials,
            aiohttp.ClientSession() as session,
        ):
            for port, name in (
                (PORT, "back.example"),
                (PORT + 1, "front.example"),
                (PORT + 2, "plain.example"),
            ):
                async with session.get(
                    f"https://{front}:{port}/", ssl=trusting(credentials), server_hostname=name
                ) as answer:
                    assert answer.status == 200
