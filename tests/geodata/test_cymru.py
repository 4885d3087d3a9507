from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import itertools
from typing import TYPE_CHECKING, Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.sources.cymru import MAX_ORIGINS, Cymru, network_name, origins

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from geodata.claim import Claim

ADDRESS = "39.32.0.1"
QUESTION = "1.0.32.39.origin.asn.cymru.com."
RECORD = b"17557 | 39.32.0.0/11 | PK | apnic | 2011-01-13"
NAME = b"17557 | PK | apnic | 2000-12-04 | PKTELECOM-AS-PK Pakistan Telecommunication Company Limited, PK"
TODAY = dt.datetime.now(dt.UTC).date().isoformat()

Zone = dict[str, list[bytes]]
Reply = bytes | dns.message.Message | None


def text(query: dns.message.Message, *records: bytes) -> dns.message.Message:
    """An answer with TXT records, each in strings of up to 255 octets."""
    response = dns.message.make_response(query)
    if records:
        wires = (b"".join(bytes([len(part)]) + part for part in _parts(record)) for record in records)
        rdatas = [
            dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.TXT, wire, 0, len(wire)) for wire in wires
        ]
        response.answer.append(dns.rrset.from_rdata_list(query.question[0].name, 60, rdatas))
    return response


def _parts(record: bytes) -> list[bytes]:
    return [record[start : start + 255] for start in range(0, len(record), 255)] or [b""]


def answering(zone: Zone) -> Any:
    """Answers from ``zone``; what is not in it does not exist."""

    def respond(query: dns.message.Message, _: bool) -> Reply:
        records = zone.get(query.question[0].name.to_text())
        response = text(query, *(records or ()))
        if records is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response

    return respond


def failing(rcode: dns.rcode.Rcode) -> Any:
    def respond(query: dns.message.Message, _: bool) -> Reply:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        return response

    return respond


def other_id(query: dns.message.Message, _: bool) -> Reply:
    response = text(query, RECORD)
    response.id ^= 1
    return response


def other_question(query: dns.message.Message, _: bool) -> Reply:
    name = dns.name.from_text("2.0.32.39.origin.asn.cymru.com.")
    return text(dns.message.make_query(name, dns.rdatatype.TXT, id=query.id), RECORD)


def looping(query: dns.message.Message, _: bool) -> Reply:
    response = dns.message.make_response(query)
    name = query.question[0].name
    response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", "b.example."))
    response.answer.append(dns.rrset.from_text("b.example.", 60, "IN", "CNAME", name.to_text()))
    return response


def chained(query: dns.message.Message, _: bool) -> Reply:
    response = dns.message.make_response(query)
    names = [query.question[0].name.to_text(), *(f"n{number}.example." for number in range(40))]
    for name, target in itertools.pairwise(names):
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "CNAME", target))
    return response


def pointer_loop(query: dns.message.Message, _: bool) -> Reply:
    wire = bytearray(text(query).to_wire())
    wire[6:8] = b"\0\1"  # one answer, whose name points at itself
    return bytes(wire) + bytes([0xC0, len(wire)]) + b"\0\x10\0\1\0\0\0\0\0\0"


