"""The measure of the report and the daemon measures what it says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from scanner.drift import drift
from scanner.store import Store
from scanner.verdict import LOCATIONS
from tests.bench import service
from tests.bench.programs import store

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINTS = 60
RUNS = 3


class TestStore:
    """The store is filled with runs that differ, the newest of them as if it had just finished."""

    def test_runs(self, tmp_path: Path) -> None:
        store.main(tmp_path, ENDPOINTS, 2, RUNS)
        with Store.open(str(tmp_path / store.PLACE)) as filled:
            found = filled.runs(10)
            last, before = filled.run("last"), filled.run("last~1")
            history = filled.histories(last.started)
        assert [one.endpoints for one in found] == [ENDPOINTS] * RUNS
        assert [bool(one.observations) for one in found] == [True, True, False]
        times = [datetime.fromisoformat(one.started) for one in found]
        assert times[0] - times[1] == times[1] - times[2] == timedelta(hours=6)
        assert drift(before, last)
        assert history is not None
        assert any(len(periods) > 1 for periods in history.periods.values())
        assert all(len(one.verdict.dependencies) == 3 for one in last.endpoints)


class TestMeasure:
    """Everything that is asked is measured, of the programs as they are called."""

    def test_whole(self, tmp_path: Path) -> None:
        evidence = service.measure(tmp_path, ENDPOINTS, RUNS, reports=1)
        text = service.document("Measured", ENDPOINTS, RUNS, evidence)
        asked = [line for line in text.splitlines() if "≤" in line]
        assert len(asked) == 7
        assert "not measured" not in text
        found = evidence["daemon"].facts
        assert found["/: size, MB"] > found["/, gzip: size, MB"] > found[f"{service._SAME}: size, MB"] == 0
        assert found[f"{service._HEALTH}: answers"] >= 1

    def test_a_scrape_that_leaves_endpoints_out_is_none(self) -> None:
        series = b"\nresidency_endpoint_location{} 0.0"
        service._complete(series * 2 * len(LOCATIONS), 2)
        with pytest.raises(service.BenchError, match="of 3 endpoints"):
            service._complete(series * 2 * len(LOCATIONS), 3)

    def test_a_daemon_that_cannot_begin_says_why(self, tmp_path: Path) -> None:
        daemon = service.Daemon(tmp_path)
        try:
            with pytest.raises(service.BenchError, match=r"(?s)the daemon ended: .*register\.yaml"):
                daemon.begin()
        finally:
            daemon.kill()

    @pytest.mark.parametrize(
        "arguments", [["--runs", "0"], ["--endpoints", "0"], ["--runs", "5", "--write-readme"]]
    )
    def test_wrong_usage(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            service.main(arguments)
