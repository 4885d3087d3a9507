"""From observations to a run: gather the evidence, apply the rules, hold the verdicts against the policy.

Reads the snapshot (claims are looked up here, once an address, and recorded in the run) and nothing else; no
network, no clock. The same observations and files give the same results.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, TypeVar

from probes.observation import DnsObservation, PingObservation, TraceObservation
from scanner import path as paths
from scanner import policy as policies
from scanner.declared import known, site_fault
from scanner.demand import data_dates
from scanner.dependencies import PREFIX, Dependencies
from scanner.gathering import gather
from scanner.honesty import examine
from scanner.notice import noticed
from scanner.rules import judge_address
from scanner.run import (
    EndpointResult,
    FileUsed,
    Run,
    SourceUsed,
    Tool,
    VantageUsed,
    encode_observations,
)
from scanner.scan import answered_addresses, endpoint_addresses
from scanner.verdict import combine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import date

    from geodata.claim import Claim
    from geodata.territory import Territory
    from probes.observation import Observation
    from probes.vantages.vantage import Vantage
    from scanner.doubt import Doubt
    from scanner.policy import Policy
    from scanner.recorded import Said
    from scanner.register import Endpoint, Register
    from scanner.verdict import EndpointVerdict

_T = TypeVar("_T")

_NOT_ASKED: Final = frozenset({"cancelled", "unsupported"})
_BATCH: Final = 2048  # places, and what else is taken many at once


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything beside observations that a judgement uses."""

    register: Register
    vantages: tuple[Vantage, ...]
    policy: Policy
    snapshot: Said
    territory: Territory
    today: date
    files: tuple[FileUsed, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of every endpoint, and the claims that were used."""

    endpoints: tuple[EndpointResult, ...]
    claims: dict[str, tuple[Claim, ...]]
    special: dict[str, str]
    doubts: dict[str, Doubt]  # of vantages, by id
    strange: int  # observations of endpoints that the register does not have
    ghosts: tuple[str, ...]  # vantages that observed and are not in the file


def judge(inputs: Inputs, observations: Sequence[Observation]) -> Judgement:
    """Judge every endpoint of the register; endpoints without observations are judged too (unreachable)."""
    endpoints = inputs.register.endpoints
    index = _Index(endpoints, inputs.vantages, observations)
    addresses = {endpoint.id: endpoint_addresses(endpoint, index.answers) for endpoint in endpoints}
    hops = paths.hop_minima(observations)
    own = {endpoint.id: index.of(endpoint.id, addresses[endpoint.id]) for endpoint in endpoints}
    dependencies = Dependencies(endpoints, own, index.answers, index.dependencies)
    own_addresses = {address for each in addresses.values() for address in each}
    wanted = sorted(own_addresses | set(hops) | dependencies.addresses)
    special = {
        address: found for address in wanted if (found := special_name(inputs.snapshot, address)) is not None
    }
    claims = {address: inputs.snapshot.claims(address) for address in wanted if address not in special}
    vantages = {vantage.id: vantage for vantage in inputs.vantages}
    thresholds = inputs.policy.thresholds
    gathered = {
        one.id: gather(addresses[one.id], own[one.id], claims, special, vantages, thresholds, port=one.port)
        for one in endpoints
    }
    landmarks = tuple(gather(index.landmarks, index.mutual, {}, {}, vantages, thresholds).values())
    doubts = examine(
        [one for each in gathered.values() for one in each.values()],
        landmarks,
        vantages,
        inputs.territory,
        thresholds,
    )
    refuted = frozenset(one.vantage for one in doubts.values() if one.refuted)
    trusted = {name: vantage for name, vantage in vantages.items() if name not in doubts}
    placed = _placed(inputs, {address: hops.get(address, {}) for address in wanted}, claims, special, trusted)
    soonest = paths.soonest_abroad(hops, placed, landmarks, trusted, inputs.territory)
    verdicts: list[EndpointVerdict] = []
    for number, endpoint in enumerate(endpoints):
        if number % _BATCH == 0:
            inputs.territory.prepare(
                [one.disk for one in constraints]
                for each in endpoints[number : number + _BATCH]
                for evidence in gathered[each.id].values()
                for constraints in (evidence.transport, evidence.key)
            )
        traces = paths.traces_from_home(own[endpoint.id], trusted, inputs.territory)
        upstreams, fronts = paths.upstream(traces, placed), paths.fronts(traces, placed)
        judged = [
            judge_address(
                replace(
                    one,
                    upstream=upstreams.get(one.address),
                    front=fronts.get(one.address),
                    abroad=soonest,
                ).without([name for name in refuted if doubts[name].explains(one)]),
                inputs.territory,
                thresholds,
                doubts.keys(),
            )
            for one in gathered[endpoint.id].values()
        ]
        abroad = frozenset(one.address for one in judged if one.location == "outside")
        path = paths.judge_path(traces, placed, trusted, inputs.territory, thresholds, abroad)
        verdicts.append(combine(endpoint.id, judged, path, _resolution(endpoint, own[endpoint.id])))
    verdicts = dependencies.judged(verdicts, claims, special, inputs.territory, thresholds)
    faults = {
        verdict.endpoint: fault
        for verdict, endpoint in zip(verdicts, endpoints, strict=True)
        if (fault := site_fault(endpoint, inputs.register.country, verdict, gathered[endpoint.id], doubts))
    }
    dated = data_dates(verdicts, claims, inputs.register.country)
    findings = policies.judge(
        inputs.policy, inputs.register, verdicts, inputs.today, known(claims), faults, dated
    )
    return Judgement(
        endpoints=_results(endpoints, verdicts, findings),
        claims=claims,
        special=special,
        doubts=doubts,
        strange=index.strange,
        ghosts=tuple(sorted({one.vantage for one in observations} - set(vantages))),
    )


def _placed(
    inputs: Inputs,
    hops: Mapping[str, Mapping[str, float]],
    claims: Mapping[str, tuple[Claim, ...]],
    special: Mapping[str, str],
    vantages: Mapping[str, Vantage],
) -> dict[str, paths.PlacedHop]:
    """Where each address of ``hops`` is, by its least RTT by vantage."""
    land, thresholds = inputs.territory, inputs.policy.thresholds
    placed: dict[str, paths.PlacedHop] = {}
    for some in _batches(list(hops)):
        land.prepare(paths.hop_disks(hops[address], vantages, thresholds) for address in some)
        for address in some:
            placed[address] = paths.place_hop(
                hops[address],
                claims.get(address, ()),
                special.get(address),
                vantages,
                land,
                thresholds,
            )
    return placed


def _batches(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))


def compose(
    inputs: Inputs,
    observations: Sequence[Observation],
    started: str,
    *,
    complete: bool,
    finished: str | None = None,
    methods: Mapping[str, str] | None = None,
    notices: Sequence[str] = (),
) -> Run:
    """The run of ``observations``, judged; ``finished`` is the last observation's time unless given.

    ``methods`` is by what each vantage probed, where that is known; ``notices`` is what its scan met with.
    """
    judgement = judge(inputs, observations)
    answering = {one.vantage for one in observations if one.result is not None}
    asked = {one.vantage for one in observations}
    digest = hashlib.sha256()
    for some in _batches(observations):
        digest.update(encode_observations(some))
    return Run(
        id=f"{started[:19].replace(':', '')}Z-{digest.hexdigest()[:12]}",
        started=started,
        finished=finished or max((one.time for one in observations), default=started),
        complete=complete,
        tool=Tool(version=version("sarhad")),
        country=inputs.register.country,
        vantages=tuple(
            VantageUsed(
                id=one.id,
                city=one.city,
                latitude=one.latitude,
                longitude=one.longitude,
                location_error_km=one.location_error_km,
                network=one.network,
                kind=one.kind,
                method=(methods or {}).get(one.id) or None,
                up=one.id in answering or one.id not in asked,
                location_ok=one.id not in judgement.doubts,
            )
            for one in inputs.vantages
        ),
        sources=tuple(
            SourceUsed(
                source=one.source,
                family=one.family,
                version=one.version,
                date=one.date,
                licence=one.licence,
                attribution=one.attribution,
            )
            for one in inputs.snapshot.sources
        ),
        files=inputs.files,
        policy=inputs.policy.model_dump(mode="json"),
        notices=(
            *notices,
            *(str(one) for one in inputs.register.notices),
            *noticed(inputs, judgement),
        ),
        endpoints=judgement.endpoints,
        observations=tuple(observations),
        claims=judgement.claims,
        special=judgement.special,
    )


class _Index:
    """Observations by endpoint; pings and traces also by address, as endpoints that share one share them.

    Recorded observations may call an endpoint by its host, address or declared text instead of its id; those
    of an endpoint that the register does not have are counted in ``strange``. ``mutual`` are those of the
    vantages' own addresses, ``landmarks``, and ``dependencies`` those of names that endpoints depend on.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        vantages: Iterable[Vantage],
        observations: Iterable[Observation],
    ) -> None:
        named: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for endpoint in endpoints:
            for name in (endpoint.id, endpoint.host, endpoint.address, endpoint.declared):
                if name is not None:
                    named[name][endpoint.id] = None
        ids = {endpoint.id for endpoint in endpoints}
        self._by_endpoint: defaultdict[str, list[Observation]] = defaultdict(list)
        self._by_address: defaultdict[str, list[Observation]] = defaultdict(list)
        self.landmarks = frozenset(address for vantage in vantages for address in vantage.addresses)
        self.mutual: list[Observation] = []
        self.dependencies: list[Observation] = []
        self.strange = 0
        for one in observations:
            if one.address in self.landmarks:
                self.mutual.append(one)
            owners = (one.endpoint,) if one.endpoint in ids else tuple(named.get(one.endpoint, ()))
            if not owners and one.endpoint.startswith(PREFIX):
                self.dependencies.append(one)
                continue
            self.strange += not owners and one.address not in self.landmarks
            if one.address is not None and isinstance(
                one, PingObservation | TraceObservation | DnsObservation
            ):
                self._by_address[one.address].append(one)
                continue
            for owner in owners:
                self._by_endpoint[owner].append(one)
        self.answers = answered_addresses(self._by_endpoint)

    def of(self, endpoint: str, addresses: Sequence[str]) -> list[Observation]:
        shared = (one for address in addresses for one in self._by_address[address])
        return [*self._by_endpoint[endpoint], *shared]


