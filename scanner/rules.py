"""The rules that give an address its verdict; the first that matches decides, and the verdict carries its id.

Physics comes first: constraints from round-trip times veto claims, never the other way round. A low RTT
proves nearness; a high one proves nothing (detours, congestion, an added delay), and what is missing is
unknown. Thresholds are data (policy.yaml).
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geodata.disk import disjoint_pair
from scanner.verdict import AddressVerdict, SetAside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Container, Sequence

    from geodata.claim import Claim
    from geodata.territory import Feasibility, Territory
    from scanner.evidence import AddressEvidence, Constraint, Excess
    from scanner.policy import Thresholds
    from scanner.verdict import Assurance, Location

EDGE_MEANINGS = frozenset({"anycast", "edge_pop"})
PLACE_MEANINGS = frozenset({"server", "registrant", "origin"})
SELF_DECLARED = frozenset({"operator"})


@dataclass(frozen=True, slots=True)
class Case:
    """One address with all that the rules look at, each thing computed once."""

    evidence: AddressEvidence
    transport: Feasibility  # of the host that answers packets
    key: Feasibility | None  # of the holder of the certificate's key, where TLS was measured
    possible: tuple[Claim, ...]  # claims of a place that physics allows
    set_aside: tuple[SetAside, ...]
    territory: Territory
    thresholds: Thresholds

    def verdict(
        self,
        rule: str,
        location: Location,
        assurance: Assurance | None,
        reason: str,
        evidence: Sequence[str] = (),
        countries: Collection[str] = (),
        **thresholds: float,
    ) -> AddressVerdict:
        """The verdict of a rule on this case."""
        return AddressVerdict(
            address=self.evidence.address,
            location=location,
            assurance=assurance,
            rule=rule,
            reason=reason,
            evidence=tuple(dict.fromkeys(evidence)),
            countries=tuple(sorted(set(countries))),
            rtts_ms={one.vantage.id: one.rtt_ms for one in self.evidence.transport},
            set_aside=self.set_aside,
            # Numbers as JSON gives them back, so that a run that is read and written is the same.
            thresholds={name: float(value) for name, value in thresholds.items()},
        )

    @property
    def home(self) -> str:
        """ISO code of the country that data must stay in."""
        return self.territory.country


def judge_address(evidence: AddressEvidence, territory: Territory, thresholds: Thresholds) -> AddressVerdict:
    """The verdict of the first rule that matches."""
    transport = territory.assess([one.disk for one in evidence.transport])
    key = territory.assess([one.disk for one in evidence.key]) if evidence.key else None
    possible, set_aside = _possible_claims(evidence, transport, territory.countries)
    case = Case(evidence, transport, key, possible, set_aside, territory, thresholds)
    for rule in RULES:
        if (verdict := rule(case)) is not None:
            return verdict
    raise AssertionError("the last rule always decides")


def _bogon(case: Case) -> AddressVerdict | None:
    """Rule 1: special-purpose addresses are nobody's on the Internet, and were never probed."""
    if case.evidence.special is None:
        return None
    return case.verdict(
        "bogon",
        "undetermined",
        None,
        f"{case.evidence.address} is a special-purpose address ({case.evidence.special}): it means a"
        " different machine in every network, so it was not probed and says nothing of a place.",
    )


def _anycast(case: Case) -> AddressVerdict | None:
    """Rule 3: one address that is at several places at once, by physics or by what is known of it."""
    if not case.transport.consistent:
        pair = _contradiction(case.evidence.transport)
        near, far = pair or (case.evidence.transport[0], case.evidence.transport[-1])
        return case.verdict(
            "anycast",
            "edge",
            "proved",
            f"Answered {_of(near)} and {_of(far)}: no one place is near enough to both, so several sites"
            " share this address; where the data is stored behind them is not shown.",
            [one.evidence for one in (pair or case.evidence.transport)],
        )
    for claim in case.evidence.claims:
        if claim.meaning in EDGE_MEANINGS:
            who = claim.network or f"AS{claim.asn}" if claim.asn else claim.network or "its network"
            return case.verdict(
                "anycast",
                "edge",
                "claimed",
                f"{who} is known as an anycast or content network: a near edge says nothing of where the"
                " data behind it is stored.",
                [one.evidence for one in case.evidence.transport[:1]],
            )
    return None


def _relay(case: Case) -> AddressVerdict | None:
    """Rule 4: the transport answers from near, the application from far.

    The least excess over the vantages counts: what a relay adds, it adds for everybody, while a busy moment
    at one vantage is not the server's distance.
    """
    if case.transport.consistent and not case.transport.home:
        return None  # the front itself is proved abroad: rule 5 says so
    for layer, limit in (
        ("tls", case.thresholds.tls_excess_ms),
        ("http", case.thresholds.relay_excess_ms),
    ):
        found = [
            excess
            for excess in case.evidence.excesses
            if excess.layer == layer and excess.tries >= case.thresholds.relay_min_tries
        ]
        least = min(found, key=lambda excess: (excess.excess_ms, excess.vantage.id), default=None)
        if least is not None and least.excess_ms > limit:
            return case.verdict(
                "relay",
                "edge",
                "corroborated",
                _relay_reason(least, case.thresholds),
                [excess.evidence for excess in found],
                excess_ms=limit,
            )
    return None


