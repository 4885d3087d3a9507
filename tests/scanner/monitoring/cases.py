"""For each alert: series that it fires on, and series that it must be silent on.

Series are in promtool's notation, a sample a minute; a minute is also how often rules are evaluated.
"""

from __future__ import annotations

from typing import NamedTuple

DAY_M = 24 * 60
# promtool's clock begins at 0, so a time in a metric is seconds from the test's beginning.
DAY_S = 86_400
_LABELS = '{provider="a",service="b",endpoint="a/b/c",data_class="%s"%s}'


class Case(NamedTuple):
    """Series, the minute at which it is looked, and the labels of what fires then (none: it is silent)."""

    series: tuple[str, ...]
    minute: int = 60
    fires: tuple[dict[str, str], ...] = ()


def endpoint(metric: str, data_class: str, label: str, value: str, samples: str) -> str:
    labels = _LABELS % (data_class, f',{label}="{value}"')
    return f"residency_endpoint_{metric}{labels} {samples}"


def at(
    location: str, status: str, data_class: str = "restricted", samples: str = "1x1800"
) -> tuple[str, str]:
    return (
        endpoint("location", data_class, "location", location, samples),
        endpoint("policy_status", data_class, "status", status, samples),
    )


def fired(severity: str, data_class: str = "restricted", **more: str) -> dict[str, str]:
    labels = {"provider": "a", "service": "b", "endpoint": "a/b/c", "data_class": data_class}
    return {**labels, "severity": severity, **more}


RUNNING = "residency_build_info 1x1800"
ALL_THERE = (
    "residency_scan_complete 1x1800",
    'residency_vantage_up{vantage="khi"} 1x1800',
    'residency_vantage_location_ok{vantage="khi"} 1x1800',
    'residency_geodata_build_timestamp_seconds{source="s"} 1x1800',
)
ACCREDITED = 'residency_provider_accreditation_expiry_timestamp_seconds{provider="a"}'
WAIVED = 'residency_waiver_expiry_timestamp_seconds{provider="a",service="b",endpoint="a/b/c"}'
SUCCESS = "residency_scan_last_success_timestamp_seconds"
PROVIDER = {"provider": "a"}
VANTAGE = {"vantage": "khi"}
WAIVER = {"provider": "a", "service": "b", "endpoint": "a/b/c"}

