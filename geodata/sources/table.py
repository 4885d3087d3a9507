"""Compact range tables: a whole address space in a few megabytes, read with numpy.

A file is a magic line, the length and octets of a JSON header, and zlib streams of columns. Addresses are
cut into ranges that follow one another: ``starts`` (IPv4 addresses, or the upper 64 bits of IPv6 ones, stored
as differences) and ``codes`` (an index into the labels plus one; 0 where nothing is known). Numbers are
stored as planes of their octets, least significant first, as those compress well.
"""

from __future__ import annotations

import ipaddress
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import numpy as np

from geodata.file import read_file
from geodata.sources.source import GeodataError, Record, country, widest_block

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geodata.special import Address

MAGIC: Final = b"sarhad.table/1\n"
MAX_OCTETS: Final = 64 << 20  # of a file, and of a column when decompressed
_MAX_HEADER: Final = 1 << 16
_COLUMNS: Final = ("starts4", "codes4", "starts6", "codes6", "countries", "asns", "lengths", "names")
_WIDTHS: Final = {"starts4": 4, "codes4": 4, "starts6": 8, "codes6": 4, "asns": 4}  # octets; the rest have 1


class _Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int
    octets: int


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["country", "asn"]
    version: str
    date: str
    columns: dict[str, _Column]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of one IP version: where each starts and what is in it (index of a label plus one, or 0)."""

    starts: Sequence[int]
    codes: Sequence[int]


def write_country_table(
    path: Path, version: str, date: str, ranges4: Ranges, ranges6: Ranges, countries: Sequence[str]
) -> None:
    """Write a table whose labels are country codes."""
    _write(
        path, "country", version, date, ranges4, ranges6, {"countries": "".join(countries).encode("ascii")}
    )


def write_asn_table(
    path: Path, version: str, date: str, ranges4: Ranges, ranges6: Ranges, networks: Sequence[tuple[int, str]]
) -> None:
    """Write a table whose labels are autonomous systems, each a number and a name (cut to 255 octets)."""
    names = [_cut(name) for _, name in networks]
    labels = {
        "asns": _planes(np.array([number for number, _ in networks], dtype="<u4")),
        "lengths": bytes(map(len, names)),
        "names": b"".join(names),
    }
    _write(path, "asn", version, date, ranges4, ranges6, labels)


def _cut(name: str) -> bytes:
    return name.encode()[:255].decode(errors="ignore").encode()


def _write(
    path: Path,
    kind: Literal["country", "asn"],
    version: str,
    date: str,
    ranges4: Ranges,
    ranges6: Ranges,
    labels: Mapping[str, bytes],
) -> None:
    plain = dict(labels)
    for suffix, ranges, width in (("4", ranges4, 4), ("6", ranges6, 8)):
        starts = np.array(ranges.starts, dtype=f"<u{width}")
        plain[f"starts{suffix}"] = _planes(np.diff(starts, prepend=starts.dtype.type(0)))
        plain[f"codes{suffix}"] = _planes(np.array(ranges.codes, dtype="<u4"))
    packed = {name: zlib.compress(plain.get(name, b""), 9) for name in _COLUMNS}
    columns = {
        name: _Column(len(plain.get(name, b"")) // _WIDTHS.get(name, 1), len(packed[name]))
        for name in _COLUMNS
    }
    header = msgspec.json.encode(_Header(kind, version, date, columns))
    with path.open("wb") as stream:
        stream.write(MAGIC + len(header).to_bytes(4, "big") + header)
        stream.writelines(packed[name] for name in _COLUMNS)


def _planes(numbers: NDArray[Any]) -> bytes:
    return numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T.tobytes() if len(numbers) else b""


class Table:
    """An open range table, wholly in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        header, body = self._header(read_file(path, MAX_OCTETS))
        self.version: str | None = header.version
        self.date: str | None = header.date
        self._kind = header.kind
        columns: dict[str, bytes] = {}
        for name in _COLUMNS:
            column = header.columns[name]
            columns[name] = self._column(name, column, body[: column.octets])
            body = body[column.octets :]
        if body:
            raise GeodataError(f"{path}: octets after the last column", "corrupt")
        self._countries = columns["countries"].decode("ascii", errors="replace")
        self._asns = _numbers(columns["asns"], "<u4")
        self._ends = np.cumsum(np.frombuffer(columns["lengths"], dtype=np.uint8), dtype=np.int64)
        self._names = columns["names"]
        labels = len(self._countries) // 2 if self._kind == "country" else len(self._asns)
        self._v4 = self._ranges("4", columns, "<u4", labels)
        self._v6 = self._ranges("6", columns, "<u8", labels)
        if self._kind == "asn" and not (
            len(self._ends) == labels and (int(self._ends[-1]) if labels else 0) == len(self._names)
        ):
            raise GeodataError(f"{path}: names: not one for each network", "corrupt")

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
        size = column.count * _WIDTHS.get(name, 1)
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

    def _ranges(
        self, suffix: str, columns: Mapping[str, bytes], dtype: str, labels: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        steps, codes = _numbers(columns[f"starts{suffix}"], dtype), _numbers(columns[f"codes{suffix}"], "<u4")
        starts = np.cumsum(steps, dtype=dtype)
        if len(starts) != len(codes):
            raise GeodataError(f"{self._path}: codes{suffix}: not one for each range", "corrupt")
        if len(starts) and not bool(np.all(starts[1:] > starts[:-1])):
            raise GeodataError(f"{self._path}: starts{suffix}: not in order", "corrupt")
        if len(codes) and int(codes.max()) > labels:
            raise GeodataError(f"{self._path}: codes{suffix}: beyond the last label", "corrupt")
        return starts, codes

    def look_up(self, address: Address) -> Record | None:
        """The record for an address, with the widest prefix around it that is wholly in its range."""
        if isinstance(address, ipaddress.IPv4Address):
            (starts, codes), key, bits = self._v4, int(address), 32
        else:
            (starts, codes), key, bits = self._v6, int(address) >> 64, 64
        index = int(np.searchsorted(starts, starts.dtype.type(key), side="right")) - 1
        if index < 0 or (code := int(codes[index])) == 0:
            return None
        last = int(starts[index + 1]) - 1 if index + 1 < len(starts) else (1 << bits) - 1
        prefix = _prefix(address, key, int(starts[index]), last, bits)
        if self._kind == "country":
            return Record(prefix=prefix, country=country(self._countries[2 * code - 2 : 2 * code]))
        begin = int(self._ends[code - 2]) if code > 1 else 0
        name = self._names[begin : int(self._ends[code - 1])].decode(errors="replace")
        return Record(prefix=prefix, asn=int(self._asns[code - 1]) or None, network=name or None)

    def close(self) -> None:
        """Nothing is held open."""


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
