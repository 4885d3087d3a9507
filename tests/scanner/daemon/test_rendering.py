"""The daemon's page as it is rendered and served."""

from __future__ import annotations

import asyncio
import gzip
import re
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from scanner.daemon import page, work
from scanner.report.page import render_page
from scanner.store import Store
from tests.scanner.daemon.conftest import ENDPOINT, scrape, until
from tests.scanner.store.runs import run

if TYPE_CHECKING:
    from tests.scanner.daemon.conftest import Daemon


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
