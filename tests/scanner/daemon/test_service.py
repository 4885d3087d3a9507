"""The daemon's life: files that change under it, signals, scans that are broken off, what systemd hears."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes.observation import PingObservation
from scanner.daemon import work
from scanner.daemon.notify import Notifier
from scanner.files import FilesError
from scanner.store import Store, StoreError
from tests.scanner.daemon.conftest import ENDPOINT, OTHER, register, scrape, silent, until
from tests.scanner.test_cli import SARHAD, call, sarhad

if TYPE_CHECKING:
    from tests.scanner.daemon.conftest import Daemon


class TestReload:
    """What is good replaces what was; what is bad changes nothing, and a metric and the log say so."""

    async def test_an_endpoint_that_is_removed_disappears(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run() as client:
            assert OTHER in str((await scrape(client))["residency_endpoint_location"].samples)
            changed = register()
            del changed["providers"][0]["services"][1]
            daemon.write("register", changed)
            await self._reloaded(daemon)
            found = await scrape(client)
            assert OTHER not in str(found["residency_endpoint_location"].samples)
            assert found["residency_reload_success"].samples[0].value == 1

    @pytest.mark.parametrize("name", ["register", "vantages", "policy"])
    async def test_a_bad_file(self, daemon: Daemon, name: str, caplog: pytest.LogCaptureFixture) -> None:
        daemon.keep()
        if name == "policy":
            daemon.config["policy"] = "policy.yaml"
            shipped = Path(work.__file__).parents[1] / "data" / "policy.yaml"
            (daemon.directory / "policy.yaml").write_bytes(shipped.read_bytes())
        async with daemon.run() as client:
            before = await scrape(client)
            good = (daemon.directory / f"{name}.yaml").read_text()
            (daemon.directory / f"{name}.yaml").write_text(good + "nonsense: true\n")
            await self._reloaded(daemon)
            after = await scrape(client)
            assert after["residency_reload_success"].samples[0].value == 0
            for same in ("residency_endpoint_location", "residency_reload_timestamp_seconds"):
                assert after[same].samples == before[same].samples
            assert any(f"{name}.yaml:" in str(getattr(one, "fields", "")) for one in caplog.records)
            (daemon.directory / f"{name}.yaml").write_text(good)
            await self._reloaded(daemon)
            assert (await scrape(client))["residency_reload_success"].samples[0].value == 1

    async def test_a_class_that_nobody_would_scan(self, daemon: Daemon) -> None:
        daemon.keep()
        daemon.config["schedules"].pop("open")
        with pytest.raises(FilesError, match="schedules has no open"):
            async with daemon.run():
                pass

    async def test_geodata_are_looked_at_before_a_scan(self, daemon: Daemon) -> None:
        daemon.keep()
        geodata = daemon.directory / "geodata"
        geodata.mkdir()
        (geodata / "manifest.json").write_text(json.dumps(MANIFEST))
        daemon.config["geodata"] = "geodata"
        async with daemon.run() as client:
            assert daemon.service is not None
            server = daemon.service._server
            assert server.state is not None
            assert server.work is not None
            old = server.state.inputs.snapshot
            (geodata / "manifest.json").write_text("{")
            await server.work.scan(["open"])
            assert server.state.inputs.snapshot is old, "a bad one leaves that of before"
            assert (await scrape(client))["residency_reload_success"].samples[0].value == 0
            (geodata / "manifest.json").write_text(json.dumps({**MANIFEST, "date": "2026-11-02"}))
            await server.work.scan(["open"])
            assert server.state.inputs.snapshot is not old
            assert old.special("127.0.0.1") is not None, "who has the old one can go on reading it"
            assert (await scrape(client))["residency_reload_success"].samples[0].value == 1

    async def _reloaded(self, daemon: Daemon) -> None:
        assert daemon.service is not None
        done = asyncio.Event()
        state = daemon.service._server.state
        assert state is not None
        real = state.reload

        async def reload() -> bool:
            try:
                return await real()
            finally:
                done.set()

        state.reload = reload  # type: ignore[method-assign]
        daemon.service.reload()
        async with asyncio.timeout(30):
            await done.wait()
        state.reload = real  # type: ignore[method-assign]


MANIFEST = {
    "schema": "sarhad.snapshot/1",
    "name": "test",
    "date": "2026-11-01",
    "sources": [{"source": "registry", "family": "registry", "format": "iptocc", "meaning": "registrant"}],
}


class TestScans:
    """Scans are by the clock, one at a time, stored, and shown when they have ended."""

    async def test_what_was_never_scanned_is_due_at_once(self, daemon: Daemon) -> None:
        async with daemon.run() as client:
            assert daemon.service is not None
            state = daemon.service._server.state
            assert state is not None
            await until(lambda: len(state.runs) == 2 and not state.scanning)
            found = await scrape(client)
            assert {one.labels["endpoint"] for one in found["residency_endpoint_location"].samples} == {
                ENDPOINT,
                OTHER,
            }
        with Store.open(daemon.store) as store:
            assert [one.endpoints for one in store.runs(9)] == [2], "both classes were one scan"

    async def test_a_store_that_another_scan_has_is_left_alone(
        self, daemon: Daemon, caplog: pytest.LogCaptureFixture
    ) -> None:
        daemon.keep()
        async with daemon.run() as client:
            assert daemon.service is not None
            assert daemon.service._server.work is not None
            with Store.open(daemon.store) as store, store.lock():
                assert await daemon.service._server.work.scan(["open"]) is None
            assert "another scan goes on" in str([getattr(one, "fields", "") for one in caplog.records])
            assert (await scrape(client))["residency_scan_in_progress"].samples[0].value == 0

    async def test_a_fault_of_ours_in_one_scan_ends_no_other(
        self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        daemon.keep()
        async with daemon.run() as client:
            assert daemon.service is not None
            server = daemon.service._server
            assert server.work is not None
            with monkeypatch.context() as patch:
                patch.setattr(work, "_composed", lambda *_: 1 / 0)
                assert await server.work.scan(["open"]) is None
            assert "ZeroDivisionError" in caplog.text
            assert OTHER in str((await scrape(client))["residency_endpoint_location"].samples)
            assert await server.work.scan(["open"]) is not None

    async def test_stopped_in_the_middle_it_goes_on_later(
        self, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(work, "special_name", lambda *_: None)
        async with silent() as port:
            changed = register()
            changed["providers"][0]["services"][1]["endpoints"] = [f"http://127.0.0.1:{port}/"]
            daemon.write("register", changed)
            async with daemon.run() as client:
                assert daemon.service is not None
                state = daemon.service._server.state
                assert state is not None
                with Store.open(daemon.store) as store:
                    await until(lambda: _journalled(store) >= 3)
                assert (await scrape(client))["residency_scan_in_progress"].samples[0].value == 1
                assert (await client.get("/-/ready")).status == 200, "a scan keeps nobody waiting"
        with Store.open(daemon.store) as store:
            kept = _journalled(store)
            assert kept >= 3
            assert store.runs(9) == []
        async with daemon.run():
            assert daemon.service is not None
            again = daemon.service._server.state
            assert again is not None
            await until(lambda: bool(again.runs))
        with Store.open(daemon.store) as store:
            run = store.run("last")
            assert any("resumed at" in notice for notice in run.notices)
            assert sum(isinstance(one, PingObservation) for one in run.observations) == 1, (
                "not measured twice"
            )
            assert _journalled(store) == 0

    async def test_a_journal_of_other_files_is_given_up(self, daemon: Daemon) -> None:
        daemon.keep()
        async with daemon.run():
            assert daemon.service is not None
            server = daemon.service._server
            assert server.work is not None
            real = server.work._store.journal

            def journal(circumstances: Any, *, resume: bool) -> Any:
                if resume:
                    raise StoreError("the register is another", "changed")
                return real(circumstances, resume=resume)

            server.work._store.journal = journal  # type: ignore[method-assign]
            assert await server.work.scan(["open"]) is not None


def _journalled(store: Store) -> int:
    with store._database.reading() as connection:
        count: int = connection.exec_driver_sql("SELECT coalesce(sum(count), 0) FROM journal").scalar_one()
        return count


class TestProcess:
    """As systemd runs it: it says that it is ready, reloads on SIGHUP, and ends with 0 on SIGTERM."""

    @pytest.mark.parametrize("abstract", [True, False])
    async def test_signals_and_notifications(self, daemon: Daemon, abstract: bool) -> None:
        daemon.keep()
        daemon.write("daemon", daemon.config)
        name = f"@sarhad-test-{os.getpid()}-{id(daemon)}" if abstract else str(daemon.directory / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
            told.bind(name.replace("@", "\0") if abstract else name)
            told.settimeout(0)
            process = await asyncio.create_subprocess_exec(
                SARHAD,
                "daemon",
                "--config",
                str(daemon.directory / "daemon.yaml"),
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "200000"},
            )
            heard: list[str] = []

            async def hear(what: str) -> None:
                async with asyncio.timeout(60):
                    while not heard or what not in heard[-1]:
                        octets = await asyncio.get_running_loop().sock_recv(told, 4096)
                        heard.append(octets.decode())

            await hear("READY=1\nSTATUS=2 endpoints, 0 violations")
            await hear("WATCHDOG=1")
            with (daemon.directory / "register.yaml").open("a") as stream:
                stream.write("nonsense: 1\n")
            process.send_signal(signal.SIGHUP)
            await hear("RELOADING=1\nMONOTONIC_USEC=")
            await hear("READY=1")
            process.send_signal(signal.SIGTERM)
            await hear("STOPPING=1")
            _, said = await process.communicate()
        assert process.returncode == 0
        lines = [json.loads(line) for line in said.splitlines()]
        assert [one["event"] for one in lines] == [
            "serving",
            "ready",
            "reload refused; the files of before stay in force",
            "stopping",
            "stopped",
        ]
        assert "nonsense" in lines[2]["faults"][0]

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"listen": {"address": "0.0.0.0"}}, "is not a loopback address"),
            ({"schedules": {"open": "61 * * * *"}}, "is no cron expression"),
            ({"schedule": {}}, "did you mean 'schedules'"),
            ({"tokens": [{"name": "a", "hash": "sarhad_plain"}]}, "hash"),
        ],
    )
    def test_bad_configuration_is_told_and_ends_it(
        self, daemon: Daemon, change: dict[str, Any], message: str
    ) -> None:
        daemon.write("daemon", {**daemon.config, **change})
        done = call("daemon", f"--config={daemon.directory}/daemon.yaml")
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_file_that_is_not_there_is_told_and_ends_it(self, daemon: Daemon) -> None:
        """As the others, but of a process of its own: by then its log has begun."""
        daemon.write("daemon", {**daemon.config, "register": "nothing.yaml"})
        done = sarhad("daemon", f"--config={daemon.directory}/daemon.yaml")
        assert done.returncode == 2, done.stderr
        assert "nothing.yaml: cannot be read" in done.stderr
        assert "Traceback" not in done.stderr


class TestNotifier:
    """Nobody who listens is no reason to fail."""

    def test_nobody(self, tmp_path: Path) -> None:
        for address in (None, "", str(tmp_path / "nothing"), "@nobody-listens-here"):
            Notifier(address).ready("x")
