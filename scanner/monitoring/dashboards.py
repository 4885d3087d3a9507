"""The dashboards: the country, one provider, one endpoint.

``python -m scanner.monitoring.dashboards DIRECTORY`` writes them. Grafana's builders are installed where the
JSON is made and nowhere else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import StackingMode

from scanner.metrics import PATHS, STATUSES
from scanner.monitoring import panels
from scanner.monitoring.alerts import ACCREDITATION_DAYS, DAY_S, SCAN_STALE_S
from scanner.verdict import ASSURANCES, LOCATIONS

_SHARE: Final = ((None, "red"), (0.8, "orange"), (1, "green"))
_FAULTS: Final = ((None, "green"), (1, "red"))
_DATE: Final = "dateTimeAsIso"
_ONE: Final = 'provider="$provider",endpoint="$endpoint"'
_AGE: Final = ((None, "green"), (SCAN_STALE_S, "red"))


def country() -> dashboard.Dashboard:
    """The national overview."""
    classes = 'data_class=~"$data_class"'
    return panels.whole(
        "sarhad-country",
        "Sarhad: the country",
        "Where what was declared to be in Pakistan is, over all providers.",
        [
            panels.values(
                "data_class", "Class of data", 'residency_endpoint_location{location="inside"}', multi=True
            ),
            dashboard.ConstantVariable("home").label("Home").value("PK"),
        ],
        [
            panels.figure(
                "Endpoints", f'count(residency_endpoint_location{{location="inside",{classes}}})', "short"
            ),
            panels.figure(
                "Inside",
                f'avg(residency_endpoint_location{{location="inside",{classes}}})',
                "percentunit",
                _SHARE,
            ),
            panels.figure(
                "Violations",
                f'sum(residency_endpoint_policy_status{{status="violation",{classes}}})',
                "short",
                _FAULTS,
            ),
            panels.figure(
                "Last complete scan",
                "time() - max(residency_scan_last_success_timestamp_seconds)",
                "s",
                _AGE,
            ),
            panels.figure(
                "Silent vantages", "count(residency_vantage_up) - sum(residency_vantage_up)", "short", _FAULTS
            ),
            panels.figure(
                "Vantages not where they say",
                "count(residency_vantage_location_ok) - sum(residency_vantage_location_ok)",
                "short",
                _FAULTS,
            ),
            panels.bars(
                "Share inside, by provider and class of data",
                f"provider_data_class:residency_endpoint_inside:avg{{{classes}}}",
                "{{provider}}: {{data_class}}",
                "percentunit",
                _SHARE,
            ).max(1),
            panels.world("Where addresses are", "country:residency_endpoint_addresses:sum"),
            panels.series(
                "Endpoints by location",
                "sum by (location)"
                f" (provider_data_class_location:residency_endpoint_location:sum{{{classes}}})",
                "{{location}}",
                "short",
            ).stacking(common.StackingConfig().mode(StackingMode.NORMAL)),
            panels.bars(
                "Addresses abroad, by country",
                'country:residency_endpoint_addresses:sum{country!~"$home|unknown"} > 0',
                "{{country}}",
                "short",
            ),
            panels.rows(
                "Endpoints in violation",
                f'residency_endpoint_policy_status{{status="violation",{classes}}} == 1',
                "short",
                ("provider", "service", "endpoint", "data_class"),
            ),
            panels.rows(
                "Alerts",
                'ALERTS{alertname=~"Residency.+"}',
                "short",
                ("alertname", "alertstate", "severity", "provider", "endpoint", "vantage", "source"),
            ),
            panels.series(
                "Probes of the last scan without an answer",
                "sum by (vantage, kind, reason) (residency_probe_failures_total)",
                "{{vantage}}: {{kind}}, {{reason}}",
                "short",
            ),
            panels.series("Duration of scans", "max(residency_scan_duration_seconds)", "scan", "s"),
            panels.rows(
                "When the data of each source was made",
                "1000 * max by (source) (residency_geodata_build_timestamp_seconds)",
                _DATE,
                ("source", "Value"),
            ),
        ],
    )


def provider() -> dashboard.Dashboard:
    """One provider."""
    its = 'provider="$provider"'
    return panels.whole(
        "sarhad-provider",
        "Sarhad: a provider",
        "What a provider declared, and what was found of it.",
        [panels.values("provider", "Provider", "residency_provider_endpoints")],
        [
            panels.figure("Endpoints", f"sum(residency_provider_endpoints{{{its}}})", "short").span(6),
            panels.figure(
                "Violations",
                f'sum(residency_provider_endpoints{{{its},status="violation"}})',
                "short",
                _FAULTS,
            ).span(6),
            panels.figure(
                "Inside",
                f'avg(residency_endpoint_location{{{its},location="inside"}})',
                "percentunit",
                _SHARE,
            ).span(6),
            panels.figure(
                "Accreditation ends in",
                f"min(residency_provider_accreditation_expiry_timestamp_seconds{{{its}}}) - time()",
                "s",
                ((None, "red"), (ACCREDITATION_DAYS * DAY_S, "green")),
            ).span(6),
            panels.bars(
                "Share inside, by class of data",
                f"provider_data_class:residency_endpoint_inside:avg{{{its}}}",
                "{{data_class}}",
                "percentunit",
                _SHARE,
            ).max(1),
            panels.series(
                "Endpoints by status",
                f"sum by (status) (residency_provider_endpoints{{{its}}})",
                "{{status}}",
                "short",
            ).stacking(common.StackingConfig().mode(StackingMode.NORMAL)),
            panels.timeline("Location over time", "location", LOCATIONS, its, "{{endpoint}}", height=12),
            panels.rows(
                "Each endpoint",
                f"residency_endpoint_location{{{its}}} == 1",
                "short",
                ("service", "endpoint", "data_class", "location"),
            ),
            panels.rows(
                "Waivers, and when they end",
                f"1000 * max by (endpoint) (residency_waiver_expiry_timestamp_seconds{{{its}}})",
                _DATE,
                ("endpoint", "Value"),
            ),
        ],
    )


def endpoint() -> dashboard.Dashboard:
    """One endpoint."""
    return panels.whole(
        "sarhad-endpoint",
        "Sarhad: an endpoint",
        "One endpoint's verdicts over time, and what they rest on.",
        [
            panels.values("provider", "Provider", "residency_provider_endpoints"),
            panels.values("endpoint", "Endpoint", 'residency_endpoint_location{provider="$provider"}'),
        ],
        [
            panels.timeline("Location", "location", LOCATIONS, _ONE, "location"),
            panels.timeline("Assurance", "assurance", ASSURANCES, _ONE, "assurance"),
            panels.timeline("Policy", "policy_status", STATUSES, _ONE, "status"),
            panels.timeline("Path", "path", PATHS, _ONE, "path"),
            panels.series(
                "Least round-trip time by vantage",
                f"min by (vantage) (residency_probe_rtt_seconds{{{_ONE}}})",
                "{{vantage}}",
                "s",
            ),
            panels.rows(
                "Addresses by family and country",
                f"sum by (family, country) (residency_endpoint_addresses{{{_ONE}}})",
                "short",
                ("family", "country", "Value"),
            ),
            panels.rows(
                "Waivers, and when they end",
                '1000 * max by (endpoint) (residency_waiver_expiry_timestamp_seconds{endpoint="$endpoint"})',
                _DATE,
                ("endpoint", "Value"),
            ),
        ],
    )


def render(made: dashboard.Dashboard) -> str:
    """A dashboard as the JSON that Grafana is provisioned with."""
    return json.dumps(made.build(), cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


DASHBOARDS: Final = {"country.json": country, "provider.json": provider, "endpoint.json": endpoint}

if __name__ == "__main__":
    for name, make in DASHBOARDS.items():
        (Path(sys.argv[1]) / name).write_text(render(make()), encoding="utf-8")
