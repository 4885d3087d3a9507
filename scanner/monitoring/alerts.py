"""The alerts and the recording rules: one table, which Prometheus's and Grafana's files are made of.

An expression asks for a fault, so that no data is no alert; where a metric's absence is itself the fault,
an alert asks for that. What an endpoint's alert weighs follows from its class of data, as in ``policy.yaml``.
"""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from scanner.policy import Thresholds

if TYPE_CHECKING:
    from collections.abc import Mapping

Level = Literal["critical", "warning", "info"]

# A class of data that must be in Pakistan, or may be abroad, as a matcher of the label ``data_class``.
_STRICTEST: Final = "confidential|secret"
_MUST: Final = f"restricted|{_STRICTEST}"
_MAY: Final = "open|public"
_EVERY: Final[Mapping[Level, str]] = {"warning": ""}
_BY_CLASS: Final[Mapping[Level, str]] = {"critical": _MUST, "warning": _MAY}

DAY_S: Final = 86_400
_ENDPOINT: Final = "{{ $labels.endpoint }} ({{ $labels.provider }}, {{ $labels.data_class }} data)"
# A day between scans of the class that is scanned least often, and two hours to be done with it.
SCAN_STALE_S: Final = DAY_S + 2 * 3600
ACCREDITATION_DAYS: Final = 30
_WAIVER_DAYS: Final = 14
# Every run exports these.
_EXPECTED: Final = (
    "residency_scan_complete",
    "residency_vantage_up",
    "residency_vantage_location_ok",
    "residency_geodata_build_timestamp_seconds",
)


class Recording(NamedTuple):
    """A recording rule, named level:metric:operation."""

    name: str
    expr: str


class Alert(NamedTuple):
    """One alert: it fires where ``expr`` has had a result for ``hold``.

    ``levels`` gives the classes of data (a regular expression) that it weighs so much for; ``$classes`` in
    ``expr`` stands for them. ``summary`` and ``description`` are Prometheus's templates.
    """

    name: str
    expr: str
    hold: str
    levels: Mapping[Level, str]
    summary: str
    description: str

    @property
    def runbook(self) -> str:
        """Where in the repository it says what to do."""
        return f"config/prometheus/RUNBOOK.md#{self.name.lower()}"

    def expression(self, level: Level) -> str:
        """The PromQL of one level."""
        return Template(self.expr).safe_substitute(classes=self.levels[level])


def _state(metric: str, label: str, value: str) -> str:
    return f'residency_endpoint_{metric}{{{label}="{value}",data_class=~"$classes"}} == 1'


def _where(location: str, status: str) -> str:
    """Endpoints at a location that the policy gives a status."""
    held = f'residency_endpoint_policy_status{{status="{status}"}} == 1'
    return f"{_state('location', 'location', location)} and ignoring (location, status) {held}"


def _absent(metric: str) -> str:
    return f'label_replace(absent({metric}), "metric", "{metric}", "", "")'


RECORDINGS: Final = (
    Recording(
        "provider_data_class_location:residency_endpoint_location:sum",
        "sum by (provider, data_class, location) (residency_endpoint_location)",
    ),
    # Every endpoint has one series a location, so this is the mean over the endpoints of 1 and 0.
    Recording(
        "provider_data_class:residency_endpoint_inside:avg",
        'avg by (provider, data_class) (residency_endpoint_location{location="inside"})',
    ),
    Recording("country:residency_endpoint_addresses:sum", "sum by (country) (residency_endpoint_addresses)"),
)

