"""Every probe, end to end, over real packets between network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import msgspec
import pytest
from scapy.layers.inet import ICMP

from probes.engine.engine import Engine
from probes.engine.pacing import Pace
from probes.failure import MeasureError
from probes.http import user_agent
from probes.observation import Observation
from probes.table import PROBES
from probes.target import Settings, Target
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from probes.session import Session
    from tests.probes.conftest import Chain, Identity

pytestmark = pytest.mark.net

Zone = dict[tuple[str, str], list[str]]
PORTAL = "portal.indus.example"


async def observe(kind: str, target: Target, session: Session, settings: Settings | None = None) -> Any:
    """The only observation of a probe, after a round trip through its record."""
    found = await PROBES[kind](target, session, settings or Settings())
    assert len(found) == 1
    record = msgspec.json.encode(found[0])
    assert msgspec.json.decode(record, type=Observation) == found[0]
    return found[0]


class TestPing:
    """A ping tells the round-trip times of an address, by each method, over IPv4 and IPv6."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize(("method", "port"), [("icmp", None), ("tcp", 81), ("udp", None)])
    async def test_answers(
        self, session: Session, chain: Chain, version: int, method: Any, port: int | None
    ) -> None:
        address = chain.host4 if version == 4 else chain.host6
        result = await session.engine.ping(address, method, port, count=3, interval_s=0.01)
        assert (result.method, result.sent, len(result.rtts_ms)) == (method, 3, 3)
        assert all(0 < rtt < 1000 for rtt in result.rtts_ms)

    async def test_open_port_answers_a_syn_more_than_once(self, session: Session, chain: Chain) -> None:
        with chain.listen(chain.host4, 4080):
            result = await session.engine.ping(chain.host4, "tcp", 4080, count=4, interval_s=0.01)
        assert len(result.rtts_ms) == 4

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("binding", ["source", "interface"])
    async def test_bound_vantage(self, chain: Chain, version: int, binding: str) -> None:
        """A source address or interface that the vantage names is used for every packet."""
        address, source = ((chain.host4, "10.9.0.1"), (chain.host6, "fd09:1::1"))[version == 6]
        bound = {"source_address": source} if binding == "source" else {"interface": "a0"}
        with chain.vantage(**bound) as vantage:
            async with Engine(vantage, Pace()) as engine:
                for method in ("icmp", "tcp", "udp"):
                    result = await engine.ping(address, method, 81, count=1)
                    assert len(result.rtts_ms) == 1, method
                if binding == "source":
                    with pytest.raises(MeasureError) as caught:
                        await engine.ping(chain.host6 if version == 4 else chain.host4)
                    assert caught.value.code == "unsupported"

    async def test_silent_address_is_a_timeout(self, session: Session, chain: Chain) -> None:
        chain.ip(chain.host, "route", "add", "blackhole", "10.9.50.1/32")
        chain.ip(chain.source, "route", "add", "10.9.50.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "blackhole", "10.9.50.1/32")
        target = Target("e", address="10.9.50.1")
        seen = await observe("ping", target, session, Settings(ping_count=2, ping_timeout_s=0.1))
        assert (seen.error, seen.result.sent, seen.result.rtts_ms) == ("timeout", 2, ())

    async def test_no_route_is_unreachable(self, session: Session) -> None:
        seen = await observe("ping", Target("e", address="192.0.2.1"), session)
        assert (seen.error, seen.result) == ("unreachable", None)

    async def test_refusal_of_a_router_is_told(self, session: Session, chain: Chain) -> None:
        chain.ip(chain.source, "route", "add", "10.9.60.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "prohibit", "10.9.60.0/24")
        seen = await observe("ping", Target("e", address="10.9.60.1"), session, Settings(ping_count=1))
        assert (seen.error, seen.result.rtts_ms) == ("prohibited", ())

    async def test_many_at_once_are_told_apart(self, session: Session, chain: Chain) -> None:
        targets = (chain.host4, chain.host6, *chain.hops4[:-1], *chain.hops6[:-1]) * 8
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(session.engine.ping(each, count=2, interval_s=0.01)) for each in targets
            ]
        assert [len(task.result().rtts_ms) for task in tasks] == [2] * len(targets)

    async def test_cancelled_ping_leaves_nothing_behind(self, session: Session, chain: Chain) -> None:
        task = asyncio.create_task(session.engine.ping(chain.host4, count=100, interval_s=1))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        registry = session.engine._registry
        assert (registry.runs, registry._by_cookie, registry._by_destination) == (set(), {}, {})


class TestTrace:
    """A trace sees every router between the vantage and the host, once, in order."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize(("method", "port"), [("icmp", None), ("tcp", 81), ("udp", None)])
    async def test_sees_the_path(
        self, session: Session, chain: Chain, version: int, method: Any, port: int | None
    ) -> None:
        hops = chain.hops4 if version == 4 else chain.hops6
        result = await session.engine.trace(hops[-1], method, port)
        assert result.reached
        assert tuple(hop.replies[0].address for hop in result.hops) == hops
        assert [hop.ttl for hop in result.hops] == [1, 2, 3, 4]

    async def test_busy_event_loop_neither_loses_nor_lengthens(self, session: Session, chain: Chain) -> None:
        """What came while this process was busy counts, with the time at which the kernel received it."""
        loop = asyncio.get_running_loop()
        for delay_s in (0.0, 0.001, 0.002):
            loop.call_later(delay_s, time.sleep, 0.3)
        result = await session.engine.trace(chain.host4, wait_s=0.1, attempts=1)
        assert [hop.replies[0].address for hop in result.hops] == list(chain.hops4)
        assert all((hop.replies[0].rtt_ms or 0) < 250 for hop in result.hops)

    async def test_dead_host_shows_the_path_to_it(self, session: Session, chain: Chain) -> None:
        chain.ip(chain.host, "route", "add", "blackhole", "10.9.71.1/32")
        for index, name in enumerate((chain.source, *chain.routers)):
            chain.ip(name, "route", "add", "10.9.71.0/24", "via", f"10.9.{index}.2")
        target = Target("e", address="10.9.71.1")
        seen = await observe("trace", target, session, Settings(trace_wait_s=0.2))
        assert seen.error in {"timeout", "unreachable"}
        assert not seen.result.reached
        assert [hop.replies[0].address for hop in seen.result.hops[:3]] == list(chain.hops4[:3])

    async def test_middle_box_that_refuses_is_not_the_destination(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.72.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "10.9.72.0/24", "via", "10.9.1.2")
        chain.ip(chain.routers[1], "route", "add", "prohibit", "10.9.72.0/24")
        seen = await observe("trace", Target("e", address="10.9.72.1"), session)
        assert (seen.error, seen.result.reached, len(seen.result.hops)) == ("prohibited", False, 2)
        assert seen.result.hops[1].replies[0].icmp == (3, 13)

    async def test_hundreds_at_once_are_told_apart(self, session: Session, chain: Chain) -> None:
        """Every address of a network answers for itself; half of the traces lead to silence."""
        for index, name in enumerate((chain.source, *chain.routers)):
            chain.ip(name, "route", "add", "10.9.100.0/23", "via", f"10.9.{index}.2")
        chain.ip(chain.host, "route", "add", "local", "10.9.100.0/24", "dev", "lo")
        chain.ip(chain.host, "route", "add", "blackhole", "10.9.101.0/24")
        addresses = [f"10.9.{100 + last % 2}.{last}" for last in range(1, 255)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(session.engine.trace(each, wait_s=0.3)) for each in addresses]
        for address, task in zip(addresses, tasks, strict=True):
            result = task.result()
            path = [[reply.address for reply in hop.replies] for hop in result.hops]
            assert path[:3] == [[hop] for hop in chain.hops4[:3]]
            assert result.reached == address.startswith("10.9.100.")
            assert path[3:] == ([[address]] if result.reached else [[]] * 5)
        assert session.engine.dropped == 0


UNPRIVILEGED = """
import asyncio, os, sys
from probes.engine.engine import Engine
from probes.engine.pacing import Pace
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import PrivilegeError, Vantage

async def main():
    vantage = Vantage(id="v", latitude=0, longitude=0)
    async with LocalVantage(vantage) as local, Engine(local, Pace()) as engine:
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        try:
            result = await getattr(engine, sys.argv[1])(sys.argv[2])
            print(len(result.rtts_ms), "answers")
        except PrivilegeError as error:
            print(error)

asyncio.run(main())
"""


async def as_nobody(namespace: str, groups: str, *words: str) -> str:
    """What a ping or trace gives to a process without rights, and who may send echo requests."""
    command = f"echo '{groups}' > /proc/sys/net/ipv4/ping_group_range; exec \"$@\""
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", namespace, "sh", "-c", command, "sh", sys.executable, "-c", UNPRIVILEGED),
        *words,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert not err, err.decode()
    return out.decode()


class TestPrivilege:
    """Without the right to raw sockets, what can be measured is, and else it is said what is missing."""

    async def test_trace_says_what_is_missing(self, chain: Chain) -> None:
        assert "CAP_NET_RAW" in await as_nobody(chain.source, "0 65534", "trace", chain.host4)

    @pytest.mark.parametrize("version", [4, 6])
    async def test_ping_does_without(self, chain: Chain, version: int) -> None:
        address = chain.host4 if version == 4 else chain.host6
        assert await as_nobody(chain.source, "0 65534", "ping", address) == "5 answers\n"

    async def test_ping_says_what_is_missing(self, chain: Chain) -> None:
        assert "net.ipv4.ping_group_range" in await as_nobody(chain.source, "1 0", "ping", chain.host4)

    async def test_closed_engine_ends_what_waits(self, chain: Chain) -> None:
        with chain.vantage() as vantage:
            async with Engine(vantage, Pace()) as engine:
                task = asyncio.create_task(engine.ping(chain.host4, count=100, interval_s=1))
                await asyncio.sleep(0.05)
            with pytest.raises(MeasureError, match="cancelled"):
                await task


class TestTcp:
    """Connects tell whether somebody listens, and how far away the host is either way."""

    @pytest.mark.parametrize("version", [4, 6])
    async def test_open_port(self, session: Session, chain: Chain, version: int) -> None:
        address = chain.host4 if version == 4 else chain.host6
        with chain.listen(address, 5432):
            seen = await observe("tcp", Target("e", address=address, port=5432), session)
        assert (seen.error, seen.result.open, seen.result.sent, len(seen.result.rtts_ms)) == (
            None,
            True,
            5,
            5,
        )
        assert all(0 < rtt < 1000 for rtt in seen.result.rtts_ms)

    async def test_closed_port_is_an_answer(self, session: Session, chain: Chain) -> None:
        seen = await observe("tcp", Target("e", address=chain.host4, port=5433), session)
        assert (seen.error, seen.result.open, len(seen.result.rtts_ms)) == ("refused", False, 5)

    async def test_router_that_refuses_does_not_answer_for_the_host(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.80.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "unreachable", "10.9.80.0/24")
        seen = await observe("tcp", Target("e", address="10.9.80.1", port=443), session)
        assert (seen.error, seen.result.open, seen.result.rtts_ms) == ("unreachable", None, ())

    async def test_middle_box_that_says_port_unreachable_does_not_either(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.81.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "blackhole", "10.9.81.0/24")
        with refuse_ports(chain.routers[0], "b1"):
            seen = await observe("tcp", Target("e", address="10.9.81.1", port=443), session)
        assert (seen.error, seen.result.open, seen.result.rtts_ms) == ("refused", None, ())


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


@contextlib.contextmanager
def refuse_ports(router: str, device: str) -> Iterator[None]:
    """A middle box that says "port unreachable" to every SYN that comes in on ``device``."""
    with LocalVantage(Vantage(id="r", latitude=0, longitude=0, netns=router)) as vantage, vantage.inside():
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        heard.bind((device, 0x0800))
        said = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def refuse() -> None:
        packet = heard.recv(2048)
        if packet[9] == socket.IPPROTO_TCP:
            said.sendto(bytes(ICMP(type=3, code=3) / packet), (socket.inet_ntoa(packet[12:16]), 0))

    loop = asyncio.get_running_loop()
    with heard, said:
        loop.add_reader(heard, refuse)
        yield
        loop.remove_reader(heard)


@contextlib.asynccontextmanager
async def name_server(chain: Chain, zone: Zone) -> AsyncIterator[list[str]]:
    """A DNS server on the chain's host; gives the questions that it was asked."""
    asked: list[str] = []

    def answer(wire: bytes, *, stream: bool) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        asked.append(f"{name} {kind}{' tcp' if stream else ''}")
        response = respond(query, zone, stream=stream)
        return None if response is None else response.to_wire(max_size=65_535)

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
            return await observe("dns", Target("e", host=host), session, settings)

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
            seen = await observe("dns", Target("e", host=PORTAL), session)
        assert f"{PORTAL} A tcp" in asked
        assert len(seen.result.addresses) == 64

    async def test_international_name_is_encoded(self, session: Session, chain: Chain) -> None:
        zone: Zone = {("xn--mgbai9azgqp6j.example", "A"): ["192.0.2.1"]}
        seen = await self.resolve(session, chain, zone, "پاکستان.example")
        assert (seen.error, seen.result.question) == (None, "xn--mgbai9azgqp6j.example")

    async def test_hostile_reverse_name_is_escaped(self, session: Session, chain: Chain) -> None:
        zone: Zone = {("7.2.0.192.in-addr.arpa", "PTR"): ["\\027[31m<b>khi\\001.example."]}
        async with name_server(chain, zone):
            seen = await observe("reverse", Target("e", address="192.0.2.7"), session)
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


@contextlib.asynccontextmanager
async def serve(
    chain: Chain, address: str, handler: Any, context: ssl.SSLContext | None
) -> AsyncIterator[int]:
    listening = chain.listen(address, 4433)
    open_now: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            open_now.discard(task)

    server = await asyncio.start_server(handle, sock=listening, ssl=context)
    async with server:
        yield 4433
        server.close()
    while open_now:
        await asyncio.wait(open_now, timeout=1)


async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the other side goes."""
    with contextlib.suppress(OSError, ssl.SSLError):
        await reader.read()
    writer.close()


class TestTls:
    """A handshake is measured whatever the certificate; whether it is valid is a separate answer."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("family", [4, 6])
    async def test_measures(
        self, session: Session, chain: Chain, identity: Identity, version: ssl.TLSVersion, family: int
    ) -> None:
        address = chain.host4 if family == 4 else chain.host6
        async with serve(chain, address, quiet, identity.context(version)) as port:
            target = Target("e", host=PORTAL, address=address, port=port)
            seen = await observe("tls", target, session, Settings(trust=identity.authority))
        result = seen.result
        assert seen.error is None
        assert result.version == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
        assert result.verified is True
        assert 0 < result.tcp_rtt_ms < 1000
        assert 0 < result.handshake_ms < 1000
        der = ssl.PEM_cert_to_DER_cert(identity.chain.read_text())
        assert result.certificate_sha256 == hashlib.sha256(der).hexdigest()
        assert (result.subject, result.issuer) == (f"CN={PORTAL}", "CN=Test CA")
        assert result.sans == (PORTAL, "*.indus.example")

    @pytest.mark.parametrize(
        ("host", "trusted"), [("elsewhere.example", True), (PORTAL, False), (None, True)]
    )
    async def test_invalid_certificate_is_measured_too(
        self, session: Session, chain: Chain, identity: Identity, host: str | None, trusted: bool
    ) -> None:
        async with serve(chain, chain.host4, quiet, identity.context()) as port:
            target = Target("e", host=host, address=chain.host4, port=port)
            settings = Settings(trust=identity.authority if trusted else None)
            seen = await observe("tls", target, session, settings)
        assert seen.error is None
        assert seen.result.verified is False
        assert seen.result.handshake_ms > 0

    async def test_not_tls_is_said(self, session: Session, chain: Chain) -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await quiet(reader, writer)

        async with serve(chain, chain.host4, plain, None) as port:
            seen = await observe("tls", Target("e", address=chain.host4, port=port), session)
        assert (seen.error, seen.result.handshake_ms) == ("tls", None)
        assert seen.result.tcp_rtt_ms > 0

    async def test_silence_ends(self, session: Session, chain: Chain) -> None:
        async with serve(chain, chain.host4, quiet, None) as port:
            target = Target("e", address=chain.host4, port=port)
            seen = await observe("tls", target, session, Settings(tls_timeout_s=0.2))
        assert seen.error == "timeout"

    async def test_handshake_waits_for_the_key_holder(
        self, session: Session, chain: Chain, identity: Identity
    ) -> None:
        """A pass-through that answers TCP from near shows in the handshake, not in the connect."""

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection(sock=await connect_inside(chain, 4434))

            async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float) -> None:
                with contextlib.suppress(OSError):
                    while octets := await source.read(65536):
                        await asyncio.sleep(delay_s)
                        sink.write(octets)
                sink.close()

            await asyncio.gather(pump(reader, far_writer, 0.1), pump(far_reader, writer, 0))

        backend = await asyncio.start_server(
            quiet, sock=chain.listen(chain.host4, 4434), ssl=identity.context(), ssl_handshake_timeout=2
        )
        async with backend, serve(chain, chain.host4, relay, None) as port:
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            seen = await observe("tls", target, session, Settings(tls_count=1))
            backend.close()
        assert seen.result.handshake_ms >= 100 > seen.result.tcp_rtt_ms


