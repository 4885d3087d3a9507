"""Support: what was measured that speaks for what sources claim of a place, or against it.

Sources err together (ten of ten, for real addresses in Pakistan). So claims of home need the support of
times, of the way from there, and of an application that answers from there; and claims of abroad are not
believed against these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.case import counted, of
from scanner.relay import is_few, is_hidden, late_key, late_pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.territory import Feasibility
    from scanner.case import Case
    from scanner.evidence import Constraint, Layer
    from scanner.verdict import Assurance, Location

_COMES: Final[dict[Layer, str]] = {
    "port": "it takes connections",
    "tls": "it proves its key",
    "resumed": "it resumes a TLS session",
    "page": "its page comes",
    "static": "its files come",
    "error": "it answers for a page that nobody has",
}


def compared(case: Case) -> dict[str, float]:
    """What times are compared with that are to support claims."""
    limits = case.thresholds
    return {
        "unsupported_rtt_ms": limits.unsupported_rtt_ms,
        "unsupported_abroad": limits.unsupported_abroad,
        "abroad_share": limits.abroad_share,
        "abroad_addresses": limits.abroad_addresses,
    }


def allowed(case: Case, location: Location) -> str:
    """What the measured times have to do with what sources agree on, in words."""
    if not case.evidence.transport:
        return "no measured time bears on it"
    if location == "inside" and _is_crowded(case, case.transport):
        return f"it answered {of(case.evidence.transport[0])}, and {case.evidence.abroad}"
    return "the measured times allow it"


class Objection(NamedTuple):
    """What is said instead of what sources agree on, why, and from which evidence beside the times."""

    location: Location
    why: str
    evidence: tuple[str, ...] = ()
    rule: str = "unsupported-claim"
    assurance: Assurance | None = None


def objection(case: Case, location: Location, *, admitted: bool) -> Objection | None:
    """Why sources that agree on a location are not believed, if they are not.

    What an operator has ``admitted`` of itself stands.
    """
    if location == "outside":
        return None if admitted else _supported(case)
    if not any(one.country is not None and one.meaning != "registrant" for one in case.possible):
        return Objection(
            "undetermined", "they know only where its holder is registered, not where its machines are."
        )
    front = case.evidence.front
    if front is not None:
        return Objection("edge", str(front), (front.trace,), "scrubbing", "claimed")
    return unsupported(case)


def _supported(case: Case) -> Objection | None:
    """What speaks for home against claims of abroad: the way to it was last seen there.

    And that right before it, or a vantage at home is the nearest, and near. A false "outside" ruins who is
    honest, and leased space is registered abroad wherever it is used.
    """
    upstream = case.evidence.upstream
    if upstream is None or upstream.hop.place != "home" or not case.evidence.transport:
        return None
    nearest = case.evidence.transport[0]
    if upstream.beside:
        why = f"the router right before it on its way from home is at home: {upstream.hop.why}."
    elif case.at_home(nearest.vantage) and nearest.rtt_ms <= case.thresholds.unsupported_rtt_ms:
        why = (
            f"it answered {of(nearest)}, sooner than any vantage abroad, and its way was last seen at home:"
            f" {upstream.hop.why}."
        )
    else:
        return None
    return Objection("conflicting", why, (upstream.trace,))


def unsupported(case: Case) -> Objection | None:
    """Why claims of *home* are not believed although no proof forbids them.

    A false "inside" is the one error that must never happen. So a claim of home needs the support of vantages
    at home: that one of them is the nearest in time, and that the times together leave few cities abroad
    beside those at home, or are such as nothing abroad has. Neither proves the opposite (a delay may be added
    anywhere), hence never "outside". Nor may its way be last seen abroad.
    """
    upstream = case.evidence.upstream
    if upstream is not None and upstream.hop.place == "abroad":
        where = ", ".join(upstream.hop.countries[:4])
        why = f"its way from home was last seen abroad ({where}): {upstream.hop.why}."
        return Objection("conflicting", why, (upstream.trace,))
    if upstream is None and case.evidence.probed and not case.evidence.transport:
        return Objection("undetermined", "no probe was answered, and no way to it from home was seen.")
    found = _far(case, case.evidence.transport, case.transport)
    if found is None and _is_handed_on(case):
        port = case.evidence.port
        found = _far(case, port, case.territory.assess([one.disk for one in port]))
    return found or hidden(case)


def hidden(case: Case) -> Objection | None:
    """What comes so late that a machine behind the host may make it, out of a cache, or not at all."""
    late = next(late_pages(case), None) or late_key(case)
    if late is not None:
        tries = counted(late.tries, "try", "tries")
        how = f"in only {tries}" if is_few(late, case.thresholds) else f"evenly in {tries}"
        why = (
            f"{_COMES[late.layer]} {late.excess_ms:.1f} ms later than packets, {how}: a machine behind it"
            f" may be up to {late.excess_ms * case.thresholds.speed_km_per_ms_rtt:,.0f} km farther."
        )
        return Objection("undetermined", why, late.evidence)
    unanswered, cached = case.evidence.unanswered, case.evidence.cached
    if unanswered:
        why = (
            f"it takes connections, and its application left {len(unanswered)} series of requests unanswered:"
            " where that runs is not shown."
        )
        return Objection("undetermined", why, unanswered)
    if cached is None or not is_hidden(case):
        return None
    why = (
        f"its response's {cached.header} speaks of a cache in front, and nothing that no cache holds was"
        " asked for: where its pages are made is not shown."
    )
    return Objection("undetermined", why, (cached.evidence,))


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
    home are mistaken for it. The fewer are known, the sooner it must be, in proportion.
    """
    known, limits = case.evidence.abroad, case.thresholds
    if known is None:
        return False
    share = limits.abroad_share * min(1.0, known.addresses / limits.abroad_addresses)
    return nearest.rtt_ms <= min(share * known.rtt_ms, limits.unsupported_rtt_ms)


def _far(case: Case, constraints: Sequence[Constraint], feasible: Feasibility) -> Objection | None:
    """Why times, and what they leave, do not support home, if they do not."""
    if not constraints:
        return None
    nearest = constraints[0]
    answered = "took connections from" if nearest.basis == "port" else "answered"
    if not case.at_home(nearest.vantage):
        return Objection(
            "conflicting",
            f"it {answered} {of(nearest)}, abroad, sooner than any vantage in {case.territory.country_name}.",
            (nearest.evidence,),
        )
    if not _is_crowded(case, feasible) or _is_sooner(case, nearest):
        return None
    why = (
        f"no time speaks for it: it {answered} {of(nearest)} at best, and may be in any of"
        f" {len(feasible.foreign_cities):,} cities abroad and {len(feasible.home_cities):,} at home; a nearer"
        " vantage would tell."
    )
    return Objection("undetermined", why, tuple(one.evidence for one in constraints))
