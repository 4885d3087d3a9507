"""What goes out: the probes of one flow, all alike to a router that balances load (Paris traceroute).

A router that spreads packets over paths looks at addresses, protocol, IPv6 flow label and the first four
octets of the transport header. Those stay constant in a flow: ports for TCP and UDP, type, code and
*checksum* for ICMP, where two octets of the payload make up for what varies (Augustin et al., IMC 2006).

What varies is drawn anew, by chance that nobody can foresee, for each probe: 8 octets of cookie in the
payload, the first two of these as the identification over IPv4, the sequence number of a SYN and the checksum
of a UDP probe. So who answers a probe has seen that probe: a far host cannot answer ahead of time to look
near, and a quote whose transport header was rewritten is still known by its identification.
"""

from __future__ import annotations

import functools
import itertools
import secrets
import struct
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from probes.engine.packets import ICMP, ICMPV6, TAG, TAG_AT, TAGGED, TCP, UDP, Quote

if TYPE_CHECKING:
    from collections.abc import Iterator

Method = Literal["icmp", "tcp", "udp"]

# The port of the first traceroute; few services answer there, so a host says "port unreachable".
TRACEROUTE_PORT: Final = 33434
MAX_MARK: Final = 64

_HEAD4: Final = struct.Struct("!BBH")
_HEAD6: Final = struct.Struct("!IHB")
_COOKIES: Final = struct.Struct("!256Q")
_FLAGS: Final = 0x40  # don't fragment; in the octet after the identification
# An MSS as every host sends it (kind 2, length 4); some firewalls drop a SYN without one.
_MSS: Final = struct.pack("!HHH", 0, 0x0204, 1440)  # after the urgent pointer
_SYN: Final = struct.pack("!IBBH", 0, 6 << 4, 2, 64240)  # acknowledgement, header length, flags, window
_Known: TypeAlias = "tuple[list[int], dict[int, int], dict[int, int]]"
_UNSENT: Final = -1  # no cookie
_ALL: Final = 0xFFFF  # the Internet checksum counts modulo this (RFC 1071)


class _Layout:
    """What all flows of a method, an IP version and a mark have in common.

    ``pack`` takes as few fields as may be: what varies, and between these what is constant in a flow.
    """

    __slots__ = ("body", "head", "header", "kind", "length", "mark", "mark_sum", "pack", "protocol", "usual")

    def __init__(self, version: int, method: Method, mark: bytes) -> None:
        self.header = 20 if version == 4 else 40
        self.protocol = {"tcp": TCP, "udp": UDP, "icmp": ICMP if version == 4 else ICMPV6}[method]
        self.usual = (version, method) == (4, "icmp")  # what is sent most
        self.kind = 8 if version == 4 else 128  # of an echo request
        self.mark = b"" if method == "tcp" else mark
        self.length = 24 if method == "tcp" else TAGGED + len(mark)
        self.head = _HEAD4.pack(0x45, 0, 20 + self.length)  # of an IPv4 header
        self.mark_sum = int.from_bytes(self.mark + b"\0" * (len(self.mark) % 2), "big") % _ALL
        # The header up to the identification and TTL or the hop limit; from there to what varies in what it
        # carries. A TCP segment then has its number, 8 octets, checksum and 6 octets; the others a number,
        # the compensation, the tag and the mark.
        ports = "HH" if method == "tcp" else "BBHH" if method == "icmp" else "HHH"
        self.body = struct.Struct("!" + ("BH4s4s" if version == 4 else "16s16s") + ports)
        start = "4sHBxB" if version == 4 else "7sB"
        rest = "I8sH6s" if method == "tcp" else f"HHIHQ{len(mark)}s"
        self.pack = struct.Struct(f"!{start}{self.body.size}s{rest}").pack


_layout = functools.lru_cache(maxsize=64)(_Layout)


def _chance() -> bytes:
    return secrets.token_bytes(_COOKIES.size)


# 64 bits that nobody can foresee, asked of the kernel many at a time; with no call of Python's for each.
_draw = itertools.chain.from_iterable(map(_COOKIES.unpack, iter(_chance, b""))).__next__


def _identification(cookie: int) -> int:
    """What the IPv4 header of a probe with this cookie says; for 0 the kernel would put one of its own."""
    return cookie >> 48 or 1


