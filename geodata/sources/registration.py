"""A block as a registry has it: what an RDAP answer (RFC 9083, 5.4) says of the block around an address.

The registry attests to the range. The country, the name and the geofeed are free text of the holder, who may
be the one under audit, so the claim is marked as the operator's own.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import msgspec

from geodata.claim import Claim
from geodata.sources.source import GeodataError, country, text, widest_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_URL: Final = 1000  # characters
_RELATIONS: Final = ("geofeed", "geo")  # RFC 9877, and its drafts
_CHANGES: Final = ("last changed", "registration")
_LICENCE: Final = "the registry's terms, which its answer names"
_GEOFEED_TYPE: Final = "application/geofeed+csv"
# "remarks: Geofeed https://example.com/geofeed.csv" (RFC 9632, 3), or the attribute as registries print it.
_REMARK: Final = re.compile(r"\s*(?:Geofeed|geofeed:)\s+(https://\S+)\s*")


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry says of the addresses in ``prefix``: the widest block around what was asked for.

    ``date`` is the day of the last change (ISO 8601). ``geofeed`` is the URL of its geofeed, as written.
    """

    prefix: str
    country: str | None = None
    network: str | None = None
    date: str | None = None
    geofeed: str | None = None

    @classmethod
    def of(cls, result: Mapping[str, Any], address: str) -> Registration:
        """The registration in a result of ``IPWhois.lookup_rdap``; :class:`GeodataError` for nonsense."""
        network = result.get("network")
        if not isinstance(network, dict):
            raise GeodataError(f"RDAP for {address}: no network in the answer", "malformed")
        return cls(
            prefix=_prefix(network, address),
            country=country(network.get("country")),
            network=text(network.get("name")) or text(network.get("handle")),
            date=_changed(network.get("events")),
            geofeed=next(_geofeeds(result.get("raw")), None),
        )

    def claim(self) -> Claim:
        """The registration as a claim."""
        return Claim(
            source="rdap",
            family="registry",
            prefix=self.prefix,
            meaning="registrant",
            country=self.country,
            network=self.network,
            asserted_by="operator",
            version=self.date,
            date=self.date,
            licence=_LICENCE,
        )


def _prefix(network: Mapping[str, Any], address: str) -> str:
    """The widest CIDR block around ``address`` within the answer's range."""
    wanted = ipaddress.ip_address(address)
    try:
        first = type(wanted)(str(network.get("start_address")))
        last = type(wanted)(str(network.get("end_address")))
    except ValueError as error:
        raise GeodataError(f"RDAP for {address}: malformed range: {error}", "malformed") from error
    if not int(first) <= int(wanted) <= int(last):
        raise GeodataError(f"RDAP for {address}: the answer is of {first} to {last}", "malformed")
    base, length = widest_block(int(wanted), int(first), int(last), wanted.max_prefixlen)
    return f"{type(wanted)(base)}/{length}"


def _changed(events: object) -> str | None:
    """The day of the latest registration or change, or ``None``."""
    days = []
    for event in _objects(events):
        if event.get("action") in _CHANGES:
            try:
                days.append(dt.date.fromisoformat(str(event.get("timestamp"))[:10]))
            except ValueError:
                continue
    return max(days).isoformat() if days else None


def _geofeeds(raw: object) -> Iterator[str]:
    """The URLs of geofeeds in an RDAP object: links (RFC 9877) before remarks, as RFC 9632 wants it."""
    if not isinstance(raw, dict):
        return
    for link in _objects(raw.get("links")):
        href = link.get("href")
        if not _usable(href):
            continue
        if link.get("rel") in _RELATIONS or link.get("type") == _GEOFEED_TYPE:
            yield href
    for remark in _objects(raw.get("remarks")):
        lines = remark.get("description")
        for line in lines if isinstance(lines, list) else ():
            found = _REMARK.fullmatch(line) if _usable(line) else None
            if found is not None:
                yield found[1]


def _usable(value: object) -> TypeGuard[str]:
    """Whether this can be, or hold, a URL."""
    return isinstance(value, str) and len(value) <= MAX_URL and value.isprintable()


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list, where it is one."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
