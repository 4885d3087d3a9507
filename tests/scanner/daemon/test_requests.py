"""Requests to the daemon of whoever means it ill."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from scanner.daemon.server import MAX_BODY_OCTETS
from tests.scanner.daemon.conftest import BEARER, OTHER, TOKEN_HASH

if TYPE_CHECKING:
    import pytest

    from tests.scanner.daemon.conftest import Daemon

PATHS = (
    ("/../../etc/passwd", 404),
    ("/%2e%2e/%2e%2e/etc/passwd", 404),
    ("/api/v1/runs/..%2f..%2fetc%2fpasswd", 404),
    ("/api/v1/runs/%00", 404),
    ("/api/v1/runs/%ff%fe", 404),
    ("/api/v1/runs/%27%20OR%201=1", 404),
    ("/api/v1/runs/last~99999999999", 404),
    ("/api/v1/runs/" + "9" * 4000, 404),
    ("/api/v1/runs?limit=0", 400),
    ("/api/v1/runs?limit=1001", 400),
    ("/api/v1/runs?limit=-1", 400),
    ("/api/v1/runs?offset=99999999999999999999", 400),
    ("/api/v1/runs?limit=%D9%A1", 400),
    ("/api/v1/history?endpoint=nothing", 404),
    ("/api/v1/history?endpoint=%00", 404),
    ("/api/v1/history", 404),
    ("/api/v1/changes?old=nothing", 404),
    ("/probe?endpoint=" + OTHER + "&debug=maybe", 400),
    ("/static/", 404),
    ("/api/v1/", 404),
)
REQUESTS = (
    b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(20_000)) + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
)


async def asked(daemon: Daemon, octets: bytes) -> bytes:
    """What a connection is answered that sends so much, until it is closed."""
    assert daemon.service is not None
    assert daemon.service.address is not None
    reader, writer = await asyncio.open_connection(*daemon.service.address)
    answer = b""
    with contextlib.suppress(ConnectionError):
        writer.write(octets)
        async with asyncio.timeout(10):
            answer = await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


class TestHostile:
    """Requests that are made to break something are refused, and the daemon goes on."""

    async def test_what_is_not_there(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for path, status in PATHS:
                answer = (
                    await asked(
                        daemon, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
                    )
                ).decode()
                assert answer.startswith(f"HTTP/1.1 {status} "), (path, answer)
                assert str(daemon.directory) not in answer, "nothing of this machine is told"
                assert '{"error":"' in answer
            assert (await client.get("/-/ready")).status == 200

    async def test_what_is_no_request(self, daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
        daemon.keep()
        caplog.set_level(logging.CRITICAL, "aiohttp.server")
        async with daemon.run() as client:
            for octets in REQUESTS:
                answer = await asked(daemon, octets)
                assert not answer or answer[9:12] in {b"400", b"404"}, answer[:200]
                assert b"Traceback" not in answer
            assert (await client.get("/-/ready")).status == 200

    async def test_every_answer_forbids_a_browser_everything(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for path in ("/metrics", "/-/healthy", "/nothing", "/api/v1/runs", "/api/v1/openapi.json"):
                response = await client.get(path)
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["Cache-Control"] == "no-store"
            response = await client.post("/metrics")
            assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")

    async def test_a_body_is_bounded(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["tokens"] = [{"name": "audit", "hash": TOKEN_HASH}]
        async with daemon.run() as client:
            response = await client.post("/api/v1/scans", data=b"x" * (MAX_BODY_OCTETS + 1), headers=BEARER)
            assert response.status == 413

    async def test_a_fault_of_ours_tells_nothing(
        self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        daemon.keep()
        async with daemon.run() as client:
            assert daemon.service is not None
            monkeypatch.setattr(daemon.service._server.state, "shown", None)
            async with client.get("/metrics") as response:
                assert (response.status, await response.json()) == (500, {"error": "internal error"})

    async def test_two_hundred_at_once(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            paths = ["/metrics", "/api/v1/endpoints", "/api/v1/runs", "/-/ready"] * 50
            answers = await asyncio.gather(*(client.get(path) for path in paths))
            assert {one.status for one in answers} == {200}