def _relay_reason(excess: Excess, thresholds: Thresholds) -> str:
    what = {
        "tls": "the holder of its certificate's key",
        "http": "the application behind it (also for a page that nobody has)",
    }[excess.layer]
    distance_km = excess.excess_ms * thresholds.speed_km_per_ms_rtt
    return (
        f"The host answered {_place(excess)} in {excess.transport_ms:.2f} ms, {what} only"
        f" {excess.excess_ms:.1f} ms later, in each of {excess.tries} tries: something in front passes"
        f" requests on, up to {distance_km:,.0f} km further, and where the data is stored is not shown."
    )


def _territory(case: Case) -> AddressVerdict | None:
    """Rule 5: the constraints settle it.

    Where TLS was measured, a proof of *inside* must hold for the holder of the certificate's key as well:
    a front at home that passes octets on to a machine abroad answers packets from home too.
    """
    if not case.evidence.transport:
        return None
    transport = _settled(case.transport)
    if transport is None:
        return None
    location, assurance = transport
    constraints, who = case.evidence.transport, ""
    if location == "inside" and case.key is not None:
        key = _settled(case.key)
        if key is None or key[0] != "inside":
            return None
        assurance = max(assurance, key[1], key=("proved", "bounded").index)
        constraints, who = case.evidence.key, "The holder of its certificate's key"
    feasible = case.key if who and case.key is not None else case.transport
    return case.verdict(
        "territory",
        location,
        assurance,
        _territory_reason(case, constraints, location, assurance, who or "It"),
        [one.evidence for one in constraints],
        feasible.countries,
        speed_km_per_ms_rtt=case.thresholds.speed_km_per_ms_rtt,
        city_population=case.thresholds.city_population,
    )


def _settled(feasible: Feasibility) -> tuple[Location, Assurance] | None:
    """What the disks alone show. Where only sea is left, a place or a border is wrong and nothing follows."""
    if feasible.home != feasible.foreign:
        return ("inside" if feasible.home else "outside"), "proved"
    if not feasible.home or bool(feasible.home_cities) == bool(feasible.foreign_cities):
        return None
    return ("inside" if feasible.home_cities else "outside"), "bounded"


def _territory_reason(
    case: Case, constraints: Sequence[Constraint], location: str, assurance: str, who: str
) -> str:
    near = constraints[0]
    country = case.territory.country_name
    place = near.vantage.city or near.vantage.id
    says = f"{who} answered {_of(near)}: at most {_up(near.radius_km)} km away"
    if location == "inside" and assurance == "proved":
        foreign_km = case.territory.nearest_foreign_km(near.vantage.latitude, near.vantage.longitude)
        if near.radius_km < foreign_km:
            return f"{says}; the nearest foreign land is {_down(foreign_km)} km from {place}."
        return f"{says}, and the other vantages' times rule out all foreign land within that."
    if location == "outside" and assurance == "proved":
        home_km = case.territory.nearest_home_km(near.vantage.latitude, near.vantage.longitude)
        if near.radius_km < home_km:
            return f"{says}; {country} is {_down(home_km)} km from {place} at the nearest."
        return f"{says}, and the times of {len(constraints)} vantages together rule out all of {country}."
    left = "no foreign" if location == "inside" else f"no {country}"
    return (
        f"{says}; no border is proved, but {left} city of {case.thresholds.city_population:,} people"
        " and no known data-centre city there is possible."
    )


def _unmeasured(case: Case) -> AddressVerdict | None:
    """No probe was made (an interrupted scan, an incomplete record): claims alone place nothing."""
    if case.evidence.probed:
        return None
    return case.verdict(
        "unmeasured",
        "undetermined",
        None,
        f"{case.evidence.address} was not measured, and what sources claim of it was not put to the test.",
    )


def _unreachable(case: Case) -> AddressVerdict | None:
    """Nothing answered, although it was asked: there is nothing to place."""
    if case.evidence.transport or not case.evidence.asked:
        return None
    return case.verdict(
        "unreachable",
        "unreachable",
        None,
        f"Nothing at {case.evidence.address} answered any of {case.evidence.asked} series of probes.",
    )


