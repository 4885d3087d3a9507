"""Resolutions, from a real DNS server in another network namespace."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from probes.target import Settings, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from probes.session import Session
    from tests.probes.conftest import Chain

pytestmark = pytest.mark.net

Zone = dict[tuple[str, str], list[str]]
PORTAL = "portal.indus.example"


def respond(query: dns.message.Message, zone: Zone, *, stream: bool) -> dns.message.Message | None:
    """Answer from ``zone``: (name, type) to values, or to words like ``!SERVFAIL``, ``!TC``, ``!LOST``."""
    question = query.question[0]
    name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
    response = dns.message.make_response(query)
    values = zone.get((name, kind), zone.get((name, "CNAME"), []))
    if not values:
        if not any(name == owner for owner, _ in zone):
            response.set_rcode(dns.rcode.NXDOMAIN)
    elif values[0] == "!LOST":
        return None
    elif values[0] == "!TC" and not stream:
        response.flags |= dns.flags.TC
    elif values[0].startswith("!") and values[0] != "!TC":
        response.set_rcode(dns.rcode.from_text(values[0][1:]))
    else:
        kind = kind if (name, kind) in zone else "CNAME"
        kept = [value for value in values if value != "!TC"]
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *kept))
    return response


@contextlib.asynccontextmanager
async def name_server(
    chain: Chain, zone: Zone, mangle: Callable[[str, bytes], bytes] = lambda _, wire: wire
) -> AsyncIterator[list[str]]:
    """A DNS server on the chain's host; gives the questions that it was asked.

    ``mangle`` makes of an answer's octets, and the kind of the question, what is sent.
    """
    asked: list[str] = []

    def answer(wire: bytes, *, stream: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        asked.append(f"{name} {kind}{' tcp' if stream else ''}")
        response = respond(query, zone, stream=stream)
        return None if response is None else mangle(kind, response.to_wire(max_size=65_535))

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            reply = answer(data, stream=False)
            if reply is not None:
                self.transport.sendto(reply, addr)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        reply = answer(await reader.readexactly(length), stream=True) or b""
        writer.write(len(reply).to_bytes(2, "big") + reply)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    loop = asyncio.get_running_loop()
    datagrams = chain.listen(chain.host4, 5353, socket.SOCK_DGRAM)
    transport, _ = await loop.create_datagram_endpoint(Datagrams, sock=datagrams)
    async with await asyncio.start_server(stream, sock=chain.listen(chain.host4, 5353)):
        yield asked
    transport.close()


class TestDns:
    """A resolution keeps the whole chain, both families, and why there is nothing."""

    async def resolve(self, session: Session, chain: Chain, zone: Zone, host: str = PORTAL) -> Any:
        async with name_server(chain, zone):
            lost = any("!LOST" in values for values in zone.values())
            settings = Settings(dns_timeout_s=0.1 if lost else 2)
            return await chain.observe("dns", Target("e", host=host), session, settings)

    async def test_both_families_and_the_zone(self, session: Session, chain: Chain) -> None:
        zone: Zone = {
            (PORTAL, "A"): ["192.0.2.1", "192.0.2.2"],
            (PORTAL, "AAAA"): ["2001:db8::1"],
            ("indus.example", "NS"): ["ns1.indus.example.", "ns2.lahore.example."],
        }
        seen = await self.resolve(session, chain, zone)
        assert seen.error is None
        assert seen.address is None
        assert sorted(seen.result.addresses) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        assert sorted(seen.result.nameservers) == ["ns1.indus.example", "ns2.lahore.example"]
        assert (seen.result.rcode, seen.result.resolver) == ("NOERROR", chain.host4)

    async def test_mail_of_the_zone_in_the_order_of_preference(self, session: Session, chain: Chain) -> None:
        zone: Zone = {
            (PORTAL, "A"): ["192.0.2.1"],
            ("indus.example", "NS"): ["ns1.indus.example."],
            ("indus.example", "MX"): ["20 b.example.", "10 mx.cloud.example.", "30 b.example."],
        }
        seen = await self.resolve(session, chain, zone)
        assert seen.result.mail == ("mx.cloud.example", "b.example")
        zone["indus.example", "MX"] = ["0 ."]
        assert (await self.resolve(session, chain, zone)).result.mail == ()

    async def test_mail_is_bounded_and_escaped(self, session: Session, chain: Chain) -> None:
        zone: Zone = {
            (PORTAL, "A"): ["192.0.2.1"],
            ("indus.example", "NS"): ["ns1.indus.example."],
            ("indus.example", "MX"): [
                "!TC",
                "0 \\027[31m<b>.example.",
                *(f"{number} mx{number}.example." for number in range(1, 500)),
            ],
        }
        seen = await self.resolve(session, chain, zone)
        assert len(seen.result.mail) == 32
        assert seen.result.mail[:2] == ("\\027[31m<b>.example", "mx1.example")

    async def test_any_octets_for_mail_leave_the_rest_as_it_is(self, session: Session, chain: Chain) -> None:
        zone: Zone = {
            (PORTAL, "A"): ["192.0.2.1"],
            ("indus.example", "NS"): ["ns1.indus.example."],
            ("indus.example", "MX"): ["10 mx.cloud.example.", "20 b.example."],
        }
        dice = random.Random(7)  # noqa: S311  no secret

        def mangle(kind: str, wire: bytes) -> bytes:
            if kind != "MX":
                return wire
            octets = bytearray(wire)
            for _ in range(dice.randint(1, 8)):
                octets[dice.randrange(12, len(octets))] = dice.randrange(256)
            return bytes(octets[: dice.randint(12, len(octets))])

        settings = Settings(dns_timeout_s=0.02, dns_deadline_s=0.1)
        async with name_server(chain, zone, mangle) as asked:
            for _ in range(30):
                seen = await chain.observe("dns", Target("e", host=PORTAL), session, settings)
                assert (seen.error, seen.result.addresses) == (None, ("192.0.2.1",))
                assert len(seen.result.mail) <= 32
        assert any(question.endswith(" MX") for question in asked)

    async def test_broken_name_is_still_of_a_zone(self, session: Session, chain: Chain) -> None:
        zone: Zone = {(PORTAL, kind): ["!SERVFAIL"] for kind in ("A", "AAAA", "NS")}
        zone["indus.example", "NS"] = ["ns1.lahore.example."]
        seen = await self.resolve(session, chain, zone)
        assert (seen.error, seen.result.nameservers) == ("servfail", ("ns1.lahore.example",))

    async def test_of_a_dependency_no_zone_is_asked(self, session: Session, chain: Chain) -> None:
        async with name_server(chain, {(PORTAL, "A"): ["192.0.2.1"]}) as asked:
            seen = await chain.observe("dependency", Target("dependency/x", host=PORTAL), session)
        assert (seen.endpoint, seen.result.addresses) == ("dependency/x", ("192.0.2.1",))
        assert sorted(asked) == [f"{PORTAL} A", f"{PORTAL} AAAA"]

    async def test_chain_is_followed_in_order(self, session: Session, chain: Chain) -> None:
        zone: Zone = {
            (PORTAL, "CNAME"): ["edge.cloud.example."],
            ("edge.cloud.example", "CNAME"): ["fra.cloud.example."],
            ("fra.cloud.example", "A"): ["192.0.2.9"],
        }
        seen = await self.resolve(session, chain, zone)
        assert seen.error is None
        assert [(record.name, record.target) for record in seen.result.chain] == [
            (PORTAL, "edge.cloud.example"),
            ("edge.cloud.example", "fra.cloud.example"),
        ]
        assert seen.result.addresses == ("192.0.2.9",)

    @pytest.mark.parametrize(
        ("zone", "error"),
        [
            ({("other.example", "A"): ["192.0.2.1"]}, "nxdomain"),
            ({(PORTAL, "TXT"): ["x"]}, "no-data"),
            ({(PORTAL, "A"): ["!SERVFAIL"], (PORTAL, "AAAA"): ["!SERVFAIL"]}, "servfail"),
            ({(PORTAL, "A"): ["!LOST"], (PORTAL, "AAAA"): ["!LOST"]}, "timeout"),
            ({(PORTAL, "CNAME"): ["b.example."], ("b.example", "CNAME"): [PORTAL + "."]}, "loop"),
            ({(f"n{i}.example", "CNAME"): [f"n{i + 1}.example."] for i in range(99)}, "loop"),
        ],
    )
    async def test_why_there_is_nothing(self, session: Session, chain: Chain, zone: Zone, error: str) -> None:
        seen = await self.resolve(
            session, chain, zone, "n0.example" if ("n0.example", "CNAME") in zone else PORTAL
        )
        assert (seen.error, seen.result.addresses) == (error, ())
        assert len(seen.result.chain) <= 32

    async def test_missing_family_is_told_beside_the_other(self, session: Session, chain: Chain) -> None:
        zone: Zone = {(PORTAL, "A"): ["192.0.2.1"], (PORTAL, "AAAA"): ["!SERVFAIL"]}
        seen = await self.resolve(session, chain, zone)
        assert (seen.error, seen.result.addresses) == ("servfail", ("192.0.2.1",))

    async def test_truncated_answer_is_asked_again_by_tcp(self, session: Session, chain: Chain) -> None:
        zone: Zone = {(PORTAL, "A"): ["!TC", *(f"192.0.2.{i}" for i in range(1, 200))]}
        async with name_server(chain, zone) as asked:
            seen = await chain.observe("dns", Target("e", host=PORTAL), session)
        assert f"{PORTAL} A tcp" in asked
        assert len(seen.result.addresses) == 64

    async def test_international_name_is_encoded(self, session: Session, chain: Chain) -> None:
        zone: Zone = {("xn--mgbai9azgqp6j.example", "A"): ["192.0.2.1"]}
        seen = await self.resolve(session, chain, zone, "پاکستان.example")
        assert (seen.error, seen.result.question) == (None, "xn--mgbai9azgqp6j.example")

    async def test_hostile_reverse_name_is_escaped(self, session: Session, chain: Chain) -> None:
        zone: Zone = {("7.2.0.192.in-addr.arpa", "PTR"): ["\\027[31m<b>khi\\001.example."]}
        async with name_server(chain, zone):
            seen = await chain.observe("reverse", Target("e", address="192.0.2.7"), session)
        assert (seen.error, seen.address) == (None, "192.0.2.7")
        assert seen.result.chain[0].target == "\\027[31m<b>khi\\001.example"

    async def test_dead_resolver_is_passed_over(self, session: Session, chain: Chain) -> None:
        session.vantage.resolvers = ("192.0.2.53", chain.hops4[0], chain.host4)
        seen = await self.resolve(session, chain, {(PORTAL, "A"): ["192.0.2.1"]})
        assert (seen.error, seen.result.resolver) == (None, chain.host4)

    async def test_ids_are_unique(self, session: Session, chain: Chain) -> None:
        zone: Zone = {(PORTAL, "A"): ["192.0.2.1"]}
        first, second = await self.resolve(session, chain, zone), await self.resolve(session, chain, zone)
        assert first.id == f"e@khi:dns:{PORTAL}"
        assert second.id == f"e@khi:dns:{PORTAL}#2"
