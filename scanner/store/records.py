"""Values as a store keeps them: JSON, compressed; observations in parts of several hundred."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from probes.observation import Observation, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PART: Final = 500  # observations; about a megabyte of JSON, which zlib makes a tenth of
_LEVEL: Final = 6

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_OBSERVATIONS: Final = msgspec.json.Decoder(tuple[Observation, ...])
_T = TypeVar("_T")


def pack(value: object) -> bytes:
    """A value as canonical JSON (keys sorted)."""
    return _ENCODER.encode(value)


def compress(octets: bytes) -> bytes:
    """Octets in zlib's format."""
    return zlib.compress(octets, _LEVEL)


def unpack(octets: bytes, type_: type[_T]) -> _T:
    """The value of compressed JSON; ``zlib.error`` or ``msgspec.DecodeError`` where it is damaged."""
    return msgspec.json.decode(zlib.decompress(octets), type=type_)


def unpack_observations(octets: bytes) -> tuple[Observation, ...]:
    """The observations of a part; errors as of :func:`unpack`."""
    return _OBSERVATIONS.decode(zlib.decompress(octets))


def parts(observations: Sequence[Observation]) -> Iterator[tuple[int, bytes]]:
    """Observations as JSON, a part at a time, in their order; each with how many it holds."""
    for start in range(0, len(observations), PART):
        part = observations[start : start + PART]
        yield len(part), pack(part)


def instant(time: str) -> str:
    """A time of RFC 3339 so that it sorts as text: in UTC, with microseconds."""
    return written(datetime.fromisoformat(time), "microseconds")
