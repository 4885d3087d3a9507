"""Rule 5: constraints that settle where a host is, whatever is claimed of it.

What several constraints have in common is where a host is only if one host answered them all. Of several at
one address, each abroad and near to another vantage, what their disks have in common may well be at home; and
one at home may answer who asks at home, while what the disks have in common is abroad. So *inside* must be
what one constraint leaves by itself, and *outside* too where a vantage at home was answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scanner.case import WHO, down, of, up
from scanner.relay import far_pages, is_hidden
from scanner.verdict import ASSURANCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.territory import Feasibility
    from scanner.case import Case
    from scanner.evidence import Constraint
    from scanner.verdict import AddressVerdict, Assurance, Location


class _Proof(NamedTuple):
    """How surely a place is settled, by which constraint, all that it is among, and what is left."""

    assurance: Assurance
    nearest: Constraint
    constraints: Sequence[Constraint]
    feasible: Feasibility


def territory(case: Case) -> AddressVerdict | None:
    """The constraints settle it: inside or outside, proved or bounded."""
    settled = _settled(case.transport) if case.evidence.transport else None
    if settled is None:
        return None
    location = settled[0]
    proof = _inside(case) if location == "inside" else _outside(case, settled[1])
    if proof is None:
        return None
    return case.verdict(
        "territory",
        location,
        proof.assurance,
        _reason(case, proof, location),
        [one.evidence for one in proof.constraints],
        proof.feasible.countries,
        speed_km_per_ms_rtt=case.thresholds.speed_km_per_ms_rtt,
        city_population=case.thresholds.city_population,
    )


def _inside(case: Case) -> _Proof | None:
    """The weakest proof of *inside* of those that must all hold.

    It must hold for whoever takes connections and for the holder of the certificate's key too, where these
    were measured: a front at home that passes on what comes to machines abroad answers packets from home. And
    for what makes that which comes so late, and so evenly, that it may come from behind the front.
    """
    if case.pops or is_hidden(case):
        return None  # an edge, by its own word, however near it is
    found = case.evidence
    measured: list[Sequence[Constraint]] = [one for one in (found.port, found.transport, found.key) if one]
    measured += [[one for one in found.made if one.basis == late.layer] for late in far_pages(case)]
    weakest: _Proof | None = None
    for constraints in measured:
        # Other countries' land is feasible for who asks from there.
        proof = _alone(case, [one for one in constraints if case.at_home(one.vantage)], "inside")
        if proof is None:
            return None
        if weakest is None or ASSURANCES.index(proof.assurance) >= ASSURANCES.index(weakest.assurance):
            weakest = proof._replace(constraints=constraints)
    return weakest


def _outside(case: Case, assurance: Assurance) -> _Proof | None:
    constraints = case.evidence.transport
    if any(case.at_home(one.vantage) for one in constraints):
        return _alone(case, constraints, "outside")
    return _Proof(assurance, constraints[0], constraints, case.transport)


def _alone(case: Case, constraints: Sequence[Constraint], location: Location) -> _Proof | None:
    """The best proof of a location that one constraint is, the nearest of such."""
    best: _Proof | None = None
    for one in constraints:
        place = one.vantage.latitude, one.vantage.longitude
        if one.radius_km > case.territory.nearest_city_km(*place, home=location == "outside"):
            continue  # a city elsewhere is in it
        feasible = case.territory.assess([one.disk])
        settled = _settled(feasible)
        if settled is None or settled[0] != location:
            continue
        if settled[1] == "proved":
            return _Proof("proved", one, (one,), feasible)
        best = best or _Proof("bounded", one, (one,), feasible)
    return best


def _settled(feasible: Feasibility) -> tuple[Location, Assurance] | None:
    """What the disks alone show. Where only sea is left, a place or a border is wrong and nothing follows."""
    if feasible.home != feasible.foreign:
        return ("inside" if feasible.home else "outside"), "proved"
    if not feasible.home or bool(feasible.home_cities) == bool(feasible.foreign_cities):
        return None
    return ("inside" if feasible.home_cities else "outside"), "bounded"


def _reason(case: Case, proof: _Proof, location: Location) -> str:
    near = proof.nearest
    country = case.territory.country_name
    place = near.vantage.city or near.vantage.id
    who = WHO[near.basis]
    says = f"{who[0].upper()}{who[1:]} answered {of(near)}: at most {up(near.radius_km)} km away"
    if proof.assurance == "proved" and location == "inside":
        foreign_km = case.territory.nearest_foreign_km(near.vantage.latitude, near.vantage.longitude)
        return f"{says}; the nearest foreign land is {down(foreign_km)} km from {place}."
    if proof.assurance == "proved":
        home_km = case.territory.nearest_home_km(near.vantage.latitude, near.vantage.longitude)
        if near.radius_km < home_km:
            return f"{says}; {country} is {down(home_km)} km from {place} at the nearest."
        return (
            f"{says}, and the times of {len(proof.constraints)} vantages together rule out all of {country}."
        )
    left = "no foreign" if location == "inside" else f"no {country}"
    return (
        f"{says}; no border is proved, but {left} city of {case.thresholds.city_population:,} people"
        " and no known data-centre city there is possible."
    )
