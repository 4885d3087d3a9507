"""An endpoint moves abroad and back, and everybody who watches the daemon is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.watch import ALERT, ENDPOINT, KARACHI, SARHAD, SINGAPORE, WORLD

pytestmark = [pytest.mark.net, pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, simulates: None) -> dict[str, Any]:
    """What everybody said."""
    for name in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    directory = tmp_path_factory.mktemp("service")
    done = subprocess.run(
        [SARHAD, "simnet", WORLD, "--", sys.executable, "-m", "tests.e2e.watch", directory],
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class TestService:
    """The daemon in a simulated Internet, scraped by Prometheus, which tells Alertmanager."""

    def test_nothing_is_told_while_it_is_at_home(self, said: dict[str, Any]) -> None:
        assert said["at first"] == []
        assert said["afterwards"]

    def test_the_alert_is_told_within_two_scans(self, said: dict[str, Any]) -> None:
        assert 1 <= said["scans until then"] <= 2
        labels = said["alert"]["labels"]
        assert (labels["alertname"], labels["endpoint"], labels["severity"]) == (ALERT, ENDPOINT, "critical")
        assert said["alert"]["receivers"] == [{"name": "on-call"}]

    def test_every_panel_of_the_dashboards_is_answered(self, said: dict[str, Any]) -> None:
        """By a Prometheus that scraped the daemon; the register has no waivers."""
        assert len(said["panels"]) > 20
        empty = {name for name, series in said["panels"].items() if not series}
        assert {name for name in empty if "Waivers" not in name} == set()

    def test_the_page_and_the_report_show_where_it_is(self, said: dict[str, Any]) -> None:
        for text in (said["page"], said["report"]):
            assert ENDPOINT in text
            assert "It answered Singapore in" in text
        assert said["headers"]["Content-Security-Policy"] == "frame-ancestors 'none'"

    def test_diff_and_history_name_what_changed(self, said: dict[str, Any]) -> None:
        changes = {(one["kind"], one["address"]) for one in said["diff"] if one["endpoint"] == ENDPOINT}
        assert changes >= {
            ("moved", None),
            ("status", None),
            ("address-new", SINGAPORE),
            ("address-lost", KARACHI),
        }
        assert {"inside", "outside"} <= set(said["history"].split())