CASES: dict[str, tuple[Case, ...]] = {
    "ResidencyEndpointOutside": (
        Case(at("outside", "violation"), fires=(fired("critical", location="outside"),)),
        Case(at("outside", "violation", "secret"), fires=(fired("critical", "secret", location="outside"),)),
        # Open data in a government cloud, say.
        Case(at("outside", "violation", "open"), fires=(fired("warning", "open", location="outside"),)),
        Case(at("outside", "not_applicable", "open")),
        Case(at("outside", "waived")),
        Case(at("inside", "violation")),
        Case(at("outside", "violation", samples="0x60")),
        Case(at("outside", "violation"), minute=4),
        Case(()),
    ),
    "ResidencyEndpointEdge": (
        Case(at("edge", "violation"), fires=(fired("warning", location="edge"),)),
        Case(at("edge", "violation", "secret"), fires=(fired("critical", "secret", location="edge"),)),
        Case(at("edge", "not_applicable", "public")),
        Case(at("edge", "waived")),
        Case(at("outside", "violation")),
        Case(()),
    ),
    "ResidencyEndpointViolation": (
        Case(at("inside", "violation"), fires=(fired("warning", status="violation"),)),
        Case(at("undetermined", "violation", "open"), fires=(fired("warning", "open", status="violation"),)),
        Case(at("outside", "violation")),
        Case(at("edge", "violation")),
        Case(at("inside", "compliant")),
    ),
    "ResidencyEndpointConflicting": (
        Case(
            at("conflicting", "indeterminate"),
            DAY_M + 5,
            (fired("warning", location="conflicting"),),
        ),
        Case(
            at("conflicting", "indeterminate", "open"),
            DAY_M + 5,
            (fired("info", "open", location="conflicting"),),
        ),
        Case(at("conflicting", "indeterminate"), DAY_M - 5),
        Case(at("conflicting", "indeterminate", samples="1x600 0 1x2000"), DAY_M + 5),
        Case(at("conflicting", "not_applicable", "open"), DAY_M + 5),
    ),
    "ResidencyEndpointUnreachable": (
        Case(at("unreachable", "indeterminate"), 70, (fired("warning", location="unreachable"),)),
        Case(
            at("unreachable", "not_applicable", "open"), 70, (fired("info", "open", location="unreachable"),)
        ),
        Case(at("unreachable", "indeterminate"), 50),
        Case(at("inside", "compliant"), 70),
    ),
    "ResidencyEndpointPathLeaves": (
        Case(
            (endpoint("path", "secret", "path", "leaves", "1x60"),),
            fires=(fired("warning", "secret", path="leaves"),),
        ),
        Case(
            (endpoint("path", "restricted", "path", "leaves", "1x60"),), fires=(fired("info", path="leaves"),)
        ),
        Case((endpoint("path", "open", "path", "leaves", "1x60"),)),
        Case((endpoint("path", "secret", "path", "domestic", "1x60"),)),
        Case((endpoint("path", "secret", "path", "leaves", "0x60"),)),
    ),
    "ResidencyEndpointDisappeared": (
        Case((at("inside", "compliant", samples="0x60 stale")[0], RUNNING), 120, (fired("warning"),)),
        Case((at("inside", "compliant", "open", "0x60 stale")[0], RUNNING), 120, (fired("info", "open"),)),
        # Nothing at all is scraped: that is another alert's.
        Case(at("inside", "compliant", samples="0x60 stale"), 120),
        # It was given another class, and is watched.
        Case(
            (
                at("inside", "compliant", "open", "0x60 stale")[0],
                at("outside", "compliant", "secret", "_x60 1x60")[0],
                RUNNING,
            ),
            120,
        ),
        Case((at("inside", "compliant", samples="1x300")[0], RUNNING), 120),
        Case((at("inside", "compliant", samples="0x60 stale")[0], RUNNING), 60 + DAY_M + 30),
    ),
    "ResidencyNoEndpoints": (
        Case((RUNNING,), fires=({"severity": "critical"},)),
        Case((RUNNING, *at("inside", "compliant"))),
        Case(()),
    ),
    "ResidencyMetricsMissing": (
        Case((), fires=({"severity": "critical"},)),
        Case(("residency_build_info 1x10 stale",), fires=({"severity": "critical"},)),
        Case((RUNNING,)),
        Case((), minute=10),
    ),
    "ResidencyMetricAbsent": (
        Case(
            (RUNNING, *ALL_THERE[1:]),
            90,
            ({"metric": "residency_scan_complete", "severity": "warning"},),
        ),
        Case(
            (RUNNING, ALL_THERE[0], ALL_THERE[1]),
            90,
            (
                {"metric": "residency_vantage_location_ok", "severity": "warning"},
                {"metric": "residency_geodata_build_timestamp_seconds", "severity": "warning"},
            ),
        ),
        Case((RUNNING, *ALL_THERE), 90),
        Case((), 90),
    ),
    "ResidencyScanStale": (
        Case((f"{SUCCESS} 0x1800",), 28 * 60, ({"severity": "critical"},)),
        # The last scan was not complete, so that the time is no longer exported; it is not forgotten.
        Case((f"{SUCCESS} 0x60 stale",), 28 * 60, ({"severity": "critical"},)),
        Case((RUNNING,), 90, ({"severity": "critical"},)),
        Case((f"{SUCCESS} 0x60 stale",), 20 * 60),
        Case((f"{SUCCESS} 0+60x1800",), 28 * 60),
    ),
    "ResidencyClassStale": (
        Case(
            ('residency_class_last_success_timestamp_seconds{data_class="secret"} 0x1800',),
            28 * 60,
            ({"data_class": "secret", "severity": "critical"},),
        ),
        Case(('residency_class_last_success_timestamp_seconds{data_class="secret"} 0+60x1800',), 28 * 60),
        Case(('residency_class_last_success_timestamp_seconds{data_class="open"} 0x1800',), 28 * 60),
        Case(()),
    ),
    "ResidencyScanIncomplete": (
        Case(("residency_scan_complete 0x60",), fires=({"severity": "warning"},)),
        Case(("residency_scan_complete 1x60",)),
        Case(()),
    ),
    "ResidencyGeodataStale": (
        Case(
            (f'residency_geodata_build_timestamp_seconds{{source="s"}} -{90 * DAY_S}x120',),
            90,
            ({"source": "s", "severity": "warning"},),
        ),
        Case((f'residency_geodata_build_timestamp_seconds{{source="s"}} -{89 * DAY_S}x120',), 90),
        Case((), 90),
    ),
    "ResidencyVantageSilent": (
        Case(('residency_vantage_up{vantage="khi"} 0x60',), fires=({**VANTAGE, "severity": "warning"},)),
        Case(('residency_vantage_up{vantage="khi"} 1x60',)),
        Case(('residency_vantage_up{vantage="khi"} 0x60',), 20),
        Case(()),
    ),
    "ResidencyVantageDishonest": (
        Case(
            ('residency_vantage_location_ok{vantage="khi"} 0x60',),
            fires=({**VANTAGE, "severity": "critical"},),
        ),
        Case(('residency_vantage_location_ok{vantage="khi"} 1x60',)),
        Case(()),
    ),
    "ResidencyAccreditationExpiring": (
        Case((f"{ACCREDITED} {29 * DAY_S}x120",), 90, ({**PROVIDER, "severity": "warning"},)),
        Case((f"{ACCREDITED} {31 * DAY_S}x120",), 90),
        Case((f"{ACCREDITED} -1x120",), 90),
        Case((), 90),
    ),
    "ResidencyAccreditationExpired": (
        Case((f"{ACCREDITED} 60x120",), 90, ({**PROVIDER, "severity": "critical"},)),
        Case((f"{ACCREDITED} {DAY_S}x120",), 90),
        Case((), 90),
    ),
    "ResidencyWaiverExpiring": (
        Case((f"{WAIVED} {13 * DAY_S}x120",), 90, ({**WAIVER, "severity": "warning"},)),
        Case((f"{WAIVED} {15 * DAY_S}x120",), 90),
        Case((f"{WAIVED} -1x120",), 90),
        Case((), 90),
    ),
    "ResidencyWaiverExpired": (
        Case((f"{WAIVED} 60x120",), 90, ({**WAIVER, "severity": "warning"},)),
        Case((f"{WAIVED} {DAY_S}x120",), 90),
        Case((), 90),
    ),
    "ResidencyReloadFailed": (
        Case(("residency_reload_success 0x60",), fires=({"severity": "warning"},)),
        Case(("residency_reload_success 1x60",)),
        Case(()),
    ),
}
