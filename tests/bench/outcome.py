"""What a tool said: traces and pings in one form, whichever tool it was."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer in a trace: at which TTL, from which address, after how many ms (None: not told)."""

    ttl: int
    address: str
    rtt_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """The answers of one trace; TTLs that nobody answered are left out."""

    target: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """The round-trip times (ms) that one target answered in, as many as it answered."""

    target: str
    rtts_ms: tuple[float, ...]


Outcome = Trace | Ping
