"""Registrations that were asked for once, by prefix: any other address inside is answered without asking.

A cached answer holds for 7 days (registrations change seldom, and RFC 9632 asks for no more than one look a
week), the absence of one for 10 minutes. An address of a narrower registration inside a block that was asked
for earlier is thus answered with the wider one's until that expires; of several, the narrowest is taken.
"""

from __future__ import annotations

import ipaddress
import time
from typing import TYPE_CHECKING, Final

import msgspec

from geodata.cache import Cache
from geodata.errors import GeodataError
from geodata.sources.registration import Registration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geodata.special import Address

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

KEPT_S: Final = 7 * 86_400.0
FAILURE_KEPT_S: Final = 600.0
# Hardly a holder has more than a /8, and no registry gave an IPv6 block wider than a /19. What an answer says
# of more is taken for the address that was asked for, and for no other.
WIDEST: Final = {4: 8, 6: 16}
MAX_FILES: Final = 4096
MAX_FILE_OCTETS: Final = 1 << 14
_CODES: Final = frozenset({"unreachable", "malformed"})  # failures that will be the same a moment later


class _Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    message: str
    code: str


class _Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at: float  # seconds since 1970
    prefix: str
    registration: Registration | None = None
    failure: _Failure | None = None


class Registrations:
    """A cache in ``directory``; ``clock`` gives the time."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.time) -> None:
        self._cache = Cache(
            directory,
            max_files=MAX_FILES,
            max_octets=MAX_FILES * MAX_FILE_OCTETS // 4,
            max_file_octets=MAX_FILE_OCTETS,
        )
        self._clock = clock

    def find(self, address: Address) -> Registration | None:
        """What is known of a decoded address, or ``None``.

        Raises the :class:`GeodataError` that asking for it gave a short while ago.
        """
        for length in range(address.max_prefixlen, WIDEST[address.version] - 1, -1):
            kept = self._read(_block(address, length))
            if kept is None:
                continue
            if kept.registration is not None:
                return kept.registration
            if kept.failure is not None:
                raise GeodataError(kept.failure.message, kept.failure.code)
        return None

    def keep(self, registration: Registration) -> None:
        """Keep an answer; raises :class:`GeodataError` (``disk``) where that cannot be."""
        self._write(registration.prefix, registration=registration)

    def keep_failure(self, address: Address, error: GeodataError) -> None:
        """Keep that there is no answer for one address, if asking again would not help; raises as above."""
        if error.code in _CODES:
            # What an answer quotes may be no Unicode.
            failure = _Failure(str(error)[:1000].encode("utf-8", "replace").decode(), error.code)
            self._write(f"{address}/{address.max_prefixlen}", failure=failure)

    def _read(self, network: Network) -> _Kept | None:
        octets = self._cache.get(_name(network))
        if octets is None:
            return None
        try:
            kept = msgspec.json.decode(octets, type=_Kept)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        kept_s = KEPT_S if kept.failure is None else FAILURE_KEPT_S
        fresh = 0 <= self._clock() - kept.at < kept_s
        own = kept.prefix == str(network) and (
            kept.registration is None or kept.registration.prefix == kept.prefix
        )
        return kept if fresh and own else None

    def _write(
        self, prefix: str, *, registration: Registration | None = None, failure: _Failure | None = None
    ) -> None:
        network = ipaddress.ip_network(prefix)
        if network.prefixlen < WIDEST[network.version]:
            return
        kept = _Kept(at=self._clock(), prefix=prefix, registration=registration, failure=failure)
        self._cache.put(_name(network), msgspec.json.encode(kept))


def _block(address: Address, length: int) -> Network:
    kind = ipaddress.IPv4Network if address.version == 4 else ipaddress.IPv6Network
    return kind((int(address), length), strict=False)


def _name(network: Network) -> str:
    return f"{network.version}-{int(network.network_address):x}-{network.prefixlen}"
