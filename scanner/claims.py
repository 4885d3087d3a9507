"""Rules 2, 6 and 8: what sources claim, as far as physics allows it.

What the operator says of himself (geofeeds, reverse names) is an admission where it is abroad, and no support
where it is at home. A reverse name counts only where a measurement bears on it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from geodata.sources.rdns import name_claims
from scanner.case import counted, of, up
from scanner.relay import is_few, late_key, late_pages
from scanner.verdict import SetAside

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from geodata.claim import Claim
    from geodata.territory import Feasibility
    from scanner.case import Case
    from scanner.evidence import AddressEvidence, Constraint, Layer
    from scanner.verdict import AddressVerdict, Assurance, Location

PLACE_MEANINGS: Final = frozenset({"server", "registrant", "origin"})
SELF_DECLARED: Final = frozenset({"operator"})
_COMES: Final[dict[Layer, str]] = {
    "port": "it takes connections",
    "tls": "it proves its key",
    "resumed": "it resumes a TLS session",
    "page": "its page comes",
    "static": "its files come",
    "error": "it answers for a page that nobody has",
}
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
    if independent != {case.home} or case.evidence.front is not None or _unsupported(case) is not None:
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
        late = _late(case)
        return case.verdict(
            "claims", "undetermined", None, f"{text}; {late}" if late else f"{text}.", evidence
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
    if (doubt := _doubt(case, location)) is not None:
        return case.verdict(
            doubt.rule,
            doubt.location,
            doubt.assurance,
            f"Sources say {', '.join(sorted(countries))} ({said}), but {doubt.why}",
            evidence,
            countries,
            (),
            **_limits(case),
        )
    # At home, no number of sources is worth more than one until a time has spoken for it: they err together.
    counted = len(votes) > 1 and (location == "outside" or bool(case.evidence.transport))
    assurance: Assurance = "corroborated" if counted else "claimed"
    many = f"{len(votes)} independent sources agree" if len(votes) > 1 else "One source says so"
    text = f"{many} ({said}); {_allowed(case, location)}."
    limits = {"speed_km_per_ms_rtt": case.thresholds.speed_km_per_ms_rtt}
    if location == "inside":
        limits |= _limits(case)
    return case.verdict("claims", location, assurance, text, evidence, countries, (), **limits)


def _limits(case: Case) -> dict[str, float]:
    """What times are compared with that are to support claims."""
    limits = case.thresholds
    return {
        "unsupported_rtt_ms": limits.unsupported_rtt_ms,
        "unsupported_abroad": limits.unsupported_abroad,
        "abroad_share": limits.abroad_share,
        "abroad_addresses": limits.abroad_addresses,
    }


def _allowed(case: Case, location: Location) -> str:
    """What the measured times have to do with what sources agree on, in words."""
    if not case.evidence.transport:
        return "no measured time bears on it"
    if location == "inside" and _is_crowded(case, case.transport):
        return f"it answered {of(case.evidence.transport[0])}, and {case.evidence.abroad}"
    return "the measured times allow it"


class _Doubt(NamedTuple):
    """What is said instead of what sources agree on, and why."""

    location: Location
    why: str
    rule: str = "unsupported-claim"
    assurance: Assurance | None = None


def _doubt(case: Case, location: Location) -> _Doubt | None:
    """Why sources that agree are not believed, if they are not."""
    if location == "outside":
        return None if (against := _supported(case)) is None else _Doubt("conflicting", against)
    if not any(one.country is not None and one.meaning != "registrant" for one in case.possible):
        return _Doubt(
            "undetermined", "they know only where its holder is registered, not where its machines are."
        )
    if case.evidence.front is not None:
        return _Doubt("edge", str(case.evidence.front), "scrubbing", "claimed")
    return None if (found := _unsupported(case)) is None else _Doubt(*found)


def _supported(case: Case) -> str | None:
    """What speaks for home against claims of abroad: the way to it was last seen there.

    And that right before it, or a vantage at home is the nearest, and near. A false "outside" ruins who is
    honest, and leased space is registered abroad wherever it is used. What the operator itself admits stands.
    """
    upstream = case.evidence.upstream
    if upstream is None or upstream.hop.place != "home" or not case.evidence.transport or _votes(case)[1]:
        return None
    if upstream.beside:
        return f"the router right before it on its way from home is at home: {upstream.hop.why}."
    nearest = case.evidence.transport[0]
    if not case.at_home(nearest.vantage) or nearest.rtt_ms > case.thresholds.unsupported_rtt_ms:
        return None
    return (
        f"it answered {of(nearest)}, sooner than any vantage abroad, and its way was last seen at home:"
        f" {upstream.hop.why}."
    )


def _unsupported(case: Case) -> tuple[Location, str] | None:
    """Why claims of *home* are not believed although no proof forbids them.

    A false "inside" is the one error that must never happen, and sources are wrong together (ten of ten, for
    real addresses in Pakistan). So a claim of home needs the support of vantages at home: that one of them is
    the nearest in time, and that the times together leave few cities abroad beside those at home, or are such
    as nothing abroad has. Neither proves the opposite (a delay may be added anywhere), hence never "outside".
    Nor may its way be last seen abroad.
    """
    upstream = case.evidence.upstream
    if upstream is not None and upstream.hop.place == "abroad":
        where = ", ".join(upstream.hop.countries[:4])
        return "conflicting", f"its way from home was last seen abroad ({where}): {upstream.hop.why}."
    found = _far(case, case.evidence.transport, case.transport)
    if found is None and _is_handed_on(case):
        port = case.evidence.port
        found = _far(case, port, case.territory.assess([one.disk for one in port]))
    if found is not None:
        return found
    late = _late(case)
    return None if late is None else ("undetermined", late)


def _late(case: Case) -> str | None:
    """What comes so late that a machine behind the host may make it, in words."""
    late = next(late_pages(case), None) or late_key(case)
    if late is None:
        return None
    tries = counted(late.tries, "try", "tries")
    how = f"in only {tries}" if is_few(late, case.thresholds) else f"evenly in {tries}"
    return (
        f"{_COMES[late.layer]} {late.excess_ms:.1f} ms later than packets, {how}: a machine behind it may be"
        f" up to {late.excess_ms * case.thresholds.speed_km_per_ms_rtt:,.0f} km farther."
    )


def _is_handed_on(case: Case) -> bool:
    """Whether connections may be taken farther away: a router may answer pings itself and hand them on."""
    late = next((one for one in case.evidence.excesses if one.layer == "port"), None)
    return late is not None and late.excess_ms > case.thresholds.late_file_ms


def _is_crowded(case: Case, feasible: Feasibility) -> bool:
    """Whether times leave too many cities abroad for those at home."""
    return len(feasible.foreign_cities) > case.thresholds.unsupported_abroad * len(feasible.home_cities)


def _is_sooner(case: Case, nearest: Constraint) -> bool:
    """Whether it answered much sooner than anything abroad that is known to answer vantages at home.

    Cities near on a map may be far by fibre. Where none of n addresses abroad did, no more than 3/n of what
    is there do (with 95 % confidence: the rule of three), and of these few only those that all sources call
    home are mistaken for it.
    """
    known, limits = case.evidence.abroad, case.thresholds
    return (
        known is not None
        and known.addresses >= limits.abroad_addresses
        and nearest.rtt_ms <= min(limits.abroad_share * known.rtt_ms, limits.unsupported_rtt_ms)
    )


def _far(case: Case, constraints: Sequence[Constraint], feasible: Feasibility) -> tuple[Location, str] | None:
    """Why times, and what they leave, do not support home, if they do not."""
    if not constraints:
        return None
    nearest = constraints[0]
    answered = "took connections from" if nearest.basis == "port" else "answered"
    if not case.at_home(nearest.vantage):
        return (
            "conflicting",
            f"it {answered} {of(nearest)}, abroad, sooner than any vantage in {case.territory.country_name}.",
        )
    if not _is_crowded(case, feasible) or _is_sooner(case, nearest):
        return None
    why = (
        f"no time speaks for it: it {answered} {of(nearest)} at best, and may be in any of"
        f" {len(feasible.foreign_cities):,} cities abroad and {len(feasible.home_cities):,} at home; a nearer"
        " vantage would tell."
    )
    return "undetermined", why
