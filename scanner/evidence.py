"""Evidence: the observations and claims of one address, put in the form that rules reason about.

A round-trip time is turned into a *constraint*, a disk around the vantage in which whoever answered must be:
light in fibre covers at most 200 km per millisecond, so an RTT of t ms bounds the distance by 100·t km
(constraint-based geolocation, Gueye et al. 2006). Nothing is subtracted from a measured time, the vantage's
location error is added, and what was not measured constrains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from geodata.territory import Disk

if TYPE_CHECKING:
    from collections.abc import Collection

    from geodata.claim import Claim
    from probes.vantages.vantage import Vantage
    from scanner.path import Abroad, Front, Upstream
    from scanner.policy import Thresholds

# Nothing that crosses a kernel twice is quicker: loopback takes 0.01 ms. Less is a fault of some clock.
LEAST_RTT_MS: Final = 0.005
Basis = Literal["transport", "port", "key", "session", "page", "static", "error"]
Layer = Literal["port", "hello", "tls", "resumed", "page", "static", "error"]


@dataclass(frozen=True, slots=True)
class Constraint:
    """Who answered ``vantage`` after ``rtt_ms`` is within ``radius_km`` of it.

    ``basis`` says who that is: ``transport``, the host that answers packets to the address; ``port``, who
    takes connections there, as a router may hand these on; ``key``, the holder of the TLS certificate's key;
    ``session``, who holds a TLS session's keys, as octets came of it; ``page``, ``static`` and ``error``, who
    makes those.
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
    """How much later than the transport an application answered, over all tries of all vantages.

    ``layer`` is ``port`` (a connection that is taken), ``hello`` (the first octets of TLS), ``tls`` (the
    handshake), ``resumed`` (one in which nothing is signed), ``page`` (the declared page's first octet),
    ``static`` (that of a file) or ``error`` (that of a page that nobody has). ``excess_ms`` is the least,
    from ``vantage``; an eighth of the tries, three at least, took at most ``spread_ms`` longer. Of what a
    vantage says of many tries as one, that one counts as a time; there are ``timed`` times.
    """

    layer: Layer
    vantage: Vantage
    transport_ms: float
    excess_ms: float
    spread_ms: float
    tries: int
    timed: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pop:
    """What a response's headers say of who answered ``vantage``; who that is must be in ``within``, if known.

    An edge is within its transport's reach, what stood behind it within that of the page's first octet.
    """

    vantage: Vantage
    claim: Claim
    within: Disk | None
    evidence: str


class Cached(NamedTuple):
    """A response's header that speaks of a cache before who makes it, and the observation that has it."""

    header: str
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
    asked: tuple[str, ...]  # the series of probes, by id, that an answer was possible for
    probed: bool  # whether any probe was made at all, also one that this vantage could not make
    upstream: Upstream | None = None  # the last placed hop before it on the way from home
    front: Front | None = None  # who stands before it abroad, on the way from home
    abroad: Abroad | None = None  # what is abroad and nearest to home
    names: tuple[str, ...] = ()  # in its PTR records; hints, and hostile text
    pops: tuple[Pop, ...] = ()
    unused: tuple[str, ...] = ()  # vantages that it answered and that are not relied on
    port: tuple[Constraint, ...] = ()  # of who took connections
    made: tuple[Constraint, ...] = ()  # of what makes pages, files and errors
    unanswered: tuple[str, ...] = ()  # what its application failed to answer
    cached: Cached | None = None  # what says that pages may come out of a cache
    # By digest, the vantages, in order, that a key was shown to at the declared port.
    keys: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def without(self, vantages: Collection[str]) -> AddressEvidence:
        """The same but for the constraints of some vantages (by id).

        Their excesses and keys stay: how much later an application answers, and who it says it is, depends on
        no place of who asks.
        """
        unused = [one.vantage.id for one in self.transport if one.vantage.id in vantages]
        if not any(one.vantage.id in vantages for one in (*self.transport, *self.key)):
            return self

        def rest(constraints: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
            return tuple(one for one in constraints if one.vantage.id not in vantages)

        return replace(
            self,
            transport=rest(self.transport),
            port=rest(self.port),
            key=rest(self.key),
            made=rest(self.made),
            unused=(*self.unused, *unused),
        )


def reach_km(vantage: Vantage, rtt_ms: float, thresholds: Thresholds) -> float:
    """How far from a vantage whoever answered it after so long is, at most; its own error is added."""
    return rtt_ms * thresholds.speed_km_per_ms_rtt + vantage.location_error_km


def from_destination(icmp: tuple[int, int] | None) -> bool:
    """Whether a reply is the destination's own: a NAT may send time exceeded from the destination's address.

    No ICMP means TCP (or a recorded trace that does not say), 0 and 129 are echo replies, 3/3 and 1/4 are
    port unreachable.
    """
    return icmp is None or icmp[0] in {0, 129} or icmp in {(3, 3), (1, 4)}
