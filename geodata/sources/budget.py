"""How often each regional registry may be asked, by all processes that share a directory.

A registry's budget is a token bucket, kept as one number: the time at which it is full again (the generic
cell rate algorithm, ATM Forum TM 4.1), so that to hold off for a while is to put off that time. Which
registry an address belongs to is IANA's to say (IPv4 by /8, IPv6 by /12 or /23), as netaddr carries it; where
a block was transferred, that registry refers to the other one, which is charged then.
"""

from __future__ import annotations

import fcntl
import math
import os
import threading
import time
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import netaddr

from geodata.errors import GeodataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from geodata.special import Address

Registry = Literal["afrinic", "apnic", "arin", "lacnic", "ripencc"]


class Limit(NamedTuple):
    """``burst`` questions at once, and one more every ``interval_s`` seconds."""

    burst: int
    interval_s: float


LIMITS: Final[Mapping[Registry, Limit]] = {
    # "Rate Limit is maxed at 10 queries per 1 minutes", its answers say (ipwhois #99), and bans of about five
    # minutes follow. 4 at once and 6 more are 10 in the worst minute.
    "lacnic": Limit(4, 10.0),
    # None of the others publishes a number for RDAP. RIPE's policy allows 1000 answers with personal data a
    # day, and a user met 429 after some 3500 questions (ipwhois #144): this is 2900 in the worst day.
    "ripencc": Limit(20, 30.0),
    # After 5000 answers with personal data AFRINIC blocks for a day (its FAQ): this is 4340.
    "afrinic": Limit(20, 20.0),
    # Of these nothing is known but that they answer 429 too. ARIN's redirector is asked before any registry.
    "apnic": Limit(20, 2.0),
    "arin": Limit(40, 2.0),
}
# After a 429 that does not say for how long: LACNIC's bans take about five minutes (ipwhois #99).
HOLD_S: Final = 300.0
MAX_HOLD_S: Final = 3600.0  # whatever a registry, or a file, says
_WHOIS: Final[Mapping[str, Registry]] = {
    "whois.afrinic.net": "afrinic",
    "whois.apnic.net": "apnic",
    "whois.arin.net": "arin",
    "whois.lacnic.net": "lacnic",
    "whois.ripe.net": "ripencc",
}
_LOCK_TRIES: Final = 200
_LOCK_S: Final = 0.001


def registry_of(address: Address) -> Registry | None:
    """The registry to which IANA gave the block around ``address``; ``None`` where it gave it to none."""
    found = netaddr.IPAddress(str(address)).info
    for record in (*getattr(found, "IPv6_unicast", ()), *getattr(found, "IPv4", ())):
        registry = _WHOIS.get(record.whois)
        if registry is not None:
            return registry
    return None


class Budget:
    """The registries' budgets, in ``directory`` or, without one, in this process; safe among threads.

    A directory that cannot be written serves no other process, and so this one keeps its own count.
    """

    def __init__(self, directory: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._directory = directory
        self._clock = clock
        self._own: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, registry: Registry, within_s: float) -> float:
        """Take the next turn; the seconds to wait until it comes.

        Raises :class:`GeodataError` (``rate-limited``), and takes none, where that is longer than
        ``within_s``.
        """
        limit = LIMITS[registry]
        waits: list[float] = []

        def taken(full_at: float, now: float) -> float | None:
            waits.append(max(0.0, full_at - now - (limit.burst - 1) * limit.interval_s))
            return None if waits[0] > within_s else max(full_at, now) + limit.interval_s

        self._change(registry, taken)
        if waits[0] > within_s:
            raise GeodataError(
                f"{registry}: may be asked again in {math.ceil(waits[0])} s, so as not to ask too often",
                "rate-limited",
            )
        return waits[0]

    def charge(self, registry: Registry) -> None:
        """Count a question that was put without a turn of its own."""
        self._change(registry, lambda full_at, now: max(full_at, now) + LIMITS[registry].interval_s)

    def hold(self, registry: Registry, seconds: float) -> None:
        """No more turns for so long; afterwards one by one."""
        limit = LIMITS[registry]
        empty_s = min(seconds, MAX_HOLD_S) + (limit.burst - 1) * limit.interval_s
        self._change(registry, lambda full_at, now: max(full_at, now + empty_s))

    def _change(self, registry: Registry, change: Callable[[float, float], float | None]) -> None:
        """Let ``change`` see the registry's number and the time, and keep the number that it gives."""
        with self._lock:
            try:
                descriptor = self._locked(registry)
            except OSError:
                descriptor = None
            try:
                now = self._clock()
                full_at = self._own.get(registry, now) if descriptor is None else _read(descriptor)
                limit = LIMITS[registry]
                if not full_at <= now + MAX_HOLD_S + 2 * limit.burst * limit.interval_s:
                    full_at = now  # no number, or of a clock that was wrong
                changed = change(full_at, now)
                if changed is None:
                    return
                self._own[registry] = changed
                if descriptor is not None:
                    octets = f"{changed:017.3f}".encode()
                    os.pwrite(descriptor, octets, 0)
                    os.ftruncate(descriptor, len(octets))
            finally:
                if descriptor is not None:
                    os.close(descriptor)  # which also unlocks

    def _locked(self, registry: Registry) -> int | None:
        """A descriptor of the registry's file, locked; OSError where that cannot be had."""
        if self._directory is None:
            return None
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._directory / registry, flags, 0o600)
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_S)
            else:
                return descriptor
        os.close(descriptor)
        raise BlockingIOError("somebody holds the lock for long")


def _read(descriptor: int) -> float:
    """The number in a file; 0 for what is none."""
    try:
        return float(os.pread(descriptor, 32, 0))
    except ValueError:
        return 0.0
