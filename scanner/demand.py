"""What a class of data asks beside a place: the way to it, and how old the data may be that place it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING, Final

from scanner.declared import Held

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geodata.claim import Claim
    from scanner.policy import ClassRule, FindingStatus
    from scanner.verdict import AddressVerdict, EndpointVerdict, PathVerdict

# How many families a verdict of home needs, by its assurance; what physics shows needs none.
_FAMILIES: Final = {"corroborated": 2, "claimed": 1}
UNDATED: Final = date.min


def way(verdict: EndpointVerdict, rule: ClassRule, home: str) -> Held | None:
    """The way to an endpoint; that it leaves is reported only, unless the class asks that it does not."""
    asked = rule.path == "domestic"
    if not asked and (verdict.path != "leaves" or rule.location == "any"):
        return None
    said: dict[PathVerdict, tuple[FindingStatus, str]] = {
        "leaves": ("violation" if asked else "not_applicable", f"leaves {home}."),
        "domestic": ("compliant", f"must stay in {home} and does."),
        "unknown": ("indeterminate", f"must stay in {home}; whether it does, is not shown."),
    }
    status, text = said[verdict.path]
    reason = f"The way to it {text} {verdict.path_reason}".strip()
    return Held("PCFP-RES-4", status, reason, rule.edge_severity)


def data_dates(
    verdicts: Iterable[EndpointVerdict], claims: Mapping[str, Iterable[Claim]], home: str
) -> dict[str, date]:
    """Of when the data are that verdicts of home rest on, by endpoint; none for those that rest on physics.

    Of several addresses the one with the oldest counts; :data:`UNDATED` where data do not say it.
    """
    return {
        verdict.endpoint: min(_date(one, claims.get(one.address, ()), home) for one in resting)
        for verdict in verdicts
        if verdict.location == "inside"
        and (resting := [one for one in verdict.addresses if one.assurance in _FAMILIES])
    }


def _date(one: AddressVerdict, claims: Iterable[Claim], home: str) -> date:
    """That of the newest data that are enough for the verdict's assurance."""
    newest: defaultdict[str, date] = defaultdict(lambda: UNDATED)
    for claim in claims:
        if claim.country == home:
            newest[claim.family] = max(newest[claim.family], _told(claim.date))
    dates = sorted(newest.values(), reverse=True)
    needed = _FAMILIES[one.assurance or ""]
    return dates[min(needed, len(dates)) - 1] if dates else UNDATED


def _told(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:  # a run that somebody else wrote may say anything
        return UNDATED


def outdated(rule: ClassRule, dated: date | None, today: date) -> str | None:
    """Why data of ``dated`` are too old for the class, in words; None if they are not, or there are none."""
    if rule.freshness_days is None or dated is None:
        return None
    if dated == UNDATED:
        return f"how old the data are that place it is not known, and {rule.freshness_days} days are the most"
    age = (today - dated).days
    if age <= rule.freshness_days:
        return None
    return f"the data that place it are {age} days old, and {rule.freshness_days} days are the most"
