"""Rule 7: the point of presence of a content network that a response's headers name.

Who answers writes the headers, so a point of presence at home proves nothing: what stands behind it may be
anywhere. One abroad that answered a vantage at home is an admission that what is asked at home is processed
abroad. What a network shows to vantages abroad is no sign of what it does at home.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.verdict import SetAside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geodata.territory import Territory
    from scanner.case import Case
    from scanner.evidence import Pop
    from scanner.verdict import AddressVerdict


def possible_pops(pops: Iterable[Pop], territory: Territory) -> tuple[tuple[Pop, ...], tuple[SetAside, ...]]:
    """Those that are near enough to the vantage that they answered; the others are set aside, and listed."""
    possible: list[Pop] = []
    aside: list[SetAside] = []
    for pop in pops:
        country = pop.claim.country
        if (
            country is None
            or country not in territory.countries
            or pop.within is None
            or country in territory.assess([pop.within]).countries
        ):
            possible.append(pop)
            continue
        reason = f"{country} is ruled out: what answered was nearer to {_place(pop)}."
        aside.append(
            SetAside(source=pop.claim.source, family=pop.claim.family, country=country, reason=reason)
        )
    return tuple(possible), tuple(dict.fromkeys(aside))


def foreign_pop(case: Case) -> AddressVerdict | None:
    """A point of presence abroad, for a vantage at home: outside. Any other: edge."""
    if not case.pops:
        return None
    abroad = [
        pop for pop in case.pops if pop.claim.country not in {None, case.home} and case.at_home(pop.vantage)
    ]
    pop = (abroad or case.pops)[0]
    network = pop.claim.network or "A content network"
    what = "answered" if pop.claim.meaning == "edge_pop" else "stood behind what answered"
    where = f" from {pop.claim.city or pop.claim.region}, {pop.claim.country}" if pop.claim.country else ""
    says = (
        f"{network} {what} {_place(pop)}{where}, as the response's {pop.claim.source.partition(':')[2]} says"
    )
    if abroad:
        return case.verdict(
            "foreign-pop",
            "outside",
            "corroborated",
            f"{says}: what is asked at home is processed abroad.",
            [one.evidence for one in abroad],
            {str(one.claim.country) for one in abroad},
        )
    return case.verdict(
        "foreign-pop",
        "edge",
        "claimed",
        f"{says}: a near edge says nothing of where the data behind it is stored.",
        [one.evidence for one in case.pops],
    )


def _place(pop: Pop) -> str:
    return pop.vantage.city or pop.vantage.id
