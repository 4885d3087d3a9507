"""Files of JSON records that other programs wrote: one array, or one object a line, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import msgspec

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from probes.observation import Observation

MAX_LINE: Final = 16 * 2**20  # octets
MAX_ARRAY: Final = 2**30  # octets; an array is read whole, lines are not
_MAX_SHOWN: Final = 200  # of a text that somebody else wrote
_WARTS: Final = b"\x12\x05"  # with which every object of it begins

Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=1000)]
Milliseconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=3_600_000)]
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Seconds: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**33)]  # since 1970
Ttl: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=255)]
Port: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
_T = TypeVar("_T")


class SourceError(Exception):
    """A file cannot be used at all; the message names it and says why."""


class BadRecordError(Exception):
    """One record cannot be used; the message says why."""


class OtherKindError(Exception):
    """A record is of a kind from which no observation is made; the message is the kind."""


@dataclass(slots=True)
class Tally:
    """What became of the records of all files: how many were read, and those that were left out.

    ``faults`` are messages with file and number, ``others`` counts records of kinds that are no observations,
    ``repeated`` those that had been there before, ``notes`` what of good records has no place in ours.
    """

    read: int = 0
    written: int = 0
    repeated: int = 0
    faults: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)


def convert(
    paths: Iterable[Path], made: Callable[[bytes, Counter[str]], list[Observation]], tally: Tally
) -> Iterator[Observation]:
    """The observations of all records that ``made`` can use; what it cannot is counted and passed over.

    ``made`` gets a record's octets and the tally's notes, and raises :class:`BadRecordError`,
    :class:`OtherKindError` or what msgspec raises. Raises :class:`SourceError` for a file of no use.
    """
    seen: dict[str, int] = {}
    for path in paths:
        for number, octets in records(path):
            tally.read += 1
            try:
                observations = made(octets, tally.notes)
            except OtherKindError as kind:
                tally.others[str(kind)] += 1
                continue
            except (BadRecordError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
                tally.faults.append(f"{path}:{number}: {str(fault)[:_MAX_SHOWN]}")
                continue
            for one in observations:
                digest = hash(msgspec.json.encode(one))
                known = seen.get(one.id)
                if known is None:
                    seen[one.id] = digest
                    tally.written += 1
                    yield one
                elif known == digest:
                    tally.repeated += 1
                else:
                    tally.faults.append(f"{path}:{number}: another result has its id, {one.id}")


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """The records of a file with their numbers (of the line, or of the array's element, from 1)."""
    try:
        with path.open("rb") as raw:
            stream = _inflated(raw)
            start, before = _first(stream)
            if start == b"[":
                yield from _elements(path, stream)
            elif start == _WARTS[:1] and stream.read(1) == _WARTS[1:]:
                raise SourceError(f"{path}: is warts, scamper's own format; sc_warts2json makes JSON of it")
            else:
                yield from _lines(path, stream, start, before)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path}: cannot be read: {reason}") from error


def decoded(octets: bytes, kind: type[_T]) -> _T:
    """A record as a value; msgspec's errors name the field."""
    return msgspec.json.decode(octets, type=kind)


def _inflated(raw: io.BufferedReader) -> IO[bytes]:
    """The stream, decompressed if its first octets are those of gzip or bzip2."""
    magic = raw.peek(3)[:3]
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]  # typeshed has no IO for it
    return bz2.BZ2File(raw) if magic == b"BZh" else raw


def _first(stream: IO[bytes]) -> tuple[bytes, int]:
    """The first octet that is no white space (and no byte order mark), and how many lines stand before its.

    Empty where there is none.
    """
    before = 0
    for _ in range(MAX_LINE):
        octet = stream.read(1)
        if octet not in {b" ", b"\t", b"\r", b"\n", b"\xef", b"\xbb", b"\xbf"}:
            return octet, before
        before += octet == b"\n"
    return b"", before


def _elements(path: Path, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    octets = b"[" + stream.read(MAX_ARRAY)
    if len(octets) > MAX_ARRAY:
        raise SourceError(f"{path}: is an array of more than {MAX_ARRAY} octets; write one object a line")
    try:
        elements = msgspec.json.decode(octets, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path}: is no array of JSON: {error}") from error
    for number, element in enumerate(elements, 1):
        yield number, bytes(element)


def _lines(path: Path, stream: IO[bytes], start: bytes, number: int) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty; ``start`` was read of the first of them, ``number`` lines before it."""
    while line := start + stream.readline(MAX_LINE + 1):
        start = b""
        number += 1
        if len(line) > MAX_LINE:
            raise SourceError(f"{path}:{number}: is longer than {MAX_LINE} octets")
        if line.strip():
            yield number, line
