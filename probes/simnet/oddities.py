"""What some routers and hosts do that no textbook says: the odd answers of one hop. Pure arithmetic.

Each has been seen in the Internet: quotes that a translator or the router itself has rewritten, answers in
someone else's name, several to one probe, or long after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probes.simnet import packets

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from probes.simnet.packets import Layers
    from probes.simnet.world import Oddity, Quoting

_MILLISECOND: Final = 1_000_000  # in nanoseconds
# Where the checksum is in a transport header, and what a translator of addresses rewrites.
_CHECKSUM: Final = {packets.ICMP: 2, packets.ICMPV6: 2, packets.UDP: 6, packets.TCP: 16}
_TRANSLATED: Final = {packets.ICMP: 4, packets.ICMPV6: 4, packets.UDP: 0, packets.TCP: 0}


class Odd:
    """An :class:`~probes.simnet.world.Oddity` in the router's hands."""

    def __init__(self, oddity: Oddity, source: random.Random) -> None:
        self.oddity = oddity
        self._random = source
        self._asked = 0
        self._source = None if oddity.source in {None, "target"} else packets.packed(str(oddity.source))

    def choose(self, usual: int, routers: int) -> int:
        """Which of the equal routers answers."""
        self._asked += 1
        after = self.oddity.changes_after
        if after is not None and self._asked > after:
            usual = (usual + 1) % routers
        return self._random.randrange(routers) if self.oddity.per_packet else usual

    def source(self, packet: bytes) -> bytes | None:
        """In whose name the answer to a packet goes; None for its own."""
        if self.oddity.source == "target":
            return packet[16:20] if packet[0] >> 4 == 4 else packet[24:40]
        return self._source

    def quoted(self, packet: bytes, found: Layers) -> bytes:
        """The packet as an error quotes it."""
        for quoting in self.oddity.quote:
            if found.offset:
                packet = _QUOTINGS[quoting](packet, found)
        return packet

    def delays(self) -> Sequence[int]:
        """How much later than usual each copy of an answer comes, in nanoseconds."""
        late = int(self.oddity.late_ms * _MILLISECOND)
        return [late + copy * _MILLISECOND for copy in range(self.oddity.copies)]


def _put(packet: bytes, at: int, octets: bytes) -> bytes:
    return packet[:at] + octets + packet[at + len(octets) :] if at + len(octets) <= len(packet) else packet


def _flipped(packet: bytes, at: int) -> bytes:
    return _put(packet, at, bytes(octet ^ 0x5A for octet in packet[at : at + 2]))


def _header_only(packet: bytes, found: Layers) -> bytes:
    return packet[: found.offset + 8]  # RFC 792


def _truncated(packet: bytes, found: Layers) -> bytes:
    return packet[: found.offset + 3]


def _garbage(packet: bytes, found: Layers) -> bytes:
    return packet[:1] + bytes(255 - octet for octet in packet[1 : found.offset + 8])


def _identification(rewrite: Callable[[int], int]) -> Callable[[bytes, Layers], bytes]:
    def rewritten(packet: bytes, _: Layers) -> bytes:
        if packet[0] >> 4 == 6:
            return packet
        return _put(packet, 4, rewrite(int.from_bytes(packet[4:6], "big")).to_bytes(2, "big"))

    return rewritten


def _checksum(packet: bytes, found: Layers) -> bytes:
    return _flipped(packet, found.offset + _CHECKSUM.get(found.protocol, 2))


def _ports(packet: bytes, found: Layers) -> bytes:
    return _flipped(packet, found.offset + _TRANSLATED.get(found.protocol, 0))


def _ttl(packet: bytes, _: Layers) -> bytes:
    return _put(packet, 8 if packet[0] >> 4 == 4 else 7, b"\x02")


_QUOTINGS: Final[dict[Quoting, Callable[[bytes, Layers], bytes]]] = {
    "header_only": _header_only,
    "truncated": _truncated,
    "garbage": _garbage,
    "identification_plus_one": _identification(lambda given: (given + 1) & 0xFFFF),
    "identification_swapped": _identification(lambda given: (given & 0xFF) << 8 | given >> 8),
    "identification_zero": _identification(lambda _: 0),
    "checksum": _checksum,
    "ports": _ports,
    "ttl": _ttl,
}
