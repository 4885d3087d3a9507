"""``sender FIRST TARGETS RATE SECONDS``: echo requests with TTLs 1 to 18, made beforehand, as fast as asked.

It reads no answer: the world's device counts them. ``RATE`` 0 means as fast as this process can.
"""

from __future__ import annotations

import ipaddress
import random
import socket
import struct
import sys
import time

from probes.simnet.packets import checksum

_PACKETS = 20_000
_BURST = 20  # packets between two looks at the clock
_NAP_S = 0.0005


def packets(first: str, targets: int) -> list[tuple[bytes, tuple[str, int]]]:
    """Packets and their destinations; the kernel fills in source, length and checksum of IPv4 (raw(7))."""
    start, chance, made = ipaddress.IPv4Address(first), random.Random(1), []  # noqa: S311 an order, no secret
    for number in range(_PACKETS):
        target = start + chance.randrange(targets)
        echo = struct.pack("!BBHHH", 8, 0, 0, 7, number & 0xFFFF) + bytes(8)
        echo = echo[:2] + checksum(echo).to_bytes(2, "big") + echo[4:]
        header = struct.pack("!BBHHHBBH", 0x45, 0, 0, number & 0xFFFF, 0, chance.randint(1, 18), 1, 0)
        made.append((header + bytes(4) + target.packed + echo, (str(target), 0)))
    return made


def main(first: str, targets: str, rate: str, seconds: str) -> None:
    made, sent = packets(first, int(targets)), 0
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
        out.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
        start = time.monotonic()
        while (passed := time.monotonic() - start) < float(seconds):
            if float(rate) and sent >= passed * float(rate):
                time.sleep(_NAP_S)
                continue
            for packet, destination in (made[(sent + index) % _PACKETS] for index in range(_BURST)):
                out.sendto(packet, destination)
            sent += _BURST


if __name__ == "__main__":
    main(*sys.argv[1:])
