"""Updates from a publisher on loopback that fails in every way that publishers, networks and disks do."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import resource
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from geodata.catalog import Catalog
from geodata.errors import GeodataError
from geodata.snapshot import Snapshot
from geodata.sources.parsed import Entry, Parsed, Published, Skipped, of_prefix, parsed, separately
from geodata.update import Options, add, dated, mirrored, update

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

# 5.2 million addresses.
HOME = ("39.32.0.0/11", "39.0.0.0/12", "203.112.0.0/12", "124.16.0.0/12")


def lines(*extra: str, home: tuple[str, ...] = HOME) -> bytes:
    """A file of the whole world as this test publishes it."""
    return "\n".join([*(f"{prefix},PK" for prefix in home), "8.8.8.0/24,US", *extra, ""]).encode()


def parse(octets: bytes) -> Parsed:
    ranges, skipped, date = [], [], "2026-11-01"
    for number, line in enumerate(octets.decode("utf-8", "replace").splitlines(), 1):
        prefix, _, country = line.partition(",")
        if prefix == "date":
            date = country
            continue
        try:
            ranges.append(of_prefix(prefix, Entry(country=country)))
        except ValueError as error:
            skipped.append(Skipped(number, str(error)))
    return parsed("test", ranges, skipped, None, date)


class Publisher:
    """A server whose next answers can be told beforehand."""

    def __init__(self) -> None:
        self.body = lines()
        self.etag: str | None = '"one"'
        self.signature: bytes | None = None
        self.faults: list[Any] = []
        self.seen: list[dict[str, str]] = []
        self.stalled = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append({**request.headers, "path": request.path})
        if request.path.endswith(".md5"):
            return web.Response(text=f"MD5 (x) = {hashlib.md5(self.body).hexdigest()}\n")  # noqa: S324  theirs
        if request.path.endswith(".asc"):
            return web.Response(status=404) if self.signature is None else web.Response(body=self.signature)
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, web.StreamResponse):
            return fault
        headers = {} if self.etag is None else {"ETag": self.etag}
        if self.etag is not None and request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304, headers=headers)
        body, status = self.body, 200
        if "Range" in request.headers and request.headers.get("If-Range") == self.etag:
            start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            body, status = body[start:], 206
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = len(body)
        await answer.prepare(request)
        if fault == "drop":
            await answer.write(body[: len(body) // 2])
            assert request.transport is not None
            request.transport.close()
            return answer
        if fault == "stall":
            await answer.write(body[: len(body) // 2])
            self.stalled.set()
            await asyncio.sleep(60)
        await answer.write(body)
        return answer


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    made = Publisher()
    app = web.Application()
    app.router.add_get("/{name:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/data"
    yield made
    await runner.cleanup()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geodata.download._AGAIN_S", 0.01)


def source(url: str, **more: Any) -> Published:
    fields: dict[str, Any] = {
        "source": "world",
        "family": "world",
        "meaning": "server",
        "asserted_by": "third-party",
        "urls": (url,),
        "licence": "CC0",
        "attribution": "nobody",
        "refresh_days": 1,
        "parse": separately(parse),
        "world": True,
        **more,
    }
    return Published(**fields)


async def run(home: Path, *wanted: Published, **options: Any) -> list[tuple[str, str | None]]:
    """An update; the outcome and reason of each source."""
    found = await update(Catalog(home), wanted, Options(**options))
    return [(each.outcome, each.reason) for each in found.outcomes]


def says(home: Path, address: str = "39.32.0.1") -> set[str | None]:
    """What the test's source says now."""
    with Snapshot.open(home) as snapshot:
        return {claim.country for claim in snapshot.claims(address) if claim.source == "world"}


def spoil(home: Path, name: str, damage: str) -> str:
    """Damage the file of a source; its name."""
    (path,) = home.glob(f"{name}-*.table")
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    match damage:
        case "one octet":
            path.write_bytes(octets)
        case "cut short":
            path.write_bytes(octets[:-9])
        case "gone":
            path.unlink()
    return path.name


