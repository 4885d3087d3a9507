"""What the parser of a published file gives: ranges of addresses, what is said of each, and what was skipped.

A parser is a function ``parse(files) -> Parsed`` in a module of its own, or :func:`separately` made of one
that reads a single file. A line (or record) that makes no
sense is skipped and told with its number; a file that is not of its format, or of which most makes no sense,
is refused whole with a :class:`~geodata.errors.GeodataError`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from geodata.claim import AssertedBy, Meaning
from geodata.errors import GeodataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_SKIPPED_SHARE: Final = 0.05  # of a file's records; beyond that it is not trusted at all
MAX_TOLD: Final = 20  # that are told in full


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file says of a range: the fields of a claim that are the file's to say.

    ``meaning`` is there where the file says it more exactly than its source does for all of it.
    """

    country: str | None = None
    city: str | None = None
    region: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    radius_km: float | None = None
    asn: int | None = None
    network: str | None = None
    meaning: Meaning | None = None


class Range(NamedTuple):
    """Addresses ``first`` to ``last`` (inclusive, as numbers) of an IP version, and what is said of them."""

    version: int
    first: int
    last: int
    entry: Entry


class Skipped(NamedTuple):
    """A record that was left out: its line (or number, from 1, where a file has no lines) and why."""

    line: int
    why: str


class Parsed(NamedTuple):
    """Ranges as the file has them: in any order, nested or equal; the narrowest that holds an address counts.

    Several of the same width count together (an address that two networks announce). ``date`` is ISO 8601.
    """

    ranges: Sequence[Range]
    skipped: Sequence[Skipped] = ()
    version: str | None = None
    date: str | None = None


class Published(NamedTuple):
    """A source that is published as files: where, on what terms, and how it is read.

    ``urls`` are the official ones; ``parse`` reads all their files at once. ``digest`` is what is put behind
    an URL to have the file's MD5 digest, where that is published. ``refresh_days`` is how often the publisher
    renews it. ``world`` is for a source that covers all addresses. A URL may have a date in it, as of
    strftime. ``format`` is as what the snapshot keeps it.
    """

    source: str
    family: str
    meaning: Meaning
    asserted_by: AssertedBy
    urls: tuple[str, ...]
    licence: str
    attribution: str
    refresh_days: int
    parse: Callable[[Sequence[bytes]], Parsed]
    max_octets: int = 64 << 20
    digest: str | None = None
    format: Literal["table", "vrps"] = "table"
    world: bool = False


def parsed(
    name: str,
    ranges: Sequence[Range],
    skipped: Sequence[Skipped],
    version: str | None = None,
    date: str | None = None,
) -> Parsed:
    """The outcome, or :class:`GeodataError` where nothing, or too little of it, makes sense."""
    if not ranges:
        first = f"; line {skipped[0].line}: {skipped[0].why}" if skipped else ""
        raise GeodataError(f"{name}: has no record that makes sense{first}", "corrupt")
    if len(skipped) > max(1, MAX_SKIPPED_SHARE * (len(ranges) + len(skipped))):
        told = "; ".join(f"line {each.line}: {each.why}" for each in skipped[:3])
        raise GeodataError(
            f"{name}: {len(skipped)} of {len(ranges) + len(skipped)} records make no sense: {told}", "corrupt"
        )
    return Parsed(ranges, skipped, version, date)


def separately(parse: Callable[[bytes], Parsed]) -> Callable[[Sequence[bytes]], Parsed]:
    """A parser of files of which each is read by itself, and all count together."""

    def every(files: Sequence[bytes]) -> Parsed:
        read = [parse(octets) for octets in files]
        return Parsed(
            [each for one in read for each in one.ranges],
            [each for one in read for each in one.skipped],
            oldest(one.version for one in read),
            oldest(one.date for one in read),
        )

    return every


def oldest(values: Iterable[str | None]) -> str | None:
    """What is said of several files together is as old as the oldest of them."""
    given = [each for each in values if each is not None]
    return min(given) if given else None


def of_prefix(text: str, entry: Entry) -> Range:
    """The range of a prefix, written with its length or as a lone address; ValueError if it is none."""
    network = ipaddress.ip_network(text.strip())
    return Range(network.version, int(network.network_address), int(network.broadcast_address), entry)
