"""Prometheus metrics of a run, rendered from the run and nothing else.

No address, hop or reason stands in a label: labels are bounded by the register and the vantages. For cron
the metrics go to a file that node_exporter's textfile collector reads.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from probes.observation import kind_of
from scanner.policy import FindingStatus
from scanner.verdict import ASSURANCES, LOCATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from prometheus_client import Metric

    from scanner.register import Register
    from scanner.run import Run
    from scanner.verdict import AddressVerdict

STATUSES: tuple[FindingStatus, ...] = get_args(FindingStatus)
PATHS = ("domestic", "leaves", "unknown")
Detail = Literal["full", "low"]
_ENDPOINT = ("provider", "service", "endpoint", "data_class")


class RunCollector(Collector):
    """The metrics of one run; ``detail`` low leaves out assurances, addresses and round-trip times."""

    def __init__(self, run: Run, detail: Detail = "full") -> None:
        self._run = run
        self._detail = detail

    def collect(self) -> Iterator[Metric]:
        """Every metric family, each with all of its series."""
        yield from self._endpoints()
        yield self._providers()
        yield from self._scan()
        if self._detail == "full":
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
            "How many addresses an endpoint has, by address family and the only country that is left for it;"
            " of several, the only one that sources claim.",
            labels=(*_ENDPOINT, "family", "country"),
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
            counts = Counter(
                ("ipv6" if ":" in one.address else "ipv4", self._country(one))
                for one in result.verdict.addresses
            )
            for (version, country), count in sorted(counts.items()):
                addresses.add_metric((*labels, version, country), count)
        yield from (location, status, path)
        if self._detail == "full":
            yield from (assurance, addresses)

    def _country(self, one: AddressVerdict) -> str:
        left = set(one.countries)
        if len(left) > 1:
            left &= {claim.country or "" for claim in self._run.claims.get(one.address, ())}
        return left.pop() if len(left) == 1 else "unknown"

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


class RegisterCollector(Collector):
    """When what the register grants ends: at the end, in UTC, of the last day that it holds on."""

    def __init__(self, register: Register) -> None:
        self._register = register

    def collect(self) -> Iterator[Metric]:
        """Accreditations that end, by provider; waivers, by endpoint, the last to end."""
        accreditation = GaugeMetricFamily(
            "residency_provider_accreditation_expiry_timestamp_seconds",
            "When a provider's accreditation ends.",
            labels=("provider",),
        )
        for provider in self._register.providers:
            if provider.accreditation.expires is not None:
                accreditation.add_metric((provider.id,), _end(provider.accreditation.expires))
        waiver = GaugeMetricFamily(
            "residency_waiver_expiry_timestamp_seconds",
            "When the waiver of an endpoint ends; of several, the last.",
            labels=_ENDPOINT,
        )
        for one in self._register.endpoints:
            for granted in self._register.waivers_of(one.id)[:1]:
                waiver.add_metric((one.provider, one.service, one.id, one.data_class), _end(granted.expires))
        yield from (accreditation, waiver)


class Standing(NamedTuple):
    """How a daemon stands. Times are seconds since 1970; ``covered`` is the last success by class."""

    scanning: bool
    reload_ok: bool
    reloaded_at: float
    covered: Mapping[str, float]


class StandingCollector(Collector):
    """The metrics of a daemon itself."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        """Every metric family; cheap, so that it is made anew for each scrape."""
        standing = self._standing
        yield GaugeMetricFamily(
            "residency_scan_in_progress", "1 while a scan goes on.", value=float(standing.scanning)
        )
        yield GaugeMetricFamily(
            "residency_reload_success",
            "1 unless the register, the vantages, the policy or the geodata could not be read last time, so"
            " that those of before are in force.",
            value=float(standing.reload_ok),
        )
        yield GaugeMetricFamily(
            "residency_reload_timestamp_seconds",
            "When the files that are in force were read.",
            value=standing.reloaded_at,
        )
        covered = GaugeMetricFamily(
            "residency_class_last_success_timestamp_seconds",
            "When the last complete scan of a class of data finished.",
            labels=("data_class",),
        )
        for name, at in standing.covered.items():
            covered.add_metric((name,), at)
        yield covered


def _timestamp(date: str) -> float:
    moment = datetime.fromisoformat(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _end(day: date) -> float:
    return datetime.combine(day + timedelta(days=1), time(), UTC).timestamp()


def render(run: Run, detail: Detail = "full", register: Register | None = None) -> bytes:
    """The metrics in Prometheus's text format; ``detail`` as for :class:`RunCollector`.

    With a register, also when what it grants ends.
    """
    granted = [] if register is None else [RegisterCollector(register)]
    return exposition(RunCollector(run, detail), *granted)


def exposition(*collectors: Collector) -> bytes:
    """What several collectors have, in Prometheus's text format."""
    registry = CollectorRegistry()
    for one in collectors:
        registry.register(one)
    return generate_latest(registry)
