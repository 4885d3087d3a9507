"""Rules 2, 6 and 8: what sources claim, as far as physics allows it.

What the operator says of himself (geofeeds, reverse names) is an admission where it is abroad, and no support
where it is at home. A reverse name counts only where a measurement bears on it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from geodata.sources.rdns import name_claims
from scanner.case import of, up
from scanner.support import allowed, compared, hidden, objection, unsupported
from scanner.verdict import SetAside

if TYPE_CHECKING:
    from collections.abc import Container

    from geodata.claim import Claim
    from geodata.territory import Feasibility
    from scanner.case import Case
    from scanner.evidence import AddressEvidence
    from scanner.verdict import AddressVerdict, Assurance, Location

PLACE_MEANINGS: Final = frozenset({"server", "registrant", "origin"})
SELF_DECLARED: Final = frozenset({"operator"})
AUDITED: Final = frozenset({"geofeed", "rdns"})  # families in which whoever holds an address says where it is


def possible_claims(
    evidence: AddressEvidence, feasible: Feasibility, mapped: Container[str]
) -> tuple[tuple[Claim, ...], tuple[SetAside, ...]]:
    """Claims that the constraints rule out are set aside, and listed."""
    hints = name_claims(evidence.address, evidence.names) if evidence.transport else ()
    possible: list[Claim] = []
    aside: list[SetAside] = []
    many = len(evidence.transport)
    together = f" by the times of {many} vantages together" if many > 1 else ""
    for claim in (*evidence.claims, *hints):
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
                reason=f"{claim.country} is ruled out{together}: it answered {of(near)}, at most"
                f" {up(near.radius_km)} km away.",
            )
        )
    return tuple(possible), tuple(aside)


def provider_region(case: Case) -> AddressVerdict | None:
    """The provider's own list of addresses says in which of its regions it is.

    Abroad, that is an admission. At home it needs another family's word, and a vantage at home that is near.
    """
    listed = [
        claim
        for claim in case.possible
        if claim.asserted_by in SELF_DECLARED
        and claim.meaning == "server"
        and claim.country is not None
        and claim.family not in AUDITED
    ]
    if not listed:
        return None
    evidence = [one.evidence for one in case.evidence.transport]
    abroad = [claim for claim in listed if claim.country != case.home]
    claim = (abroad or listed)[0]
    where = f"region {claim.region}, {claim.country}" if claim.region else f"{claim.country}"
    reason = f"{claim.network or claim.family.capitalize()} itself lists {claim.prefix} in {where}"
    if abroad:
        countries = {str(one.country) for one in abroad}
        return case.verdict("provider-region", "outside", "corroborated", f"{reason}.", evidence, countries)
    independent = {said for votes in _votes(case)[0].values() for said in votes}
    if independent != {case.home} or case.evidence.front is not None or unsupported(case) is not None:
        return None
    return case.verdict(
        "provider-region",
        "inside",
        "corroborated",
        f"{reason}, other sources agree, and the measured times allow it.",
        evidence,
        {case.home},
    )


def _votes(case: Case) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """The countries that each family says, and those abroad that operators admit."""
    votes: defaultdict[str, set[str]] = defaultdict(set)
    admitted: defaultdict[str, set[str]] = defaultdict(set)
    for claim in case.possible:
        if claim.country is None:
            continue
        if claim.asserted_by not in SELF_DECLARED:
            votes[claim.family].add(claim.country)
        elif claim.country != case.home:
            admitted[claim.family].add(claim.country)
    return votes, admitted


def claims(case: Case) -> AddressVerdict:
    """The families that are left vote once each; a split is shown, never outvoted."""
    votes, admitted = _votes(case)
    if votes:  # what operators say of themselves never stands alone
        votes |= admitted
    countries = {country for said in votes.values() for country in said}
    evidence = [one.evidence for one in case.evidence.transport]
    if not countries:
        text = "No source says where it is" + (" that physics allows" if case.set_aside else "")
        behind = hidden(case)
        return case.verdict(
            "claims",
            "undetermined",
            None,
            f"{text}." if behind is None else f"{text}; {behind.why}",
            evidence if behind is None else [*evidence, *behind.evidence],
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
    if (found := objection(case, location, admitted=bool(admitted))) is not None:
        return case.verdict(
            found.rule,
            found.location,
            found.assurance,
            f"Sources say {', '.join(sorted(countries))} ({said}), but {found.why}",
            [*evidence, *found.evidence],
            countries,
            (),
            **compared(case),
        )
    # At home, no number of sources is worth more than one until a time has spoken for it: they err together.
    counted = len(votes) > 1 and (location == "outside" or bool(case.evidence.transport))
    assurance: Assurance = "corroborated" if counted else "claimed"
    many = f"{len(votes)} independent sources agree" if len(votes) > 1 else "One source says so"
    text = f"{many} ({said}); {allowed(case, location)}."
    limits = {"speed_km_per_ms_rtt": case.thresholds.speed_km_per_ms_rtt}
    if location == "inside":
        limits |= compared(case)
    return case.verdict("claims", location, assurance, text, evidence, countries, (), **limits)
