"""Rule 5: constraints that settle where a host is, whatever is claimed of it.

*Outside* is what all constraints together leave. *Inside* must be what one leaves by itself: what several
have in common is where a host is only if one host answered them all. Of several hosts at one address, each
abroad and near to another vantage, what their disks have in common may well be at home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.case import down, of, up
from scanner.relay import late_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.territory import Feasibility
    from scanner.case import Case
    from scanner.evidence import Basis, Constraint
    from scanner.verdict import AddressVerdict, Assurance, Location

_STRENGTH: Final = ("proved", "bounded")
_WHO: Final[dict[Basis, str]] = {
    "transport": "It",
    "port": "Its port",
    "key": "The holder of its certificate's key",
    "session": "The holder of its TLS session's keys",
}


class _Proof(NamedTuple):
    """How surely a constraint settles a place, and what it leaves."""

    assurance: Assurance
    constraint: Constraint
    feasible: Feasibility


def territory(case: Case) -> AddressVerdict | None:
    """The constraints settle it: inside or outside, proved or bounded."""
    constraints: Sequence[Constraint] = case.evidence.transport
    settled = _settled(case.transport) if constraints else None
    if settled is None:
        return None
    location, assurance = settled
    proof = _Proof(assurance, constraints[0], case.transport)
    if location == "outside" and _may_be_several(case):
        return None
    if location == "inside":
        if case.pops or late_page(case) is not None:
            return None  # an edge, by its own word or by what its lateness allows, however near it is
        inside = _inside(case)
        if inside is None:
            return None
        proof, constraints = inside
    return case.verdict(
        "territory",
        location,
        proof.assurance,
        _reason(case, proof, location, len(constraints)),
        [one.evidence for one in constraints],
        proof.feasible.countries,
        speed_km_per_ms_rtt=case.thresholds.speed_km_per_ms_rtt,
        city_population=case.thresholds.city_population,
    )


def _inside(case: Case) -> tuple[_Proof, Sequence[Constraint]] | None:
    """The weakest proof of *inside* of those that must all hold, and the constraints that it is among.

    It must hold for whoever takes connections and for the holder of the certificate's key too, where these
    were measured: a front at home that passes on what comes to machines abroad answers packets from home.
    """
    found: tuple[_Proof, Sequence[Constraint]] | None = None
    for constraints in (case.evidence.port, case.evidence.transport, case.evidence.key):
        if not constraints:
            continue
        proof = _alone(case, constraints)
        if proof is None:
            return None
        if found is None or _STRENGTH.index(proof.assurance) >= _STRENGTH.index(found[0].assurance):
            found = proof, constraints
    return found


def _alone(case: Case, constraints: Sequence[Constraint]) -> _Proof | None:
    """The best proof of *inside* that one constraint is, the nearest of such."""
    best: _Proof | None = None
    for one in constraints:
        # Other countries' land is feasible for who asks from there.
        if case.territory.country_at(one.vantage.latitude, one.vantage.longitude) not in {None, case.home}:
            continue
        feasible = case.territory.assess([one.disk])
        settled = _settled(feasible)
        if settled is None or settled[0] != "inside":
            continue
        if settled[1] == "proved":
            return _Proof("proved", one, feasible)
        best = best or _Proof("bounded", one, feasible)
    return best


def _settled(feasible: Feasibility) -> tuple[Location, Assurance] | None:
    """What the disks alone show. Where only sea is left, a place or a border is wrong and nothing follows."""
    if feasible.home != feasible.foreign:
        return ("inside" if feasible.home else "outside"), "proved"
    if not feasible.home or bool(feasible.home_cities) == bool(feasible.foreign_cities):
        return None
    return ("inside" if feasible.home_cities else "outside"), "bounded"


def _may_be_several(case: Case) -> bool:
    """Whether a vantage at home is the nearest, and only the others' times rule home out.

    Disks are laid over each other because one host answers them all. Of several at one address the one at
    home is near to who asks at home, and what the disks still have in common may be anywhere.
    """
    nearest = case.evidence.transport[0]
    if not case.territory.is_home(nearest.vantage.latitude, nearest.vantage.longitude):
        return False
    return case.territory.assess([nearest.disk]).home


def _reason(case: Case, proof: _Proof, location: Location, constraints: int) -> str:
    near = proof.constraint
    country = case.territory.country_name
    place = near.vantage.city or near.vantage.id
    says = f"{_WHO[near.basis]} answered {of(near)}: at most {up(near.radius_km)} km away"
    if proof.assurance == "proved" and location == "inside":
        foreign_km = case.territory.nearest_foreign_km(near.vantage.latitude, near.vantage.longitude)
        return f"{says}; the nearest foreign land is {down(foreign_km)} km from {place}."
    if proof.assurance == "proved":
        home_km = case.territory.nearest_home_km(near.vantage.latitude, near.vantage.longitude)
        if near.radius_km < home_km:
            return f"{says}; {country} is {down(home_km)} km from {place} at the nearest."
        return f"{says}, and the times of {constraints} vantages together rule out all of {country}."
    left = "no foreign" if location == "inside" else f"no {country}"
    return (
        f"{says}; no border is proved, but {left} city of {case.thresholds.city_population:,} people"
        " and no known data-centre city there is possible."
    )
