"""The name servers of a world: every one knows all its names, and answers may differ by who asks.

To a client they look like a resolver that has everything in its cache: recursion is available, and chains of
CNAMEs are followed to their end.
"""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.reversename
import dns.rrset

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Iterable, Sequence

    from probes.simnet.world import Answer, Dns, Name, Vantage, Zone

TTL = 300
NEGATIVE_TTL = 60
MAX_CHAIN = 16
MAX_UDP = 1232  # octets of a datagram that no path fragments, DNS flag day 2020
MIN_UDP = 512  # without EDNS, RFC 1035 section 4.2.1
MAX_TCP = 65535
MAX_CONNECTIONS = 64
IDLE_S = 10.0
HEADER = struct.Struct("!HHHHHH")
QR, OPCODE_RD = 0x8000, 0x7900  # header bits: it is a response; what a response repeats of its query
ADDRESSES = {dns.rdatatype.A: "a", dns.rdatatype.AAAA: "aaaa"}


class Directory:
    """The names of a world and their answers, without any I/O."""

    def __init__(self, names: Dns, vantages: Iterable[Vantage]) -> None:
        self._entries = {_name(entry.name): entry for entry in names.names}
        self._pointers = {dns.reversename.from_address(a): _name(to) for a, to in names.reverse.items()}
        self._zones = {_name(zone.name): zone for zone in names.zones}
        self._vantages = {address: vantage.id for vantage in vantages for address in vantage.addresses}
        # A name that others stand below exists, though it may have no records (RFC 8020).
        self._nodes = {
            parent for name in (*self._entries, *self._pointers, *self._zones) for parent in _upwards(name)
        }

    def reply(self, wire: bytes, asker: str, *, datagram: bool) -> bytes | None:
        """The answer to the octets ``wire`` from the address ``asker``; None where there is to be none.

        In a datagram it is cut to what the asker takes (TC bit).
        """
        try:
            query = dns.message.from_wire(wire, ignore_trailing=True)
        except (dns.exception.DNSException, ValueError):
            return _format_error(wire)
        if query.flags & dns.flags.QR:
            return None
        response = self.answer(query, asker)
        if response is None:
            return None
        size = MAX_TCP
        if datagram:
            size = min(max(query.payload, MIN_UDP), MAX_UDP) if query.edns >= 0 else MIN_UDP
        return response.to_wire(max_size=size, prefer_truncation=True, want_shuffle=False)

    def answer(self, query: dns.message.Message, asker: str) -> dns.message.Message | None:
        """The response to ``query`` for the address ``asker``; None where the name gives no answer at all."""
        response = dns.message.make_response(query, recursion_available=True, our_payload=MAX_UDP)
        if query.edns > 0:
            response.set_rcode(dns.rcode.BADVERS)
        elif query.opcode() != dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        elif query.question[0].rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            asked = query.question[0]
            rcode = self._follow(response, asked.name, asked.rdtype, self._vantages.get(_plain(asker)))
            if rcode is None:
                return None
            response.set_rcode(rcode)
        return response

    def _follow(
        self,
        response: dns.message.Message,
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
        vantage: str | None,
    ) -> dns.rcode.Rcode | None:
        """Add what ``name`` answers, and what its CNAMEs lead to; give the response code."""
        for _ in range(MAX_CHAIN):
            records = self._own(name, rdtype)
            if records is not None:
                response.answer.append(records)
                return dns.rcode.NOERROR
            entry = self._entries.get(name)
            if entry is not None and entry.drop:
                return None
            answer = _fitting(entry.answers, vantage) if entry is not None else None
            if answer is None or answer.cname is None or (entry is not None and entry.rcode != "NOERROR"):
                texts = getattr(answer, ADDRESSES.get(rdtype, ""), ())
                return self._end(response, name, entry, _records(name, rdtype, *texts) if texts else None)
            target = _name(answer.cname)
            response.answer.append(_records(name, dns.rdatatype.CNAME, target.to_text()))
            if rdtype == dns.rdatatype.CNAME:
                return dns.rcode.NOERROR
            name = target
        return dns.rcode.SERVFAIL

    def _end(
        self,
        response: dns.message.Message,
        name: dns.name.Name,
        entry: Name | None,
        addresses: dns.rrset.RRset | None,
    ) -> dns.rcode.Rcode:
        """Add what stands at the end of a chain: addresses, or that there are none."""
        if entry is None:
            rcode = dns.rcode.NOERROR if name in self._nodes else dns.rcode.NXDOMAIN
        else:
            rcode = dns.rcode.from_text(entry.rcode)
        if rcode == dns.rcode.NOERROR and addresses is not None:
            response.answer.append(addresses)
        elif rcode in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            response.authority.append(self._soa(name))
        return rcode

    def _own(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """Records that a name has as a zone's or an address's, not as an entry."""
        if rdtype == dns.rdatatype.PTR and name in self._pointers:
            return _records(name, rdtype, self._pointers[name].to_text())
        if name in self._zones:
            if rdtype == dns.rdatatype.NS:
                return _records(
                    name, rdtype, *(_name(one).to_text() for one in self._zones[name].nameservers)
                )
            if rdtype == dns.rdatatype.MX and self._zones[name].mail:
                return _records(
                    name,
                    rdtype,
                    *(f"{10 * (at + 1)} {_name(one)}" for at, one in enumerate(self._zones[name].mail)),
                )
            if rdtype == dns.rdatatype.SOA:
                return self._soa(name)
        return None

    def _soa(self, name: dns.name.Name) -> dns.rrset.RRset:
        """The SOA record of the zone that ``name`` is in: its presence lets a negative answer be cached."""
        owner = next((parent for parent in _upwards(name) if parent in self._zones), dns.name.root)
        zone: Zone | None = self._zones.get(owner)
        server = _name(zone.nameservers[0]) if zone else owner
        text = (
            f"{server} {dns.name.Name((b'hostmaster',)).concatenate(owner)} 1 3600 600 86400 {NEGATIVE_TTL}"
        )
        records = _records(owner, dns.rdatatype.SOA, text)
        records.ttl = NEGATIVE_TTL
        return records


def _name(text: str) -> dns.name.Name:
    return dns.name.from_text(text)


def _plain(address: str) -> str:
    """An address as the world writes it."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def _upwards(name: dns.name.Name) -> Iterable[dns.name.Name]:
    while name != dns.name.root:
        yield name
        name = name.parent()
    yield name


def _fitting(answers: Sequence[Answer], vantage: str | None) -> Answer | None:
    return next((answer for answer in answers if answer.to is None or vantage in answer.to), None)


def _records(name: dns.name.Name, rdtype: dns.rdatatype.RdataType, *texts: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(name, TTL, dns.rdataclass.IN, rdtype, *texts)


def _format_error(wire: bytes) -> bytes | None:
    """FORMERR with the query's id, where the octets are enough of a query to have one."""
    if len(wire) < HEADER.size:
        return None
    identity, flags, *_ = HEADER.unpack_from(wire)
    if flags & QR:
        return None  # never answer an answer: two servers would talk for ever
    return HEADER.pack(identity, QR | flags & OPCODE_RD | dns.rcode.FORMERR, 0, 0, 0, 0)


@asynccontextmanager
async def serving(
    directory: Directory | None,
    datagrams: Sequence[socket.socket],
    streams: Sequence[socket.socket],
    tasks: asyncio.TaskGroup,
) -> AsyncIterator[None]:
    """Answer over UDP and TCP."""
    if directory is None:
        raise ValueError("a world without names (dns:) has a host with a dns service")
    loop = asyncio.get_running_loop()
    running: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(running) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = tasks.create_task(_converse(directory, reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    transports = [
        (await loop.create_datagram_endpoint(lambda: _Datagrams(directory), sock=one))[0] for one in datagrams
    ]
    listeners = [await asyncio.start_server(accept, sock=one) for one in streams]
    try:
        yield
    finally:
        for transport in transports:
            transport.close()
        for listener in listeners:
            listener.close()
        for task in running:
            task.cancel()


class _Datagrams(asyncio.DatagramProtocol):
    """One answer for each query."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # as given
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        reply = self._directory.reply(data, addr[0], datagram=True)
        if reply is not None and self._transport is not None:
            self._transport.sendto(reply, addr)


async def _converse(directory: Directory, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Queries and answers over TCP, each behind its length (RFC 1035 section 4.2.2)."""
    asker = writer.get_extra_info("peername")[0]
    with closing(writer), suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
        while True:
            async with asyncio.timeout(IDLE_S):
                length = int.from_bytes(await reader.readexactly(2))
                reply = directory.reply(await reader.readexactly(length), asker, datagram=False)
                if reply is not None:
                    writer.write(len(reply).to_bytes(2) + reply)
                    await writer.drain()
