"""Writes compact range tables, in the form that ``table`` says."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from geodata.sources.flatten import BITS, flatten
from geodata.sources.table import CODE, MAGIC, MAX_LABELS, MAX_RANGES, START, Block, Header

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geodata.sources.parsed import Entry, Range


def table_octets(ranges: Sequence[Range], version: str | None, date: str | None) -> bytes:
    """Ranges, nested and in any order as :class:`~geodata.sources.parsed.Parsed` has them, as a table."""
    flat = {number: flatten(number, ranges) for number in BITS}
    common: dict[tuple[Entry, ...], int] = {}
    for each in flat.values():
        for entries in each.entries:
            if entries:
                common[entries] = common.get(entries, 0) + 1
    # The most common have the smallest codes, which compress well.
    order = sorted(common, key=common.__getitem__, reverse=True)
    codes = {entries: code for code, entries in enumerate(order, 1)}
    parts: list[tuple[int, int, bytes]] = []
    counts = []
    for number, (starts, found) in flat.items():
        before = len(parts)
        column = np.array(starts, dtype=f"<u{START[number]}")
        numbers = np.array([codes[each] if each else 0 for each in found], dtype=f"<u{CODE}")
        for at in range(0, len(column), MAX_RANGES):
            part = column[at : at + MAX_RANGES]
            steps = np.diff(part, prepend=part[0])
            plain = _planes(steps) + _planes(numbers[at : at + MAX_RANGES])
            parts.append((int(part[0]), len(part), plain))
        counts.append(len(parts) - before)
    for at in range(0, len(order), MAX_LABELS):
        some = order[at : at + MAX_LABELS]
        parts.append((at + 1, len(some), b"".join(msgspec.json.encode(each) + b"\n" for each in some)))
    packed = [zlib.compress(plain, 9) for *_, plain in parts]
    blocks = [Block(first, count, len(each)) for (first, count, _), each in zip(parts, packed, strict=True)]
    four, six = counts
    header = Header(
        version, date, tuple(blocks[:four]), tuple(blocks[four : four + six]), tuple(blocks[four + six :])
    )
    octets = msgspec.json.encode(header)
    return b"".join((MAGIC, len(octets).to_bytes(4, "big"), octets, *packed))


def _planes(numbers: NDArray[Any]) -> bytes:
    return numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T.tobytes()
