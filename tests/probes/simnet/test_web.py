"""Web servers and proxies of a world, asked over TLS by a real client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from probes.simnet import web
from probes.simnet.world import Service

if TYPE_CHECKING:
    import ssl

    from tests.probes.simnet.conftest import Hosting

PORT = 4433


def https(**rest: Any) -> Service:
    return Service.model_validate({"kind": "https", "port": PORT, "names": ["www.example"]} | rest)


async def get(
    hosting: Hosting, service: Service, path: str = "/", method: str = "GET"
) -> tuple[aiohttp.ClientResponse, bytes]:
    """One request to a host with one service."""
    address = hosting.loopback()
    async with hosting.serving(hosting.host(address, service)) as credentials:
        return await request(
            f"https://{address}:{PORT}{path}", hosting.trusting(credentials), "www.example", method
        )


async def request(
    url: str, trust: ssl.SSLContext, name: str, method: str = "GET", **rest: Any
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method, url, ssl=trust, server_hostname=name, allow_redirects=False, **rest
        ) as answer,
    ):
        return answer, await answer.read()


class TestPages:
    """A server has one page, and nothing else."""

    async def test_the_declared_page(self, hosting: Hosting) -> None:
        answer, body = await get(hosting, https())
        assert answer.status == 200
        assert b"www.example" in body

    async def test_its_scripts(self, hosting: Hosting) -> None:
        _, body = await get(hosting, https(scripts=("https://cdn.example/a.js?x&y",)))
        assert b'<script src="https://cdn.example/a.js?x&amp;y"></script>' in body

    async def test_its_file_takes_no_work(self, hosting: Hosting) -> None:
        slow = https(think_ms=10_000, slow_errors=True)
        answer, body = await get(hosting, slow, "/favicon.ico")
        assert (answer.status, len(body)) == (200, 16)

    async def test_other_pages_do_not_exist(self, hosting: Hosting) -> None:
        answer, _ = await get(hosting, https(redirect="https://elsewhere.example/"), "/x?y=1")
        assert answer.status == 404

    async def test_a_redirect(self, hosting: Hosting) -> None:
        answer, _ = await get(hosting, https(redirect="https://elsewhere.example/"))
        assert (answer.status, answer.headers["Location"]) == (302, "https://elsewhere.example/")

    async def test_headers_are_the_worlds(self, hosting: Hosting) -> None:
        hostile = {"Server": "<script>", "X-Color": "\u009b31m\u202e"}
        answer, _ = await get(hosting, https(headers=hostile), "/404")
        assert answer.headers["Server"] == "<script>"
        assert answer.headers["X-Color"] == "\u009b31m\u202e"

    async def test_only_reading_is_allowed(self, hosting: Hosting) -> None:
        answer, _ = await get(hosting, https(), method="POST")
        assert answer.status == 405

    async def test_a_head_has_no_body(self, hosting: Hosting) -> None:
        answer, body = await get(hosting, https(), method="HEAD")
        assert (answer.status, body) == (200, b"")

    async def test_thinking_delays_the_declared_page_only(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        service = https(think_ms=60_000)
        async with hosting.serving(hosting.host(address, service)) as credentials:
            trust = hosting.trusting(credentials)
            answer, _ = await request(f"https://{address}:{PORT}/x", trust, "www.example")
            assert answer.status == 404
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await request(f"https://{address}:{PORT}/", trust, "www.example")

    async def test_slow_errors_are_slow_too(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        service = https(think_ms=60_000, slow_errors=True)
        async with hosting.serving(hosting.host(address, service)) as credentials:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await request(f"https://{address}:{PORT}/x", hosting.trusting(credentials), "www.example")

    async def test_an_old_server_speaks_no_new_tls(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, https(tls_max="1.2"))) as credentials:
            trust = hosting.trusting(credentials)
            reader, writer = await asyncio.open_connection(
                address, PORT, ssl=trust, server_hostname="www.example"
            )
            assert writer.get_extra_info("ssl_object").version() == "TLSv1.2"
            await hosting.hang_up(writer)
            del reader

    async def test_connections_are_kept(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        service = Service(kind="http", port=PORT)
        async with hosting.serving(hosting.host(address, service)):
            reader, writer = await asyncio.open_connection(address, PORT)
            for _ in range(3):
                writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 404")
                await reader.readexactly(len("not found\n"))
            await hosting.hang_up(writer)


class TestBounds:
    """What a client can hold or send is bounded."""

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
            b"\x16\x03\x01\x00\x05hello\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        ],
    )
    async def test_what_is_no_request_is_refused_quietly(
        self, hosting: Hosting, sent: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="http", port=PORT))):
            reader, writer = await asyncio.open_connection(address, PORT)
            writer.write(sent)
            assert (await reader.read(12)).startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
            await hosting.hang_up(writer)
        assert [record for record in caplog.records if record.exc_info] == []

    async def test_too_many_connections_are_cut_off(
        self, hosting: Hosting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web, "MAX_CONNECTIONS", 2)
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="http", port=PORT))):
            open_ = [await asyncio.open_connection(address, PORT) for _ in range(2)]
            for reader, writer in open_:
                writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.readuntil(b"\r\n\r\n")
            reader, writer = await asyncio.open_connection(address, PORT)
            assert await reader.read(1) == b""
            for _, each in [*open_, (reader, writer)]:
                await hosting.hang_up(each)

    async def test_no_connection_lives_for_ever(
        self, hosting: Hosting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(web, "SWEEP_S", 0.05)
        monkeypatch.setattr(web, "LIFETIME_S", 0.1)
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="http", port=PORT))):
            reader, writer = await asyncio.open_connection(address, PORT)
            async with asyncio.timeout(10):
                assert await reader.read(1) == b""
            await hosting.hang_up(writer)


class TestProxy:
    """A proxy ends TLS with a certificate of its own and asks its backend for everything else."""

    @staticmethod
    def both(hosting: Hosting, **rest: Any) -> tuple[str, str, Service, Service]:
        front, back = hosting.loopback(), hosting.loopback()
        proxy = Service.model_validate(
            {
                "kind": "relay7",
                "port": PORT,
                "names": ["front.example"],
                "backend": f"{back}:{PORT}",
                "headers": {"Via": "1.1 front"},
            }
        )
        return front, back, proxy, https(names=["back.example"], **rest)

    async def test_requests_reach_the_backend(self, hosting: Hosting) -> None:
        front, back, proxy, origin = self.both(hosting, headers={"Server": "origin", "X-A": "1"})
        async with hosting.serving(hosting.host(front, proxy), hosting.host(back, origin)) as credentials:
            trust = hosting.trusting(credentials)
            answer, body = await request(f"https://{front}:{PORT}/", trust, "front.example")
            assert answer.status == 200
            assert b"back.example" in body
            assert (answer.headers["Server"], answer.headers["Via"]) == ("origin", "1.1 front")
            missing, _ = await request(f"https://{front}:{PORT}/x%2Fy?z=%20", trust, "front.example")
            assert missing.status == 404

    async def test_it_may_answer_for_what_does_not_exist(self, hosting: Hosting) -> None:
        """Of what the backend has, it asks the backend."""
        front, _, proxy, _ = self.both(hosting)
        proxy = proxy.model_copy(update={"own_errors": True})
        async with hosting.serving(hosting.host(front, proxy)) as credentials:  # nobody is behind it
            trust, base = hosting.trusting(credentials), f"https://{front}:{PORT}"
            found = [
                (await request(f"{base}{path}", trust, "front.example"))[0].status
                for path in ("/nothing", "/", "/favicon.ico")
            ]
        assert found == [404, 502, 502]

    async def test_redirects_are_passed_on(self, hosting: Hosting) -> None:
        front, back, proxy, origin = self.both(hosting, redirect="https://elsewhere.example/")
        async with hosting.serving(hosting.host(front, proxy), hosting.host(back, origin)) as credentials:
            answer, _ = await request(
                f"https://{front}:{PORT}/", hosting.trusting(credentials), "front.example"
            )
            assert (answer.status, answer.headers["Location"]) == (302, "https://elsewhere.example/")

    async def test_bodies_are_streamed_to_the_backend(self, hosting: Hosting) -> None:
        front, back, proxy, origin = self.both(hosting)
        async with hosting.serving(hosting.host(front, proxy), hosting.host(back, origin)) as credentials:
            answer, _ = await request(
                f"https://{front}:{PORT}/",
                hosting.trusting(credentials),
                "front.example",
                "POST",
                data=b"x" * 100_000,
            )
            assert answer.status == 405

    async def test_without_a_backend_it_is_a_bad_gateway(self, hosting: Hosting) -> None:
        front, _, proxy, _ = self.both(hosting)
        async with hosting.serving(hosting.host(front, proxy)) as credentials:
            answer, _ = await request(
                f"https://{front}:{PORT}/", hosting.trusting(credentials), "front.example"
            )
            assert (answer.status, answer.headers["Via"]) == (502, "1.1 front")

    @pytest.mark.parametrize(
        "target", [b"//198.51.100.1/x", b"//[", b"http://198.51.100.1/", b"//x:99999/", b"/\x80\xff//["]
    )
    async def test_it_asks_nobody_but_its_backend(
        self, hosting: Hosting, target: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        front, back, proxy, origin = self.both(hosting)
        async with hosting.serving(hosting.host(front, proxy), hosting.host(back, origin)) as credentials:
            reader, writer = await asyncio.open_connection(
                front, PORT, ssl=hosting.trusting(credentials), server_hostname="front.example"
            )
            writer.write(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n"))[9:12] in {b"400", b"404"}
            await hosting.hang_up(writer)
        assert caplog.records == []

    async def test_connections_to_the_backend_are_kept(self, hosting: Hosting) -> None:
        front, back, proxy, _ = self.both(hosting)
        accepted = 0
        heard: list[bytes] = []

        async def origin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal accepted
            accepted += 1
            while await reader.readline():
                while (line := await reader.readline()) != b"\r\n":
                    heard.append(line.lower())
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: max=1\r\n\r\nok")
            await hosting.hang_up(writer)

        proxy = proxy.model_copy(update={"backend_tls": False})
        async with (
            await asyncio.start_server(origin, back, PORT),
            hosting.serving(hosting.host(front, proxy)) as credentials,
        ):
            for _ in range(3):
                answer, body = await request(
                    f"https://{front}:{PORT}/",
                    hosting.trusting(credentials),
                    "front.example",
                    headers={"TE": "trailers", "X-End": "to-end"},
                )
                assert body == b"ok"
                assert "Keep-Alive" not in answer.headers  # what is for one hop stays on it
        assert accepted == 1
        assert b"x-end: to-end\r\n" in heard
        assert not any(line.startswith(b"te:") for line in heard)
