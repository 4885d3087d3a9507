"""The examples in config/: programs take them, and what they name of one another exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from scanner.daemon.config import PORT, load_config
from scanner.monitoring import rules
from scanner.monitoring.alerts import ALERTS

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG = Path(__file__).resolve().parents[3] / "config"
ALERTMANAGER = CONFIG / "alertmanager/alertmanager.example.yaml"
PROVISIONING = CONFIG / "grafana/provisioning"
COMPOSE = CONFIG / "compose/compose.yaml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def said_by(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What a program that has no fault to find says; skipped where it is not installed."""
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [program, *command[1:]],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestPrometheus:
    """promtool takes the configuration, with its rules, and Sarhad is scraped where it listens."""

    def test_it_is_taken(self) -> None:
        assert "1 rule files found" in said_by(
            "promtool", "check", "config", CONFIG / "prometheus/prometheus.yaml"
        )


class TestAlertmanager:
    """Each severity has its way, and endpoints are silent while what was measured of them is in doubt."""

    def test_it_is_taken(self) -> None:
        assert "SUCCESS" in said_by("amtool", "check-config", ALERTMANAGER)

    @pytest.mark.parametrize(
        ("severity", "receiver"), [("critical", "on-call"), ("warning", "cloud-office"), ("info", "record")]
    )
    def test_routes(self, severity: str, receiver: str) -> None:
        route = ("config", "routes", "test", f"--config.file={ALERTMANAGER}", f"severity={severity}")
        assert said_by("amtool", *route).strip() == receiver

    def test_inhibitions_name_alerts_that_there_are(self) -> None:
        names = [alert.name for alert in ALERTS]
        for rule in read(ALERTMANAGER)["inhibit_rules"]:
            for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
                _, pattern = re.fullmatch(r'(alertname)(?:=~|!=|=)"(.+)"', matcher).groups()  # type: ignore[union-attr]
                assert any(re.fullmatch(pattern, name) for name in names), matcher


class TestGrafana:
    """What is provisioned refers to what is there."""

    def test_the_rules_ask_the_source_that_is_provisioned(self) -> None:
        sources = {
            one["uid"]: one for one in read(PROVISIONING / "datasources/prometheus.yaml")["datasources"]
        }
        assert sources[rules.DATASOURCE]["type"] == "prometheus"

    def test_the_contact_that_policies_name_exists(self) -> None:
        contacts = read(PROVISIONING / "alerting/contacts.yaml.example")
        names = {point["name"] for point in contacts["contactPoints"]}
        (policy,) = contacts["policies"]
        assert {policy["receiver"], *(route["receiver"] for route in policy["routes"])} <= names

    def test_the_dashboards_are_mounted_where_they_are_looked_for(self) -> None:
        (provider,) = read(PROVISIONING / "dashboards/sarhad.yaml")["providers"]
        volumes = read(COMPOSE)["services"]["grafana"]["volumes"]
        assert f"../grafana/dashboards:{provider['options']['path']}:ro" in volumes


class TestCompose:
    """compose takes the file; images are pinned, ports are loopback's, and what is mounted exists."""

    def test_it_is_taken(self) -> None:
        said_by(
            "docker-compose", "--file", COMPOSE, "config", "--quiet", environment={"GRAFANA_PASSWORD": "x"}
        )

    def test_images_are_pinned_and_ports_are_this_machines(self) -> None:
        for name, service in read(COMPOSE)["services"].items():
            assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
            assert all(port.startswith("127.0.0.1:") for port in service["ports"]), name

    def test_what_is_mounted_exists(self) -> None:
        for service in read(COMPOSE)["services"].values():
            for volume in service["volumes"]:
                if volume.startswith("."):
                    assert (COMPOSE.parent / volume.split(":")[0]).is_dir(), volume

    def test_services_are_reached_by_the_names_they_have(self) -> None:
        services = set(read(COMPOSE)["services"])
        prometheus = read(CONFIG / "prometheus/prometheus.yaml")
        (manager,) = prometheus["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
        (sarhad,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
        urls = [one["url"] for one in read(PROVISIONING / "datasources/prometheus.yaml")["datasources"]]
        assert {one.removeprefix("http://").split(":")[0] for one in (manager, sarhad, *urls)} <= services
        assert f"127.0.0.1:{sarhad.split(':')[1]}:" in read(COMPOSE)["services"]["sarhad"]["ports"][0]

    def test_the_daemon_takes_its_file(self) -> None:
        config = load_config(COMPOSE.parent / "sarhad/daemon.yaml")
        assert config.listen.port == PORT
        assert set(config.schedules) == {"open", "public", "restricted", "confidential", "secret"}
