"""What the five regional registries wrote beside address blocks, through iptocc, which carries the data.

A registry's country is the holder's: 232,704 addresses that Pakistani networks announce are registered
abroad, so it is one vote among others.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Final

import iptocc

from geodata.sources.source import Record, country

if TYPE_CHECKING:
    from geodata.special import Address

# iptocc is built nightly and carries no date; this is the day on which the locked version was published.
_DATES: Final = {"3.3.170": "2026-10-27"}


class Registry:
    """The registries' data of the installed iptocc."""

    def __init__(self) -> None:
        self.version: str | None = importlib.metadata.version("iptocc")
        self.date: str | None = _DATES.get(self.version)

    def look_up(self, address: Address) -> Record | None:
        """The record for an address; iptocc does not say of which block, so the prefix is the address."""
        found = country(iptocc.country_code(str(address)))
        return None if found is None else Record(prefix=f"{address}/{address.max_prefixlen}", country=found)

    def close(self) -> None:
        """Nothing is held open."""
