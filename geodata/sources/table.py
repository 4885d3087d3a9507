"""Compact range tables: a whole address space in a few megabytes, of which only what is asked for is read.

A file is a magic line, the length and octets of a JSON header, and blocks, each a zlib stream that the header
lists. Addresses are cut into ranges that follow one another, some thousands in a block: ``starts`` (IPv4
addresses, or the upper 64 bits of IPv6 ones, stored as differences) and ``codes`` (the number of a label,
from 1; 0 where nothing is known). Numbers are stored as planes of their octets, least significant first, as
those compress well. Labels are lines of JSON, each the entries of a range.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from socket import AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self, overload

import msgspec
import numpy as np

from geodata.bulk import Column
from geodata.file import read_file
from geodata.sources.flatten import BITS, flatten
from geodata.sources.parsed import Entry
from geodata.sources.source import Found, GeodataError, country, widest_block

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from geodata.bulk import Addresses
    from geodata.sources.parsed import Range
    from geodata.special import Address

MAGIC: Final = b"sarhad.table/3\n"
MAX_OCTETS: Final = 64 << 20  # of a file
_MAX_HEADER: Final = 4 << 20
_MAX_RANGES: Final = 1 << 13  # of a block
_MAX_LABELS: Final = 1 << 8
_MAX_BLOCK: Final = 1 << 22  # octets of a block of labels
_MAX_READ: Final = 1 << 14  # labels that are kept once read
_DTYPES: Final[dict[int, np.dtype[Any]]] = {4: np.dtype("<u4"), 6: np.dtype("<u8")}
_CODES: Final[np.dtype[Any]] = np.dtype("<u4")


class _Block(msgspec.Struct, frozen=True, array_like=True):
    """``first`` start or label, how many there are, and the length of their stream."""

    first: Annotated[int, msgspec.Meta(ge=0)]
    count: Annotated[int, msgspec.Meta(ge=1)]
    octets: Annotated[int, msgspec.Meta(ge=1)]


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str | None
    date: str | None
    ranges4: tuple[_Block, ...]
    ranges6: tuple[_Block, ...]
    labels: tuple[_Block, ...]


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
        column = np.array(starts, dtype=_DTYPES[number])
        numbers = np.array([codes[each] if each else 0 for each in found], dtype=_CODES)
        for at in range(0, len(column), _MAX_RANGES):
            part = column[at : at + _MAX_RANGES]
            steps = np.diff(part, prepend=part[0])
            plain = _planes(steps) + _planes(numbers[at : at + _MAX_RANGES])
            parts.append((int(part[0]), len(part), plain))
        counts.append(len(parts) - before)
    for at in range(0, len(order), _MAX_LABELS):
        some = order[at : at + _MAX_LABELS]
        parts.append((at + 1, len(some), b"".join(msgspec.json.encode(each) + b"\n" for each in some)))
    packed = [zlib.compress(plain, 9) for *_, plain in parts]
    blocks = [_Block(first, count, len(each)) for (first, count, _), each in zip(parts, packed, strict=True)]
    four, six = counts
    header = _Header(
        version, date, tuple(blocks[:four]), tuple(blocks[four : four + six]), tuple(blocks[four + six :])
    )
    octets = msgspec.json.encode(header)
    return b"".join((MAGIC, len(octets).to_bytes(4, "big"), octets, *packed))


def _planes(numbers: NDArray[Any]) -> bytes:
    return numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T.tobytes()


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


class _Part(NamedTuple):
    """The ranges of a block, as numbers that are quick to search one by one."""

    starts: memoryview
    codes: memoryview


class _Blocks:
    """The blocks of one kind, where each begins, and its stream."""

    def __init__(self, blocks: tuple[_Block, ...]) -> None:
        self.blocks = blocks
        self.firsts = [block.first for block in blocks]
        self.streams: list[memoryview] = []


class Table:
    """An open range table, in memory as it is in its file; ``path`` is where messages say it is from.

    What a block holds is checked when it is first read. :func:`geodata.checks.size_of` reads them all.
    """

    def __init__(self, path: object, octets: bytes) -> None:
        self._path = path
        header, body = self._header(octets)
        self.version = header.version
        self.date = header.date
        self._ranges = {4: _Blocks(header.ranges4), 6: _Blocks(header.ranges6)}
        self._labels = _Blocks(header.labels)
        for name, blocks in (
            ("ranges4", self._ranges[4]),
            ("ranges6", self._ranges[6]),
            ("labels", self._labels),
        ):
            body = self._streams(name, blocks, body)
        if len(body):
            raise GeodataError(f"{path}: octets after the last block", "corrupt")
        self.labels = sum(block.count for block in header.labels)  # how many different things it says
        whole = range(1, self.labels + 1, _MAX_LABELS)
        counts = [min(_MAX_LABELS, self.labels + 1 - first) for first in whole]
        if [(block.first, block.count) for block in header.labels] != list(zip(whole, counts, strict=True)):
            raise GeodataError(f"{path}: labels: not all there", "corrupt")
        self._parts: dict[int, list[_Part | None]] = {
            version: [None] * len(blocks.firsts) for version, blocks in self._ranges.items()
        }
        self._whole: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}
        self._lines: dict[int, list[bytes]] = {}
        self._read: dict[int, tuple[Entry, ...]] = {}
        self._decoder = msgspec.json.Decoder(tuple[Entry, ...])

    @classmethod
    def read(cls, path: Path) -> Self:
        """The table in a file."""
        return cls(path, read_file(path, MAX_OCTETS))

    def ranges(self, version: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Starts and codes of the ranges of an IP version, not to be written to."""
        whole = self._whole.get(version)
        if whole is None:
            parts = [self._numbers(version, at) for at in range(len(self._ranges[version].firsts))]
            empty = (np.zeros(0, _DTYPES[version]), np.zeros(0, _CODES))
            starts, codes = (np.concatenate(column) for column in zip(empty, *parts, strict=True))
            whole = self._whole[version] = starts, codes
        return whole

    def entries(self, code: int) -> tuple[Entry, ...]:
        """What a code above 0 stands for; :class:`GeodataError` where that is no sense."""
        known = self._read.get(code)
        if known is None:
            at, index = divmod(code - 1, _MAX_LABELS)
            line = (self._lines.get(at) or self._said(at))[index]
            try:
                known = tuple(map(_checked, self._decoder.decode(line)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise GeodataError(f"{self._path}: label {code}: {error}", "corrupt") from error
            if len(self._read) >= _MAX_READ:
                self._read.clear()
            self._read[code] = known
        return known

    def look_up(self, address: Address) -> Found | None:
        """What is said of an address, with the widest prefix around it that is wholly in its range."""
        version = address.version
        key = int(address) if version == 4 else int(address) >> 64
        firsts = self._ranges[version].firsts
        at = bisect_right(firsts, key) - 1
        if at < 0:
            return None
        starts, codes = self._parts[version][at] or self._part(version, at)
        index = bisect_right(starts, key) - 1
        code = codes[index]
        if not code:
            return None
        if index + 1 < len(starts):
            end = starts[index + 1]
        else:
            end = firsts[at + 1] if at + 1 < len(firsts) else 1 << BITS[version]
        return Found(_prefix(version, key, starts[index], end - 1), self.entries(code))

    def column(self, addresses: Addresses) -> Column:
        """What is said of very many addresses."""
        found = np.zeros(len(addresses.texts), dtype=np.uint32)
        for version in BITS:
            starts, codes = self.ranges(version)
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
        return header, memoryview(octets)[at + length :]

    def _streams(self, name: str, blocks: _Blocks, body: memoryview) -> memoryview:
        """Give the blocks their streams, which ``body`` begins with; what follows them."""
        for block in blocks.blocks:
            if len(body) < block.octets:
                raise GeodataError(f"{self._path}: {name}: cut short", "corrupt")
            blocks.streams.append(body[: block.octets])
            body = body[block.octets :]
        if any(one >= other for one, other in pairwise(blocks.firsts)):
            raise GeodataError(f"{self._path}: {name}: not in order", "corrupt")
        return body

    def _inflated(self, name: str, stream: memoryview, most: int) -> bytes:
        engine = zlib.decompressobj()
        try:
            plain = engine.decompress(stream, most + 1)
        except zlib.error as error:
            raise GeodataError(f"{self._path}: {name}: {error}", "corrupt") from error
        if len(plain) > most or not engine.eof or engine.unused_data:
            raise GeodataError(f"{self._path}: {name}: cut short or too long", "corrupt")
        return plain

    def _part(self, version: int, at: int) -> _Part:
        starts, codes = self._numbers(version, at)
        part = self._parts[version][at] = _Part(starts.data, codes.data)
        return part

    def _numbers(self, version: int, at: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """The starts and the codes of one block."""
        name, blocks = f"ranges{version}", self._ranges[version]
        first, count = blocks.firsts[at], blocks.blocks[at].count
        dtype = _DTYPES[version]
        size = count * (dtype.itemsize + _CODES.itemsize)
        plain = self._inflated(name, blocks.streams[at], size)
        if len(plain) != size:
            raise GeodataError(f"{self._path}: {name}: not {count} ranges from {first}", "corrupt")
        steps = _numbers(plain, dtype, 0, count)
        codes = _numbers(plain, _CODES, count * dtype.itemsize, count)
        starts = np.cumsum(steps, dtype=steps.dtype) + steps.dtype.type(first)
        end = blocks.firsts[at + 1] if at + 1 < len(blocks.firsts) else 1 << BITS[version]
        ordered = int(starts[0]) == first and bool(np.all(starts[1:] > starts[:-1])) and int(starts[-1]) < end
        if not ordered:
            raise GeodataError(f"{self._path}: {name}: not in order from {first}", "corrupt")
        if int(codes.max()) > self.labels:
            raise GeodataError(f"{self._path}: {name}: codes beyond the last label", "corrupt")
        return starts, codes

    def _said(self, at: int) -> list[bytes]:
        """The labels of one block, not yet read."""
        block = self._labels.blocks[at]
        name = f"labels from {block.first}"
        plain = self._inflated(name, self._labels.streams[at], _MAX_BLOCK)
        lines = plain.splitlines()
        if len(lines) != block.count:
            raise GeodataError(f"{self._path}: {name}: not {block.count}", "corrupt")
        self._lines[at] = lines
        return lines


def _checked(entry: Entry) -> Entry:
    code = country(entry.country)
    return entry if code == entry.country else msgspec.structs.replace(entry, country=code)


def _numbers(plain: bytes, dtype: np.dtype[Any], offset: int, count: int) -> NDArray[Any]:
    planes = np.frombuffer(plain, np.uint8, count * dtype.itemsize, offset).reshape(dtype.itemsize, count)
    return np.ascontiguousarray(planes.T).view(dtype).reshape(-1).astype(dtype.newbyteorder("="), copy=False)


def _prefix(version: int, key: int, first: int, last: int) -> str:
    """The widest prefix around ``key`` within ``first`` to ``last``."""
    base, length = widest_block(key, first, last, BITS[version])
    if version == 4:
        return f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/{length}"
    return f"{inet_ntop(AF_INET6, (base << 64).to_bytes(16, 'big'))}/{length}"
