"""What a router has worked out of one destination: the hops on the way and what they do with packets."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from probes.simnet import packets

if TYPE_CHECKING:
    import random

    from probes.simnet.oddities import Odd
    from probes.simnet.topology import Hop, Return, Trouble
    from probes.simnet.world import Host

MILLISECOND: Final = 1_000_000  # in nanoseconds
NOWHERE: Final = 255  # more routers than any TTL


class Luck:
    """What may happen to one packet: loss and jitter, from the world's seed."""

    __slots__ = ("jitter_ns", "loss", "random", "share")

    def __init__(self, trouble: Trouble, source: random.Random, *, applies: bool = True) -> None:
        self.loss = trouble.loss if applies else 0.0
        self.jitter_ns = trouble.jitter_ms * MILLISECOND if applies else 0.0
        self.share = trouble.jitter_share
        self.random = source.random

    def __bool__(self) -> bool:
        return self.loss > 0 or self.jitter_ns > 0

    def draw(self) -> int:
        """Nanoseconds of jitter, uniform between nothing and the most, or -1 for a lost packet."""
        if self.loss and self.random() < self.loss:
            return -1
        if self.jitter_ns and self.random() < self.share:
            return int(self.random() * self.jitter_ns)
        return 0


class Bucket:
    """A token bucket: ``rate`` answers a second, a tenth of that (but two, if it is more) at once."""

    __slots__ = ("last", "most", "rate", "tokens")

    def __init__(self, rate: float) -> None:
        self.rate = rate / 1e9
        self.most = self.tokens = max(1.0, min(rate, 2.0), rate * 0.1)
        self.last = 0

    def take(self, now: int) -> bool:
        self.tokens = min(self.most, self.tokens + (now - self.last) * self.rate)
        self.last = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class PlannedHop:
    """What one hop does with packets that end there."""

    __slots__ = (
        "addresses",
        "back",
        "buckets",
        "delay_ns",
        "extension",
        "forth",
        "mute",
        "odd",
        "salt",
        "ttl",
    )
    # ``mute`` is told for each of the equal routers, as are the buckets.

    def __init__(
        self, hop: Hop, forth: Luck, back: Luck, way_back: Return, buckets: list[Bucket | None], salt: int
    ) -> None:
        self.addresses = [packets.packed(address) for address in hop.addresses]
        self.forth = forth
        self.back = back
        self.delay_ns = int((hop.delay_ms + way_back.delay_ms) * MILLISECOND)
        self.ttl = max(1, 255 - way_back.hops)
        mute = hop.silent or way_back.lost or way_back.trouble.filter_icmp
        self.mute: tuple[bool, ...] = (mute,) * len(hop.addresses) or (True,)
        self.extension = packets.mpls_extension(hop.mpls)
        self.buckets = buckets
        self.salt = salt
        self.odd: Odd | None = None

    def choose(self, flow: bytes) -> int:
        """The equal router that a flow takes: hash threshold (RFC 2992)."""
        mixed = (zlib.crc32(flow) ^ self.salt) * 0x9E3779B1 & 0xFFFFFFFF  # CRCs alone correlate between hops
        mixed = (mixed ^ mixed >> 15) * 0x85EBCA77 & 0xFFFFFFFF
        return mixed * len(self.addresses) >> 32


class Plan:
    """Everything about packets from one site to one address, worked out at the first of them."""

    __slots__ = (
        "black_hole",
        "delay_ns",
        "filter_icmp",
        "here",
        "hops",
        "host",
        "loops",
        "luck",
        "out",
        "plain",
        "refusal",
        "refused",
        "routers",
        "unreachable",
    )

    def __init__(self) -> None:
        self.hops: list[PlannedHop] = []
        self.routers = NOWHERE  # that decrement the TTL before delivery
        self.out = -1  # the site that is delivered to, -1 nobody
        self.delay_ns = 0
        self.luck: Luck | None = None
        self.black_hole = NOWHERE
        self.filter_icmp = False
        self.host: Host | None = None  # set if it is behind a filter
        self.here: PlannedHop | None = None  # a router is addressed, or answers for what has no route
        self.unreachable = False
        self.plain = False  # nothing but a delay
        self.loops = NOWHERE  # the position of the router that sends back what it should send on
        self.refused = NOWHERE  # and of that which refuses it, by this code
        self.refusal = 0
