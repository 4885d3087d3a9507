"""Evidence: the observations and claims of one address, put in the form that rules reason about.

A round-trip time is turned into a *constraint*, a disk around the vantage in which whoever answered must be:
light in fibre covers at most 200 km per millisecond, so an RTT of t ms bounds the distance by 100·t km
(constraint-based geolocation, Gueye et al. 2006). Nothing is subtracted from a measured time, the vantage's
location error is added, and what was not measured constrains nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

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

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from geodata.claim import Claim
    from probes.vantages.vantage import Vantage
    from scanner.path import PlacedHop
    from scanner.policy import Thresholds

# Nothing that crosses a kernel twice is quicker: loopback takes 0.01 ms. Less is a fault of some clock.
LEAST_RTT_MS: Final = 0.005
Basis = Literal["transport", "key"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """Who answered ``vantage`` after ``rtt_ms`` is within ``radius_km`` of it.

    ``basis`` says who that is: ``transport``, the host that answers packets to the address; ``key``, the
    holder of the TLS certificate's key.
    """

    vantage: Vantage
    rtt_ms: float
    radius_km: float
    basis: Basis
    evidence: str

    @property
    def disk(self) -> Disk:
        """The constraint as a disk on the Earth."""
        return Disk(self.vantage.latitude, self.vantage.longitude, self.radius_km)


@dataclass(frozen=True, slots=True)
class Excess:
    """How much later than the transport the application answered one vantage (minima over ``tries``)."""

    vantage: Vantage
    layer: Literal["tls", "http"]
    transport_ms: float
    excess_ms: float
    tries: int
    evidence: str


@dataclass(frozen=True, slots=True)
class AddressEvidence:
    """Everything that is known of one address of one endpoint."""

    address: str
    special: str | None
    transport: tuple[Constraint, ...]
    key: tuple[Constraint, ...]
    excesses: tuple[Excess, ...]
    claims: tuple[Claim, ...]
    asked: int  # how many transport probes were sent that an answer was possible for
    probed: bool  # whether any probe was made at all, also one that this vantage could not make
    upstream: PlacedHop | None = None  # the last placed hop before it on the way from home
    names: tuple[str, ...] = ()  # in its PTR records; hints, and hostile text
    unused: tuple[str, ...] = ()  # vantages that it answered and that are not relied on

    @property
    def answered(self) -> bool:
        """Whether anything at the address answered any vantage."""
        return bool(self.transport)

    def without(self, vantages: Collection[str]) -> AddressEvidence:
        """The same but for the constraints of some vantages (by id).

        Their excesses stay: how much later an application answers depends on no place of who asks.
        """
        unused = [one.vantage.id for one in self.transport if one.vantage.id in vantages]
        if not unused and not any(one.vantage.id in vantages for one in self.key):
            return self
        return replace(
            self,
            transport=tuple(one for one in self.transport if one.vantage.id not in vantages),
            key=tuple(one for one in self.key if one.vantage.id not in vantages),
            unused=(*self.unused, *unused),
        )


@dataclass(slots=True)
class _Minimum:
    rtt_ms: float
    evidence: str


@dataclass(slots=True)
class _Gathered:
    """What is being collected of one address, by vantage."""

    rtts: dict[str, _Minimum] = field(default_factory=dict)
    handshakes: dict[str, _Minimum] = field(default_factory=dict)
    tls_tries: dict[str, int] = field(default_factory=dict)
    first_bytes: dict[str, tuple[float, int, str]] = field(default_factory=dict)
    asked: int = 0
    probed: bool = False

    def rtt(self, vantage: str, rtts_ms: Iterable[float | None], evidence: str) -> None:
        _keep(self.rtts, vantage, rtts_ms, evidence)


def _keep(minima: dict[str, _Minimum], vantage: str, times_ms: Iterable[float | None], evidence: str) -> None:
    for time_ms in times_ms:
        if time_ms is None or time_ms < LEAST_RTT_MS:
            continue
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
    upstreams: Mapping[str, PlacedHop] = MappingProxyType({}),
) -> dict[str, AddressEvidence]:
    """The evidence of each address, from the observations of one endpoint (others' are passed over)."""
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
            _take(one, observation)
    return {
        address: AddressEvidence(
            address=address,
            special=special.get(address),
            transport=_constraints(one.rtts, "transport", vantages, thresholds),
            key=_constraints(one.handshakes, "key", vantages, thresholds),
            excesses=_excesses(one, vantages),
            claims=tuple(sorted(claims.get(address, ()), key=lambda claim: (claim.family, claim.source))),
            asked=one.asked,
            probed=one.probed,
            upstream=upstreams.get(address),
            names=tuple(sorted(names[address])),
        )
        for address, one in gathered.items()
    }


def _take(one: _Gathered, observation: Observation) -> None:
    one.probed |= observation.error != "cancelled"
    if isinstance(observation, PingObservation | TcpObservation):
        # A vantage that cannot ask (no IPv6 there, say) has not been left without an answer.
        one.asked += observation.error not in {"unsupported", "cancelled"}
    if observation.result is None:
        return
    vantage, evidence = observation.vantage, observation.id
    if isinstance(observation, PingObservation | TcpObservation):
        one.rtt(vantage, observation.result.rtts_ms, evidence)
    elif isinstance(observation, TraceObservation):
        one.rtt(
            vantage,
            (
                reply.rtt_ms
                for hop in observation.result.hops
                for reply in hop.replies
                if reply.address == observation.address and _from_destination(reply.icmp)
            ),
            evidence,
        )
    elif isinstance(observation, TlsObservation):
        one.rtt(vantage, (observation.result.tcp_rtt_ms,), evidence)
        _keep(one.handshakes, vantage, (observation.result.handshake_ms,), evidence)
        one.tls_tries[vantage] = max(one.tls_tries.get(vantage, 0), observation.result.sent)
    elif isinstance(observation, HttpObservation):
        _take_first_bytes(one, vantage, observation)


def _from_destination(icmp: tuple[int, int] | None) -> bool:
    """Whether a reply is the destination's own: a NAT may send time exceeded from the destination's address.

    No ICMP means TCP (or a recorded trace that does not say), 0 and 129 are echo replies, 3/3 and 1/4 are
    port unreachable.
    """
    return icmp is None or icmp[0] in {0, 129} or icmp in {(3, 3), (1, 4)}


def _take_first_bytes(one: _Gathered, vantage: str, observation: HttpObservation) -> None:
    """Keep the quicker of the declared page and of a page that nobody has: a slow page is not a far one.

    Both are judged by their minimum; a relay must fetch both from afar, a slow application computes one.
    """
    result = observation.result
    if result is None:
        return
    candidates = [(min(times), len(times)) for times in (result.ttfb_ms, result.probe_ttfb_ms) if times]
    if not candidates:
        return
    first, tries = min(candidates)
    known = one.first_bytes.get(vantage)
    if known is None or (first, observation.id) < (known[0], known[2]):
        one.first_bytes[vantage] = (first, tries, observation.id)


def _constraints(
    minima: Mapping[str, _Minimum], basis: Basis, vantages: Mapping[str, Vantage], thresholds: Thresholds
) -> tuple[Constraint, ...]:
    """The constraints, nearest first."""
    found = [
        Constraint(
            vantage=vantages[name],
            rtt_ms=minimum.rtt_ms,
            radius_km=minimum.rtt_ms * thresholds.speed_km_per_ms_rtt + vantages[name].location_error_km,
            basis=basis,
            evidence=minimum.evidence,
        )
        for name, minimum in minima.items()
    ]
    return tuple(sorted(found, key=lambda constraint: (constraint.rtt_ms, constraint.vantage.id)))


def _excesses(one: _Gathered, vantages: Mapping[str, Vantage]) -> tuple[Excess, ...]:
    found: list[Excess] = []
    for name, transport in one.rtts.items():
        if handshake := one.handshakes.get(name):
            found.append(
                Excess(
                    vantage=vantages[name],
                    layer="tls",
                    transport_ms=transport.rtt_ms,
                    excess_ms=handshake.rtt_ms - transport.rtt_ms,
                    tries=one.tls_tries.get(name, 1),
                    evidence=handshake.evidence,
                )
            )
        if first := one.first_bytes.get(name):
            found.append(
                Excess(
                    vantage=vantages[name],
                    layer="http",
                    transport_ms=transport.rtt_ms,
                    excess_ms=first[0] - transport.rtt_ms,
                    tries=first[1],
                    evidence=first[2],
                )
            )
    return tuple(sorted(found, key=lambda excess: (excess.layer, excess.excess_ms, excess.vantage.id)))
