"""What the parser of a published file gives: ranges of addresses, what is said of each, and what was skipped.

A parser is a function ``parse(files) -> Parsed`` in a module of its own, or :func:`separately` made of one
that reads a single file. A line (or record) that makes no
sense is skipped and told with its number; a file that is not of its format, or of which most makes no sense,
is refused whole with a :class:`~geodata.errors.GeodataError`.
"""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from geodata.claim import AssertedBy, Meaning
from geodata.errors import GeodataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

MAX_SKIPPED_SHARE: Final = 0.05  # of a file's records; beyond that it is not trusted at all
MAX_TOLD: Final = 20  # that are told in full
MAX_BEGINNING: Final = 10_000  # records that may make no sense before any that does
_WIDEST: Final = {4: 8, 6: 16}
_LENGTHS: Final = {str(length): length for length in range(129)}


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file says of a range: the fields of a claim that are the file's to say.

    ``meaning`` is there where the file says it more exactly than its source does for all of it. ``length`` is
    that of the prefix that a network announces, or may announce up to ``max_length`` (a VRP).
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
    length: int | None = None
    max_length: int | None = None


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
    an URL to have the file's MD5 digest, where that is published, and ``signed`` are the URLs beside which a
    detached OpenPGP signature (``.asc``) is. ``refresh_days`` is how often the publisher renews it. ``world``
    is for a source that covers all addresses. A URL may have a date in it, as of strftime. ``format`` is as
    what the snapshot keeps it.
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
    signed: tuple[str, ...] = ()
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


def lines(octets: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a text in UTF-8 that say something, and their numbers; ``#`` is before comments."""
    with io.TextIOWrapper(io.BytesIO(octets), "utf-8-sig", "replace") as stream:
        for number, line in enumerate(stream, 1):
            said = line.partition("#")[0].strip()
            if said:
                yield number, said


def give_up(name: str, ranges: Sequence[Range], skipped: Sequence[Skipped]) -> None:
    """:class:`GeodataError` as soon as a file of any length is sure enough to be none of its format."""
    if len(skipped) > MAX_BEGINNING and len(skipped) > len(ranges):
        parsed(name, ranges, skipped)


def of_prefix(text: str, entry: Entry) -> Range:
    """The range of a prefix, written with its length or as a lone address; ValueError if it is none.

    Nobody who publishes prefixes holds as much as an IPv4 /7 or an IPv6 /15: those are mistakes, or worse.
    """
    address, slash, length = text.strip().partition("/")
    version, family, bits = (6, socket.AF_INET6, 128) if ":" in address else (4, socket.AF_INET, 32)
    try:
        first = int.from_bytes(socket.inet_pton(family, address), "big")
    except (OSError, ValueError) as error:  # the latter for a NUL
        raise ValueError(f"{text[:60]!r} is no prefix") from error
    size = _LENGTHS.get(length, bits + 1) if slash else bits
    if size > bits:
        raise ValueError(f"{text[:60]!r} is no prefix")
    if size < _WIDEST[version]:
        raise ValueError(f"{text[:60]!r} is more than any one holder has")
    hosts = (1 << bits - size) - 1
    if first & hosts:
        raise ValueError(f"{text[:60]!r} has host bits set")
    return Range(version, first, first | hosts, entry)
