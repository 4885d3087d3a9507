"""What ``sarhad geodata lookup`` asks of others over the Internet, where it is told to."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from geodata.errors import GeodataError
from geodata.sources.cymru import Cymru
from geodata.sources.feeds import Feeds
from geodata.sources.rdap import Rdap
from geodata.visit import Visitor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geodata.claim import Claim
    from geodata.sources.feeds import Located
    from geodata.sources.registration import Registration

    Tell = Callable[[object], None]

RDAP_S: Final = 20.0
GEOFEED_S: Final = 30.0
CYMRU_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which sources to ask; none, unless it was said."""

    rdap: bool = False
    cymru: bool = False
    geofeed: bool = False


def default_cache() -> Path | None:
    """The user's cache directory (XDG Base Directory Specification); ``None`` where there is no home."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        return (given if given.is_absolute() else Path.home() / ".cache") / "sarhad"
    except RuntimeError:
        return None


def ask(
    addresses: Sequence[str], wanted: Wanted, cache: Path | None, lab: tuple[str, ...], tell: Tell
) -> dict[str, tuple[Claim, ...]]:
    """The claims for each address; ``tell`` is told what failed, and what of an answer was not believed."""
    return asyncio.run(_ask(addresses, wanted, cache or default_cache(), lab, tell))


async def _ask(
    addresses: Sequence[str], wanted: Wanted, cache: Path | None, lab: tuple[str, ...], tell: Tell
) -> dict[str, tuple[Claim, ...]]:
    found: dict[str, tuple[Claim, ...]] = dict.fromkeys(addresses, ())
    if wanted.rdap or wanted.geofeed:
        async with Visitor(lab=lab) as visitor:
            feeds = Feeds(visitor, cache=cache)
            with Rdap(cache=cache) as rdap:
                for address in found:
                    found[address] = await _registered(address, wanted, rdap, feeds, tell)
        for trouble in (rdap.trouble, feeds.trouble):
            if trouble is not None:
                tell(trouble)
    if wanted.cymru:
        cymru = Cymru()
        answers = await asyncio.gather(*(_announced(address, cymru, tell) for address in found))
        found = {address: (*found[address], *claims) for address, claims in zip(found, answers, strict=True)}
    return found


async def _registered(
    address: str, wanted: Wanted, rdap: Rdap, feeds: Feeds, tell: Tell
) -> tuple[Claim, ...]:
    try:
        registration = await rdap.registration(address, deadline_s=RDAP_S)
    except GeodataError as error:
        tell(error)
        return ()
    claims: tuple[Claim, ...] = (registration.claim(),) if wanted.rdap else ()
    if wanted.geofeed:
        try:
            located = await feeds.lookup(address, registration, deadline_s=GEOFEED_S)
        except GeodataError as error:
            tell(f"{address}: geofeed: {error}")
            return claims
        tell(_reservations(address, registration, located))
        claims += () if located is None else located.claims
    return claims


def _reservations(address: str, registration: Registration, located: Located | None) -> str:
    """What a feed's claims leave out."""
    if located is None:
        return f"{address}: the registration of {registration.prefix} names no geofeed"
    parts = [f"{address}: {located.url} says {len(located.claims) or 'nothing'} of it"]
    if located.outside:
        parts.append(f"{located.outside} of its entries are outside {registration.prefix} and were left out")
    if located.skipped:
        parts.append(f"{located.skipped} of its lines make no sense")
    if located.signed:
        parts.append("it is signed, and the signature was not verified")
    return "; ".join(parts)


async def _announced(address: str, cymru: Cymru, tell: Tell) -> tuple[Claim, ...]:
    try:
        claims = await cymru.lookup(address, deadline_s=CYMRU_S)
    except GeodataError as error:
        tell(error)
        return ()
    if not claims:
        tell(f"{address}: Team Cymru knows of no network that announces it")
    return claims
