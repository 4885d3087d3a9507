"""Recorded observations: JSON Lines of ``sarhad.observation/1``, read with distrust.

A record may come from another program, another year or somebody who means harm; what could not have been
measured is refused by line and field, and never reaches a rule. An address may be written in any of its ways
(RFC 4291 section 2.2), and is read as RFC 5952 has it.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from probes.observation import DnsObservation, Observation, TraceObservation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from probes.observation import TraceResult

MAX_LINE: Final = 16 * 2**20  # octets
# Python reads other forms of ISO 8601 too. Times outside these are of no clock that was set, and overflow.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIMES: Final = ("1970-01-02", "9999")
_OF_ADDRESSES: Final = frozenset({"address", "addresses", "source", "target"})  # fields that hold some


class RecordError(Exception):
    """A file of records cannot be used; the message names file, line, field and what is wrong."""


def read_observations(path: Path) -> list[Observation]:
    """The records of a file, in its order; raises :class:`RecordError`."""
    decoder = msgspec.json.Decoder(Observation)
    observations: list[Observation] = []
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE + 1):
                number += 1
                if len(line) > MAX_LINE:
                    raise RecordError(f"{path}:{number}: is longer than {MAX_LINE} octets")
                if not line.strip():
                    continue
                try:
                    one = decoder.decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                    raise RecordError(f"{path}:{number}: {error}") from error
                for fault in _faults(one):
                    raise RecordError(f"{path}:{number}: {fault}")
                if one.id in seen:
                    raise RecordError(
                        f"{path}:{number}: id: {one.id!r} stands twice; first on line {seen[one.id]}"
                    )
                seen[one.id] = number
                odd = any(":" in address and _spelling(address) != address for _, address in _addresses(one))
                observations.append(_spelled(one) if odd else one)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    return observations


def _faults(one: Observation) -> Iterator[str]:
    """What no probe would have written."""
    yield from _untimely(one.time)
    if one.address is None and not isinstance(one, DnsObservation):
        yield "address: is missing; only names are asked for without one"
    for field, address in _addresses(one):
        if _spelling(address) is None:
            yield f"{field}: {address[:60]!r} is not an IP address"
    if isinstance(one, TraceObservation) and one.result is not None:
        yield from _misplaced(one.result)


@functools.lru_cache(maxsize=1 << 10)  # records that stand together were made at the same time
def _untimely(text: str) -> tuple[str, ...]:
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        return (f"time: {text[:40]!r} is not a time as in RFC 3339",)
    if zone is None:
        return (f"time: {text!r} does not say its zone; end it with Z for UTC",)
    if not (_TIME.fullmatch(text) and _TIMES[0] < text < _TIMES[1]):
        return (f"time: {text[:40]!r} is not a time as in RFC 3339, such as 2026-06-01T09:30:00Z",)
    return ()


def _misplaced(result: TraceResult) -> Iterator[str]:
    multipath = result.multipath
    for field, hops in (
        ("hops", result.hops),
        ("multipath.hops", multipath.hops if multipath else ()),
        ("multipath.links", multipath.links if multipath else ()),
    ):
        for hop in hops:
            if not 0 < hop.ttl < 256:
                yield f"result.{field}: ttl: {hop.ttl} is not 1 to 255"


def _addresses(one: Observation) -> Iterator[tuple[str, str]]:
    """Every address in a record, with its field."""
    if one.address is not None:
        yield "address", one.address
    if isinstance(one, DnsObservation) and one.result is not None:
        for address in one.result.addresses:
            yield "result.addresses", address
    if isinstance(one, TraceObservation) and one.result is not None:
        yield from _traced(one.result)


def _traced(result: TraceResult) -> Iterator[tuple[str, str]]:
    for hop in result.hops:
        for reply in hop.replies:
            yield "result.hops: address", reply.address
    if result.multipath is not None:
        for each in result.multipath.hops:
            for address in each.addresses:
                yield "result.multipath.hops: addresses", address
        for link in result.multipath.links:
            yield "result.multipath.links: source", link.source
            yield "result.multipath.links: target", link.target


def _spelled(one: Observation) -> Observation:
    """The same with every address as RFC 5952 writes it."""
    found: Observation = msgspec.convert(_respelled(msgspec.to_builtins(one)), Observation)
    return found


def _respelled(value: Any, field: str = "") -> Any:
    if isinstance(value, dict):
        return {name: each if name == "headers" else _respelled(each, name) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_respelled(each, field) for each in value]
    if isinstance(value, str) and field in _OF_ADDRESSES:
        return _spelling(value) or value
    return value


@functools.lru_cache(maxsize=1 << 16)
def _spelling(text: str) -> str | None:
    """How an address is written, None if it is none; one with a zone is none, as packets carry no zone."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # Of ipaddress's own text of IPv4-mapped addresses the form depends on Python's version.
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return None if "%" in text else socket.inet_ntop(family, address.packed)
