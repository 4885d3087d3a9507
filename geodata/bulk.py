"""Very many addresses at once against every offline source: columns of numbers instead of claims."""

from __future__ import annotations

from itertools import compress, repeat
from operator import contains
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geodata.errors import GeodataError
from geodata.special import MAPPED, NAT64, SIX_TO_FOUR, TEREDO, decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from geodata.sources.parsed import Entry

    Bools = NDArray[np.bool_]
    Places = NDArray[np.intp]


class Column(NamedTuple):
    """What one source says of each address: ``codes`` number the ``entries``; number 0 is that of nothing."""

    codes: NDArray[np.uint32]
    entries: Sequence[tuple[Entry, ...]]


class Addresses(NamedTuple):
    """Decoded addresses: their ``texts``, and for each IP version where they stand and their keys.

    Keys are whole IPv4 addresses, and the upper 64 bits of IPv6 ones. They are sorted, as it is several times
    as fast to search for neighbours one after the other.
    """

    texts: Sequence[str]
    places: dict[int, Places]
    keys: dict[int, NDArray[Any]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Addresses:
        """Read and decode addresses; raises :class:`GeodataError` for the first that is none."""
        try:
            return cls._of(texts)
        except (OSError, ValueError):
            for place, text in enumerate(texts):
                try:
                    decode(text)
                except ValueError as error:
                    raise GeodataError(f"address {place + 1}: {text!r} is not one", "address") from error
            raise

    @classmethod
    def _of(cls, texts: Sequence[str]) -> Addresses:
        plain = list(texts)
        for place in np.flatnonzero(_having("%", plain)):  # a zone, which inet_pton does not take
            plain[place] = str(decode(plain[place]))
        long = _having(":", plain)
        four, six = np.flatnonzero(~long), np.flatnonzero(long)
        short = np.frombuffer(_packed(AF_INET, compress(plain, ~long)), ">u4").astype(np.uint32)
        octets = np.frombuffer(_packed(AF_INET6, compress(plain, long)), ">u8").astype(np.uint64)
        high, low = octets.reshape(-1, 2).T
        inside, values = _embedded(high, low)
        for place, value in zip(six[inside].tolist(), values.tolist(), strict=True):
            plain[place] = inet_ntop(AF_INET, value.to_bytes(4, "big"))
        ordered = (
            _ordered(np.concatenate([four, six[inside]]), np.concatenate([short, values])),
            _ordered(six[~inside], high[~inside]),
        )
        places, keys = zip(*ordered, strict=True)
        return cls(plain, dict(zip((4, 6), places, strict=True)), dict(zip((4, 6), keys, strict=True)))


def _embedded(
    high: NDArray[np.uint64], low: NDArray[np.uint64]
) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    """In which IPv6 addresses, given as halves, :func:`geodata.special.decode` finds IPv4 ones, and these."""
    inside = low & np.uint64(0xFFFF_FFFF)
    forms = (
        ((high == 0) & (low >> np.uint64(32) == MAPPED), inside),
        ((high == NAT64 >> 32) & (low >> np.uint64(32) == 0), inside),
        (high >> np.uint64(32) == TEREDO, ~low & np.uint64(0xFFFF_FFFF)),
        (high >> np.uint64(48) == SIX_TO_FOUR, high >> np.uint64(16) & np.uint64(0xFFFF_FFFF)),
    )
    found = np.zeros(len(high), dtype=bool)
    values = np.zeros(len(high), dtype=np.uint32)
    for which, value in forms:
        found |= which
        values[which] = value[which]
    return found, values[found]


def _having(part: str, texts: Sequence[str]) -> Bools:
    return np.fromiter(map(contains, texts, repeat(part)), bool, len(texts))


def _packed(family: int, texts: Iterable[str]) -> bytes:
    return b"".join(map(inet_pton, repeat(family), texts))


def _ordered(places: Places, keys: NDArray[Any]) -> tuple[Places, NDArray[Any]]:
    order = np.argsort(keys)
    return places[order], keys[order]
