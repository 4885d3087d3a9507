"""What answered at a TTL, as results have it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeAlias

from probes.engine.packets import text
from probes.observation import Hop, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.observation import MplsLabel

# Attempt, address (packed), round-trip time in seconds, ICMP type and code, MPLS labels.
Kept: TypeAlias = "tuple[int, bytes, float, tuple[int, int] | None, tuple[MplsLabel, ...]]"


def hop_of(ttl: int, kept: Sequence[Kept]) -> Hop:
    """What answered at a TTL, as results have it."""
    if len(kept) > 1:
        kept = sorted(kept, key=_attempt)
    # The time is rounded as round() does, but faster.
    replies = [
        Reply(address=text(address), rtt_ms=int(rtt * 1e7 + 0.5) / 1e4, icmp=icmp, mpls=mpls)
        for _, address, rtt, icmp, mpls in kept
    ]
    return Hop(ttl=ttl, replies=tuple(replies))


@functools.lru_cache(maxsize=256)
def silent(ttl: int) -> Hop:
    """A hop that did not answer."""
    return Hop(ttl=ttl)


def _attempt(kept: Kept) -> int:
    return kept[0]
