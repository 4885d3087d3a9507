"""The verdict: where an address and an endpoint are, how sure that is, and why.

Pure functions of observations, claims, territory and thresholds, without I/O: the same run judged again
gives the same bytes. The rules themselves are in :mod:`scanner.rules`, the path's in :mod:`scanner.path`,
and which vantages they may rely on in :mod:`scanner.honesty`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.path import Way

Location = Literal["inside", "outside", "edge", "conflicting", "undetermined", "unreachable"]
Assurance = Literal["proved", "bounded", "corroborated", "claimed"]
PathVerdict = Literal["domestic", "leaves", "unknown"]
Relation = Literal[
    "nameserver",  # answers for the name's zone
    "mail",  # takes the zone's mail
    "alias",  # the name is another name of it (CNAME)
    "redirect",  # visitors are sent on to it
    "page",  # the page has it send scripts, frames or style sheets, or sends forms to it
]

LOCATIONS: tuple[Location, ...] = (
    "inside",
    "outside",
    "edge",
    "conflicting",
    "undetermined",
    "unreachable",
)
ASSURANCES: tuple[Assurance, ...] = ("proved", "bounded", "corroborated", "claimed")

# What is no statement of a place.
UNPLACED: Final = frozenset({"conflicting", "undetermined", "unreachable"})

# An endpoint takes the worst of its addresses. One that does not answer leaves the endpoint undetermined
# when others are inside: what is not known is neither abroad nor at home.
_BADNESS: dict[Location, int] = {
    "outside": 5,
    "edge": 4,
    "conflicting": 3,
    "undetermined": 2,
    "unreachable": 1,
    "inside": 0,
}


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that the constraints rule out (rule ``impossible-claim``), and why, in a sentence."""

    source: str
    family: str
    country: str
    reason: str


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """One of several places that an address is at: within ``radius_km`` of ``vantage``.

    It is placed at the most populated city there; without one, the coordinates are the vantage's.
    """

    city: str | None = None
    country: str | None = None
    latitude: float
    longitude: float
    radius_km: float
    vantage: str


class AddressVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Our judgement of one address.

    ``assurance`` is ``null`` where the location is no statement of a place. ``countries`` are those that
    are left: feasible by physics, or claimed. ``evidence`` holds ids of observations, ``thresholds`` the
    values that the rule compared with. ``sites`` are those of an address that is proved to be at several.
    ``keys`` are those that certificates showed at the declared port, by the SHA-256 of their
    SubjectPublicKeyInfo, each with the vantages that were shown it.
    """

    address: str
    location: Location
    assurance: Assurance | None = None
    rule: str
    reason: str
    evidence: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    rtts_ms: dict[str, float] = {}
    keys: dict[str, tuple[str, ...]] = {}
    set_aside: tuple[SetAside, ...] = ()
    sites: tuple[Site, ...] = ()
    thresholds: dict[str, float] = {}


class Border(msgspec.Struct, frozen=True, kw_only=True):
    """Where the way to an endpoint leaves: the last hop at home, the first abroad, and who announces them."""

    home: str | None = None
    from_asn: int | None = None
    abroad: str
    to_asn: int | None = None


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """A host that an endpoint depends on, and where that is: the worst of its addresses.

    It was never probed, so its place follows from claims alone (``rule`` is theirs), but for addresses that
    are an endpoint's too. ``host`` is a name or an address, as whoever wrote it has it.
    """

    relation: Relation
    host: str
    location: Location
    assurance: Assurance | None = None
    rule: str
    reason: str
    countries: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


class EndpointVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """Our judgement of one endpoint: the worst of its addresses, over all vantages and families.

    ``scrubbed`` says, in a sentence, through whose hands abroad the traffic from home is led, if it is.
    """

    endpoint: str
    location: Location
    assurance: Assurance | None = None
    rule: str
    reason: str
    evidence: tuple[str, ...] = ()
    path: PathVerdict = "unknown"
    path_reason: str = ""
    path_evidence: tuple[str, ...] = ()
    border: Border | None = None
    scrubbed: str | None = None
    addresses: tuple[AddressVerdict, ...] = ()
    dependencies: tuple[Dependency, ...] = ()


def combine(
    endpoint: str,
    addresses: Sequence[AddressVerdict],
    path: Way,
    resolution: tuple[str, tuple[str, ...]],
) -> EndpointVerdict:
    """The endpoint's verdict from those of its addresses.

    ``resolution`` says, in a sentence and by evidence ids, what became of its name; it is the reason where
    there is no address to judge. Without evidence nobody asked, so that nothing is known of the endpoint.
    """
    way: dict[str, Any] = {
        "path": path.kind,
        "path_reason": path.reason,
        "path_evidence": path.evidence,
        "border": path.border,
        "scrubbed": path.scrubbed,
    }
    if not addresses:
        reason, evidence = resolution
        return EndpointVerdict(
            endpoint=endpoint,
            location="unreachable" if evidence else "undetermined",
            rule="no-address" if evidence else "unmeasured",
            reason=reason,
            evidence=evidence,
            **way,
        )
    worst = worst_of(addresses)
    location, reason = worst.location, worst.reason
    if len(addresses) > 1:
        same = sum(one.location == worst.location for one in addresses)
        if location == "unreachable" and same < len(addresses):
            location = "undetermined"
        share = "all" if same == len(addresses) else f"{same} of"
        reason = f"{worst.address} ({share} {len(addresses)} addresses): {reason}"
    return EndpointVerdict(
        endpoint=endpoint,
        location=location,
        assurance=worst.assurance,
        rule=worst.rule,
        reason=reason,
        evidence=worst.evidence,
        **way,
        addresses=tuple(sorted(addresses, key=lambda one: one.address)),
    )


def worst_of(addresses: Iterable[AddressVerdict]) -> AddressVerdict:
    """The address that decides where all of them, at least one, are said to be."""
    return min(addresses, key=lambda one: (-_BADNESS[one.location], -_rank(one), one.address))


def weakness(one: AddressVerdict) -> int:
    """How weak a verdict's assurance is: 0 for ``proved``, most for none."""
    return ASSURANCES.index(one.assurance) if one.assurance else len(ASSURANCES)


def _rank(one: AddressVerdict) -> int:
    """For an endpoint inside, its weakest address counts; for one outside, the strongest proof of it."""
    return weakness(one) if one.location == "inside" else -weakness(one)
