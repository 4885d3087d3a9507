"""What the five regional registries wrote beside address blocks, through iptocc, which carries the data.

A registry's country is the holder's: 232,704 addresses that Pakistani networks announce are registered
abroad, so it is one vote among others.
"""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Final

import iptocc
import numpy as np

from geodata.bulk import Column
from geodata.sources.parsed import Entry
from geodata.sources.source import Found, country
from geodata.special import decode

if TYPE_CHECKING:
    from geodata.bulk import Addresses
    from geodata.special import Address

# iptocc is built nightly and carries no date; this is the day on which the locked version was published.
_DATES: Final = {"3.3.170": "2026-10-27"}


class Registry:
    """The registries' data of the installed iptocc."""

    def __init__(self) -> None:
        self.version: str | None = importlib.metadata.version("iptocc")
        self.date: str | None = _DATES.get(self.version)

    def look_up(self, address: Address) -> Found | None:
        """The record for an address; iptocc does not say of which block, so the prefix is the address."""
        found = country(iptocc.country_code(str(address)))
        if found is None:
            return None
        return Found(f"{address}/{address.max_prefixlen}", (Entry(country=found),))

    def column(self, addresses: Addresses) -> Column:
        """What is said of very many addresses."""
        numbers: dict[str | None, int] = {}
        codes = np.empty(len(addresses.texts), dtype=np.uint32)
        for place, text in enumerate(addresses.texts):
            found = iptocc.country_code(text if ":" not in text else str(decode(text)))
            codes[place] = numbers.setdefault(found, len(numbers))
        known = [country(found) for found in numbers]
        # Code 0 is that of nothing.
        order = np.array([place + 1 if each else 0 for place, each in enumerate(known)], dtype=np.uint32)
        entries = [() if each is None else (Entry(country=each),) for each in known]
        return Column(order[codes] if len(order) else codes, [(), *entries])

    def close(self) -> None:
        """Nothing is held open."""
