"""Compact range tables: a whole address space in a few megabytes, read with numpy.

A file is a magic line, the length and octets of a JSON header, and zlib streams of columns. Addresses are
cut into ranges that follow one another: ``starts`` (IPv4 addresses, or the upper 64 bits of IPv6 ones, stored
as differences) and ``codes`` (the number of a label, from 1; 0 where nothing is known). Numbers are stored as
planes of their octets, least significant first, as those compress well. ``labels`` are lines of JSON, each
the entries of a range, which are read when they are first needed.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Self, overload

import msgspec
import numpy as np

from geodata.bulk import Column
from geodata.file import read_file
from geodata.sources.flatten import BITS, flatten
from geodata.sources.parsed import Entry
from geodata.sources.source import Found, GeodataError, country, widest_block

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from geodata.bulk import Addresses
    from geodata.sources.parsed import Range
    from geodata.special import Address

MAGIC: Final = b"sarhad.table/2\n"
MAX_OCTETS: Final = 64 << 20  # of a file, and of a column when decompressed
_MAX_HEADER: Final = 1 << 16
_COLUMNS: Final = ("starts4", "codes4", "starts6", "codes6", "labels")
_WIDTHS: Final = {"starts4": 4, "codes4": 4, "starts6": 8, "codes6": 4, "labels": 1}  # octets
_MAX_READ: Final = 1 << 14  # labels that are kept once read


class _Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int
    octets: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str | None
    date: str | None
    columns: dict[str, _Column]


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
    lines = (msgspec.json.encode(entries) + b"\n" for entries in order)
    plain = {"labels": b"".join(lines)}
    for number, (starts, found) in flat.items():
        dtype = f"<u{_WIDTHS[f'starts{number}']}"
        column = np.array(starts, dtype=dtype)
        plain[f"starts{number}"] = _planes(np.diff(column, prepend=column.dtype.type(0)))
        numbers = np.array([codes[each] if each else 0 for each in found], dtype="<u4")
        plain[f"codes{number}"] = _planes(numbers)
    packed = {name: zlib.compress(plain[name], 9) for name in _COLUMNS}
    columns = {name: _Column(len(plain[name]) // _WIDTHS[name], len(packed[name])) for name in _COLUMNS}
    header = msgspec.json.encode(_Header(version, date, columns))
    return b"".join((MAGIC, len(header).to_bytes(4, "big"), header, *(packed[name] for name in _COLUMNS)))


def _planes(numbers: NDArray[Any]) -> bytes:
    return numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T.tobytes() if len(numbers) else b""


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


class Table:
    """An open range table, wholly in memory; ``path`` is where messages say that ``octets`` are from."""

    def __init__(self, path: object, octets: bytes) -> None:
        self._path = path
        header, body = self._header(octets)
        self.version = header.version
        self.date = header.date
        columns: dict[str, bytes] = {}
        for name in _COLUMNS:
            column = header.columns[name]
            columns[name] = self._column(name, column, body[: column.octets])
            body = body[column.octets :]
        if body:
            raise GeodataError(f"{path}: octets after the last column", "corrupt")
        self._labels = columns["labels"]
        self._ends = np.flatnonzero(np.frombuffer(self._labels, dtype=np.uint8) == ord("\n"))
        if self._labels and not self._labels.endswith(b"\n"):
            raise GeodataError(f"{path}: labels: cut short", "corrupt")
        self._read: dict[int, tuple[Entry, ...]] = {}
        self._decoder = msgspec.json.Decoder(tuple[Entry, ...])
        self._ranges = {number: self._checked(str(number), columns) for number in BITS}

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table in a file."""
        return cls(path, read_file(path, MAX_OCTETS))

    @property
    def labels(self) -> int:
        """How many different things the table says."""
        return len(self._ends)

    def ranges(self, version: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Starts and codes of the ranges of an IP version, not to be written to."""
        return self._ranges[version]

    def entries(self, code: int) -> tuple[Entry, ...]:
        """What a code above 0 stands for; :class:`GeodataError` where that is no sense."""
        found = self._read.get(code)
        if found is None:
            begin = int(self._ends[code - 2]) + 1 if code > 1 else 0
            try:
                given = self._decoder.decode(self._labels[begin : int(self._ends[code - 1])])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise GeodataError(f"{self._path}: label {code}: {error}", "corrupt") from error
            found = tuple(
                each if each.country is None else msgspec.structs.replace(each, country=country(each.country))
                for each in given
            )
            if len(self._read) >= _MAX_READ:
                self._read.clear()
            self._read[code] = found
        return found

    def look_up(self, address: Address) -> Found | None:
        """What is said of an address, with the widest prefix around it that is wholly in its range."""
        version = address.version
        bits = BITS[version]
        key = int(address) if version == 4 else int(address) >> 64
        starts, codes = self._ranges[version]
        index = int(starts.searchsorted(starts.dtype.type(key), "right")) - 1
        if index < 0 or (code := int(codes[index])) == 0:
            return None
        last = int(starts[index + 1]) - 1 if index + 1 < len(starts) else (1 << bits) - 1
        return Found(_prefix(address, key, int(starts[index]), last, bits), self.entries(code))

    def column(self, addresses: Addresses) -> Column:
        """What is said of very many addresses."""
        found = np.zeros(len(addresses.texts), dtype=np.uint32)
        for version, (starts, codes) in self._ranges.items():
            places = addresses.places[version]
            if len(starts) and len(places):
                index = np.searchsorted(starts, addresses.keys[version], side="right")
                found[places] = np.where(index > 0, codes[index - 1], 0)
        return Column(found, _Entries(self))

    def close(self) -> None:
        """Nothing is held open."""

    def _header(self, octets: bytes) -> tuple[_Header, memoryview]:
        if not octets.startswith(MAGIC):
            raise GeodataError(f"{self._path}: not a range table", "corrupt")
        at = len(MAGIC) + 4
        length = int.from_bytes(octets[len(MAGIC) : at], "big")
        if length > _MAX_HEADER:
            raise GeodataError(f"{self._path}: header: too long", "corrupt")
        try:
            header = msgspec.json.decode(octets[at : at + length], type=_Header)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise GeodataError(f"{self._path}: header: {error}", "corrupt") from error
        if set(header.columns) != set(_COLUMNS):
            raise GeodataError(f"{self._path}: header: columns: not those of a range table", "corrupt")
        return header, memoryview(octets)[at + length :]

    def _column(self, name: str, column: _Column, packed: memoryview) -> bytes:
        size = column.count * _WIDTHS[name]
        if not 0 <= size <= MAX_OCTETS or len(packed) != column.octets:
            raise GeodataError(f"{self._path}: {name}: cut short or too long", "corrupt")
        engine = zlib.decompressobj()
        try:
            plain = engine.decompress(packed, size + 1)
        except zlib.error as error:
            raise GeodataError(f"{self._path}: {name}: {error}", "corrupt") from error
        if len(plain) != size or not engine.eof or engine.unused_data:
            raise GeodataError(f"{self._path}: {name}: not {column.count} values", "corrupt")
        return plain

    def _checked(self, suffix: str, columns: Mapping[str, bytes]) -> tuple[NDArray[Any], NDArray[Any]]:
        dtype = f"<u{_WIDTHS[f'starts{suffix}']}"
        steps, codes = _numbers(columns[f"starts{suffix}"], dtype), _numbers(columns[f"codes{suffix}"], "<u4")
        starts = np.cumsum(steps, dtype=dtype)
        if len(starts) != len(codes):
            raise GeodataError(f"{self._path}: codes{suffix}: not one for each range", "corrupt")
        if len(starts) and not bool(np.all(starts[1:] > starts[:-1])):
            raise GeodataError(f"{self._path}: starts{suffix}: not in order", "corrupt")
        if len(codes) and int(codes.max()) > self.labels:
            raise GeodataError(f"{self._path}: codes{suffix}: beyond the last label", "corrupt")
        return starts, codes


def _numbers(planes: bytes, dtype: str) -> NDArray[Any]:
    width = np.dtype(dtype).itemsize
    split = np.frombuffer(planes, dtype=np.uint8).reshape(width, -1)
    return np.ascontiguousarray(split.T).view(dtype).reshape(-1)


def _prefix(address: Address, key: int, first: int, last: int, bits: int) -> str:
    """The widest prefix around ``key`` within ``first`` to ``last``, written as one of the address."""
    base, length = widest_block(key, first, last, bits)
    if isinstance(address, ipaddress.IPv4Address):
        return f"{ipaddress.IPv4Address(base)}/{length}"
    return f"{ipaddress.IPv6Address(base << 64)}/{length}"
