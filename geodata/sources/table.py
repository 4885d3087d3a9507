"""Compact range tables: a whole address space in a few megabytes, of which only what is asked for is read.

A file is a magic line, the length and octets of a JSON header, and blocks, each a zlib stream that the header
lists. Addresses are cut into ranges that follow one another, some thousands in a block: ``starts`` (IPv4
addresses, or the upper 64 bits of IPv6 ones, stored as differences) and ``codes`` (the number of a label,
from 1; 0 where nothing is known). Numbers are stored as planes of their octets, least significant first, as
those compress well. Labels are lines of JSON, each the entries of a range.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_right
from itertools import accumulate, pairwise
from socket import AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self

import msgspec

from geodata.file import read_file
from geodata.sources.flatten import BITS
from geodata.sources.parsed import Entry
from geodata.sources.source import Found, GeodataError, country, widest_block

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from geodata.bulk import Addresses, Column
    from geodata.special import Address

MAGIC: Final = b"sarhad.table/3\n"
MAX_OCTETS: Final = 64 << 20  # of a file
_MAX_HEADER: Final = 4 << 20
MAX_RANGES: Final = 1 << 13  # of a block
MAX_LABELS: Final = 1 << 8
_MAX_BLOCK: Final = 1 << 22  # octets of a block of labels
_MAX_READ: Final = 1 << 14  # labels that are kept once read
START: Final = {4: 4, 6: 8}  # octets of a start, by IP version
CODE: Final = 4  # octets of a code
_TYPES: Final = {4: "I", 8: "Q"}  # of an array of numbers of so many octets


class Block(msgspec.Struct, frozen=True, array_like=True):
    """``first`` start or label, how many there are, and the length of their stream."""

    first: Annotated[int, msgspec.Meta(ge=0)]
    count: Annotated[int, msgspec.Meta(ge=1)]
    octets: Annotated[int, msgspec.Meta(ge=1)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the blocks of a file are, and the version and date of its data."""

    version: str | None
    date: str | None
    ranges4: tuple[Block, ...]
    ranges6: tuple[Block, ...]
    labels: tuple[Block, ...]


class _Part(NamedTuple):
    """The ranges of a block, as numbers that are quick to search one by one."""

    starts: array[int]
    codes: array[int]


class _Blocks:
    """The blocks of one kind, where each begins, and its stream."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
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
        whole = range(1, self.labels + 1, MAX_LABELS)
        counts = [min(MAX_LABELS, self.labels + 1 - first) for first in whole]
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
        from geodata.sources.columns import read  # noqa: PLC0415  as in column

        whole = self._whole.get(version)
        if whole is None:
            whole = self._whole[version] = read(self, version)
        return whole

    def block(self, version: int, at: int) -> tuple[Block, int, bytes]:
        """One of the blocks of an IP version, where the one after it begins, and its octets as planes."""
        blocks = self._ranges[version]
        block = blocks.blocks[at]
        size = block.count * (START[version] + CODE)
        plain = self._inflated(f"ranges{version}", blocks.streams[at], size)
        if len(plain) != size:
            raise self.fault(version, f"not {block.count} ranges from {block.first}")
        end = blocks.firsts[at + 1] if at + 1 < len(blocks.firsts) else 1 << BITS[version]
        return block, end, plain

    def blocks(self, version: int) -> int:
        """How many blocks there are of an IP version."""
        return len(self._ranges[version].firsts)

    def fault(self, version: int, what: str) -> GeodataError:
        """What is wrong with the ranges of an IP version."""
        return GeodataError(f"{self._path}: ranges{version}: {what}", "corrupt")

    def entries(self, code: int) -> tuple[Entry, ...]:
        """What a code above 0 stands for; :class:`GeodataError` where that is no sense."""
        known = self._read.get(code)
        if known is None:
            at, index = divmod(code - 1, MAX_LABELS)
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
        from geodata.sources.columns import column  # noqa: PLC0415  numpy is slow to import; one address needs none

        return column(self, addresses)

    def close(self) -> None:
        """Nothing is held open."""

    def _header(self, octets: bytes) -> tuple[Header, memoryview]:
        if not octets.startswith(MAGIC):
            raise GeodataError(f"{self._path}: not a range table", "corrupt")
        at = len(MAGIC) + 4
        length = int.from_bytes(octets[len(MAGIC) : at], "big")
        if length > _MAX_HEADER:
            raise GeodataError(f"{self._path}: header: too long", "corrupt")
        try:
            header = msgspec.json.decode(octets[at : at + length], type=Header)
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
        """The ranges of one block; :func:`geodata.sources.columns.read` checks the same of all at once."""
        block, end, plain = self.block(version, at)
        steps = _numbers(plain, START[version], 0, block.count)
        codes = _numbers(plain, CODE, block.count * START[version], block.count)
        rising = not steps[0] and 0 not in steps[1:]
        if not rising or block.first + sum(steps) >= end:
            raise self.fault(version, f"not in order from {block.first}")
        if max(codes) > self.labels:
            raise self.fault(version, "codes beyond the last label")
        steps[0] = block.first
        part = self._parts[version][at] = _Part(array(steps.typecode, accumulate(steps)), codes)
        return part

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


def _numbers(plain: bytes, width: int, offset: int, count: int) -> array[int]:
    """Numbers of ``width`` octets from the planes that begin at an offset."""
    octets = bytearray(count * width)
    for plane in range(width):
        start = offset + plane * count
        octets[plane::width] = plain[start : start + count]
    numbers = array(_TYPES[width], bytes(octets))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _prefix(version: int, key: int, first: int, last: int) -> str:
    """The widest prefix around ``key`` within ``first`` to ``last``."""
    base, length = widest_block(key, first, last, BITS[version])
    if version == 4:
        return f"{base >> 24}.{base >> 16 & 255}.{base >> 8 & 255}.{base & 255}/{length}"
    return f"{inet_ntop(AF_INET6, (base << 64).to_bytes(16, 'big'))}/{length}"
