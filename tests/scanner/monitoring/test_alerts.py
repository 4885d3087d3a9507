"""The alerts: as committed, weighed as the policy weighs, and fired and silent where promtool runs them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from scanner.monitoring.__main__ import FILES
from scanner.monitoring.alerts import ALERTS
from scanner.policy import Policy
from tests.scanner.monitoring.cases import CASES

if TYPE_CHECKING:
    from scanner.monitoring.alerts import Alert

CONFIG = Path(__file__).resolve().parents[3] / "config"
RULES = CONFIG / "prometheus/rules.yaml"
RUNBOOK = (CONFIG / "prometheus/RUNBOOK.md").read_text(encoding="utf-8")
CLASSES = ("open", "public", "restricted", "confidential", "secret")
# What a violation of the policy's severity is as an alert.
LEVELS = {"critical": "critical", "high": "critical", "medium": "warning", "low": "warning"}
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def level(alert: Alert, data_class: str) -> str | None:
    """What the alert weighs for a class; it has one level for each at most."""
    found = [name for name, classes in alert.levels.items() if data_class in classes.split("|")]
    assert len(found) <= 1
    return found[0] if found else None


class TestTable:
    """The table is what the files in config/ are made of, and the runbook explains each of its alerts."""

    @pytest.mark.parametrize("name", FILES)
    def test_the_files_are_as_made_of_it(self, name: str) -> None:
        assert (CONFIG / name).read_text(encoding="utf-8") == FILES[name](), "run `make alerts`"

    def test_every_alert_has_a_section_and_every_section_an_alert(self) -> None:
        names = [alert.name for alert in ALERTS]
        assert re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE) == names
        assert len(set(names)) == len(names)

    def test_the_severities_are_the_policys(self) -> None:
        policy = Policy.model_validate(yaml.safe_load((CONFIG / "policy.yaml").read_text(encoding="utf-8")))
        alerts = {alert.name: alert for alert in ALERTS}
        for name in CLASSES:
            rule = getattr(policy.classes, name)
            assert level(alerts["ResidencyEndpointOutside"], name) == LEVELS[rule.severity]
            assert level(alerts["ResidencyEndpointEdge"], name) == LEVELS[rule.edge_severity]

    def test_grafana_has_the_same_rules(self) -> None:
        document = yaml.safe_load(FILES["grafana/provisioning/alerting/rules.yaml"]())
        (group,) = document["groups"]
        (_, alerts) = yaml.safe_load(FILES["prometheus/rules.yaml"]())["groups"]
        assert [
            (rule["data"][0]["model"]["expr"], rule["for"], rule["labels"]) for rule in group["rules"]
        ] == [(rule["expr"], rule["for"], rule["labels"]) for rule in alerts["rules"]]
        uids = [rule["uid"] for rule in group["rules"]]
        # Grafana takes no longer uid, and titles that are unique in a folder.
        assert all(re.fullmatch(r"[a-z-]{1,40}", uid) for uid in uids)
        assert len(set(uids)) == len(uids) == len({rule["title"] for rule in group["rules"]})
        assert "$value " not in str(group)


@needs_promtool
class TestRules:
    """Each alert fires on what it is for, weighed by the class of data, and on nothing else."""

    def test_promtool_has_no_fault_to_find(self) -> None:
        promtool("check", "rules", RULES)

    def test_every_alert_is_seen_to_fire_and_to_be_silent(self) -> None:
        assert list(CASES) == [alert.name for alert in ALERTS]
        for name, cases in CASES.items():
            assert {bool(case.fires) for case in cases} == {True, False}, name

    def test_every_level_of_every_alert_is_seen(self) -> None:
        for alert in ALERTS:
            seen = {labels["severity"] for case in CASES[alert.name] for labels in case.fires}
            assert seen == set(alert.levels), alert.name

    @pytest.mark.parametrize("name", CASES)
    def test_it_fires_and_is_silent(self, name: str, tmp_path: Path) -> None:
        tests = [
            {
                "interval": "1m",
                # A series' labels have no space in them.
                "input_series": [
                    dict(zip(("series", "values"), one.split(" ", 1), strict=True)) for one in case.series
                ],
                "promql_expr_test": [
                    {
                        "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                        "eval_time": f"{case.minute}m",
                        "exp_samples": [
                            {"labels": series(name, labels), "value": 1} for labels in case.fires
                        ],
                    }
                ],
            }
            for case in CASES[name]
        ]
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        for group in rules["groups"]:  # its own only, or it takes a minute
            group["rules"] = [rule for rule in group["rules"] if rule.get("alert") == name]
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
        (tmp_path / "test.yaml").write_text(
            yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests})
        )
        promtool("test", "rules", tmp_path / "test.yaml")


def series(name: str, labels: dict[str, str]) -> str:
    given = {"alertname": name, "alertstate": "firing", **labels}
    return "ALERTS{" + ",".join(f'{key}="{value}"' for key, value in given.items()) + "}"
