"""The dashboards: as made, laid out, and each of their queries answered by a real Prometheus."""

from __future__ import annotations

import json
import re
import shutil
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from scanner.monitoring.alerts import RECORDINGS
from scanner.run import SourceUsed
from tests.scanner.monitoring.programs import Exporter, exported, prometheus, until
from tests.scanner.store import runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.run import Run
    from tests.scanner.monitoring.programs import Api

CONFIG = Path(__file__).resolve().parents[3] / "config"
FILES = ("country.json", "provider.json", "endpoint.json")
DASHBOARDS = {
    name: json.loads((CONFIG / "grafana/dashboards" / name).read_text(encoding="utf-8")) for name in FILES
}
PANELS = [(name, panel) for name, each in DASHBOARDS.items() for panel in each["panels"]]
VALUES = {"provider": "indus", "endpoint": runs.ENDPOINT, "data_class": ".*", "home": "PK"}
# Labels that Prometheus itself gives, and those of the alerts.
OWN_LABELS = {"job", "instance", "alertname", "alertstate", "severity"}
each_panel = pytest.mark.parametrize(
    ("dashboard", "panel"), PANELS, ids=[f"{name}-{panel['title']}" for name, panel in PANELS]
)


def abroad() -> Run:
    """A run that found an endpoint in Singapore, from a vantage that is not where it says."""
    outside = runs.result(location="outside", status="violation")
    (address,) = outside.verdict.addresses
    far = replace(address, rtts_ms={"khi": 88.0}, countries=("SG",))
    run = runs.run(0, replace(outside, verdict=replace(outside.verdict, addresses=(far,))))
    return replace(
        run,
        vantages=tuple(replace(one, location_ok=False) for one in run.vantages),
        sources=(SourceUsed(source="registry", family="registry", date="2026-01-01"),),
        observations=tuple(replace(one, error="timeout") for one in run.observations),
    )


def interpolate(expr: str) -> str:
    """The expression as Grafana sends it."""
    return re.sub(r"\$(\w+)", lambda match: VALUES[match[1]], expr)


def queries(panel: dict[str, Any]) -> list[str]:
    return [interpolate(target["expr"]) for target in panel["targets"]]


class TestMade:
    """The committed JSON is what the builders make."""

    @pytest.mark.parametrize("name", FILES)
    def test_it_is_as_made(self, name: str) -> None:
        made = pytest.importorskip("scanner.monitoring.dashboards", reason="only `make dashboards` has it")
        text = made.render(made.DASHBOARDS[name]())
        assert (CONFIG / "grafana/dashboards" / name).read_text(encoding="utf-8") == text


class TestLayout:
    """Panels are told apart, do not overlap, and say what they show and in what unit."""

    @pytest.mark.parametrize("name", FILES)
    def test_ids_and_places(self, name: str) -> None:
        panels = DASHBOARDS[name]["panels"]
        for told_apart in ("id", "title"):
            assert len({panel[told_apart] for panel in panels}) == len(panels)
        taken: set[tuple[int, int]] = set()
        for panel in panels:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            cells = {
                (x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells

    @pytest.mark.parametrize("name", FILES)
    def test_they_are_found_and_cannot_be_edited_apart_from_the_file(self, name: str) -> None:
        dashboard = DASHBOARDS[name]
        assert dashboard["uid"] == f"sarhad-{name.removesuffix('.json')}"
        assert dashboard["editable"] is False
        assert dashboard["templating"]["list"][0]["type"] == "datasource"

    @each_panel
    def test_source_unit_and_queries(self, dashboard: str, panel: dict[str, Any]) -> None:
        source = {"type": "prometheus", "uid": "${datasource}"}
        assert panel["datasource"] == source
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["options"], "null is not what Grafana takes for its defaults"
        assert panel["targets"]
        for target in panel["targets"]:
            assert target["refId"]
            assert target["datasource"] == source
        names = {variable["name"] for variable in DASHBOARDS[dashboard]["templating"]["list"]}
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= names

    def test_links_lead_to_dashboards_and_their_variables(self) -> None:
        urls = re.findall(
            r'"/d/([\w-]+)\?([^"]*)"', "".join(json.dumps(each) for each in DASHBOARDS.values())
        )
        assert urls
        for uid, query in urls:
            dashboard = DASHBOARDS[f"{uid.removeprefix('sarhad-')}.json"]
            names = {variable["name"] for variable in dashboard["templating"]["list"]}
            assert set(re.findall(r"var-(\w+)=", query)) <= names


class TestNames:
    """Queries name only metrics and labels that are exported or recorded."""

    @each_panel
    def test_of_every_panel(self, dashboard: str, panel: dict[str, Any]) -> None:
        labels: dict[str, set[str]] = {name: set() for name in (*dict(RECORDINGS), "ALERTS")}
        for family in text_string_to_metric_families(exported(abroad())):
            for sample in family.samples:
                labels.setdefault(sample.name, set()).update(sample.labels)
        known = set().union(*labels.values()) | OWN_LABELS
        for expr in queries(panel):
            named = re.findall(r"\b(?:\w+:)?residency_\w+(?::\w+)?|\bALERTS\b", expr)
            assert named
            assert set(named) <= set(labels), expr
            matched = re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', expr)
            grouped = re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", expr)))
            assert set(matched) | set(grouped) <= known, expr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Any) -> Iterator[Api]:
    """A Prometheus that has scraped the run and evaluated the rules."""
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    directory = tmp_path_factory.mktemp("prometheus")
    rules = yaml.safe_load((CONFIG / "prometheus/rules.yaml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        group["interval"] = "1s"
    (directory / "rules.yaml").write_text(yaml.safe_dump(rules))
    with Exporter(exported(abroad())).serving() as exporter:
        config = {
            "global": {"scrape_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "scrape_configs": [
                {"job_name": "sarhad", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}
            ],
        }
        with prometheus(directory, unused_tcp_port_factory(), config) as api:
            until(lambda: api.query('ALERTS{alertname="ResidencyEndpointOutside"}'), "an alert is pending")
            until(lambda: api.query(RECORDINGS[-1].name), "the recording rules were evaluated")
            yield api


class TestQueries:
    """A Prometheus that scraped a real run answers every query, with the labels that the panel shows."""

    @each_panel
    def test_of_every_panel(self, server: Api, dashboard: str, panel: dict[str, Any]) -> None:
        for expr in queries(panel):
            try:
                result = server.query(expr)
            except urllib.error.HTTPError as error:
                pytest.fail(f"{expr}: {error.read().decode()}")
            assert result, expr
            labels = {name for one in result for name in one["metric"]}
            for target in panel["targets"]:
                assert set(re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))) <= labels
            for step in panel.get("transformations", ()):
                if step["id"] == "filterFieldsByName":
                    shown = set(step["options"]["include"]["names"]) - {"Value"}
                    assert shown <= labels, expr

    @pytest.mark.parametrize("name", FILES)
    def test_every_variable_has_values(self, server: Api, name: str) -> None:
        for variable in DASHBOARDS[name]["templating"]["list"]:
            if variable["type"] == "query":
                ((metric, label),) = re.findall(r"^label_values\((.*), (\w+)\)$", variable["query"]["query"])
                values = server.get(f"/api/v1/label/{label}/values", **{"match[]": interpolate(metric)})
                assert values["data"], variable["name"]

    def test_a_timeline_shows_the_number_of_the_state(self, server: Api) -> None:
        panel = next(panel for _, panel in PANELS if panel["title"] == "Location")
        (result,) = server.query(*queries(panel))
        names = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
        assert names[result["value"][1]]["text"] == "outside"