def special_name(snapshot: Said, address: str) -> str | None:
    """The name of the special-purpose block that an address is in, or None."""
    found = snapshot.special(address)
    return None if found is None else found.name


def _resolution(endpoint: Endpoint, observations: Iterable[Observation]) -> tuple[str, tuple[str, ...]]:
    """What became of an endpoint's name, in a sentence, with the ids that show it, if anybody asked."""
    asked = sorted(
        (
            one
            for one in observations
            if isinstance(one, DnsObservation) and one.address is None and one.error not in _NOT_ASKED
        ),
        key=lambda one: one.id,
    )
    if not asked:
        return f"{endpoint.host or endpoint.id} was not asked for: nothing was measured.", ()
    outcomes = {
        "nxdomain": "does not exist",
        "no-data": "has no address",
        "servfail": "could not be resolved: the resolver failed",
        "timeout": "could not be resolved: no answer came",
        "loop": "could not be resolved: its chain of aliases does not end",
    }
    seen = sorted(
        {outcomes.get(one.error or "no-data", f"could not be resolved ({one.error})") for one in asked}
    )
    return (
        f"{endpoint.host} {' and '.join(seen)}, asked from {len({one.vantage for one in asked})} vantages.",
        tuple(one.id for one in asked),
    )


def _results(
    endpoints: Sequence[Endpoint],
    verdicts: Sequence[EndpointVerdict],
    findings: Iterable[policies.Finding],
) -> tuple[EndpointResult, ...]:
    by_endpoint: defaultdict[str, list[policies.Finding]] = defaultdict(list)
    for finding in findings:
        by_endpoint[finding.endpoint].append(finding)
    return tuple(
        _result(endpoint, verdict, by_endpoint[endpoint.id])
        for endpoint, verdict in zip(endpoints, verdicts, strict=True)
    )


# The status of an endpoint is that of its weightiest finding; a waiver covers violations, not doubts.
_WEIGHT: Final = ("not_applicable", "compliant", "waived", "indeterminate", "violation")


def _result(
    endpoint: Endpoint, verdict: EndpointVerdict, findings: Sequence[policies.Finding]
) -> EndpointResult:
    worst = max(
        findings,
        key=lambda one: (_WEIGHT.index(one.status), policies.SEVERITIES.index(one.severity)),
    )
    return EndpointResult(
        endpoint=endpoint.id,
        provider=endpoint.provider,
        service=endpoint.service,
        data_class=endpoint.data_class,
        deployment=endpoint.deployment,
        declared=endpoint.declared,
        site=endpoint.site,
        status=worst.status,
        severity=worst.severity,
        verdict=verdict,
        findings=tuple(findings),
    )