ALERTS: Final = (
    Alert(
        "ResidencyEndpointOutside",
        _where("outside", "violation"),
        "5m",
        _BY_CLASS,
        f"{_ENDPOINT} is outside",
        "The last scan found an address of it abroad, the policy asks for Pakistan, and no waiver holds.",
    ),
    Alert(
        "ResidencyEndpointEdge",
        _where("edge", "violation"),
        "5m",
        {"critical": _STRICTEST, "warning": f"restricted|{_MAY}"},
        f"{_ENDPOINT} is behind an edge",
        "An anycast, CDN or relay front answers, so where the data is stored is not shown; the policy asks"
        " for Pakistan, and no waiver holds.",
    ),
    Alert(
        "ResidencyEndpointViolation",
        'residency_endpoint_policy_status{status="violation",data_class=~"$classes"} == 1'
        ' unless ignoring (location, status) residency_endpoint_location{location=~"outside|edge"} == 1',
        "5m",
        {"warning": f"{_MUST}|{_MAY}"},
        f"{_ENDPOINT} violates the policy",
        "Not for where it is: its finding names the control, for example the accreditation or the prefixes"
        " that were declared.",
    ),
    Alert(
        "ResidencyEndpointConflicting",
        _where("conflicting", "indeterminate"),
        "24h",
        {"warning": _MUST, "info": _MAY},
        f"{_ENDPOINT}: its evidence has contradicted itself for a day",
        "Sources that physics allows say different countries. Measure from a further vantage.",
    ),
    Alert(
        "ResidencyEndpointUnreachable",
        _state("location", "location", "unreachable"),
        "1h",
        {"warning": _MUST, "info": _MAY},
        f"{_ENDPOINT} cannot be reached",
        "Its name has no address, or none of its addresses answers any vantage, so nothing is known of where"
        " it is.",
    ),
    Alert(
        "ResidencyEndpointPathLeaves",
        _state("path", "path", "leaves"),
        "5m",
        {"warning": _STRICTEST, "info": "restricted"},
        f"The way to {_ENDPOINT} leaves Pakistan",
        "A traceroute from a vantage at home passes a hop abroad.",
    ),
    Alert(
        "ResidencyEndpointDisappeared",
        "group by (provider, service, endpoint, data_class)"
        ' (last_over_time(residency_endpoint_location{location="inside",data_class=~"$classes"}[1d]))'
        " unless on (provider, service, endpoint) residency_endpoint_location"
        " and on () residency_build_info",
        "15m",
        {"warning": _MUST, "info": _MAY},
        f"{_ENDPOINT} is no longer watched",
        "It was in the metrics within a day and is not now: it was taken out of the register, or lost.",
    ),
    Alert(
        "ResidencyNoEndpoints",
        "absent(residency_endpoint_location) and on () residency_build_info",
        "15m",
        {"critical": ""},
        "No endpoint is watched",
        "Sarhad's metrics are there and name no endpoint: its register is empty or was not read.",
    ),
    Alert(
        "ResidencyMetricsMissing",
        "absent(residency_build_info)",
        "15m",
        {"critical": ""},
        "Sarhad's metrics are missing",
        "No run is scraped: Sarhad is down, out of reach, or has not finished its first scan. No other alert"
        " of it can fire or be trusted to have resolved.",
    ),
    Alert(
        "ResidencyMetricAbsent",
        f"({' or '.join(_absent(metric) for metric in _EXPECTED)}) and on () residency_build_info",
        "1h",
        _EVERY,
        "{{ $labels.metric }} is not exported",
        "Every run exports it, so what watches it sees nothing.",
    ),
    Alert(
        "ResidencyScanStale",
        f"time() - max by (job) (last_over_time(residency_scan_last_success_timestamp_seconds[7d]))"
        f" > {SCAN_STALE_S} or absent_over_time(residency_scan_last_success_timestamp_seconds[7d])",
        "1h",
        {"critical": ""},
        "No scan was complete within a day",
        "Every verdict that is shown is older than that.",
    ),
    # A scan of the classes that are scanned more often hides the one before from one that waits.
    Alert(
        "ResidencyClassStale",
        f'time() - residency_class_last_success_timestamp_seconds{{data_class=~"$classes"}} > {SCAN_STALE_S}',
        "1h",
        {"critical": _MUST},
        "No scan of {{ $labels.data_class }} data was complete within a day",
        "The daemon last finished one {{ $value | humanizeDuration }} ago; its verdicts are as old.",
    ),
    Alert(
        "ResidencyScanIncomplete",
        "residency_scan_complete == 0",
        "15m",
        _EVERY,
        "The last scan was not complete",
        "It was interrupted, or a vantage could not measure all; what it did not measure is not known.",
    ),
    Alert(
        "ResidencyGeodataStale",
        f"time() - residency_geodata_build_timestamp_seconds > {Thresholds().stale_days * DAY_S}",
        "1h",
        _EVERY,
        "The data of {{ $labels.source }} is stale",
        "It was made {{ $value | humanizeDuration }} ago.",
    ),
    Alert(
        "ResidencyVantageSilent",
        "residency_vantage_up == 0",
        "30m",
        _EVERY,
        "The vantage {{ $labels.vantage }} is silent",
        "It got no answer at all in the last scan, so verdicts rest on the others.",
    ),
    Alert(
        "ResidencyVantageDishonest",
        "residency_vantage_location_ok == 0",
        "5m",
        {"critical": ""},
        "The vantage {{ $labels.vantage }} is not where it is said to be",
        "What was measured contradicts its declared place. It is not relied on until that is explained.",
    ),
    Alert(
        "ResidencyAccreditationExpiring",
        "residency_provider_accreditation_expiry_timestamp_seconds - time()"
        f" <= {ACCREDITATION_DAYS * DAY_S} > 0",
        "1h",
        _EVERY,
        "The accreditation of {{ $labels.provider }} ends soon",
        "It ends in {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "ResidencyAccreditationExpired",
        "residency_provider_accreditation_expiry_timestamp_seconds - time() <= 0",
        "5m",
        {"critical": ""},
        "The accreditation of {{ $labels.provider }} has ended",
        "What it serves of any class is in violation of PCFP-REG-1.",
    ),
    Alert(
        "ResidencyWaiverExpiring",
        f"residency_waiver_expiry_timestamp_seconds - time() <= {_WAIVER_DAYS * DAY_S} > 0",
        "1h",
        _EVERY,
        "The waiver of {{ $labels.endpoint }} ends soon",
        "It ends in {{ $value | humanizeDuration }}; what it waives is a violation then.",
    ),
    Alert(
        "ResidencyWaiverExpired",
        "residency_waiver_expiry_timestamp_seconds - time() <= 0",
        "5m",
        _EVERY,
        "The waiver of {{ $labels.endpoint }} has ended",
        "It waives nothing any more; renew it or take it out of the register.",
    ),
    Alert(
        "ResidencyReloadFailed",
        "residency_reload_success == 0",
        "5m",
        _EVERY,
        "The register or the policy could not be reloaded",
        "The daemon's log names file, line and field. The ones read before are in force.",
    ),
)
