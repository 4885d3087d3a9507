"""Whole routing tables as route collectors archive them: MRT, TABLE_DUMP and TABLE_DUMP_V2 (RFC 6396).

RouteViews (archive.routeviews.org, bzip2, every 2 hours; CC-BY-4.0) and RIPE RIS (data.ris.ripe.net, gzip,
every 8 hours; RIPE NCC's terms of service). Tens of peers, a million prefixes each; read through ftlbgp.
"""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Final, NamedTuple

from ftlbgp import FtlError, MrtParser

from geodata.errors import GeodataError
from geodata.packed import check_whole
from geodata.sources.parsed import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OCTETS: Final = 16 << 30  # decompressed
MAX_ROUTES: Final = 200_000_000
MAX_PREFIXES: Final = 5_000_000
_TYPES: Final = (12, 13)  # TABLE_DUMP, TABLE_DUMP_V2
_SUBTYPES: Final = 12
_FIELDS: Final = 4  # of a route below; an error has fewer


class Announced(NamedTuple):
    """A prefix (its ``first`` address as a number), and the numbers of the networks that announce it."""

    version: int
    first: int
    length: int
    origins: tuple[int, ...]


def is_mrt(octets: bytes) -> bool:
    """Whether a file (not compressed, or its beginning) starts as a routing table in MRT does."""
    kind, subtype = int.from_bytes(octets[4:6], "big"), int.from_bytes(octets[6:8], "big")
    return len(octets) >= 12 and kind in _TYPES and subtype <= _SUBTYPES


def announced(octets: bytes, skipped: list[Skipped]) -> Iterator[Announced]:
    """The prefixes of a routing table, compressed or not, with the origins that any peer has.

    The origin is the last network of a path, and all of a last set (RFC 4271, 5.1.2). Default routes say
    nothing of who has an address. Records that make no sense go into ``skipped``; a file that is cut short or
    damaged is a :class:`GeodataError`.
    """
    check_whole(octets, MAX_OCTETS)  # ftlbgp takes what is there of a compressed file for all
    fields, errors = MrtParser.bgp.route, MrtParser.bgp.error
    found: dict[tuple[int, int, int], set[int]] = {}
    with tempfile.NamedTemporaryFile(prefix="sarhad-mrt-") as stream:  # ftlbgp reads files only
        stream.write(octets)
        stream.flush()
        with MrtParser(
            named_records=False,
            bgp_records=MrtParser.bgp.records.route | MrtParser.bgp.records.error,
            bgp_route=fields.human.source | fields.prefix_protocol | fields.prefix | fields.aspath,
            bgp_error=errors.human.scope | errors.human.message,
        ) as parse:
            try:
                for number, record in enumerate(parse(stream.name), 1):
                    if number > MAX_ROUTES or len(found) > MAX_PREFIXES:
                        raise GeodataError("routing table: holds too much", "corrupt")
                    if len(record) < _FIELDS:
                        scope, message = record
                        if scope == "header":  # where the next record begins is not known then
                            raise GeodataError(f"routing table: {str(message)[:200]}", "corrupt")
                        skipped.append(Skipped(number, str(message)[:200]))
                        continue
                    source, version, (first, length), path = record
                    if source == "rib" and length and path:
                        found.setdefault((version, first, length), set()).update(_origins(path[-1]))
            except (FtlError, OSError, EOFError, ValueError) as error:
                raise GeodataError(f"routing table: {str(error)[:200]}", "corrupt") from error
    for (version, first, length), origins in found.items():
        yield Announced(version, first, length, tuple(sorted(origins)))


def _origins(last: int | tuple[int, ...]) -> tuple[int, ...]:
    return last if isinstance(last, tuple) else (last,)
