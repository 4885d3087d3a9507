"""What the claims of an address come to, in sentences: who says what, what that means, and what it does not.

A judgement is not made here: claims are only put side by side.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from geodata.snapshot import AGEING_DAYS, STALE_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geodata.claim import Claim
    from geodata.special import Address, SpecialPurpose

# What is not said of a place of servers, and why.
_NO_PLACE: Final = {
    "registrant": "a registry's country is where the holder is registered",
    "origin": "an announcing network's country is where it is registered",
}
_VALIDITY: Final = {
    "valid": "which the holder's signature allows (RPKI: valid)",
    "invalid": "which no signature of the holder allows (RPKI: invalid, a mistake or a hijack)",
    "not-found": "of which no signature says anything (RPKI: not found)",
}


def explain(
    given: str,
    decoded: Address,
    special: SpecialPurpose | None,
    claims: Sequence[Claim],
    today: dt.date,
) -> tuple[str, ...]:
    """Sentences on ``given``, which stands for the address ``decoded``."""
    return tuple(_sentences(given, decoded, special, claims, today))


def _sentences(
    given: str,
    decoded: Address,
    special: SpecialPurpose | None,
    claims: Sequence[Claim],
    today: dt.date,
) -> Iterator[str]:
    if ":" in given and decoded.version == 4:
        yield f"It is a form of the IPv4 address {decoded}, and that is what was looked up."
    if special is not None:
        yield (
            f"It is in {special.prefix}, set aside for {special.name} ({special.rfc}): a different machine in"
            " every network, of which no source can say anything, and which is never probed."
        )
        return
    if not claims:
        yield "No source says anything of it: where it is is unknown, which is not abroad and not at home."
        return
    yield from _announced(claims)
    yield from _edges(claims)
    yield from _declared(claims)
    yield from _countries(claims)
    yield from _old(claims, today)


def _announced(claims: Sequence[Claim]) -> Iterator[str]:
    origins = {one.asn: one for one in claims if one.meaning == "origin" and one.asn is not None}
    if not origins:
        yield "No source knows a network that announces it."
        return
    for one in origins.values():
        by = f"AS{one.asn}" + (f" ({one.network})" if one.network else "")
        what = "It is announced" if one.length is None else f"It is announced as {one.prefix}"
        signed = f", {_VALIDITY[one.rpki]}" if one.rpki is not None else ""
        yield f"{what} by {by}{signed}."
    if len(origins) > 1:
        yield f"{len(origins)} networks announce it; whose machines answer depends on from where it is asked."


def _edges(claims: Sequence[Claim]) -> Iterator[str]:
    who = dict.fromkeys(one.network or one.source for one in claims if one.meaning in {"anycast", "edge_pop"})
    if who:
        yield (
            f"It is of {' and '.join(who)}, who answer from many places under one address: where the nearest"
            " of them is says nothing of where data is stored, and a country that a database has is no place."
        )


def _declared(claims: Sequence[Claim]) -> Iterator[str]:
    for one in claims:
        if one.region is not None and one.meaning == "server":
            where = f"{one.region} ({one.country or 'in a country that is not known'})"
            yield f"{one.network or one.source} itself lists {one.prefix} in its region {where}."
        elif one.meaning == "user_egress":
            yield (
                f"{one.source} says {one.country or 'no country'} of those who use it: relays and private"
                " networks are listed by where their users are, not their machines."
            )


def _countries(claims: Sequence[Claim]) -> Iterator[str]:
    said: defaultdict[str, dict[str, None]] = defaultdict(dict)
    meanings: dict[str, str] = {}
    for one in claims:
        if one.country is not None and one.meaning in {"server", "registrant", "origin"}:
            said[one.country][one.family] = None
            meanings[one.family] = one.meaning
    if not said:
        yield "No source says a country: that is unknown, not abroad."
        return
    each = "; ".join(f"{country}: {', '.join(families)}" for country, families in sorted(said.items()))
    if len(said) > 1:
        yield f"Sources disagree on the country ({each})."
    elif len(meanings) > 1:
        yield f"{len(meanings)} families of sources say {next(iter(said))} ({', '.join(meanings)})."
    else:
        yield f"Only {next(iter(meanings))} says a country, {next(iter(said))}."
    for meaning in dict.fromkeys(meanings.values()):
        if meaning in _NO_PLACE and len(said) > 1:
            yield f"Note that {_NO_PLACE[meaning]}, not where machines are."


def _old(claims: Sequence[Claim], today: dt.date) -> Iterator[str]:
    ages = {
        one.source: (today - dt.date.fromisoformat(one.date)).days for one in claims if one.date is not None
    }
    for word, least in (("stale", STALE_DAYS), ("ageing", AGEING_DAYS)):
        old = [f"{source} ({age} days)" for source, age in ages.items() if age > least]
        if old:
            yield f"Data that is {word}: {', '.join(old)}."
        ages = {source: age for source, age in ages.items() if age <= least}
