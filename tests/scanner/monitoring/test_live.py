"""Alerts from the metrics to the receiver, through a real Prometheus and a real Alertmanager."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.scanner.monitoring.programs import Exporter, alertmanager, exported, prometheus, until
from tests.scanner.store import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.scanner.monitoring.programs import Api

CONFIG = Path(__file__).resolve().parents[3] / "config"
NAME = "ResidencyEndpointOutside"
HOME = exported(runs.run())
ABROAD = exported(runs.run(0, runs.result(location="outside", status="violation")))


class Chain:
    """What is scraped, what scrapes it, and what is told."""

    def __init__(self, exporter: Exporter, server: Api, manager: Api) -> None:
        self.exporter = exporter
        self.server = server
        self.manager = manager

    def states(self) -> set[str]:
        """The states, at Prometheus, of the alert."""
        alerts = self.server.get("/api/v1/alerts")["data"]["alerts"]
        return {one["state"] for one in alerts if one["labels"]["alertname"] == NAME}

    def timeline(self) -> list[str]:
        """The states that the endpoint's dashboard shows of where it was, one after another."""
        dashboard = json.loads((CONFIG / "grafana/dashboards/endpoint.json").read_text(encoding="utf-8"))
        panel = next(one for one in dashboard["panels"] if one["title"] == "Location")
        expr = panel["targets"][0]["expr"].replace("$provider", "indus").replace("$endpoint", runs.ENDPOINT)
        now = time.time()
        answer = self.server.get(
            "/api/v1/query_range", query=expr, start=str(now - 120), end=str(now), step="0.5"
        )
        (series,) = answer["data"]["result"]
        names = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
        return [
            names[number]["text"] for number, _ in itertools.groupby(value for _, value in series["values"])
        ]

    def are(self, state: str) -> bool:
        """Whether what Alertmanager was told is all in this state there."""
        return {one["status"]["state"] for one in self.told()} == {state}

    def told(self) -> list[dict[str, Any]]:
        """The alert as Alertmanager has it, while it is not over."""
        found: list[dict[str, Any]] = self.manager.get("/api/v2/alerts", filter=f'alertname="{NAME}"')
        return found


@pytest.fixture
def chain(tmp_path: Path, unused_tcp_port_factory: Callable[[], int]) -> Iterator[Chain]:
    for name in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    rules = yaml.safe_load((CONFIG / "prometheus/rules.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:  # as they are, but for the time that they take
        group["interval"] = "1s"
        for rule in group["rules"]:
            if rule.get("alert") in {NAME, "ResidencyVantageDishonest"}:
                rule["for"] = "2s"
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    example = yaml.safe_load((CONFIG / "alertmanager/alertmanager.example.yaml").read_text(encoding="utf-8"))
    routes = {**example, "receivers": [{"name": one["name"]} for one in example["receivers"]]}
    port = unused_tcp_port_factory()
    with (
        Exporter(HOME).serving() as exporter,
        alertmanager(tmp_path, port, routes) as manager,
        prometheus(
            tmp_path,
            unused_tcp_port_factory(),
            {
                "global": {"scrape_interval": "1s"},
                "rule_files": ["rules.yaml"],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}]},
                "scrape_configs": [
                    {"job_name": "sarhad", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}
                ],
            },
        ) as server,
    ):
        until(lambda: server.query("residency_build_info"), "it was scraped")
        yield Chain(exporter, server, manager)


class TestChain:
    """An endpoint that moves abroad is pending, told of while it is there, and over when it is back."""

    def test_an_endpoint_moves_abroad_and_back(self, chain: Chain) -> None:
        assert not chain.states()
        chain.exporter.text = ABROAD
        (alert,) = until(chain.told, "Alertmanager is told")
        assert chain.states() == {"firing"}
        assert chain.server.query(f'last_over_time(ALERTS{{alertname="{NAME}",alertstate="pending"}}[10m])')
        assert (
            alert["labels"].items()
            >= {
                "endpoint": runs.ENDPOINT,
                "data_class": "restricted",
                "severity": "critical",
            }.items()
        )
        assert alert["receivers"] == [{"name": "on-call"}]
        assert alert["annotations"]["summary"] == f"{runs.ENDPOINT} (indus, restricted data) is outside"
        chain.exporter.text = HOME
        until(lambda: not chain.states(), "the alert is over at Prometheus")
        until(lambda: not chain.told(), "Alertmanager is told that it is over")
        assert chain.timeline() == ["inside", "outside", "inside"]

    def test_it_is_held_back_while_a_vantage_is_not_where_it_says(self, chain: Chain) -> None:
        honest = 'residency_vantage_location_ok{vantage="khi"}'
        assert f"{honest} 1.0" in ABROAD
        chain.exporter.text = ABROAD.replace(f"{honest} 1.0", f"{honest} 0.0")
        (alert,) = until(
            lambda: [one for one in chain.told() if one["status"]["inhibitedBy"]], "it is held back"
        )
        assert alert["status"]["state"] == "suppressed"
        chain.exporter.text = ABROAD
        until(lambda: [one for one in chain.told() if one["status"]["state"] == "active"], "it is told again")
