"""Relays that pass octets on, and services with a banner."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from probes.simnet import relay
from probes.simnet.world import Service

if TYPE_CHECKING:
    import pytest

    from tests.probes.simnet.conftest import Hosting

PORT = 4433


def passing(back: str) -> Service:
    return Service(kind="relay4", port=PORT, backend=f"{back}:{PORT}")


class TestPassThrough:
    """Octets go both ways as they are, so what the backend says is what the client hears."""

    async def test_tls_ends_at_the_backend(self, hosting: Hosting) -> None:
        front, back = hosting.loopback(), hosting.loopback()
        origin = Service(kind="https", port=PORT, names=("back.example",))
        async with hosting.serving(
            hosting.host(front, passing(back)), hosting.host(back, origin)
        ) as credentials:
            _, writer = await asyncio.open_connection(
                front, PORT, ssl=hosting.trusting(credentials), server_hostname="back.example"
            )
            await hosting.hang_up(writer)

    async def test_both_directions_end_by_themselves(self, hosting: Hosting) -> None:
        front, back = hosting.loopback(), hosting.loopback()

        async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            taken = await reader.read()  # to the end of what the client sends
            writer.write(b"%d" % len(taken))
            await hosting.hang_up(writer)

        async with (
            await asyncio.start_server(origin, back, PORT),
            hosting.serving(hosting.host(front, passing(back))),
        ):
            reader, writer = await asyncio.open_connection(front, PORT)
            writer.write(b"x" * 1_000_000)
            writer.write_eof()
            async with asyncio.timeout(10):
                assert await reader.read() == b"1000000"
            await hosting.hang_up(writer)

    async def test_without_a_backend_the_client_is_cut_off(self, hosting: Hosting) -> None:
        front = hosting.loopback()
        async with hosting.serving(hosting.host(front, passing(hosting.loopback()))):
            reader, writer = await asyncio.open_connection(front, PORT)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            await hosting.hang_up(writer)

    async def test_an_ipv6_backend(self, hosting: Hosting) -> None:
        front = hosting.loopback()

        async def origin(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"six")
            await hosting.hang_up(writer)

        port = hosting.ipv6_port()
        server = await asyncio.start_server(origin, "::1", port)
        service = Service(kind="relay4", port=PORT, backend=f"[::1]:{port}")
        async with server, hosting.serving(hosting.host(front, service)):
            reader, writer = await asyncio.open_connection(front, PORT)
            assert await reader.read() == b"six"
            await hosting.hang_up(writer)

    async def test_silence_ends_it(self, hosting: Hosting, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay, "IDLE_S", 0.1)
        front, back = hosting.loopback(), hosting.loopback()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            await hosting.hang_up(writer)

        async with (
            await asyncio.start_server(silent, back, PORT),
            hosting.serving(hosting.host(front, passing(back))),
        ):
            reader, writer = await asyncio.open_connection(front, PORT)
            async with asyncio.timeout(10):
                assert await reader.read() == b""
            await hosting.hang_up(writer)


class TestGreeter:
    """A service that says its banner and listens."""

    async def test_the_banner(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        service = Service(kind="tcp", port=PORT, banner="220 mail ESMTP")
        async with hosting.serving(hosting.host(address, service)):
            reader, writer = await asyncio.open_connection(address, PORT)
            assert await reader.readline() == b"220 mail ESMTP\r\n"
            await hosting.hang_up(writer)

    async def test_without_a_banner_it_is_silent(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="tcp", port=PORT))):
            reader, writer = await asyncio.open_connection(address, PORT)
            writer.write(b"\x00" * 100_000)
            writer.write_eof()
            assert await reader.read() == b""
            await hosting.hang_up(writer)

    async def test_too_many_connections_are_cut_off(
        self, hosting: Hosting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relay, "MAX_CONNECTIONS", 1)
        address = hosting.loopback()
        service = Service(kind="tcp", port=PORT, banner="hello")
        async with hosting.serving(hosting.host(address, service)):
            first, holding = await asyncio.open_connection(address, PORT)
            assert await first.readline() == b"hello\r\n"
            reader, writer = await asyncio.open_connection(address, PORT)
            assert await reader.read(1) == b""
            for each in (holding, writer):
                await hosting.hang_up(each)
