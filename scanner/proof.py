"""Rule 5: constraints that settle where a host is, whatever is claimed of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.case import down, of, up
from scanner.relay import late_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.territory import Feasibility
    from scanner.case import Case
    from scanner.evidence import Constraint
    from scanner.verdict import AddressVerdict, Assurance, Location


def territory(case: Case) -> AddressVerdict | None:
    """The constraints settle it: inside or outside, proved or bounded.

    Where TLS was measured, a proof of *inside* must hold for the holder of the certificate's key as well:
    a front at home that passes octets on to a machine abroad answers packets from home too.
    """
    if not case.evidence.transport:
        return None
    constraints, transport = case.evidence.transport, _settled(case.transport)
    if transport is not None and transport[0] == "outside" and _asked_at_home(case):
        constraints, transport = _alone(case)
    if transport is None:
        return None
    location, assurance = transport
    if location == "inside" and (case.pops or late_page(case) is not None):
        return None  # an edge, by its own word or by what its lateness allows, however near it is
    who = ""
    if location == "inside" and case.key is not None:
        key = _settled(case.key)
        if key is None or key[0] != "inside":
            return None
        assurance = max(transport, key, key=_by_assurance)[1]
        constraints = case.evidence.key
        held = "TLS session's keys" if constraints[0].basis == "session" else "certificate's key"
        who = f"The holder of its {held}"
    feasible = case.key if who and case.key is not None else case.transport
    return case.verdict(
        "territory",
        location,
        assurance,
        _reason(case, constraints, location, assurance, who or "It"),
        [one.evidence for one in constraints],
        feasible.countries,
        speed_km_per_ms_rtt=case.thresholds.speed_km_per_ms_rtt,
        city_population=case.thresholds.city_population,
    )


def _by_assurance(found: tuple[Location, Assurance]) -> int:
    return ("proved", "bounded").index(found[1])


def _settled(feasible: Feasibility) -> tuple[Location, Assurance] | None:
    """What the disks alone show. Where only sea is left, a place or a border is wrong and nothing follows."""
    if feasible.home != feasible.foreign:
        return ("inside" if feasible.home else "outside"), "proved"
    if not feasible.home or bool(feasible.home_cities) == bool(feasible.foreign_cities):
        return None
    return ("inside" if feasible.home_cities else "outside"), "bounded"


def _asked_at_home(case: Case) -> bool:
    return any(
        case.territory.contains(one.vantage.latitude, one.vantage.longitude)
        for one in case.evidence.transport
    )


def _alone(case: Case) -> tuple[tuple[Constraint, ...], tuple[Location, Assurance] | None]:
    """The best of the constraints that show by themselves that it is outside, and what that shows; or None.

    Disks are laid over each other because one host answers them all. Of several at one address one at home
    may answer who asks at home, and what the disks still have in common may be anywhere.
    """
    shown = (((one,), _settled(case.territory.assess([one.disk]))) for one in case.evidence.transport)
    outside = [(one, found) for one, found in shown if found is not None and found[0] == "outside"]
    return min(outside, key=lambda each: _by_assurance(each[1]), default=((), None))


def _reason(case: Case, constraints: Sequence[Constraint], location: str, assurance: str, who: str) -> str:
    near = constraints[0]
    country = case.territory.country_name
    place = near.vantage.city or near.vantage.id
    says = f"{who} answered {of(near)}: at most {up(near.radius_km)} km away"
    if location == "inside" and assurance == "proved":
        foreign_km = case.territory.nearest_foreign_km(near.vantage.latitude, near.vantage.longitude)
        if near.radius_km < foreign_km:
            return f"{says}; the nearest foreign land is {down(foreign_km)} km from {place}."
        return f"{says}, and the other vantages' times rule out all foreign land within that."
    if location == "outside" and assurance == "proved":
        home_km = case.territory.nearest_home_km(near.vantage.latitude, near.vantage.longitude)
        if near.radius_km < home_km:
            return f"{says}; {country} is {down(home_km)} km from {place} at the nearest."
        return f"{says}, and the times of {len(constraints)} vantages together rule out all of {country}."
    left = "no foreign" if location == "inside" else f"no {country}"
    return (
        f"{says}; no border is proved, but {left} city of {case.thresholds.city_population:,} people"
        " and no known data-centre city there is possible."
    )