@contextlib.asynccontextmanager
async def server(respond: Any) -> AsyncIterator[tuple[dns.asyncresolver.Resolver, list[str]]]:
    """A real DNS server on loopback, a resolver that asks it, and the questions that it was asked."""
    asked: list[str] = []

    def answer(wire: bytes, *, stream: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        asked.append(query.question[0].name.to_text() + (" tcp" if stream else ""))
        reply = respond(query, stream)
        if isinstance(reply, dns.message.Message):
            return reply.to_wire(max_size=65_535)
        assert reply is None or isinstance(reply, bytes)
        return reply

    class Datagrams(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            reply = answer(data, stream=False)
            if reply is not None:
                self.transport.sendto(reply, addr)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = int.from_bytes(await reader.readexactly(2), "big")
            reply = answer(await reader.readexactly(length), stream=True)
            if reply is not None:
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    listening = await asyncio.start_server(stream, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    transport, _ = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", port))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = port
    resolver.timeout = 0.2
    try:
        yield resolver, asked
    finally:
        transport.close()
        listening.close()
        await listening.wait_closed()


async def ask(respond: Any, address: str = ADDRESS, deadline_s: float = 5) -> tuple[Claim, ...]:
    async with server(respond) as (resolver, _):
        return await Cymru(resolver).lookup(address, deadline_s=deadline_s)


class TestLookup:
    """Every origin is a claim of the routing, and the country one of the registry."""

    async def test_an_answer(self) -> None:
        origin, registrant = await ask(answering({QUESTION: [RECORD], "AS17557.asn.cymru.com.": [NAME]}))
        assert (origin.family, origin.meaning, origin.asn, origin.country) == ("bgp", "origin", 17557, None)
        assert origin.network is not None
        assert origin.network.startswith("PKTELECOM-AS-PK")
        assert (registrant.family, registrant.meaning) == ("registry", "registrant")
        assert (registrant.country, registrant.asserted_by) == ("PK", "registry")
        assert registrant.version == registrant.date
        assert registrant.licence
        assert {claim.prefix for claim in (origin, registrant)} == {"39.32.0.0/11"}
        assert {claim.source for claim in (origin, registrant)} == {"cymru"}
        assert TODAY <= (origin.date or "") == registrant.date

    async def test_ipv6(self) -> None:
        question = "1." + "0." * 23 + "0.c.d.a.0.0.4.2.origin6.asn.cymru.com."
        zone = {question: [b"9541 | 2400:adc0::/32 | PK | apnic | 2010-05-05"]}
        claims = await ask(answering(zone), "2400:adc0::1")
        assert [(claim.prefix, claim.asn) for claim in claims][:1] == [("2400:adc0::/32", 9541)]

    async def test_an_embedded_address_is_taken_out(self) -> None:
        async with server(answering({QUESTION: [RECORD]})) as (resolver, asked):
            claims = await Cymru(resolver).lookup(f"::ffff:{ADDRESS}", deadline_s=5)
        assert claims[0].prefix == "39.32.0.0/11"
        assert asked[0] == QUESTION

    @pytest.mark.parametrize(
        "records",
        [
            [b"64500 64501 64502 | 39.32.0.0/16 | PK | apnic | 2011-01-13"],
            [
                b"64500 64501 | 39.32.0.0/16 | PK | apnic | 2011-01-13",
                b"64502 | 39.32.0.0/16 | PK | apnic | 2011-01-13",
                b"64503 | 39.32.0.0/11 | PK | apnic | 2011-01-13",
            ],
        ],
    )
    async def test_several_origins_are_several_claims(self, records: list[bytes]) -> None:
        claims = await ask(answering({QUESTION: records}))
        assert [claim.asn for claim in claims if claim.meaning == "origin"] == [64500, 64501, 64502]
        assert [claim.country for claim in claims if claim.meaning == "registrant"] == ["PK"]
        assert {claim.prefix for claim in claims} == {"39.32.0.0/16"}

    async def test_what_nobody_announces_has_no_claim(self) -> None:
        assert await ask(answering({})) == ()
        assert await ask(answering({QUESTION: []})) == ()

    async def test_a_country_that_is_none_is_no_claim(self) -> None:
        (claim,) = await ask(answering({QUESTION: [b"64500 | 39.32.0.0/16 | EU | ripencc | "]}))
        assert claim.meaning == "origin"

    async def test_an_answer_that_does_not_fit_a_datagram_comes_by_tcp(self) -> None:
        def respond(query: dns.message.Message, stream: bool) -> Reply:
            if stream:
                return text(query, *([b"x" * 2000] * 20), RECORD)
            response = dns.message.make_response(query)
            response.flags |= dns.flags.TC
            return response

        async with server(respond) as (resolver, asked):
            claims = await Cymru(resolver).lookup(ADDRESS, deadline_s=5)
        assert [claim.asn for claim in claims] == [17557, None]
        assert asked[:2] == [QUESTION, f"{QUESTION} tcp"]

    async def test_a_lost_datagram_is_asked_again(self) -> None:
        lost = iter([True, False])

        def respond(query: dns.message.Message, stream: bool) -> Reply:
            return None if next(lost, False) else answering({QUESTION: [RECORD]})(query, stream)

        assert (await ask(respond))[0].asn == 17557

    async def test_a_name_is_asked_for_once(self) -> None:
        second = "2" + QUESTION[1:]
        zone = {QUESTION: [RECORD], second: [RECORD], "AS17557.asn.cymru.com.": [NAME]}
        async with server(answering(zone)) as (resolver, asked):
            client = Cymru(resolver)
            for address in (ADDRESS, "39.32.0.2"):
                assert (await client.lookup(address, deadline_s=5))[0].network is not None
        assert sorted(asked) == sorted([QUESTION, second, "AS17557.asn.cymru.com."])

    async def test_many_at_once_are_bounded(self) -> None:
        now, most = 0, 0

        class Slow(dns.asyncresolver.Resolver):
            async def resolve(self, *_: Any, **__: Any) -> Any:
                nonlocal now, most
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1
                raise dns.resolver.NXDOMAIN

        client = Cymru(Slow(configure=False))
        await asyncio.gather(*(client.lookup(f"39.32.0.{last}", deadline_s=60) for last in range(100)))
        assert most == 8

    @pytest.mark.parametrize(
        ("address", "code"),
        [("host.example", "address"), ("10.0.0.1", "special"), ("2002:a00:1::", "special")],
    )
    async def test_what_nobody_announces_is_not_asked(self, address: str, code: str) -> None:
        async with server(answering({})) as (resolver, asked):
            with pytest.raises(GeodataError) as caught:
                await Cymru(resolver).lookup(address, deadline_s=5)
        assert (caught.value.code, asked) == (code, [])


class TestFaults:
    """Whatever answers, there is a claim or an error with a code, within the deadline."""

    @pytest.mark.parametrize(
        ("respond", "code"),
        [
            (failing(dns.rcode.SERVFAIL), "unreachable"),
            (failing(dns.rcode.REFUSED), "unreachable"),
            (failing(dns.rcode.YXDOMAIN), "unreachable"),
            (lambda *_: None, "timeout"),
            (other_id, "timeout"),
            (other_question, "timeout"),
            (pointer_loop, "timeout"),
            (lambda query, _: query.to_wire()[:2] + b"\xff" * 30, "timeout"),
            (looping, "unreachable"),
            (chained, "unreachable"),
            (answering({QUESTION: [b""]}), "malformed"),
            (answering({QUESTION: [b"|" * 60_000]}), "malformed"),
            (answering({QUESTION: [b"17557 | 39.32.0.0/11 | PK | apnic"]}), "malformed"),
            (answering({QUESTION: [b"17557 | 8.0.0.0/8 | PK | apnic | 2011-01-13"]}), "malformed"),
            (answering({QUESTION: [b"17557 | 0.0.0.0/0 | PK | apnic | 2011-01-13"]}), "malformed"),
            (answering({QUESTION: [b"17557 | 39.32.0.1/11 | PK | apnic | 2011-01-13"]}), "malformed"),
            (answering({QUESTION: [b"NA | 39.32.0.0/11 | PK | apnic | 2011-01-13"]}), "malformed"),
            (answering({QUESTION: [b"1 -2 | 39.32.0.0/11 | PK | apnic | 2011-01-13"]}), "malformed"),
            (
                answering({QUESTION: ["\u0661 | 39.32.0.0/11 | PK | apnic | 2011-01-13".encode()]}),
                "malformed",
            ),
            (answering({QUESTION: [b"17557 | 39.32.0.0/11 | PK\\124 | x | y | z"]}), "malformed"),
        ],
    )
    async def test_a_bad_answer_has_a_code(self, respond: Any, code: str) -> None:
        with pytest.raises(GeodataError) as caught:
            await ask(respond, deadline_s=0.5)
        assert caught.value.code == code
        assert ADDRESS in str(caught.value)
        assert len(str(caught.value)) <= 500

    async def test_one_good_record_among_bad_ones_is_taken(self) -> None:
        claims = await ask(answering({QUESTION: [b"\xff\0", b"x | y | z | a | b", RECORD]}))
        assert claims[0].asn == 17557

    @pytest.mark.parametrize("name", [[], [b"garbage"], [b"9 | PK | apnic | 2000-12-04 | OTHER, PK"]])
    async def test_a_name_that_cannot_be_had_is_no_failure(self, name: list[bytes]) -> None:
        claims = await ask(answering({QUESTION: [RECORD], "AS17557.asn.cymru.com.": name}))
        assert (claims[0].asn, claims[0].network) == (17557, None)

    async def test_a_hostile_name_stays_one_short_value(self) -> None:
        name = b"17557 | PK | apnic | 2000-12-04 | \x1b[2J\xff|<script>" + b"x" * 10_000
        claims = await ask(answering({QUESTION: [RECORD], "AS17557.asn.cymru.com.": [name]}))
        assert claims[0].network is not None
        assert len(claims[0].network) == 200

    async def test_very_many_origins_are_not_all_asked_for(self) -> None:
        record = b" ".join(b"%d" % (64500 + number) for number in range(2000))
        async with server(answering({QUESTION: [record + RECORD[5:]]})) as (resolver, asked):
            claims = await Cymru(resolver).lookup(ADDRESS, deadline_s=20)
        assert len([claim for claim in claims if claim.meaning == "origin"]) == MAX_ORIGINS
        assert len(asked) == 1 + MAX_ORIGINS

    async def test_without_a_resolver_it_is_unreachable(self) -> None:
        resolver = dns.asyncresolver.Resolver(configure=False)
        with pytest.raises(GeodataError) as caught:
            await Cymru(resolver).lookup(ADDRESS, deadline_s=5)
        assert caught.value.code == "unreachable"

    @given(st.lists(st.binary(max_size=60) | st.sampled_from([RECORD, NAME]), max_size=4))
    @example([b"1 | 39.32.0.0/%11 | PK | a | b"])
    def test_any_records_give_origins_around_the_address_or_an_error(self, records: list[bytes]) -> None:
        address = ipaddress.ip_address(ADDRESS)
        with contextlib.suppress(GeodataError):
            for origin in origins(records, address, "x"):
                assert address in origin.prefix
                assert origin.asns

    @given(
        st.text("0123456789 {}AS", max_size=20),
        st.text("0123456789.:/%abcdef", max_size=24) | st.just("39.32.0.0/11"),
        st.text(max_size=4),
    )
    def test_any_fields_give_origins_or_an_error(self, first: str, second: str, third: str) -> None:
        record = f"{first} | {second} | {third} | apnic | 2011-01-13".encode()
        with contextlib.suppress(GeodataError):
            for origin in origins([record], ipaddress.ip_address(ADDRESS), "x"):
                assert all(0 < number < 2**32 for number in origin.asns)

    @given(st.binary(max_size=80) | st.just(NAME), st.integers(1, 2**32 - 1) | st.just(17557))
    def test_any_name_is_one_of_that_network(self, record: bytes, number: int) -> None:
        found = network_name(record, number)
        assert found is None or str(number).encode() in record
