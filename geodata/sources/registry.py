"""What the five regional registries wrote beside address blocks, through iptocc, which carries the data.

A registry's country is the holder's: 232,704 addresses that Pakistani networks announce are registered
abroad, so it is one vote among others.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import iptocc

from geodata.sources.parsed import Entry
from geodata.sources.source import Found, country

if TYPE_CHECKING:
    from geodata.bulk import Addresses, Column
    from geodata.special import Address

# iptocc is built nightly and carries no date; this is the day on which the locked version was published.
_DATES: Final = {"3.3.170": "2026-10-27"}


@cache
def _entries(code: str | None) -> tuple[Entry, ...]:
    known = country(code)
    return () if known is None else (Entry(country=known),)


def _version() -> str:
    """The installed version, by the name of the directory that says so; one look, if there is one such."""
    named = [path.name for path in Path(iptocc.__file__).parents[1].glob("iptocc-*.dist-info")]
    if len(named) == 1:
        return named[0].removeprefix("iptocc-").removesuffix(".dist-info")
    from importlib.metadata import version  # noqa: PLC0415  to import it takes longer than to open a snapshot

    return version("iptocc")


class Registry:
    """The registries' data of the installed iptocc."""

    def __init__(self) -> None:
        self.version: str | None = _version()
        self.date: str | None = _DATES.get(self.version)

    def look_up(self, address: Address) -> Found | None:
        """The record for an address; iptocc does not say of which block, so the prefix is the address."""
        written = str(address)
        entries = _entries(iptocc.country_code(written))
        return Found(f"{written}/{address.max_prefixlen}", entries) if entries else None

    def column(self, addresses: Addresses) -> Column:
        """What is said of very many addresses."""
        import numpy as np  # noqa: PLC0415  slow to import, and one address needs none

        from geodata.bulk import Column  # noqa: PLC0415

        numbers: defaultdict[str | None, int] = defaultdict(count(1).__next__)
        found = map(numbers.__getitem__, map(iptocc.country_code, addresses.texts))
        codes = np.fromiter(found, np.uint32, len(addresses.texts))
        known = [(), *(_entries(code) for code in numbers)]
        codes[np.isin(codes, [number for number, entries in enumerate(known) if not entries])] = 0
        return Column(codes, known)

    def close(self) -> None:
        """Nothing is held open."""
