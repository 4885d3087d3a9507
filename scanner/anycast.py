"""Rule 3: one address that is at several places at once, by physics or by what is known of it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.city import shipped_cities
from geodata.disk import disjoint
from geodata.sources import amazon
from geodata.sources.regions import countries_of
from scanner.case import of
from scanner.verdict import Site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.sphere import Bools
    from scanner.case import Case
    from scanner.evidence import Constraint
    from scanner.verdict import AddressVerdict

EDGE_MEANINGS: Final = frozenset({"anycast", "edge_pop"})
# Fronts that lead only to their provider's own regions. An accelerator's endpoints are in Amazon's
# (docs.aws.amazon.com/global-accelerator/latest/dg/about-endpoints.html); CloudFront's may be anywhere.
_LEADS_TO: Final = {amazon.ACCELERATOR: amazon.PROVIDER}
_NAMED: Final = 5  # sites in a sentence; the verdict lists all


def anycast(case: Case) -> AddressVerdict | None:
    """Disks that do not meet, or a network that is known to answer from edges: edge."""
    if (verdict := _leads_abroad(case)) is not None:
        return verdict
    if not case.transport.consistent or _at_sea(case):
        constraints = case.evidence.transport
        apart = disjoint([one.disk for one in constraints])
        found = _sites(constraints, apart)
        later, earlier = np.nonzero(np.tril(apart))  # the first two, nearest first
        pair = [constraints[earlier[0]], constraints[later[0]]] if len(later) else []
        near, far = pair or (constraints[0], constraints[-1])
        return case.verdict(
            "anycast",
            "edge",
            "proved",
            f"Answered {of(near)} and {of(far)}: no one place"
            f" {'is near enough to both' if pair else 'on land is near enough to all'},"
            f" so {_several(found)} share this address; where the data is stored behind them is not shown.",
            [one.evidence for one in (pair or constraints)],
            sites=found,
            speed_km_per_ms_rtt=case.thresholds.speed_km_per_ms_rtt,
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


def _at_sea(case: Case) -> bool:
    """Whether disks that each hold land have none in common: machines stand on land."""
    if case.transport.home or case.transport.foreign:
        return False
    alone = [case.territory.assess([one.disk]) for one in case.evidence.transport]
    return all(one.home or one.foreign for one in alone)


def _leads_abroad(case: Case) -> AddressVerdict | None:
    """A front that leads only to its provider's own regions, of which none is at home: outside."""
    for claim in case.evidence.claims:
        provider = _LEADS_TO.get(claim.network or "")
        if claim.asserted_by != "operator" or provider is None or case.home in countries_of(provider):
            continue
        return case.verdict(
            "provider-region",
            "outside",
            "corroborated",
            f"{claim.network} leads only to machines in {provider.capitalize()}'s own regions, none of which"
            f" is in {case.territory.country_name}.",
            [one.evidence for one in case.evidence.transport[:1]],
        )
    return None


def _sites(constraints: Sequence[Constraint], apart: Bools) -> tuple[Site, ...]:
    """The least set of sites that explains disks of which no point is in all; none where two do not suffice.

    Disks no two of which meet, taken in the order of their radii, are each another site (iGreedy: Cicalese et
    al., "A fistful of pings", INFOCOM 2015). Each is placed at the most populated city that its disk holds.
    There may be more sites than these, not fewer. ``apart`` says which disks do not meet which.
    """
    order = sorted(
        range(len(constraints)),
        key=lambda index: (constraints[index].radius_km, constraints[index].vantage.id),
    )
    chosen: list[int] = []
    for index in order:
        if apart[index, chosen].all():
            chosen.append(index)
    return tuple(_site(constraints[index]) for index in chosen) if len(chosen) > 1 else ()


def _site(constraint: Constraint) -> Site:
    city = shipped_cities().largest_in(constraint.disk)
    vantage = constraint.vantage
    return Site(
        city=city.name if city else None,
        country=city.country if city else None,
        latitude=city.latitude if city else vantage.latitude,
        longitude=city.longitude if city else vantage.longitude,
        radius_km=constraint.radius_km,
        vantage=vantage.id,
    )


def _several(found: Sequence[Site]) -> str:
    if not found:
        return "several sites"
    names = ", ".join(islice((f"{one.city or f'near {one.vantage}'}" for one in found), _NAMED))
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"at least {len(found)} sites ({names}{more})"
