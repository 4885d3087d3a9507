"""The rules that give an address its verdict; the first that matches decides, and the verdict carries its id.

Physics comes first: constraints from round-trip times veto claims, never the other way round. A low RTT
proves nearness; a high one proves nothing (detours, congestion, an added delay), and what is missing is
unknown. Thresholds are data (policy.yaml).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scanner.anycast import anycast
from scanner.case import Case
from scanner.claims import claims, possible_claims, provider_region
from scanner.presence import foreign_pop, possible_pops
from scanner.proof import territory
from scanner.relay import relay
from scanner.verdict import UNPLACED, AddressVerdict, weakness

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from geodata.territory import Territory
    from scanner.evidence import AddressEvidence
    from scanner.policy import Thresholds

DOUBTFUL: Final = "doubtful-vantage"  # what holds of an address hangs on a vantage that may be elsewhere


def bogon(case: Case) -> AddressVerdict | None:
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


def unmeasured(case: Case) -> AddressVerdict | None:
    """No probe was made (an interrupted scan, an incomplete record): claims alone place nothing."""
    if case.evidence.probed:
        return None
    return case.verdict(
        "unmeasured",
        "undetermined",
        None,
        f"{case.evidence.address} was not measured, and what sources claim of it was not put to the test.",
    )


def unreachable(case: Case) -> AddressVerdict | None:
    """Nothing answered, although it was asked: there is nothing to place."""
    if case.evidence.transport or not case.evidence.asked:
        return None
    if case.evidence.unused:
        return case.verdict(
            DOUBTFUL,
            "undetermined",
            None,
            f"{case.evidence.address} answered only {_listed(case.evidence.unused)}: its place is in doubt.",
        )
    return case.verdict(
        "unreachable",
        "unreachable",
        None,
        f"Nothing at {case.evidence.address} answered any of {len(case.evidence.asked)} series of probes.",
        case.evidence.asked,
    )


def admitted_region(case: Case) -> AddressVerdict | None:
    """Rule 6 where nothing was measured: a provider's own word counts where it is an admission."""
    verdict = provider_region(case)
    return verdict if verdict is not None and verdict.location == "outside" else None


RULES: Final[tuple[Callable[[Case], AddressVerdict | None], ...]] = (
    bogon,
    anycast,
    relay,
    territory,
    unmeasured,
    unreachable,
    provider_region,
    foreign_pop,
    claims,
)


# What may be said of an address that is not to be probed.
UNPROBED: Final[tuple[Callable[[Case], AddressVerdict | None], ...]] = (
    bogon,
    anycast,
    admitted_region,
    claims,
)


def judge_unprobed(evidence: AddressEvidence, land: Territory, thresholds: Thresholds) -> AddressVerdict:
    """The verdict on an address that nobody measured: never more than claims."""
    return _first(evidence, land, thresholds, UNPROBED)


def judge_address(
    evidence: AddressEvidence,
    land: Territory,
    thresholds: Thresholds,
    doubtful: Collection[str] = frozenset(),
) -> AddressVerdict:
    """The verdict of the first rule that matches; it must hold with and without ``doubtful`` vantages."""
    whole = _first(evidence, land, thresholds)
    trusted = evidence.without(doubtful)
    if trusted is evidence:
        return whole
    rest = _first(trusted, land, thresholds)
    if whole.location == rest.location:
        return max(whole, rest, key=weakness)
    for one in (rest, whole):
        if one.location in UNPLACED:
            return one
    return AddressVerdict(
        address=evidence.address,
        location="undetermined",
        rule=DOUBTFUL,
        reason=f"That {_listed(trusted.unused)} is where it is said to be is in doubt; if so, this is"
        f" {whole.location}, else {rest.location}. {whole.reason}",
        evidence=whole.evidence,
        rtts_ms=whole.rtts_ms,
        keys=whole.keys,
        set_aside=rest.set_aside,
    )


def _first(
    evidence: AddressEvidence,
    land: Territory,
    thresholds: Thresholds,
    rules: Sequence[Callable[[Case], AddressVerdict | None]] = RULES,
) -> AddressVerdict:
    transport = land.assess([one.disk for one in evidence.transport])
    key = land.assess([one.disk for one in evidence.key]) if evidence.key else None
    possible, set_aside = possible_claims(evidence, transport, land.countries)
    pops, pops_aside = possible_pops(evidence.pops, land)
    case = Case(evidence, transport, key, possible, pops, (*set_aside, *pops_aside), land, thresholds)
    for rule in rules:
        if (verdict := rule(case)) is not None:
            return verdict
    raise AssertionError("the last rule always decides")


def _listed(names: Sequence[str]) -> str:
    return " or ".join(f"vantage {name}" for name in names[:3])
