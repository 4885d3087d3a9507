"""``python -m tests.e2e.watch DIRECTORY``: in a world, the daemon and its watchers, while an endpoint moves.

What each of them was told is printed as JSON; ``test_service.py`` says what it should be.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from probes.observation import now
from tests.e2e.names import HOST, PORT
from tests.scanner.monitoring.programs import Api, alertmanager, program, prometheus, until

if TYPE_CHECKING:
    from collections.abc import Iterator

SARHAD = Path(sys.executable).with_name("sarhad")
CONFIG = Path(__file__).resolve().parents[2] / "config"
WORLD = Path(str(files("probes").joinpath("simnet", "worlds", "pakistan.yaml")))
NAME = "split.sutlej-systems.example"
ENDPOINT = f"sutlej-systems/saas/{NAME}"
ALERT = "ResidencyEndpointOutside"
KARACHI, SINGAPORE = "198.18.27.20", "198.18.64.20"
INTERVAL_S = 10


@contextlib.contextmanager
def leads_to(address: str) -> Iterator[None]:
    """The name is answered with this address while this runs."""
    command = [sys.executable, "-m", "tests.e2e.names", str(WORLD), NAME, address]
    with subprocess.Popen(
        ["ip", "netns", "exec", "sim-khi-dc", *command], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "answering\n"
            yield
        finally:
            process.terminate()


class Watchers:
    """The daemon, Prometheus, Alertmanager, and what the three say."""

    def __init__(self, directory: Path, daemon: Api, server: Api, manager: Api) -> None:
        self.directory, self.daemon, self.server, self.manager = directory, daemon, server, manager

    def alerts(self) -> list[dict[str, Any]]:
        """What Alertmanager was told and is not over."""
        found: list[dict[str, Any]] = self.manager.get("/api/v2/alerts", filter=f'alertname="{ALERT}"')
        return found

    def located(self, location: str) -> bool:
        """Whether Prometheus has the endpoint there, and everything of its last scan."""
        expr = f'residency_endpoint_location{{endpoint="{ENDPOINT}",location="{location}"}} == 1'
        return bool(self.server.query(expr))

    def runs(self) -> list[dict[str, Any]]:
        """The runs that the daemon has kept, newest first."""
        found: list[dict[str, Any]] = self.daemon.get("/api/v1/runs")["items"]
        return found

    def panels(self) -> dict[str, int]:
        """How many series each panel of the dashboards shows now."""
        provider = ENDPOINT.partition("/")[0]
        values = {"provider": provider, "endpoint": ENDPOINT, "data_class": ".*", "home": "PK"}
        found: dict[str, int] = {}
        for file in sorted((CONFIG / "grafana/dashboards").glob("*.json")):
            for panel in json.loads(file.read_bytes())["panels"]:
                asked = [Template(one["expr"]).substitute(values) for one in panel["targets"]]
                series = sum(len(self.server.query(expr)) for expr in asked)
                found[f"{file.stem}: {panel['title']}"] = series
        return found

    def page(self) -> tuple[str, dict[str, str]]:
        """What the daemon shows a browser, and with which headers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.daemon.port}/", timeout=30) as answer:
            return answer.read().decode(), dict(answer.headers)

    def sarhad(self, *arguments: str) -> str:
        """What a command on the daemon's store prints."""
        done = subprocess.run(
            [SARHAD, *arguments, "--store", self.directory / "sarhad.db"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout


def port() -> int:
    """One that is free."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        found: int = one.getsockname()[1]
        return found


def configure(directory: Path, manager: int, daemon: int) -> dict[str, Any]:
    """Write what the daemon reads; give Prometheus's configuration."""
    world = Path(os.environ["SARHAD_WORLD"])
    register = yaml.safe_load((world / "register.yaml").read_bytes())
    (provider,) = [one for one in register["providers"] if one["id"] == "sutlej-systems"]
    (service,) = [one for one in provider["services"] if one["id"] == "saas"]
    service = {**service, "endpoints": [f"https://{NAME}"]}
    vantages = yaml.safe_load((world / "vantages.yaml").read_bytes())["vantages"]
    near = [
        {**one, "resolvers": [HOST], "resolver_port": PORT}
        for one in vantages
        if one["id"] in {"khi", "lhe", "sin"}
    ]
    written = {
        "register": {**register, "providers": [{**provider, "services": [service]}], "waivers": []},
        "vantages": {"vantages": near},
        "daemon": {
            "version": 1,
            "register": "register.yaml",
            "vantages": "vantages.yaml",
            "geodata": str(world / "geodata"),
            "trust": str(world / "ca.pem"),
            "store": "sarhad.db",
            "schedules": {service["data_class"]: f"*/{INTERVAL_S} * * * * *"},
            "jitter_s": 0,
            "listen": {"port": daemon},
        },
        "rules": yaml.safe_load((CONFIG / "prometheus/rules.yaml").read_bytes()),
    }
    for group in written["rules"]["groups"]:  # as they are, but for the time that they take
        group["interval"] = "1s"
        for rule in group["rules"]:
            if rule.get("alert") == ALERT:
                rule["for"] = "2s"
    for name, value in written.items():
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(value))
    return {
        "global": {"scrape_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]},
        "scrape_configs": [{"job_name": "sarhad", "static_configs": [{"targets": [f"127.0.0.1:{daemon}"]}]}],
    }


@contextlib.contextmanager
def watched(directory: Path) -> Iterator[Watchers]:
    """All of them, running."""
    manager_port, daemon = port(), Api(port())
    scraping = configure(directory, manager_port, daemon.port)
    example = yaml.safe_load((CONFIG / "alertmanager/alertmanager.example.yaml").read_bytes())
    routes = {**example, "receivers": [{"name": one["name"]} for one in example["receivers"]]}
    with (
        program(directory, SARHAD, "daemon", "--config", directory / "daemon.yaml"),
        alertmanager(directory, manager_port, routes) as manager,
        prometheus(directory, port(), scraping) as server,
    ):
        until(lambda: daemon.get("/-/ready"), "the daemon is ready")
        yield Watchers(directory, daemon, server, manager)


def main(directory: Path) -> dict[str, Any]:
    """The endpoint is in Karachi, moves to Singapore, and comes back."""
    said: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        first.enter_context(leads_to(KARACHI))
        watchers = stack.enter_context(watched(directory))
        until(lambda: watchers.located("inside"), "a scan finds it inside")
        said["at first"] = watchers.alerts()
        first.close()
        with leads_to(SINGAPORE):
            moved = now()
            before = {one["id"] for one in watchers.runs()}
            (said["alert"],) = until(watchers.alerts, "Alertmanager is told")
            after = [one for one in watchers.runs() if one["id"] not in before]
            said["scans until then"] = len(after)
            # One that was under way while the name moved may have been answered both.
            until(lambda: watchers.runs()[0]["started"] > moved, "a scan begins after the move and ends")
            said["panels"] = watchers.panels()
            said["page"], said["headers"] = watchers.page()
            said["report"] = watchers.sarhad("report", "last")
            said["diff"] = json.loads(watchers.sarhad("diff", max(before), "last", "--format=json"))
            said["history"] = watchers.sarhad("history", ENDPOINT)
        with leads_to(KARACHI):
            until(lambda: not watchers.alerts(), "Alertmanager is told that it is over")
            said["afterwards"] = watchers.located("inside")
    return said


if __name__ == "__main__":
    json.dump(main(Path(sys.argv[1])), sys.stdout)
