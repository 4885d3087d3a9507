"""Whether an origin is valid, by the payloads of ``vrps``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geodata.claim import Validity
    from geodata.sources.parsed import Entry


def validity(origin: int, length: int | None, payloads: Iterable[Entry]) -> Validity | None:
    """Whether ``origin`` may announce a prefix of ``length``, by what covers an address in it (RFC 6811, 2).

    Without a length it is only known where nothing covers the address: None otherwise.
    """
    found: Validity = "not-found"
    for one in payloads:
        if length is None:
            return None
        if one.length is None or one.max_length is None or one.length > length:
            continue  # it covers the address, and not all of what is announced
        if one.asn == origin and length <= one.max_length:
            return "valid"
        found = "invalid"
    return found
