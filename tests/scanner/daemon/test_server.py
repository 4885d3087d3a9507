"""What the daemon answers over HTTP: metrics, its health, and what it measures when asked."""

from __future__ import annotations

import asyncio
import gzip
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from scanner.daemon import work
from tests.scanner.daemon.conftest import (
    BEARER,
    ENDPOINT,
    OTHER,
    TOKEN_HASH,
    families,
    register,
    scrape,
    silent,
)
from tests.scanner.test_scan import web

if TYPE_CHECKING:
    from tests.scanner.daemon.conftest import Daemon


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback addresses are probed as if they were anybody's."""
    monkeypatch.setattr(work, "special_name", lambda *_: None)


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
