"""Trees: very many targets behind routers that they share, for measuring how probes scale. Pure arithmetic.

Nothing of a tree is stored: an address says which target or router it is. Every path has the ``shared`` first
routers; then it forks ``width`` ways at each step, until each target has routers of its own. A path ends,
after ``hops`` steps at the least and at the most, with its target.
"""

from __future__ import annotations

import ipaddress
import socket
import zlib
from typing import TYPE_CHECKING, Final

from probes.simnet.packets import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.simnet.world import TreeSpec

_UNIT: Final = 2**32


class Tree:
    """The targets, the routers and the truth of one tree of a world; ``seed`` is the world's."""

    def __init__(self, spec: TreeSpec, seed: int) -> None:
        self.spec = spec
        self._seed = b"%d %d" % (seed, spec.seed)
        network = ipaddress.ip_network(spec.prefix)
        self._first = int(network.network_address) + 1
        self._routers = int(ipaddress.ip_network(spec.routers).network_address) + 1
        self._version = network.version

    @property
    def targets(self) -> Sequence[str]:
        """The addresses of all targets, dead ones too."""
        return [self._text(self._first + index) for index in range(self.spec.targets)]

    def holds(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether the address is a target's."""
        return address.version == self._version and 0 <= int(address) - self._first < self.spec.targets

    def hops(self, target: str) -> tuple[tuple[str, ...], ...]:
        """For each TTL from 1 the routers that may answer (one for each flow), then the target itself."""
        steps = (self.routers(number) for number in self.steps(int.from_bytes(packed(target), "big")))
        return (*steps, (target,))

    def steps(self, target: int) -> list[int]:
        """The numbers of the steps on the way to a target, whose address is given as a number."""
        spec, index = self.spec, target - self._first
        least, most = spec.hops
        drawn = self._drawn(b"length", target.to_bytes(4 if self._version == 4 else 16, "big"))
        length = least + drawn * (most - least + 1) // _UNIT
        # width ** 17 is more than any number of targets, so each has routers of its own by then.
        return [
            (ttl - 1) * spec.targets + index % spec.width ** min(max(0, ttl - spec.shared), 17)
            for ttl in range(1, length)
        ]

    def routers(self, step: int) -> tuple[str, ...]:
        """The addresses of the equal routers of a step; a shared step has one."""
        spec = self.spec
        ways = spec.ecmp if step // spec.targets >= spec.shared else 1
        first = self._routers + step * spec.ecmp
        return tuple(self._text(first + way) for way in range(ways))

    def silent(self, router: str) -> bool:
        """Whether a router never answers."""
        return self._drawn(b"silent", packed(router)) < self.spec.silent * _UNIT

    def dead(self, target: str) -> bool:
        """Whether nobody is at a target's address."""
        return self._drawn(b"dead", packed(target)) < self.spec.dead * _UNIT

    def _drawn(self, what: bytes, address: bytes) -> int:
        """A number below 2**32 that is always the same for this world, and like chance."""
        mixed = zlib.crc32(b"%s %s " % (self._seed, what) + address) * 0x9E3779B1 & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 15) * 0x85EBCA77 & 0xFFFFFFFF
        return mixed ^ mixed >> 13

    def _text(self, number: int) -> str:
        if self._version == 4:
            return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))
        return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
