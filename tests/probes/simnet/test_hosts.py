"""Hosts, run on this machine's loopback addresses and asked by real clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from probes.simnet.world import Service

if TYPE_CHECKING:
    from tests.probes.simnet.conftest import Hosting

PORT = 4433


class TestServe:
    """A farm's hosts listen when they are said to be ready, and leave nothing when they are stopped."""

    async def test_all_listen_once_ready(self, hosting: Hosting) -> None:
        here, there = hosting.loopback(), hosting.loopback()
        service = Service(kind="tcp", port=PORT, banner="hello")
        async with hosting.serving(hosting.host(here, service), hosting.host(there, service)):
            for address in (here, there):
                reader, writer = await asyncio.open_connection(address, PORT)
                assert await reader.readline() == b"hello\r\n"
                await hosting.hang_up(writer)

    async def test_the_dead_do_not_listen(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="tcp", port=PORT), dead=True)):
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(address, PORT)

    async def test_nothing_listens_after_the_end(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="https", port=PORT))):
            pass
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, PORT)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    async def test_a_port_that_is_taken_is_named(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        service = Service(kind="tcp", port=PORT)
        with pytest.raises(ExceptionGroup) as caught:
            async with hosting.serving(hosting.host(address, service), hosting.host(address, service)):
                pass
        assert caught.group_contains(OSError, match=f"{address} port {PORT}")

    async def test_both_families(self, hosting: Hosting) -> None:
        port = hosting.ipv6_port()
        async with hosting.serving(hosting.host("::1", Service(kind="tcp", port=port, banner="six"))):
            reader, writer = await asyncio.open_connection("::1", port)
            assert await reader.readline() == b"six\r\n"
            await hosting.hang_up(writer)


class TestEveryKind:
    """The kinds of service that the world's model knows can be run."""

    async def test_clients_get_what_the_kind_says(self, hosting: Hosting) -> None:
        front, back = hosting.loopback(), hosting.loopback()
        async with (
            hosting.serving(
                hosting.host(
                    back,
                    Service(kind="https", port=PORT, names=("back.example",)),
                    Service(kind="http", port=PORT + 1),
                ),
                hosting.host(
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
                    f"https://{front}:{port}/", ssl=hosting.trusting(credentials), server_hostname=name
                ) as answer:
                    assert answer.status == 200