async def connect_inside(chain: Chain, port: int) -> socket.socket:
    with chain.farm() as farm:
        opened: socket.socket = farm.socket(socket.AF_INET, socket.SOCK_STREAM)
    await asyncio.get_running_loop().sock_connect(opened, (chain.host4, port))
    return opened


class Site:
    """A web server that notes what it was asked."""

    def __init__(
        self,
        response: bytes,
        *,
        random: bytes = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        delay_s: float = 0.0,
    ) -> None:
        self.response = response
        self.delay_s = delay_s
        self.random = random
        self.asked: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head)
                await asyncio.sleep(self.delay_s)
                writer.write(self.random if b"/.well-known/sarhad-" in head else self.response)
                await writer.drain()
                if b"Connection: close" in self.response:
                    break
        writer.close()


class TestHttp:
    """Requests go to the given address under the declared name, and everything that comes back is bounded."""

    async def fetch(
        self,
        session: Session,
        chain: Chain,
        site: Site,
        context: ssl.SSLContext | None = None,
        path: str = "/a",
    ) -> Any:
        scheme = "http" if context is None else "https"
        async with serve(chain, chain.host4, site, context) as port:
            url = f"{scheme}://{PORTAL}:{port}{path}"
            target = Target("e", host=PORTAL, address=chain.host4, port=port, scheme=scheme, url=url)
            return await observe("http", target, session, Settings(contact="https://example.org/probes"))

    @pytest.mark.parametrize("secure", [True, False])
    async def test_warm_connection(
        self, session: Session, chain: Chain, identity: Identity, secure: bool
    ) -> None:
        site = Site(
            b"HTTP/1.1 200 OK\r\nServer: x\r\nX-Pop: KHI\r\nX-Pop: LHE\r\nContent-Length: 2\r\n\r\nok"
        )
        seen = await self.fetch(session, chain, site, identity.context() if secure else None)
        assert (seen.error, seen.result.status) == (None, 200)
        assert seen.result.headers["x-pop"] == "KHI, LHE"
        assert (len(seen.result.ttfb_ms), len(seen.result.probe_ttfb_ms)) == (5, 5)
        assert all(0 < value < 1000 for value in seen.result.ttfb_ms + seen.result.probe_ttfb_ms)
        assert site.connections == 1
        assert f"Host: {PORTAL}:4433".encode() in site.asked[0]
        assert f"User-Agent: {user_agent('https://example.org/probes')}".encode() in site.asked[0]
        paths = [head.split()[1] for head in site.asked]
        assert paths[:2] == [b"/a", b"/a"]
        assert len({path for path in paths if path.startswith(b"/.well-known/")}) == 5

    @pytest.mark.parametrize("again", [b"", b"Connection: close\r\n"])
    async def test_no_answer_is_seen_before_it_is_given(
        self, session: Session, chain: Chain, identity: Identity, again: bytes
    ) -> None:
        """Not even where TLS itself sends something (session tickets) while the application thinks."""
        response = b"HTTP/1.1 200 OK\r\n" + again + b"Content-Length: 0\r\n\r\n"
        site = Site(response, random=response, delay_s=0.03)
        seen = await self.fetch(session, chain, site, identity.context())
        assert (seen.error, seen.result.status) == (None, 200)
        assert min(seen.result.ttfb_ms + seen.result.probe_ttfb_ms) >= 30
        assert (site.connections == 1) == (again == b"")

    async def test_redirects_elsewhere_are_not_followed(self, session: Session, chain: Chain) -> None:
        site = Site(b"HTTP/1.1 302 F\r\nLocation: https://fra.cloud.example/x\r\nContent-Length: 0\r\n\r\n")
        seen = await self.fetch(session, chain, site)
        assert [each.location for each in seen.result.redirects] == ["https://fra.cloud.example/x"]
        assert (seen.error, seen.result.status) == (None, 302)

    async def test_redirect_loop_ends(self, session: Session, chain: Chain) -> None:
        site = Site(b"HTTP/1.1 302 F\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")
        seen = await self.fetch(session, chain, site)
        assert (seen.error, len(seen.result.redirects), len(site.asked)) == ("loop", 6, 6)

    async def test_hostile_answer_is_bounded(self, session: Session, chain: Chain) -> None:
        many = b"".join(b"X-%d: \xff\xc3<script>%s\r\n" % (i, b"y" * 2000) for i in range(99))
        site = Site(b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 9999999\r\n\r\n" + b"z" * 200_000)
        seen = await self.fetch(session, chain, site)
        assert (seen.error, len(seen.result.headers)) == (None, 64)
        assert all(len(value) <= 512 for value in seen.result.headers.values())
        assert seen.result.headers["x-0"].startswith("\xff\xc3<script>")

    @pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad\x00: \r\n\r\n"])
    async def test_nonsense_is_a_protocol_error(self, session: Session, chain: Chain, answer: bytes) -> None:
        seen = await self.fetch(session, chain, Site(answer))
        assert seen.error == "protocol"

    async def test_address_in_a_url_must_be_the_measured_one(self, session: Session, chain: Chain) -> None:
        target = Target("e", address=chain.host4, url="http://192.0.2.1/")
        seen = await observe("http", target, session)
        assert seen.error == "unsupported"

    async def test_closed_port_is_refused(self, session: Session, chain: Chain) -> None:
        seen = await observe("http", Target("e", address=chain.host6, port=81, scheme="http"), session)
        assert seen.error == "refused"