class Match(NamedTuple):
    """The probe that is quoted; ``proved`` where the quote holds at least 32 bits that only it had.

    It is ``exact`` if it was not rewritten.
    """

    code: int
    proved: bool
    exact: bool = True


class Flow:
    """The probes of one method to one destination.

    ``source`` and ``destination`` are packed addresses. ``local`` is the ICMP identifier or source port,
    ``remote`` the destination port (0 for ICMP). ``mark`` is text of ours that ends the payload of ICMP and
    UDP probes, so that who captures one can see whose it is. ``slot`` is by what the registry knows the run,
    which may have several (:meth:`sibling`).
    """

    __slots__ = (
        "_base",
        "_body",
        "_head",
        "_layout",
        "_numbers",
        "_others",
        "constant",
        "cookies",
        "destination",
        "local",
        "method",
        "protocol",
        "remote",
        "slot",
        "source",
        "version",
    )

    def __init__(
        self,
        method: Method,
        source: bytes,
        destination: bytes,
        local: int,
        remote: int,
        mark: bytes = b"",
        slot: int = 0,
        constant: int | None = None,
        known: _Known | None = None,
    ) -> None:
        self.method = method
        self.source = source
        self.destination = destination
        self.local = local
        self.remote = remote
        self.slot = slot
        self.version = version = 4 if len(destination) == 4 else 6
        self._layout = layout = _layout(version, method, mark[:MAX_MARK])
        self.protocol = layout.protocol
        seed = _draw()
        self.constant = seed & 0xFFFF if constant is None else constant  # the ICMP checksum of every probe
        ends: tuple[int, ...] = (local, remote)
        if method == "icmp":
            ends = (layout.kind, 0, self.constant, local)
        elif method == "udp":
            ends = (local, remote, layout.length)
        if version == 4:
            self._head = layout.head
            self._body = layout.body.pack(self.protocol, 0, source, destination, *ends)
        else:
            self._head = _HEAD6.pack(6 << 28 | seed >> 44, layout.length, self.protocol)
            self._body = layout.body.pack(source, destination, *ends)
        self._base = self._sum()
        # The cookies by code, as far as codes come one after the other, as they mostly do; those of others;
        # and the code of each UDP checksum or TCP sequence number. Siblings share them, so that it need not
        # be known whose packet came back.
        self.cookies, self._others, self._numbers = known or ([_UNSENT], {}, {})

    @property
    def header(self) -> int:
        """Octets of the IP header."""
        return self._layout.header

    def packet(self, code: int, ttl: int) -> bytes:
        """The whole packet of the probe ``code`` (0 to 65535), with the IP header, to be sent once.

        The checksum of an IPv4 header is left to the kernel, which always writes it (raw(7)).
        """
        cookie, cookies = _draw(), self.cookies
        if code == len(cookies):
            cookies.append(cookie)
        else:
            self._keep(code, cookie)
        layout, head, body, slot = self._layout, self._head, self._body, self.slot
        mark = layout.mark
        if layout.usual:
            named = cookie >> 48 or 1  # as in _identification()
            check = (self._base - code - code - cookie) % _ALL
            return layout.pack(head, named, _FLAGS, ttl, body, code, check, slot, code, cookie, mark)
        method = self.method
        named = _identification(cookie)
        if method == "tcp":
            number = self._new(_draw() >> 32, code, 0xFFFFFFFF)
            check = (self._base - number) % _ALL
            if self.version == 6:
                return layout.pack(head, ttl, body, number, _SYN, check, _MSS)
            return layout.pack(head, named, _FLAGS, ttl, body, number, _SYN, check, _MSS)
        # A checksum is neither 0, which is none, nor its twin.
        number = code if method == "icmp" else self._new(_draw() >> 48 or 1, code, _ALL - 1)
        check = (self._base - code - number - cookie) % _ALL
        if self.version == 6:
            return layout.pack(head, ttl, body, number, check, slot, code, cookie, mark)
        return layout.pack(head, named, _FLAGS, ttl, body, number, check, slot, code, cookie, mark)

    def sibling(self, local: int, remote: int, constant: int) -> Flow:
        """Another flow of the same run: no probe of it may have the code of one of this."""
        known = self.cookies, self._others, self._numbers
        ends = self.source, self.destination, local, remote
        return Flow(self.method, *ends, self._layout.mark, self.slot, constant, known)

    def match(self, quote: Quote) -> Match | None:
        """Which probe an ICMP error quotes, or None if none of this flow.

        Routers cut quotes short, and translators rewrite ports, identifiers and checksums; so little may do,
        but what says that a packet is another's is always believed.
        """
        octets = quote.transport
        if quote.protocol != self.protocol or len(octets) < 8:
            return None
        if self.method != "tcp" and len(octets) >= TAGGED:
            _, code, cookie = TAG.unpack_from(octets, TAG_AT)
            if self.knows(code, cookie):
                return Match(code, proved=True)
            if any(octets[TAG_AT:TAGGED]):
                return None  # some routers fill up with zeros
        return (
            self._match_short(octets, quote.identification) if quote.destination == self.destination else None
        )

    def knows(self, code: int, cookie: int) -> bool:
        """Whether the probe ``code`` was sent with this cookie."""
        return (self.cookies[code] if code < len(self.cookies) else self._others.get(code)) == cookie

    def acknowledges(self, acknowledged: int) -> int | None:
        """Which SYN a TCP acknowledgement number answers."""
        return self._numbers.get((acknowledged - 1) & 0xFFFFFFFF)

    def _keep(self, code: int, cookie: int) -> None:
        """Keep a cookie whose code is not the next one."""
        if code < len(self.cookies):
            self.cookies[code] = cookie
        else:
            self._others[code] = cookie

    def _sent(self) -> Iterator[tuple[int, int]]:
        """The codes and cookies of all probes."""
        yield from ((code, cookie) for code, cookie in enumerate(self.cookies) if cookie != _UNSENT)
        yield from self._others.items()

    def _new(self, number: int, code: int, most: int) -> int:
        """A number, 1 to ``most``, that no other probe of the flow has."""
        while number > most or self._numbers.get(number, code) != code:
            number = number % most + 1
        self._numbers[number] = code
        return number

    def _match_short(self, octets: bytes, identification: int | None) -> Match | None:
        """The probe of which this has the first 8 octets after the IP header, as far as they are its own."""
        first, second, third, fourth = struct.unpack_from("!HHHH", octets)
        exact = (first, second) == (self.local, self.remote)
        if self.method == "tcp":  # a sequence number says it all
            code = self._numbers.get(third << 16 | fourth)
            return None if code is None else Match(code, proved=True, exact=exact)
        named = self._named(identification)
        if self.method == "icmp":
            known = fourth in named or (
                not identification and any(code == fourth for code, _ in self._sent())
            )
            code = fourth if known else None
            exact = third == self.local
            return None if code is None or not (exact or named) else Match(code, proved=False, exact=exact)
        code = self._numbers.get(fourth)
        if code is not None and exact:
            return Match(code, proved=code in named)
        if second == self.remote and len(named) == 1:
            return Match(named[0], proved=False, exact=False)
        return None

    def _named(self, given: int | None) -> list[int]:
        """The probes that an IPv4 header's identification may be of."""
        if given is None:
            return []
        # Some routers quote the identification plus one or byte-swapped (scamper, trace_ipid_fudge).
        candidates = (given, (given - 1) & 0xFFFF, (given & 0xFF) << 8 | given >> 8)
        return [code for code, cookie in self._sent() if _identification(cookie) in candidates]

    def _sum(self) -> int:
        """What the words that vary, the compensation among them, must add up to (modulo ``_ALL``)."""
        layout = self._layout
        fixed = layout.mark_sum + self.local
        if self.method == "icmp":
            fixed += (layout.kind << 8) + self.constant + self.slot
            if self.version == 4:
                return -fixed % _ALL
        elif self.method == "udp":
            fixed += self.remote + layout.length + self.slot
        else:
            fixed += self.remote + int.from_bytes(_SYN + _MSS, "big")
        # The pseudo header of all others (RFC 768, RFC 9293 3.1, RFC 8200 8.1): each of its words counts.
        ends = int.from_bytes(self.source + self.destination, "big")
        return -(fixed + ends + layout.length + self.protocol) % _ALL
