"""What the daemon answers over HTTP, also to whoever means it ill."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import re
import shutil
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scanner.daemon import page, work
from scanner.daemon.server import MAX_BODY_OCTETS
from scanner.report.page import render_page
from scanner.store import Store
from tests.scanner.daemon.conftest import ENDPOINT, OTHER, TOKEN, TOKEN_HASH, register, silent, until
from tests.scanner.store.runs import run
from tests.scanner.test_scan import web

if TYPE_CHECKING:
    import aiohttp
    from prometheus_client.metrics_core import Metric

    from tests.scanner.daemon.conftest import Daemon

BEARER = {"Authorization": f"Bearer {TOKEN}"}


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


def families(text: str) -> dict[str, Metric]:
    return {one.name: one for one in text_string_to_metric_families(text)}


async def scrape(client: aiohttp.ClientSession) -> dict[str, Metric]:
    async with client.get("/metrics") as response:
        assert response.status == 200
        return families(await response.text())


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback addresses are probed as if they were anybody's."""
    monkeypatch.setattr(work, "special_name", lambda *_: None)


class Rendering:
    """The renderer of pages, which can be held up; ``begun`` counts how often it began."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.held = threading.Event()
        self.held.set()

    def __call__(self, *arguments: Any, **named: Any) -> bytes:
        self.begun.release()
        assert self.held.wait(30)
        return render_page(*arguments, **named)


@pytest.fixture
def rendering(monkeypatch: pytest.MonkeyPatch) -> Rendering:
    found = Rendering()
    monkeypatch.setattr(page, "render_page", found)
    return found


class TestMetrics:
    """``/metrics`` has the newest verdicts, what the register grants, and how the daemon stands."""

    async def test_the_newest_verdicts(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            found = await scrape(client)
        on = {
            one.labels["endpoint"]: one.labels["location"]
            for one in found["residency_endpoint_location"].samples
            if one.value
        }
        assert on == {ENDPOINT: "inside", OTHER: "outside"}
        counts = [
            (one.labels["endpoint"], one.labels["family"], one.labels["country"], one.value)
            for one in found["residency_endpoint_addresses"].samples
        ]
        assert (ENDPOINT, "ipv4", "PK", 1) in counts
        assert (ENDPOINT, "ipv6", "PK", 1) in counts
        assert (OTHER, "ipv4", "unknown", 1) in counts, "two countries are left"
        (accreditation,) = found["residency_provider_accreditation_expiry_timestamp_seconds"].samples
        assert accreditation.value == 1874966400, "2029-06-01T00:00:00Z, after its last day"
        (waiver,) = found["residency_waiver_expiry_timestamp_seconds"].samples
        assert (waiver.labels["endpoint"], waiver.value) == (ENDPOINT, 1798761600)
        assert {
            one.labels["data_class"]
            for one in found["residency_class_last_success_timestamp_seconds"].samples
        } == {
            "restricted",
            "open",
        }
        assert found["residency_reload_success"].samples[0].value == 1
        assert found["residency_scan_in_progress"].samples[0].value == 0

    async def test_little_detail(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["metrics_detail"] = "low"
        async with daemon.run() as client:
            found = await scrape(client)
        assert "residency_endpoint_policy_status" in found
        assert not {
            "residency_endpoint_assurance",
            "residency_endpoint_addresses",
            "residency_probe_rtt_seconds",
        } & set(found)

    async def test_compressed_it_is_the_same(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for _ in range(2):
                async with client.get(
                    "/metrics", headers={"Accept-Encoding": "gzip"}, auto_decompress=False
                ) as response:
                    assert response.headers["Content-Encoding"] == "gzip"
                    packed = gzip.decompress(await response.read())
            async with client.get("/metrics", headers={"Accept-Encoding": "identity"}) as response:
                assert "Content-Encoding" not in response.headers
                assert await response.read() == packed

    async def test_promtool_finds_nothing_wrong(self, daemon: Daemon) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("promtool is not installed (Debian: prometheus)")
        daemon.keep()
        async with daemon.run() as client, client.get("/metrics") as response:
            text = await response.read()
        pipe = asyncio.subprocess.PIPE
        done = await asyncio.create_subprocess_exec(
            promtool, "check", "metrics", stdin=pipe, stdout=pipe, stderr=pipe
        )
        said = await done.communicate(text)
        assert (done.returncode, *said) == (0, b"", b"")


class TestHealth:
    """Healthy as soon as it serves, ready when the register and the geodata are read."""

    async def test_not_ready_while_the_files_are_read(self, daemon: Daemon) -> None:
        async with daemon.run() as client:
            assert daemon.service is not None
            state, daemon.service._server.state = daemon.service._server.state, None
            assert (await client.get("/-/healthy")).status == 200
            for path in ("/-/ready", "/metrics", "/probe", "/api/v1/endpoints", "/"):
                assert (await client.get(path)).status == 503, path
            daemon.service._server.state = state
            assert (await client.get("/-/ready")).status == 200


class TestProbe:
    """``/probe`` measures one registered endpoint now, and no other."""

    async def test_one_endpoint(self, daemon: Daemon, probed: None) -> None:
        daemon.keep()
        async with web() as port:
            daemon.write("register", register(port=port))
            id_ = f"indus/open/127.0.0.1:{port}"
            async with daemon.run() as client, client.get("/probe", params={"endpoint": id_}) as response:
                assert response.status == 200
                found = families(await response.text())
        assert {one.labels["endpoint"] for one in found["residency_endpoint_location"].samples} == {id_}
        assert found["residency_scan_complete"].samples[0].value == 1
        assert found["residency_vantage_up"].samples[0].value == 1
        assert "residency_reload_success" not in found

    async def test_what_is_not_registered_is_not_probed(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for name in ("", "127.0.0.1", "indus/web/other.example", "../../etc/passwd", "x" * 3000):
                async with client.get("/probe", params={"endpoint": name}) as response:
                    assert response.status == 404
                    assert (await response.json())["error"].startswith("endpoint:")

    async def test_the_log_is_evidence_and_needs_a_token(self, daemon: Daemon, probed: None) -> None:
        daemon.keep()
        daemon.config["tokens"] = [{"name": "audit", "hash": TOKEN_HASH}]
        query = {"endpoint": OTHER, "debug": "true"}
        async with daemon.run() as client:
            assert (await client.get("/probe", params=query)).status == 401
            async with client.get("/probe", params=query, headers=BEARER) as response:
                text = await response.text()
        assert '"kind":"tcp"' in text
        assert "residency_scan_complete 1.0" in text

    async def test_it_ends_before_the_scraper_gives_up(self, daemon: Daemon, probed: None) -> None:
        async with silent() as port:
            changed = register(port=port)
            changed["providers"][0]["services"][1]["endpoints"] = [f"http://127.0.0.1:{port}/"]
            daemon.write("register", changed)
            daemon.keep()
            async with (
                daemon.run() as client,
                client.get(
                    "/probe",
                    params={"endpoint": f"indus/open/127.0.0.1:{port}"},
                    headers={"X-Prometheus-Scrape-Timeout-Seconds": "1.2"},
                ) as response,
            ):
                assert response.status == 200
                found = families(await response.text())
        assert found["residency_scan_complete"].samples[0].value == 0

    async def test_a_timeout_that_is_none(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for seconds in ("", "x", "nan", "inf", "-1", "0"):
                headers = {"X-Prometheus-Scrape-Timeout-Seconds": seconds}
                response = await client.get("/probe", params={"endpoint": OTHER}, headers=headers)
                assert response.status == 400, seconds

    async def test_only_so_many_at_once(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            assert daemon.service is not None
            server = daemon.service._server
            assert server.work is not None
            begun, go = asyncio.Semaphore(0), asyncio.Event()
            real = server.work.probe

            async def slow(*arguments: Any) -> Any:
                begun.release()
                await go.wait()
                return await real(*arguments)

            server.work.probe = slow  # type: ignore[method-assign, assignment]
            first = [asyncio.create_task(client.get("/probe", params={"endpoint": OTHER})) for _ in range(2)]
            for _ in first:
                await begun.acquire()
            async with asyncio.timeout(20):
                refused = await asyncio.gather(
                    *(client.get("/probe", params={"endpoint": OTHER}) for _ in range(20))
                )
            assert {one.status for one in refused} == {503}
            assert {one.headers["Retry-After"] for one in refused} == {"10"}
            assert (await scrape(client))["residency_reload_success"], "a scrape waits for none of them"
            go.set()
            assert [(await one).status for one in first] == [200, 200]


class TestPage:
    """The page is rendered once for what is known, beside everything else, and may run what is in it only."""

    async def test_the_page(self, daemon: Daemon) -> None:
        daemon.keep(1, 2)
        async with daemon.run() as client, client.get("/") as response:
            assert response.status == 200
            assert response.content_type == "text/html"
            assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
            text = await response.text()
        assert text.count('<details class="endpoint"') == 2
        assert text.count("<bdi>2026-11-02 00:00:00 UTC</bdi></th>") == 2, "the history of either"
        assert run(2).id in text, "the run before"
        assert '<p><span data-t="changes.none">' in text

    async def test_what_changed_since_the_run_before_of_each_class(self, daemon: Daemon) -> None:
        daemon.keep()
        with Store.open(daemon.store) as store:
            last = store.run("last")
            abroad, moved = (
                msgspec.structs.replace(one, verdict=msgspec.structs.replace(one.verdict, location="edge"))
                for one in last.endpoints
            )
            for day, results in ((1, [abroad]), (2, [moved]), (3, [last.endpoints[1]])):
                store.add(run(day, *results))
        async with daemon.run() as client, client.get("/") as response:
            text = await response.text()
        changes = text[text.index('id="changes"') : text.index('id="endpoints"')]
        assert re.findall(r'<tr><th scope="row"><bdi>([^<]*)', changes) == [ENDPOINT], "not that of day 2"
        assert "<bdi>edge (proved)</bdi></td><td><bdi>inside (proved)</bdi>" in changes

    async def test_a_class_that_was_scanned_once_has_no_changes(self, daemon: Daemon) -> None:
        daemon.keep()
        with Store.open(daemon.store) as store:
            store.add(run(1, store.run("last").endpoints[0]))
        async with daemon.run() as client, client.get("/") as response:
            text = await response.text()
        assert 'id="changes"' in text
        assert 'data-t="change.endpoint-new"' not in text

    async def test_it_is_rendered_once(self, daemon: Daemon, rendering: Rendering) -> None:
        daemon.keep()
        async with daemon.run() as client:
            for _ in range(20):
                assert (await client.get("/")).status == 200
        assert rendering.begun.acquire(blocking=False)
        assert not rendering.begun.acquire(blocking=False)

    async def test_a_first_run_has_no_changes(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client, client.get("/") as response:
            assert 'id="changes"' not in await response.text()

    async def test_before_the_first_run(self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(work.Work, "scan", never)
        async with daemon.run() as client, client.get("/") as response:
            assert (response.status, await response.json()) == (
                404,
                {"error": "there is no page: no scan has finished yet"},
            )

    async def test_compressed_it_is_the_same(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            found = {}
            for encoding in ("gzip", "identity"):
                async with client.get(
                    "/", headers={"Accept-Encoding": encoding}, auto_decompress=False
                ) as response:
                    assert response.headers.get("Content-Encoding", "identity") == encoding
                    assert response.headers["Vary"] == "Accept-Encoding"
                    found[encoding] = await response.read()
        assert gzip.decompress(found["gzip"]) == found["identity"]

    async def test_who_has_it_already_is_told_so(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            tag = (await client.get("/")).headers["ETag"]
            for asked, status in ((tag, 304), (f'"other", {tag}', 304), ("*", 304), ('"other"', 200)):
                async with client.get("/", headers={"If-None-Match": asked}) as response:
                    assert (response.status, response.headers["ETag"]) == (status, tag), asked
                    assert response.headers["Cache-Control"] == "private, no-cache"
                    assert (await response.read() == b"") == (status == 304)

    async def test_while_it_is_rendered_the_first_waits_and_nobody_else(
        self, daemon: Daemon, rendering: Rendering
    ) -> None:
        daemon.keep()
        rendering.held.clear()
        async with daemon.run() as client:
            first = asyncio.create_task(client.get("/"))
            await asyncio.to_thread(rendering.begun.acquire)
            assert (await client.get("/-/ready")).status == 200
            assert (await scrape(client))["residency_endpoint_location"]
            assert not first.done()
            rendering.held.set()
            async with asyncio.timeout(10):
                assert (await first).status == 200

    async def test_while_the_next_is_rendered_there_is_that_of_before(
        self, daemon: Daemon, rendering: Rendering
    ) -> None:
        daemon.keep()
        async with daemon.run() as client:
            before = (await client.get("/")).headers["ETag"]
            rendering.begun.acquire()
            rendering.held.clear()
            assert daemon.service is not None
            assert daemon.service._server.work is not None
            assert await daemon.service._server.work.scan(["open"]) is not None
            await asyncio.to_thread(rendering.begun.acquire)
            assert (await client.get("/")).headers["ETag"] == before
            rendering.held.set()
            async with asyncio.timeout(10):
                while (await client.get("/")).headers["ETag"] == before:  # noqa: ASYNC110  what is waited for has no event
                    await asyncio.sleep(0.01)

    async def test_nobody_waits_for_ever(
        self, daemon: Daemon, rendering: Rendering, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page, "FIRST_S", 0.1)
        daemon.keep()
        rendering.held.clear()
        async with daemon.run() as client:
            async with client.get("/") as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "10")
            rendering.held.set()

    async def test_a_fault_of_ours_leaves_that_of_before(
        self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        daemon.keep()
        async with daemon.run() as client:
            before = (await client.get("/")).headers["ETag"]
            monkeypatch.setattr(page, "render_page", lambda *_, **__: 1 / 0)
            assert daemon.service is not None
            assert daemon.service._server.state is not None
            await daemon.service._server.state.reload()
            await until(lambda: "ZeroDivisionError" in caplog.text)
            assert (await client.get("/")).headers["ETag"] == before


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