def _claims(case: Case) -> AddressVerdict:
    """Rule 8: the families that are left vote once each; a split is shown, never outvoted."""
    votes: defaultdict[str, set[str]] = defaultdict(set)
    for claim in case.possible:
        if claim.country is not None and claim.asserted_by not in SELF_DECLARED:
            votes[claim.family].add(claim.country)
    countries = {country for said in votes.values() for country in said}
    evidence = [one.evidence for one in case.evidence.transport]
    if not countries:
        return case.verdict(
            "claims",
            "undetermined",
            None,
            "No source says where it is" + (" that physics allows." if case.set_aside else "."),
            evidence,
        )
    said = "; ".join(f"{family}: {', '.join(sorted(votes[family]))}" for family in sorted(votes))
    if case.home in countries and len(countries) > 1:
        return case.verdict(
            "claims",
            "conflicting",
            None,
            f"Sources disagree ({said}) and no measurement settles it.",
            evidence,
        )
    location: Location = "inside" if case.home in countries else "outside"
    if location == "inside" and (doubt := _unsupported(case)) is not None:
        return case.verdict(
            "unsupported-claim",
            doubt[0],
            None,
            f"Sources say {case.home} ({said}), but {doubt[1]}",
            evidence,
            countries,
            unsupported_rtt_ms=case.thresholds.unsupported_rtt_ms,
        )
    assurance: Assurance = "corroborated" if len(votes) > 1 else "claimed"
    many = f"{len(votes)} independent sources agree" if len(votes) > 1 else "One source says so"
    rest = "; the measured times allow it." if case.evidence.transport else "; no measured time bears on it."
    return case.verdict("claims", location, assurance, f"{many} ({said}){rest}", evidence, countries)


def _unsupported(case: Case) -> tuple[Location, str] | None:
    """Why claims of *home* are not believed although no proof forbids them.

    A false "inside" is the one error that must never happen, and sources are wrong together (ten of ten, for
    real addresses in Pakistan). So a claim of home needs the support of a vantage at home: that one of them
    is the nearest in time, and not farther in time than the whole country is wide. Neither proves the
    opposite (a delay may be added anywhere), hence never "outside". And the way to it must not end abroad.
    """
    upstream = case.evidence.upstream
    if upstream is not None and upstream.place == "abroad":
        where = ", ".join(upstream.countries[:4])
        return "conflicting", f"its way from home was last seen abroad ({where}): {upstream.why}."
    if not case.evidence.transport:
        return None
    nearest = case.evidence.transport[0]
    limit_ms = case.thresholds.unsupported_rtt_ms
    if not case.territory.contains(nearest.vantage.latitude, nearest.vantage.longitude):
        return (
            "conflicting",
            f"it answered {_of(nearest)}, abroad, sooner than any vantage in {case.territory.country_name}.",
        )
    if nearest.rtt_ms > limit_ms:
        why = (
            f"even the nearest vantage, {nearest.vantage.city or nearest.vantage.id}, waited"
            f" {nearest.rtt_ms:.0f} ms (over {limit_ms:.0f}), farther in time than"
            f" {case.territory.country_name} is wide: neither shown at home nor abroad."
        )
        return "undetermined", why
    return None


RULES: tuple[Callable[[Case], AddressVerdict | None], ...] = (
    _bogon,
    _anycast,
    _relay,
    _territory,
    _unmeasured,
    _unreachable,
    _claims,
)


def _possible_claims(
    evidence: AddressEvidence, feasible: Feasibility, mapped: Container[str]
) -> tuple[tuple[Claim, ...], tuple[SetAside, ...]]:
    """Rule 2: claims that the constraints rule out are set aside, and listed."""
    possible: list[Claim] = []
    aside: list[SetAside] = []
    for claim in evidence.claims:
        if claim.meaning not in PLACE_MEANINGS:
            continue
        if (
            claim.country is None
            or claim.country not in mapped  # land that no border is known of cannot be ruled out
            or not evidence.transport
            or not feasible.consistent
            or claim.country in feasible.countries
        ):
            possible.append(claim)
            continue
        near = evidence.transport[0]
        aside.append(
            SetAside(
                source=claim.source,
                family=claim.family,
                country=claim.country,
                reason=f"{claim.country} is ruled out: it answered {_of(near)}, at most"
                f" {_up(near.radius_km)} km away.",
            )
        )
    return tuple(possible), tuple(aside)


def _contradiction(constraints: Sequence[Constraint]) -> tuple[Constraint, Constraint] | None:
    """The first two constraints, nearest first, whose disks do not meet."""
    pair = disjoint_pair([one.disk for one in constraints])
    return None if pair is None else (constraints[pair[0]], constraints[pair[1]])


def _up(km: float) -> str:
    """A bound in whole kilometres, rounded so that it stays true."""
    return f"{math.ceil(km):,}"


def _down(km: float) -> str:
    return f"{math.floor(km):,}"


def _of(constraint: Constraint) -> str:
    return f"{constraint.vantage.city or constraint.vantage.id} in {constraint.rtt_ms:.2f} ms"


def _place(excess: Excess) -> str:
    return excess.vantage.city or excess.vantage.id
