"""What new data must pass before it is used: what is known for sure, and not too much changed at once."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.errors import GeodataError

if TYPE_CHECKING:
    from geodata.sources.source import Reader
    from geodata.sources.table import Table

HOME: Final = "PK"
# Of ten sources compared in 2026, each said of 5.35 to 5.84 million IPv4 addresses that they are in Pakistan.
HOME_LEAST: Final = 5_000_000
HOME_MOST: Final = 6_500_000
AHEAD_DAYS: Final = 2  # that a publisher's clock and time zone may be ahead
HOME_CHANGE: Final = 0.05
CHANGE: Final = 0.5  # of all addresses that a provider's own list covers
# Address, the country that no serious source gets wrong (None: nothing is to be said of it).
CANARIES: Final[tuple[tuple[str, str | None], ...]] = (
    ("39.32.0.1", "PK"),  # Pakistan Telecommunication Company Limited, since 2010
    ("203.124.30.1", "PK"),
    ("8.8.8.8", "US"),
    ("10.0.0.1", None),
    ("192.168.1.1", None),
    ("127.0.0.1", None),
)
# Of Amazon's regions, whose own list has no Pakistani one: me-central-1, me-south-1, ap-south-1.
NEVER_HOME: Final = ("3.28.0.1", "3.29.0.1", "15.184.0.1", "157.175.0.1", "3.6.0.1", "13.126.0.1")


class Size(NamedTuple):
    """How much a table covers: IPv4 addresses, those of home among them, and ranges of both versions."""

    addresses4: int
    home4: int
    ranges: int


def size_of(table: Table) -> Size:
    """Count what a table says."""
    starts, codes = table.ranges(4)
    ends = np.append(starts[1:].astype(np.int64), 1 << 32)
    widths = (ends - starts.astype(np.int64)) if len(starts) else np.zeros(0, dtype=np.int64)
    home = [
        code
        for code in range(1, table.labels + 1)
        if any(entry.country == HOME for entry in table.entries(code))
    ]
    ranges = sum(int(np.count_nonzero(table.ranges(version)[1])) for version in (4, 6))
    return Size(int(widths[codes > 0].sum()), int(widths[np.isin(codes, home)].sum()), ranges)


def check(source: str, reader: Reader, size: Size, before: Size | None, *, world: bool, force: bool) -> None:
    """Raise :class:`GeodataError` (``canary``, ``churn``) where the data of ``source`` is not to be used.

    ``world`` is for sources that cover all addresses; others need not know them, but may not be wrong.
    ``force`` lets changes of size pass, and nothing else.
    """
    for address, country in CANARIES:
        found = _countries(reader, address)
        if found - {country}:
            said = ", ".join(sorted(str(each) for each in found))
            raise GeodataError(
                f"{source}: says {said} of {address}, which is {country or 'nowhere'}: not used",
                "canary",
            )
        if world and country is not None and not found:
            raise GeodataError(f"{source}: says nothing of {address}, which is {country}: not used", "canary")
    for address in NEVER_HOME:
        if HOME in _countries(reader, address):
            raise GeodataError(
                f"{source}: says {HOME} of {address}, which is Amazon's and abroad: not used", "canary"
            )
    if world and not HOME_LEAST <= size.home4 <= HOME_MOST:
        raise GeodataError(
            f"{source}: has {size.home4} addresses of {HOME}, not {HOME_LEAST} to {HOME_MOST}: not used",
            "churn",
        )
    if before is None or force:
        return
    what, old, new, most = ("addresses", before.addresses4, size.addresses4, CHANGE)
    if world:
        what, old, new, most = (f"addresses of {HOME}", before.home4, size.home4, HOME_CHANGE)
    if abs(new - old) > most * old:
        raise GeodataError(
            f"{source}: had {old} {what} and now has {new}, a change of more than {most:.0%}: not used; "
            "--force takes it if that is right",
            "churn",
        )


def check_order(source: str, date: str | None, before: str | None, *, force: bool) -> None:
    """Raise :class:`GeodataError` (``older``) where data goes back in time: a mirror that lags, or worse.

    Dates are ISO 8601, as the publisher's own files say them. One that is still to come (``future``) would
    stand in the way of all that is published before it.
    """
    latest = (dt.datetime.now(dt.UTC).date() + dt.timedelta(days=AHEAD_DAYS)).isoformat()
    if date is not None and date > latest and not force:
        raise GeodataError(f"{source}: is of {date}, which is to come: not used; --force takes it", "future")
    if date is not None and before is not None and date < before and not force:
        raise GeodataError(
            f"{source}: is of {date}, older than what is in use ({before}): not used; --force takes it if "
            "that is right",
            "older",
        )


def _countries(reader: Reader, address: str) -> set[str | None]:
    found = reader.look_up(ipaddress.ip_address(address))
    return set() if found is None else {entry.country for entry in found.entries if entry.country is not None}
