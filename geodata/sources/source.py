"""What every source of claims gives: a record for an address, or an error that can be shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from geodata.errors import GeodataError
from geodata.special import decode

__all__ = ["Found", "GeodataError", "Reader", "alone", "asn", "country", "number", "text"]

if TYPE_CHECKING:
    from geodata.bulk import Addresses, Column
    from geodata.sources.parsed import Entry
    from geodata.special import Address

_CODE: Final = re.compile(r"[A-Z]{2}")
# What databases put where they have no country: reserved, "Europe", "Asia/Pacific", Tor, proxies, satellite.
_NO_COUNTRY: Final = frozenset({"ZZ", "XX", "EU", "AP", "T1", "A1", "A2", "O1"})
MAX_TEXT: Final = 200  # characters of a name; longer ones are cut


class Found(NamedTuple):
    """What one data file has for an address: something for all of ``prefix``, in one or more entries."""

    prefix: str
    entries: tuple[Entry, ...]


class Reader(Protocol):
    """An opened data file."""

    @property
    def version(self) -> str | None:
        """The data's own version where it carries one."""

    @property
    def date(self) -> str | None:
        """The day of the data (ISO 8601) where it carries one."""

    def look_up(self, address: Address) -> Found | None:
        """What is said of a decoded address, or ``None``; raises :class:`GeodataError` on corrupt data."""

    def column(self, addresses: Addresses) -> Column:
        """What is said of very many; raises as :meth:`look_up`."""

    def close(self) -> None:
        """Let go of the file."""


def alone(address: str) -> str:
    """The prefix of one decoded address and no other; raises :class:`GeodataError` for what is none."""
    try:
        decoded = decode(address)
    except ValueError as error:
        raise GeodataError(f"{address!r} is not an IP address", "address") from error
    return f"{decoded}/{decoded.max_prefixlen}"


def country(value: object) -> str | None:
    """``value`` as an ISO 3166-1 alpha-2 code, or ``None`` where it is not one: unknown, not an error."""
    if not isinstance(value, str):
        return None
    code = value.upper()
    return code if _CODE.fullmatch(code) and code not in _NO_COUNTRY else None


def text(value: object) -> str | None:
    """``value`` as a name, cut to ``MAX_TEXT`` characters, or ``None``."""
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def number(value: object, low: float, high: float) -> float | None:
    """``value`` as a number within bounds, or ``None``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        return None
    return float(value)


def asn(value: object) -> int | None:
    """``value`` (``64500`` or ``"AS64500"``) as an autonomous system number, or ``None``."""
    if isinstance(value, str):
        digits = value.removeprefix("AS")
        value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**32:
        return None
    return value


def widest_block(key: int, first: int, last: int, bits: int) -> tuple[int, int]:
    """Start and prefix length of the widest block around ``key`` within ``first`` to ``last``."""
    free = 0
    while free < bits:
        base = key >> (free + 1) << (free + 1)
        if base < first or base + (2 << free) - 1 > last:
            break
        free += 1
    return key >> free << free, bits - free
