"""Prometheus's rule file, and Grafana's alert rules in the form of its file provisioning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from scanner.monitoring.alerts import ALERTS, RECORDINGS

if TYPE_CHECKING:
    from scanner.monitoring.alerts import Alert, Level

INTERVAL: Final = "1m"
# The uid that config/grafana/provisioning/datasources gives Prometheus; the one of expressions is Grafana's.
DATASOURCE: Final = "prometheus"
_EXPRESSIONS: Final = "__expr__"
_HEADER: Final = "# Made by `make alerts` from scanner/monitoring/alerts.py. Change it there.\n"
# How far back a query of an instant may look, in seconds; the expressions say themselves how far they do.
_LOOK_BACK_S: Final = 600


def prometheus() -> str:
    """``config/prometheus/rules.yaml``."""
    return _yaml(
        {
            "groups": [
                {
                    "name": "residency-recordings",
                    "interval": INTERVAL,
                    "rules": [{"record": name, "expr": expr} for name, expr in RECORDINGS],
                },
                {
                    "name": "residency-alerts",
                    "interval": INTERVAL,
                    "rules": [_prometheus(alert, level) for alert in ALERTS for level in alert.levels],
                },
            ]
        }
    )


def grafana() -> str:
    """``config/grafana/provisioning/alerting/rules.yaml``, as Grafana's documentation of it has the form."""
    return _yaml(
        {
            "apiVersion": 1,
            "groups": [
                {
                    "orgId": 1,
                    "name": "residency-alerts",
                    "folder": "Sarhad",
                    "interval": INTERVAL,
                    "rules": [_grafana(alert, level) for alert in ALERTS for level in alert.levels],
                }
            ],
        }
    )


def _prometheus(alert: Alert, level: Level) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expression(level),
        "for": alert.hold,
        "labels": {"severity": level},
        "annotations": _annotations(alert),
    }


def _grafana(alert: Alert, level: Level) -> dict[str, Any]:
    """The same rule: any result of the query fires, whatever its value, so the condition is is_number."""
    slug = re.sub(r"(?<!^)(?=[A-Z])", "-", alert.name).lower()
    return {
        "uid": f"{slug}-{level}",
        "title": alert.name if len(alert.levels) == 1 else f"{alert.name} ({level})",
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": _LOOK_BACK_S, "to": 0},
                "datasourceUid": DATASOURCE,
                "model": {"refId": "A", "expr": alert.expression(level), "instant": True, "range": False},
            },
            {
                "refId": "B",
                "relativeTimeRange": {"from": _LOOK_BACK_S, "to": 0},
                "datasourceUid": _EXPRESSIONS,
                "model": {
                    "refId": "B",
                    "type": "math",
                    "expression": "is_number($A)",
                    "datasource": {"type": _EXPRESSIONS, "uid": _EXPRESSIONS},
                },
            },
        ],
        # An expression without a result is the good case; a query that fails is an alert of its own.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.hold,
        "labels": {"severity": level},
        "annotations": {
            key: text.replace("$value", "$values.A.Value") for key, text in _annotations(alert).items()
        },
    }


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "description": alert.description, "runbook_url": alert.runbook}


def _yaml(document: dict[str, Any]) -> str:
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
