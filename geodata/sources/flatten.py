"""From ranges as files have them, nested and in any order, to ranges that follow one another."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geodata.sources.parsed import Entry, Range

BITS: Final = {4: 32, 6: 64}  # of an address that are kept
_HOST: Final = 64  # bits of an IPv6 address that are not
Entries: TypeAlias = "tuple[Entry, ...]"
_Span: TypeAlias = "tuple[int, int, Entry | None]"  # first and last; None where nobody knows


class Flat(NamedTuple):
    """``starts`` of ranges that follow one another, and the entries that count in each (none: unknown)."""

    starts: list[int]
    entries: list[Entries]


def flatten(version: int, ranges: Iterable[Range]) -> Flat:
    """The narrowest range that holds an address counts; several of the same width count together.

    What is not the same for a whole IPv6 /64 becomes unknown there.
    """
    spans = _spans4(ranges) if version == 4 else _spans6(ranges)
    starts: list[int] = [0]
    entries: list[Entries] = [()]
    for first, found in _sweep(sorted(spans, key=_order)):
        if entries[-1] == found:
            continue
        if starts[-1] == first:
            entries[-1] = found
            if len(entries) > 1 and entries[-2] == found:
                starts.pop()
                entries.pop()
        else:
            starts.append(first)
            entries.append(found)
    if starts[-1] >= 1 << BITS[version]:  # the gap after the last address
        starts.pop()
        entries.pop()
    return Flat(starts, entries)


def _spans4(ranges: Iterable[Range]) -> Iterator[_Span]:
    for version, first, last, entry in ranges:
        if version == 4:
            yield first, last, entry


def _spans6(ranges: Iterable[Range]) -> Iterator[_Span]:
    for version, first, last, entry in ranges:
        if version != 6:
            continue
        begin, end = -(-first >> _HOST), (last + 1) >> _HOST  # whole /64s, end excluded
        if begin < end:
            yield begin, end - 1, entry
        if first >> _HOST < begin:
            yield first >> _HOST, first >> _HOST, None
        if last >> _HOST >= end and last >> _HOST >= begin:
            yield last >> _HOST, last >> _HOST, None


def _order(span: _Span) -> tuple[int, int]:
    return span[0], span[0] - span[1]


def _sweep(spans: list[_Span]) -> Iterator[tuple[int, Entries]]:
    """Where pieces start, in order, gaps among them, and what counts in each."""
    open_: list[tuple[int, int, int, Entry | None]] = []  # width, last, number, entry; the narrowest on top
    position = 0
    for number, (first, last, entry) in enumerate(spans):
        if position < first:
            yield from _until(open_, position, first)
            position = first
        heapq.heappush(open_, (last - first, last, number, entry))
    if open_:
        end = max(each[1] for each in open_) + 1
        yield from _until(open_, position, end)
        position = end
    yield position, ()


def _until(
    open_: list[tuple[int, int, int, Entry | None]], position: int, end: int
) -> Iterator[tuple[int, Entries]]:
    """The pieces from ``position`` up to ``end``, which is excluded."""
    while position < end:
        while open_ and open_[0][1] < position:
            heapq.heappop(open_)
        if not open_:
            yield position, ()
            return
        group = [heapq.heappop(open_)]
        while open_ and open_[0][0] == group[0][0]:
            other = heapq.heappop(open_)
            if other[1] >= position:
                group.append(other)
        last = min(end - 1, *(each[1] for each in group))
        found: dict[Entry, None] = {}
        for *_, entry in group:
            if entry is not None:
                found[entry] = None
        known = all(entry is not None for *_, entry in group)
        yield position, tuple(found) if known else ()
        for each in group:
            heapq.heappush(open_, each)
        position = last + 1
