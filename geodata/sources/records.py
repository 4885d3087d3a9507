"""The records of a JSON file, one after the other: one that makes no sense does not spoil the others."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, TypeVar

import msgspec

from geodata.errors import GeodataError
from geodata.sources.parsed import Parsed, Range, Skipped, give_up, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
# What msgspec raises for text that is no JSON, not of the type, not UTF-8, or nested too deep.
_NO_SENSE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def outline(name: str, octets: bytes, kind: type[T]) -> T:
    """The file as a whole, whose lists are still raw; :class:`GeodataError` where it is not one."""
    try:
        return msgspec.json.decode(octets, type=kind)
    except _NO_SENSE as error:
        raise GeodataError(f"{name}: {error}", "corrupt") from error


def day(time: str) -> str | None:
    """The day (ISO 8601) that a time begins with, or ``None``."""
    try:
        return dt.date.fromisoformat(time[:10]).isoformat()
    except ValueError:
        return None


class Records:
    """What came of the records of a file, numbered from 1 in the order in which they are read."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.ranges: list[Range] = []
        self.skipped: list[Skipped] = []
        self._number = 0

    def read(self, raw: Iterable[msgspec.Raw], kind: type[T]) -> Iterator[T]:
        """Each record that can be read; the others are skipped."""
        decoder = msgspec.json.Decoder(kind)
        for each in raw:
            self._number += 1
            try:
                record = decoder.decode(each)
            except _NO_SENSE as error:
                self.skip(error)
            else:
                yield record

    def skip(self, error: Exception) -> None:
        """Leave out the record that was read last; raises as :func:`~geodata.sources.parsed.give_up`."""
        self.skipped.append(Skipped(self._number, str(error)[:200]))
        give_up(self._name, self.ranges, self.skipped)

    def parsed(self, version: str | None = None, date: str | None = None) -> Parsed:
        """The outcome; raises as :func:`~geodata.sources.parsed.parsed`."""
        return parsed(self._name, self.ranges, self.skipped, version, date)
