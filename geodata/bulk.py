"""Very many addresses at once against every offline source: columns of numbers instead of claims."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geodata.errors import GeodataError
from geodata.special import decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geodata.sources.parsed import Entry


class Column(NamedTuple):
    """What one source says of each address: ``codes`` number the ``entries``; number 0 is that of nothing."""

    codes: NDArray[np.uint32]
    entries: Sequence[tuple[Entry, ...]]


class Addresses(NamedTuple):
    """Decoded addresses: ``texts`` as given, and for each IP version where they are and their keys.

    Keys are whole IPv4 addresses, and the upper 64 bits of IPv6 ones.
    """

    texts: Sequence[str]
    places: dict[int, NDArray[np.intp]]
    keys: dict[int, NDArray[Any]]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Addresses:
        """Read and decode addresses; raises :class:`GeodataError` for the first that is none."""
        octets: list[bytes] = []
        keys6: list[int] = []
        places: dict[int, list[int]] = {4: [], 6: []}
        four, pack = socket.AF_INET, socket.inet_pton
        for place, text in enumerate(texts):
            if ":" not in text:
                try:
                    octets.append(pack(four, text))
                except OSError as error:
                    raise GeodataError(f"address {place + 1}: {text!r} is not one", "address") from error
                places[4].append(place)
                continue
            try:
                address = decode(text)
            except ValueError as error:
                raise GeodataError(f"address {place + 1}: {text!r} is not one", "address") from error
            places[address.version].append(place)
            if address.version == 4:
                octets.append(address.packed)
            else:
                keys6.append(int(address) >> 64)
        return cls(
            texts,
            {version: np.array(each, dtype=np.intp) for version, each in places.items()},
            {
                4: np.frombuffer(b"".join(octets), dtype=">u4").astype(np.uint32),
                6: np.array(keys6, dtype=np.uint64),
            },
        )
