"""A range table as columns of numbers: all of it, and what it says of very many addresses at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from geodata.bulk import Column
from geodata.sources.flatten import BITS
from geodata.sources.parsed import Entry
from geodata.sources.table import CODE, START

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geodata.bulk import Addresses
    from geodata.sources.table import Table


def read(table: Table, version: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Starts and codes of all ranges of an IP version; raises as :meth:`Table.look_up`."""
    parts = [_part(table, version, at) for at in range(table.blocks(version))]
    empty = (np.zeros(0, f"u{START[version]}"), np.zeros(0, f"u{CODE}"))
    starts, codes = (np.concatenate(column) for column in zip(empty, *parts, strict=True))
    return starts, codes


def column(table: Table, addresses: Addresses) -> Column:
    """What a table says of very many addresses."""
    found = np.zeros(len(addresses.texts), dtype=np.uint32)
    for version in BITS:
        starts, codes = table.ranges(version)
        places = addresses.places[version]
        if len(starts) and len(places):
            index = np.searchsorted(starts, addresses.keys[version], side="right")
            found[places] = np.where(index > 0, codes[index - 1], 0)
    return Column(found, _Entries(table))


class _Entries(Sequence[tuple[Entry, ...]]):
    """The labels of a table by their codes, read when they are asked for."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return self._table.labels + 1

    @overload
    def __getitem__(self, code: int) -> tuple[Entry, ...]: ...
    @overload
    def __getitem__(self, code: slice) -> list[tuple[Entry, ...]]: ...
    def __getitem__(self, code: int | slice) -> tuple[Entry, ...] | list[tuple[Entry, ...]]:
        if isinstance(code, slice):
            return [self[each] for each in range(*code.indices(len(self)))]
        if not 0 <= code < len(self):
            raise IndexError(code)
        return self._table.entries(code) if code else ()


def _part(table: Table, version: int, at: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The starts and the codes of one block, as :class:`Table` reads them one by one."""
    block, end, plain = table.block(version, at)
    steps = _numbers(plain, START[version], 0, block.count)
    codes = _numbers(plain, CODE, block.count * START[version], block.count)
    starts = np.cumsum(steps, dtype=steps.dtype) + steps.dtype.type(block.first)
    rising = int(starts[0]) == block.first and bool(np.all(starts[1:] > starts[:-1]))
    if not rising or int(starts[-1]) >= end:
        raise table.fault(version, f"not in order from {block.first}")
    if int(codes.max()) > table.labels:
        raise table.fault(version, "codes beyond the last label")
    return starts, codes


def _numbers(plain: bytes, width: int, offset: int, count: int) -> NDArray[Any]:
    planes = np.frombuffer(plain, np.uint8, count * width, offset).reshape(width, count)
    return np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(-1).astype(f"u{width}", copy=False)
