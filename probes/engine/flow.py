"""What goes out: the probes of one flow, all alike to a router that balances load (Paris traceroute).

A router that spreads packets over paths looks at addresses, protocol, IPv6 flow label and the first four
octets of the transport header. Those stay constant in a flow: ports for TCP and UDP, type, code and
*checksum* for ICMP, where two octets of the payload make up for what varies (Augustin et al., IMC 2006).

What varies is a number that this process drew with a secret key from the flow and the probe: 8 octets of
cookie in the payload, the sequence number of a SYN, the checksum of a UDP probe, and over IPv4 the
identification. So who answers a probe has seen that probe: a far host cannot answer ahead of time to look
near, and a quote whose transport header was rewritten is still known by its identification.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
import struct
from typing import Any, Final, Literal, NamedTuple

from probes.engine.extensions import checksum
from probes.engine.packets import COOKIE, ICMP, ICMPV6, TCP, UDP, Quote

Method = Literal["icmp", "tcp", "udp"]

# The port of the first traceroute; few services answer there, so a host says "port unreachable".
TRACEROUTE_PORT: Final = 33434
MAX_MARK: Final = 64
_KEY: Final = secrets.token_bytes(16)


class Match(NamedTuple):
    """The probe that is quoted; ``proved`` where the quote holds at least 32 bits that only it had."""

    code: int
    proved: bool


class Flow:
    """The probes of one method to one destination.

    ``source`` and ``destination`` are packed addresses. ``local`` is the ICMP identifier or source port,
    ``remote`` the destination port (0 for ICMP). ``mark`` is text of ours that ends the payload of ICMP and
    UDP probes, so that who captures one can see whose it is.
    """

    def __init__(
        self, method: Method, source: bytes, destination: bytes, local: int, remote: int, mark: bytes = b""
    ) -> None:
        self.method = method
        self.source = source
        self.destination = destination
        self.local = local
        self.remote = remote
        self.version = 4 if len(destination) == 4 else 6
        self.protocol = {"tcp": TCP, "udp": UDP, "icmp": ICMP if self.version == 4 else ICMPV6}[method]
        self.header = 20 if self.version == 4 else 40
        self._seed = secrets.token_bytes(8)
        self._constant = int.from_bytes(self._seed[:2], "big")  # the ICMP checksum of every probe
        self._payload = mark[:MAX_MARK]
        self._template = self._fill_template()
        self._by_transport: dict[int, int] = {}
        self._by_identification: dict[int, int] = {}
        self.cookies: dict[bytes, int] = {}

    def packet(self, code: int, ttl: int) -> bytes:
        """The whole packet of the probe ``code`` (0 to 65535), with the IP header, to be sent once."""
        drawn = hashlib.blake2s(struct.pack("!8sH", self._seed, code), key=_KEY, digest_size=16).digest()
        packet = bytearray(self._template)
        if self.version == 4:
            packet[8] = ttl
            identification = self._draw(self._by_identification, code, drawn[8:10])
            struct.pack_into("!H", packet, 4, identification)
            struct.pack_into("!H", packet, 10, checksum(bytes(packet[:20])))
        else:
            packet[7] = ttl
        transport = self.header
        if self.method == "tcp":
            sequence = self._draw(self._by_transport, code, drawn[10:14])
            struct.pack_into("!I", packet, transport + 4, sequence)
            total = checksum(self._pseudo(len(packet) - transport) + bytes(packet[transport:]))
            struct.pack_into("!H", packet, transport + 16, total)
            return bytes(packet)
        cookie = drawn[:8]
        self.cookies[cookie] = code
        packet[transport + COOKIE.start : transport + COOKIE.stop] = cookie
        if self.method == "icmp":
            self._by_transport[code] = code
            struct.pack_into("!HHH", packet, transport + 2, self._constant, self.local, code)
            pseudo = self._pseudo(len(packet) - transport) if self.version == 6 else b""
        else:
            struct.pack_into("!H", packet, transport + 6, self._draw(self._by_transport, code, drawn[14:16]))
            pseudo = self._pseudo(len(packet) - transport)
        compensation = checksum(pseudo + bytes(packet[transport:]))
        struct.pack_into("!H", packet, transport + 8, compensation)
        return bytes(packet)

    def match(self, quote: Quote) -> Match | None:
        """Which probe an ICMP error quotes, or None if none of this flow."""
        if quote.protocol != self.protocol or quote.destination != self.destination:
            return None
        octets = quote.transport
        if self.method != "tcp" and len(octets) >= COOKIE.stop:
            code = self.cookies.get(octets[COOKIE])
            if code is not None:
                return Match(code, proved=True)
        code = self._match_transport(octets)
        named = self._match_identification(quote.identification)
        if code is None:
            return None if named is None else Match(named, proved=False)
        return Match(code, proved=self.method == "tcp" or (self.method == "udp" and code == named))

    def acknowledges(self, acknowledged: int) -> int | None:
        """Which SYN a TCP acknowledgement number answers."""
        return self._by_transport.get((acknowledged - 1) & 0xFFFFFFFF)

    def _match_identification(self, given: int | None) -> int | None:
        if given is None:
            return None
        # Some routers quote the identification plus one or byte-swapped (scamper, trace_ipid_fudge).
        swapped = (given & 0xFF) << 8 | given >> 8
        for candidate in (given, (given - 1) & 0xFFFF, swapped):
            code = self._by_identification.get(candidate)
            if code is not None:
                return code
        return None

    def _match_transport(self, octets: bytes) -> int | None:
        if len(octets) < 8:
            return None
        first, second, third, fourth = struct.unpack_from("!HHHH", octets)
        if self.method == "icmp":
            return self._by_transport.get(fourth) if third == self.local else None
        if (first, second) != (self.local, self.remote):
            return None
        return self._by_transport.get(third << 16 | fourth if self.method == "tcp" else fourth)

    @staticmethod
    def _draw(taken: dict[int, int], code: int, octets: bytes) -> int:
        """A number for ``code`` that no other probe of the flow has; never 0, which the kernel would fill."""
        number = int.from_bytes(octets, "big")
        while number == 0 or taken.get(number, code) != code:
            number = (number + 1) % (1 << 8 * len(octets))
        taken[number] = code
        return number

    def _pseudo(self, length: int) -> bytes:
        """The pseudo header that transport checksums cover (RFC 9293, 3.1 and RFC 8200, 8.1)."""
        if self.version == 4:
            return self.source + self.destination + struct.pack("!HH", self.protocol, length)
        return self.source + self.destination + struct.pack("!II", length, self.protocol)

    def _fill_template(self) -> bytes:
        octets = bytearray(template(self.version, self.method))
        octets += b"" if self.method == "tcp" else self._payload
        length = len(octets)
        if self.version == 4:
            struct.pack_into("!H", octets, 2, length)
            octets[12:16], octets[16:20] = self.source, self.destination
        else:
            label = int.from_bytes(self._seed[2:5], "big") & 0xFFFFF
            struct.pack_into("!IH", octets, 0, 6 << 28 | label, length - 40)
            octets[8:24], octets[24:40] = self.source, self.destination
        if self.method != "icmp":
            struct.pack_into("!HH", octets, self.header, self.local, self.remote)
        if self.method == "udp":
            struct.pack_into("!H", octets, self.header + 4, length - self.header)
        return bytes(octets)


@functools.cache
def template(version: int, method: Method) -> bytes:
    """The packet of a method with everything that differs between flows and probes left zero."""
    from scapy.layers import inet, inet6  # noqa: PLC0415  (scapy takes half a second to import)

    below: Any = (
        inet.IP(src="0.0.0.0", dst="0.0.0.0", flags="DF", chksum=0)  # noqa: S104  (no socket binds to it)
        if version == 4
        else inet6.IPv6(src="::", dst="::", hlim=0)
    )
    room = bytes(COOKIE.stop - 8)
    above: Any
    if method == "tcp":
        # An MSS as every host sends it; some firewalls drop a SYN without one.
        above = inet.TCP(flags="S", window=64240, chksum=0, options=[("MSS", 1440)])
    elif method == "udp":
        above = inet.UDP(chksum=0) / room
    elif version == 4:
        above = inet.ICMP(chksum=0) / room
    else:
        above = inet6.ICMPv6EchoRequest(cksum=0, data=room)
    return bytes(below / above)
