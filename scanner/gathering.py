"""Gathering: the evidence of each address, from observations.

Of many times the least counts, by vantage and by who answered; what an application took is kept as it came.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from geodata.sources.pop import pop_claims
from geodata.territory import Disk
from probes.observation import (
    DnsObservation,
    HttpObservation,
    Observation,
    PingObservation,
    TcpObservation,
    TlsObservation,
    TraceObservation,
)
from scanner.evidence import (
    LEAST_RTT_MS,
    AddressEvidence,
    Basis,
    Cached,
    Constraint,
    Excess,
    Layer,
    Pop,
    from_destination,
    reach_km,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from geodata.claim import Claim
    from probes.observation import HttpResult, TlsResult
    from probes.vantages.vantage import Vantage
    from scanner.policy import Thresholds


# Headers by which a response says that it went through a cache: RFC 9111 (Age), RFC 9211 (Cache-Status), RFC
# 9110 (Via), and what Varnish, Squid, nginx and content networks wrote before there was a standard. That it
# was a hit or none says nothing of the other tries, of which only the times are known.
_OF_CACHES: Final = (
    "age",
    "cache-status",
    "cf-cache-status",
    "via",
    "x-cache",
    "x-cache-hits",
    "x-cache-lookup",
    "x-cache-status",
    "x-proxy-cache",
    "x-varnish",
)

# Ports at which nothing but TLS is spoken (IANA's registry; RFC 7858, 8314).
_TLS_PORTS: Final = frozenset({443, 465, 563, 636, 853, 989, 990, 992, 993, 994, 995, 5061, 5671, 6514, 8883})


@dataclass(slots=True)
class _Minimum:
    rtt_ms: float
    evidence: str


class _Tries(NamedTuple):
    """Answers of an application to one vantage; ``tries`` may be more than there are times."""

    vantage: str
    times_ms: tuple[float, ...]
    tries: int
    evidence: str


@dataclass(slots=True)
class _Gathered:
    """What is being collected of one address, by vantage."""

    rtts: dict[str, _Minimum] = field(default_factory=dict)
    echoed: set[str] = field(default_factory=set)  # whom it answered pings or traces
    echoes: dict[str, _Minimum] = field(default_factory=dict)  # of these, by other means than connections
    connects: dict[str, _Minimum] = field(default_factory=dict)  # to a port that takes them
    refused: dict[str, _Minimum] = field(default_factory=dict)  # to one that does not
    sessions: dict[str, _Minimum] = field(default_factory=dict)  # of TLS
    handshakes: dict[str, _Minimum] = field(default_factory=dict)
    late: dict[Layer, list[_Tries]] = field(default_factory=lambda: defaultdict(list))
    requests: list[str] = field(default_factory=list)  # for pages, that failed
    shakes: list[str] = field(default_factory=list)  # TLS handshakes that failed, where there must be TLS
    responses: list[HttpObservation] = field(default_factory=list)
    keys: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    asked: list[str] = field(default_factory=list)
    probed: bool = False

    def rtt(self, method: str, vantage: str, rtts_ms: Sequence[float | None], evidence: str) -> None:
        least_ms = _least(rtts_ms)
        if least_ms is None:
            return
        self.echoed.add(vantage)
        _keep_least(self.rtts, vantage, least_ms, evidence)
        if method != "tcp":
            _keep_least(self.echoes, vantage, least_ms, evidence)

    def tried(
        self,
        layer: Layer,
        vantage: str,
        times_ms: Iterable[float | None],
        sent: int,
        evidence: str,
        minima: dict[str, _Minimum] | None = None,
    ) -> None:
        """Answers of an application, none sooner than its host is; the least also belongs to ``minima``."""
        times = tuple([one for one in times_ms if one is not None and one >= LEAST_RTT_MS])
        if times:
            self.late[layer].append(_Tries(vantage, times, max(sent, len(times)), evidence))
            least_ms = min(times)
            _keep_least(self.rtts, vantage, least_ms, evidence)
            if minima is not None:
                _keep_least(minima, vantage, least_ms, evidence)


def _least(times_ms: Iterable[float | None]) -> float | None:
    return min([one for one in times_ms if one is not None and one >= LEAST_RTT_MS], default=None)


def _keep(minima: dict[str, _Minimum], vantage: str, times_ms: Iterable[float | None], evidence: str) -> None:
    """Keep the least of some times, if any is one."""
    least_ms = _least(times_ms)
    if least_ms is not None:
        _keep_least(minima, vantage, least_ms, evidence)


def _keep_least(minima: dict[str, _Minimum], vantage: str, time_ms: float, evidence: str) -> None:
    known = minima.get(vantage)
    # Equal times are decided by the id, so that the order of observations never matters.
    if known is None or (time_ms, evidence) < (known.rtt_ms, known.evidence):
        minima[vantage] = _Minimum(time_ms, evidence)


def gather(
    addresses: Iterable[str],
    observations: Iterable[Observation],
    claims: Mapping[str, tuple[Claim, ...]],
    special: Mapping[str, str | None],
    vantages: Mapping[str, Vantage],
    thresholds: Thresholds,
    port: int | None = None,
) -> dict[str, AddressEvidence]:
    """The evidence of each address, from the observations of one endpoint (others' are passed over).

    Who speaks TLS at another port than ``port``, the declared one, holds no key of the endpoint's.
    """
    observations = sorted(observations, key=lambda one: one.id)  # their order never matters
    gathered: dict[str, _Gathered] = {address: _Gathered() for address in addresses}
    names: defaultdict[str, set[str]] = defaultdict(set)
    for observation in observations:
        if observation.vantage not in vantages:
            continue
        if isinstance(observation, DnsObservation):
            if observation.address is not None and observation.result is not None:
                names[observation.address].update(
                    record.target for record in observation.result.chain if record.type == "PTR"
                )
            continue
        one = gathered.get(observation.address or "")
        if one is not None:
            _take(one, observation, port)
    return {
        address: _evidence(
            address, one, claims.get(address, ()), special.get(address), names[address], vantages, thresholds
        )
        for address, one in gathered.items()
    }


def _evidence(
    address: str,
    one: _Gathered,
    claims: Iterable[Claim],
    special: str | None,
    names: Iterable[str],
    vantages: Mapping[str, Vantage],
    thresholds: Thresholds,
) -> AddressEvidence:
    excesses = _excesses(one, vantages)
    return AddressEvidence(
        address=address,
        special=special,
        # A refusal is easily forged on the way: it counts where nothing else answered anybody.
        transport=_constraints(_transport(one, thresholds) or one.refused, "transport", vantages, thresholds),
        port=_constraints(one.connects, "port", vantages, thresholds),
        key=_constraints(one.handshakes, "key", vantages, thresholds, one.sessions),
        made=tuple(_made(one, excesses, vantages, thresholds)),
        excesses=excesses,
        claims=tuple(sorted(claims, key=lambda claim: (claim.family, claim.source))),
        asked=tuple(one.asked),
        probed=one.probed,
        names=tuple(sorted(names)),
        pops=tuple(_pops(address, one, vantages, thresholds)),
        unanswered=_unanswered(one),
        cached=_cached(one),
        keys={key: tuple(sorted(shown)) for key, shown in sorted(one.keys.items())},
    )


def _transport(one: _Gathered, thresholds: Thresholds) -> dict[str, _Minimum]:
    """The soonest answer to each vantage, of the host: who takes connections may stand before it.

    A firewall or a proxy beside a vantage takes connections for hosts far away, whose pings come as late as
    they are far. Where these come so much later, they alone tell of the host.
    """
    return {
        vantage: echo
        if (echo := one.echoes.get(vantage)) is not None
        and echo.rtt_ms > soonest.rtt_ms + thresholds.relay_excess_ms
        else soonest
        for vantage, soonest in one.rtts.items()
    }


def _take(one: _Gathered, observation: Observation, port: int | None) -> None:
    one.probed |= observation.error != "cancelled"
    _ask(one, observation, port)
    if observation.result is None:
        return
    vantage, evidence = observation.vantage, observation.id
    if isinstance(observation, PingObservation | TcpObservation):
        if isinstance(observation, PingObservation):
            one.rtt(observation.result.method, vantage, observation.result.rtts_ms, evidence)
        elif observation.result.open is False:
            _keep(one.refused, vantage, observation.result.rtts_ms, evidence)
        else:
            one.tried("port", vantage, observation.result.rtts_ms, 0, evidence, one.connects)
    elif isinstance(observation, TraceObservation):
        one.rtt(
            observation.result.method,
            vantage,
            [
                reply.rtt_ms
                for hop in observation.result.hops
                for reply in hop.replies
                if reply.address == observation.address and from_destination(reply.icmp)
            ],
            evidence,
        )
    elif isinstance(observation, TlsObservation):
        result = observation.result
        _keep(one.rtts, vantage, (result.tcp_rtt_ms,), evidence)
        if port is None or result.port in {None, port}:
            _take_handshakes(one, vantage, result, evidence)
    elif isinstance(observation, HttpObservation):
        _take_pages(one, vantage, observation.result, evidence)
        one.responses.append(observation)


def _ask(one: _Gathered, observation: Observation, port: int | None) -> None:
    """Note what was asked for, and what of that was not answered."""
    # A vantage that cannot ask (no IPv6 there, say) has not been left without an answer, and the end of a
    # trace may be silent where a host is not.
    if observation.error in {"unsupported", "cancelled"} or isinstance(observation, TraceObservation):
        return
    one.asked.append(observation.id)
    if observation.error is None:
        return
    if isinstance(observation, HttpObservation):
        one.requests.append(observation.id)
    elif isinstance(observation, TlsObservation) and port in _TLS_PORTS:
        one.shakes.append(observation.id)


def _take_handshakes(one: _Gathered, vantage: str, result: TlsResult, evidence: str) -> None:
    _keep(one.connects, vantage, (result.tcp_rtt_ms,), evidence)
    _keep(one.handshakes, vantage, (result.handshake_ms,), evidence)
    one.tried("tls", vantage, result.handshakes_ms or (result.handshake_ms,), result.sent, evidence)
    one.tried("resumed", vantage, result.resumed_ms, len(result.resumed_ms), evidence, one.sessions)
    one.tried("hello", vantage, (result.hello_ms,), result.sent, evidence)
    for key in (result.key_sha256, *result.other_keys_sha256):
        if key is not None:
            one.keys[key].add(vantage)


def _take_pages(one: _Gathered, vantage: str, result: HttpResult, evidence: str) -> None:
    pages: tuple[tuple[Layer, tuple[float, ...]], ...] = (
        ("page", result.ttfb_ms),
        ("error", result.probe_ttfb_ms),
        ("static", result.static_ttfb_ms),
    )
    minima = one.sessions if result.url is not None and result.url.startswith("https:") else None
    for layer, times_ms in pages:
        one.tried(layer, vantage, times_ms, 0, evidence, minima)


def _constraints(
    minima: Mapping[str, _Minimum],
    basis: Basis,
    vantages: Mapping[str, Vantage],
    thresholds: Thresholds,
    sessions: Mapping[str, _Minimum] = MappingProxyType({}),
) -> tuple[Constraint, ...]:
    """The constraints, nearest first; of a vantage that has both, that of the session where it is nearer."""
    found: list[Constraint] = []
    for name in minima.keys() | sessions.keys():
        minimum, who = minima.get(name), basis
        session = sessions.get(name)
        if session is not None and (minimum is None or session.rtt_ms < minimum.rtt_ms):
            minimum, who = session, "session"
        if minimum is not None:
            at, rtt_ms = vantages[name], minimum.rtt_ms
            found.append(Constraint(at, rtt_ms, reach_km(at, rtt_ms, thresholds), who, minimum.evidence))
    return tuple(sorted(found, key=lambda constraint: (constraint.rtt_ms, constraint.vantage.id)))


def _made(
    one: _Gathered, excesses: Iterable[Excess], vantages: Mapping[str, Vantage], thresholds: Thresholds
) -> Iterator[Constraint]:
    """Those of who makes what comes late; a file's lateness is the least that counts."""
    for excess in excesses:
        if excess.layer in {"page", "static", "error"} and excess.excess_ms > thresholds.late_file_ms:
            minima: dict[str, _Minimum] = {}
            for each in one.late[excess.layer]:
                _keep_least(minima, each.vantage, min(each.times_ms), each.evidence)
            yield from _constraints(minima, excess.layer, vantages, thresholds)


def _pops(
    address: str, one: _Gathered, vantages: Mapping[str, Vantage], thresholds: Thresholds
) -> Iterator[Pop]:
    for response in one.responses:
        if response.result is None:
            continue
        vantage = vantages[response.vantage]
        transport = one.rtts.get(vantage.id)
        edge_ms = None if transport is None else transport.rtt_ms
        page_ms = min((each for each in response.result.ttfb_ms if each >= LEAST_RTT_MS), default=None)
        headers = {name.lower(): value for name, value in response.result.headers.items()}
        for claim in pop_claims(address, headers):
            least_ms = edge_ms if claim.meaning == "edge_pop" else page_ms
            within = None
            if least_ms is not None:
                radius_km = reach_km(vantage, least_ms, thresholds)
                within = Disk(vantage.latitude, vantage.longitude, radius_km)
            yield Pop(vantage, claim, within, response.id)


def _unanswered(one: _Gathered) -> tuple[str, ...]:
    """What was asked of an application that takes connections, where nothing came that no cache holds."""
    if not one.connects:
        return ()
    requests = () if "error" in one.late else one.requests
    shakes = () if one.handshakes or one.sessions else one.shakes
    return (*requests, *shakes)


def _cached(one: _Gathered) -> Cached | None:
    """The first header that speaks of a cache; of its value nothing is believed."""
    for response in one.responses:
        headers = {} if response.result is None else response.result.headers
        found = {name.lower() for name in headers}.intersection(_OF_CACHES)
        if found:
            return Cached(min(found).title(), response.id)
    return None


def _excesses(one: _Gathered, vantages: Mapping[str, Vantage]) -> tuple[Excess, ...]:
    """One of each layer that was measured; in the order of their names.

    A vantage to which nothing answers but the application itself knows of no lateness.
    """
    found: list[Excess] = []
    for layer, all_tries in sorted(one.late.items()):
        knowing = one.echoed if layer == "port" else one.echoed | one.connects.keys()
        tries = [each for each in all_tries if each.vantage in knowing]
        times = sorted(
            (time_ms - one.rtts[each.vantage].rtt_ms, each.vantage)
            for each in tries
            for time_ms in each.times_ms
        )
        if not times:
            continue
        least_ms, vantage = times[0]
        found.append(
            Excess(
                layer=layer,
                vantage=vantages[vantage],
                transport_ms=one.rtts[vantage].rtt_ms,
                excess_ms=least_ms,
                spread_ms=times[min(max(2, len(times) // 8), len(times) - 1)][0] - least_ms,
                tries=sum(each.tries for each in tries),
                timed=len(times),
                evidence=tuple(each.evidence for each in tries),
            )
        )
    return tuple(found)
