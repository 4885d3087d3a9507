"""Evidence on disk: the packets of a vantage's engine as a pcap file, for Wireshark or tshark.

Holds every probe as it was sent and every answer that was matched to one, in IPv4 and IPv6, with the kernel's
time of receipt. What others sent to the machine is not ours to keep. The kernel gives IPv6 packets and those
of datagram sockets without their IP header; it is written again from the addresses, with hop limit 0 for
"not known", so that every record is a whole packet.
"""

from __future__ import annotations

import ipaddress
import os
import struct
import time
from typing import TYPE_CHECKING, Final, Self

from probes.engine.extensions import checksum

if TYPE_CHECKING:
    from pathlib import Path

    from scapy.utils import RawPcapWriter

LINKTYPE_RAW: Final = 101  # packets begin with their IP header, of either version
MAX_OCTETS: Final = 256 * 2**20  # a file; later packets are counted and left out
_BUFFER: Final = 1 << 16  # octets: so that the event loop waits for the disk seldom
_IPV6: Final = struct.Struct("!IHBB16s16s")


class Capture:
    """One pcap file, readable by its owner only; raises OSError where it cannot be made."""

    def __init__(self, path: Path, limit: int = MAX_OCTETS) -> None:
        from scapy.utils import RawPcapWriter  # noqa: PLC0415  (scapy takes half a second to import)

        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._writer: RawPcapWriter = RawPcapWriter(
            os.fdopen(descriptor, "wb", buffering=_BUFFER), linktype=LINKTYPE_RAW, nano=True
        )
        self._writer.write_header(b"")
        self._left = limit
        self.left_out = 0

    def write(self, packet: bytes, at: float | None = None) -> None:
        """Add a whole packet, of the time ``at`` (``time.monotonic`` seconds) or now."""
        if len(packet) > self._left:
            self.left_out += 1
            return
        self._left -= len(packet)
        age = 0.0 if at is None else time.monotonic() - at
        seconds, nanoseconds = divmod(time.time_ns() - int(age * 1e9), 1_000_000_000)
        self._writer.write_packet(packet, sec=seconds, usec=nanoseconds)

    def close(self) -> None:
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def whole_ipv6(payload: bytes, protocol: int, source: str, destination: str) -> bytes:
    """An IPv6 packet of a payload that came without its header (RFC 8200 section 3)."""
    return (
        _IPV6.pack(
            6 << 28,
            len(payload),
            protocol,
            0,
            ipaddress.IPv6Address(source).packed,
            ipaddress.IPv6Address(destination).packed,
        )
        + payload
    )


def checked(packet: bytes) -> bytes:
    """An IPv4 packet with its header's checksum, which the kernel writes in what is sent."""
    return packet[:10] + checksum(packet[:20]).to_bytes(2, "big") + packet[12:]


def explain(octets: bytes, version: int) -> str:
    """What scapy makes of a packet that no probe of ours explains, in one line; never raises."""
    from scapy.layers import inet, inet6  # noqa: PLC0415  (scapy takes half a second to import)

    try:
        packet = inet.IP(octets) if version == 4 else inet6.ICMPv6Unknown(octets)
        text = str(packet.summary())
    except Exception as error:  # noqa: BLE001  (scapy raises whatever a stranger's octets lead it to)
        text = f"cannot be dissected ({type(error).__name__})"
    return "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in text)[:500]