class TestUpdate:
    """New data is got, checked and used; the embedded sources stay beside it."""

    async def test_first(self, tmp_path: Path, publisher: Publisher) -> None:
        publisher.body = lines("not a prefix,PK")
        found = await update(Catalog(tmp_path), [source(publisher.url)], Options(contact="x@example.org"))
        (outcome,) = found.outcomes
        assert (outcome.outcome, outcome.records) == ("updated", 5)
        assert len(outcome.skipped) == 1
        assert outcome.skipped[0].startswith("line 6: ")
        assert publisher.seen[0]["User-Agent"] == "sarhad x@example.org"
        with Snapshot.open(tmp_path) as snapshot:
            with Snapshot.open(None) as embedded:
                assert snapshot.sources[:-1] == embedded.sources
            assert snapshot.sources[-1].source == "world"
            (claim,) = [each for each in snapshot.claims("39.32.0.1") if each.source == "world"]
            assert (claim.country, claim.date, claim.licence) == ("PK", "2026-11-01", "CC0")

    async def test_what_did_not_change_is_not_got_again(self, tmp_path: Path, publisher: Publisher) -> None:
        await run(tmp_path, source(publisher.url))
        before = (tmp_path / "manifest.json").read_bytes()
        assert await run(tmp_path, source(publisher.url)) == [("unchanged", None)]
        assert publisher.seen[-1]["If-None-Match"] == '"one"'
        assert (tmp_path / "manifest.json").read_bytes() == before

    async def test_what_changed_is_used(self, tmp_path: Path, publisher: Publisher) -> None:
        await run(tmp_path, source(publisher.url))
        publisher.body, publisher.etag = lines("198.51.100.0/24,PK"), '"two"'
        assert says(tmp_path, "198.51.100.1") == set()
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]
        assert says(tmp_path, "198.51.100.1") == {"PK"}

    async def test_digest(self, tmp_path: Path, publisher: Publisher) -> None:
        assert await run(tmp_path, source(publisher.url, digest=".md5")) == [("updated", None)]
        assert publisher.seen[-1]["path"] == "/data.md5"

    async def test_mirror(self, tmp_path: Path, publisher: Publisher) -> None:
        mirrors = {"https://publisher.example/": publisher.url.removesuffix("data")}
        assert await run(tmp_path, source("https://publisher.example/there"), mirrors=mirrors) == [
            ("updated", None)
        ]
        assert publisher.seen[-1]["path"] == "/there"

    async def test_files_of_ones_own(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_bytes(lines())
        home = tmp_path / "home"
        (outcome,) = add(Catalog(home), source(""), [tmp_path / "mine"], Options()).outcomes
        assert outcome.outcome == "updated"
        assert says(home) == {"PK"}

    def test_urls(self) -> None:
        day = dt.date(2026, 3, 1)
        assert dated("https://x.example/a.gz", day) == ["https://x.example/a.gz"]
        assert dated("https://x.example/%Y-%m.gz", day)[:2] == [
            "https://x.example/2026-03.gz",
            "https://x.example/2026-02.gz",
        ]
        assert dated("%Y%m%d", day) == ["20260301", "20260228", "20260227"]
        mirrors = {"https://x.example/": "http://m/", "https://x.example/a/": "http://n/"}
        assert mirrored("https://x.example/a/b", mirrors) == "http://n/b"
        assert mirrored("https://y.example/a/b", mirrors) == "https://y.example/a/b"


class TestFaults:
    """Whatever goes wrong is said, and the last good data keeps serving."""

    async def test_a_broken_connection_goes_on_where_it_was(
        self, tmp_path: Path, publisher: Publisher
    ) -> None:
        publisher.faults = ["drop"]
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]
        assert publisher.seen[1]["Range"] == f"bytes={len(publisher.body) // 2}-"

    async def test_not_where_the_file_is_another(self, tmp_path: Path, publisher: Publisher) -> None:
        publisher.faults = ["drop", "drop", "drop"]
        ((outcome, reason),) = await run(tmp_path, source(publisher.url))
        assert outcome == "failed"
        assert reason is not None
        publisher.body, publisher.etag = lines("198.51.100.0/24,PK"), '"two"'
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]
        assert says(tmp_path, "198.51.100.1") == {"PK"}

    async def test_a_server_in_trouble_is_asked_again(self, tmp_path: Path, publisher: Publisher) -> None:
        publisher.faults = [web.Response(status=503), web.Response(status=429)]
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]

    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            (lambda: web.Response(status=404), "answered 404"),
            (lambda: web.Response(status=403), "answered 403"),
            (lambda: web.Response(body=b"<html>sign in</html>"), "no record that makes sense"),
            (lambda: web.Response(body=b""), "no record that makes sense"),
            (lambda: web.Response(body=os.urandom(4096)), "no record that makes sense"),
            (lambda: web.Response(body=b"x" * 2_000_000), "octets are more than"),
            (lambda: web.Response(body=lines(*["rubbish"] * 9)), "of 14 records make no sense"),
            (lambda: web.Response(body=lines("39.32.0.0/16,IN")), "says IN of 39.32.0.1"),
            (lambda: web.Response(body=lines("3.28.0.0/15,PK")), "which is Amazon's"),
            (lambda: web.Response(body=lines("10.0.0.0/8,US")), "says US of 10.0.0.1"),
            (lambda: web.Response(body=lines(home=("39.32.0.0/11", "203.124.30.0/24"))), "not 5000000 to"),
            (lambda: web.Response(body=lines("64.0.0.0/13,PK")), "a change of more than 5%"),
        ],
    )
    async def test_what_is_wrong_is_refused(
        self, tmp_path: Path, publisher: Publisher, fault: Any, words: str
    ) -> None:
        await run(tmp_path, source(publisher.url))
        publisher.faults = [fault()]
        ((outcome, reason),) = await run(tmp_path, source(publisher.url, max_octets=1_000_000))
        assert outcome == "failed"
        assert words in str(reason)
        assert says(tmp_path) == {"PK"}

    async def test_a_large_change_can_be_forced(self, tmp_path: Path, publisher: Publisher) -> None:
        await run(tmp_path, source(publisher.url))
        publisher.body, publisher.etag = lines("64.0.0.0/13,PK"), '"two"'
        assert await run(tmp_path, source(publisher.url), force=True) == [("updated", None)]

    async def test_going_back_in_time_must_be_forced(self, tmp_path: Path, publisher: Publisher) -> None:
        await run(tmp_path, source(publisher.url))
        publisher.body, publisher.etag = lines("198.51.100.0/24,PK", "date,2026-10-31"), '"two"'
        ((outcome, reason),) = await run(tmp_path, source(publisher.url))
        assert (outcome, "is of 2026-10-31, older than what is in use (2026-11-01)" in str(reason)) == (
            "failed",
            True,
        )
        assert says(tmp_path, "198.51.100.1") == set()
        assert await run(tmp_path, source(publisher.url), force=True) == [("updated", None)]

    async def test_a_first_update_that_fails_leaves_what_is_embedded(
        self, tmp_path: Path, publisher: Publisher
    ) -> None:
        publisher.faults = [web.Response(status=404)]
        ((outcome, _),) = await run(tmp_path, source(publisher.url))
        assert outcome == "failed"
        with Snapshot.open(tmp_path) as snapshot, Snapshot.open(None) as embedded:
            assert snapshot.sources == embedded.sources

    async def test_a_day_that_is_to_come_must_be_forced(self, tmp_path: Path, publisher: Publisher) -> None:
        """Else nothing of before that day would be taken any more."""
        publisher.body = lines("date,2999-01-01")
        ((outcome, reason),) = await run(tmp_path, source(publisher.url))
        assert (outcome, "is of 2999-01-01, which is to come" in str(reason)) == ("failed", True)
        assert await run(tmp_path, source(publisher.url), force=True) == [("updated", None)]

    @pytest.mark.parametrize("damage", ["one octet", "cut short", "gone"])
    @pytest.mark.parametrize("name", ["world", "routeviews", "amazon"])
    async def test_what_was_damaged_here_is_got_anew(
        self, tmp_path: Path, publisher: Publisher, name: str, damage: str
    ) -> None:
        """Or copied again, where it is embedded; a publisher would only say that nothing changed."""
        await run(tmp_path, source(publisher.url))
        with pytest.raises(GeodataError, match=spoil(tmp_path, name, damage)):
            Snapshot.open(tmp_path)
        assert await run(tmp_path, source(publisher.url)) == [("unchanged", None)]
        assert says(tmp_path) == {"PK"}

    async def test_of_a_file_with_a_date_the_newest_is_named(
        self, tmp_path: Path, publisher: Publisher
    ) -> None:
        publisher.faults = [web.Response(status=404) for _ in range(3)]
        ((outcome, reason),) = await run(tmp_path, source(f"{publisher.url}-%Y-%m"))
        newest = f"{publisher.url}-{dt.datetime.now(dt.UTC):%Y-%m}: answered 404 Not Found"
        assert (outcome, reason) == ("failed", f"{newest}, nor are the 2 before it there")
        publisher.faults = [web.Response(status=404)]
        assert await run(tmp_path, source(f"{publisher.url}-%Y-%m")) == [("updated", None)]

    async def test_a_digest_that_is_another(self, tmp_path: Path, publisher: Publisher) -> None:
        publisher.faults = [web.Response(body=lines("198.51.100.0/24,PK"))]
        ((outcome, reason),) = await run(tmp_path, source(publisher.url, digest=".md5"))
        assert outcome == "failed"
        assert "MD5" in str(reason)

    async def test_a_publisher_that_stalls(self, tmp_path: Path, publisher: Publisher) -> None:
        publisher.faults = ["stall"]
        ((outcome, reason),) = await run(tmp_path, source(publisher.url), deadline_s=0.3)
        assert outcome == "failed"
        assert "not complete within 0.3 s" in str(reason)

    async def test_nobody_there(self, tmp_path: Path, publisher: Publisher) -> None:
        ((good, _), (bad, reason)) = await run(
            tmp_path, source(publisher.url), source("http://127.0.0.1:9/x", source="other", world=False)
        )
        assert (good, bad) == ("updated", "failed")
        assert "127.0.0.1:9" in str(reason)

    async def test_two_at_once(self, tmp_path: Path, publisher: Publisher) -> None:
        publisher.faults = ["stall"]
        first = asyncio.create_task(run(tmp_path, source(publisher.url), deadline_s=5))
        await publisher.stalled.wait()
        with pytest.raises(GeodataError, match="another process is updating it"):
            await run(tmp_path, source(publisher.url))
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]

    async def test_a_full_disk(self, tmp_path: Path, publisher: Publisher) -> None:
        await run(tmp_path, source(publisher.url))
        publisher.body = lines(*(f"45.{n // 256}.{n % 256}.0/24,US" for n in range(9000)))
        publisher.etag = '"two"'
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            ((outcome, reason),) = await run(tmp_path, source(publisher.url))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (outcome, "cannot be written" in str(reason)) == ("failed", True)
        assert says(tmp_path) == {"PK"}
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]

    async def test_killed_in_the_middle(self, tmp_path: Path, publisher: Publisher) -> None:
        await run(tmp_path, source(publisher.url))
        publisher.body, publisher.etag = lines("198.51.100.0/24,PK"), '"two"'
        publisher.faults = ["stall"]
        program = (
            "import asyncio, sys; from pathlib import Path\n"
            "from tests.geodata.test_update import run, source\n"
            "asyncio.run(run(Path(sys.argv[1]), source(sys.argv[2])))"
        )
        killed = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(tmp_path), publisher.url
        )
        await publisher.stalled.wait()
        await asyncio.sleep(0.1)
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
        assert says(tmp_path) == {"PK"}
        assert await run(tmp_path, source(publisher.url)) == [("updated", None)]
        assert "Range" in publisher.seen[-1]
        assert says(tmp_path, "198.51.100.1") == {"PK"}
