"""Prometheus metrics of a run, rendered from the run and nothing else.

No address, hop or reason stands in a label: labels are bounded by the register and the vantages. For cron
the metrics go to a file that node_exporter's textfile collector reads.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from probes.observation import kind_of
from scanner.policy import FindingStatus
from scanner.verdict import ASSURANCES, LOCATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from scanner.run import Run

STATUSES: tuple[FindingStatus, ...] = get_args(FindingStatus)
PATHS = ("domestic", "leaves", "unknown")
_ENDPOINT = ("provider", "service", "endpoint", "data_class")


class RunCollector(Collector):
    """The metrics of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def collect(self) -> Iterator[Metric]:
        """Every metric family, each with all of its series."""
        yield from self._endpoints()
        yield self._providers()
        yield from self._scan()
        yield self._rtts()
        yield self._failures()

    def _endpoints(self) -> Iterator[Metric]:
        location = GaugeMetricFamily(
            "residency_endpoint_location",
            "Where an endpoint is: 1 for the location of its last verdict, 0 for the others.",
            labels=(*_ENDPOINT, "location"),
        )
        assurance = GaugeMetricFamily(
            "residency_endpoint_assurance",
            "How sure the verdict is: 1 for its assurance, 0 for the others (all 0 where none applies).",
            labels=(*_ENDPOINT, "assurance"),
        )
        status = GaugeMetricFamily(
            "residency_endpoint_policy_status",
            "The verdict held against the policy: 1 for its status, 0 for the others.",
            labels=(*_ENDPOINT, "status"),
        )
        path = GaugeMetricFamily(
            "residency_endpoint_path",
            "Whether the way from home stays at home: 1 for the path's verdict, 0 for the others.",
            labels=(*_ENDPOINT, "path"),
        )
        addresses = GaugeMetricFamily(
            "residency_endpoint_addresses",
            "How many addresses an endpoint has, by address family.",
            labels=(*_ENDPOINT, "family"),
        )
        for result in self._run.endpoints:
            labels = (result.provider, result.service, result.endpoint, result.data_class)
            for family, values, actual in (
                (location, LOCATIONS, result.verdict.location),
                (assurance, ASSURANCES, result.verdict.assurance),
                (status, STATUSES, result.status),
                (path, PATHS, result.verdict.path),
            ):
                for value in values:
                    family.add_metric((*labels, value), float(value == actual))
            families = Counter("ipv6" if ":" in one.address else "ipv4" for one in result.verdict.addresses)
            for name in ("ipv4", "ipv6"):
                addresses.add_metric((*labels, name), families[name])
        yield from (location, assurance, status, path, addresses)

    def _providers(self) -> Metric:
        family = GaugeMetricFamily(
            "residency_provider_endpoints",
            "How many endpoints of a provider have a policy status.",
            labels=("provider", "status"),
        )
        counts = Counter((result.provider, result.status) for result in self._run.endpoints)
        for provider in sorted({result.provider for result in self._run.endpoints}):
            for status in STATUSES:
                family.add_metric((provider, status), counts[provider, status])
        return family

    def _scan(self) -> Iterator[Metric]:
        run = self._run
        started, finished = datetime.fromisoformat(run.started), datetime.fromisoformat(run.finished)
        yield GaugeMetricFamily(
            "residency_scan_duration_seconds",
            "How long the last scan took.",
            value=(finished - started).total_seconds(),
        )
        yield GaugeMetricFamily(
            "residency_scan_complete", "1 where the last scan measured everything.", value=float(run.complete)
        )
        if run.complete:
            yield GaugeMetricFamily(
                "residency_scan_last_success_timestamp_seconds",
                "When the last complete scan finished.",
                value=finished.timestamp(),
            )
        up = GaugeMetricFamily(
            "residency_vantage_up", "1 where a vantage got any answer.", labels=("vantage",)
        )
        placed = GaugeMetricFamily(
            "residency_vantage_location_ok",
            "1 unless what was measured contradicts a vantage's declared place, so that it is not relied on.",
            labels=("vantage",),
        )
        for vantage in run.vantages:
            up.add_metric((vantage.id,), float(vantage.up))
            placed.add_metric((vantage.id,), float(vantage.location_ok))
        yield from (up, placed)
        built = GaugeMetricFamily(
            "residency_geodata_build_timestamp_seconds",
            "When the data of a source of claims was made.",
            labels=("source",),
        )
        for source in run.sources:
            if source.date is not None:
                built.add_metric((source.source,), _timestamp(source.date))
        yield built
        build = GaugeMetricFamily(
            "residency_build_info",
            "1, with the version of the program that made the run.",
            labels=("version",),
        )
        build.add_metric((run.tool.version,), 1.0)
        yield build

    def _rtts(self) -> Metric:
        family = GaugeMetricFamily(
            "residency_probe_rtt_seconds",
            "Least round-trip time from a vantage to any address of an endpoint.",
            labels=("provider", "service", "endpoint", "vantage"),
        )
        for result in self._run.endpoints:
            least: dict[str, float] = {}
            for address in result.verdict.addresses:
                for vantage, rtt_ms in address.rtts_ms.items():
                    least[vantage] = min(rtt_ms, least.get(vantage, rtt_ms))
            for vantage, rtt_ms in sorted(least.items()):
                family.add_metric((result.provider, result.service, result.endpoint, vantage), rtt_ms / 1000)
        return family

    def _failures(self) -> Metric:
        family = CounterMetricFamily(
            "residency_probe_failures",
            "Probes of the last scan that got no answer, by why.",
            labels=("vantage", "kind", "reason"),
        )
        counts = Counter(
            (one.vantage, kind_of(one), one.error) for one in self._run.observations if one.error is not None
        )
        for (vantage, kind, reason), count in sorted(counts.items()):
            family.add_metric((vantage, kind, str(reason)), count)
        return family


def _timestamp(date: str) -> float:
    moment = datetime.fromisoformat(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def render(run: Run) -> bytes:
    """The metrics in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(RunCollector(run))
    return generate_latest(registry)
