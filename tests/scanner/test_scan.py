"""A scan that goes on from what an earlier part of it measured, on this machine's own loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from probes.document import Document
from probes.engine.pacing import Pace
from probes.observation import kind_of
from probes.simnet.nameserver import Directory, serving
from probes.simnet.world import Dns
from probes.target import Settings
from probes.vantages.vantage import Vantage
from scanner.register import parse_register
from scanner.scan import Scan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from probes.observation import Observation
    from scanner.scan import Measured

REGISTER = """
version: 1
providers:
  - id: indus
    name: Indus
    accreditation: {{status: accredited}}
    services:
      - id: web
        deployment: government
        data_class: restricted
        endpoints: [{{address: 127.0.0.1, port: {port}}}, "http://127.0.0.1:{port}/", {{address: 127.0.0.2}}]
"""
QUICK = Settings(
    ping_count=1,
    ping_timeout_s=0.1,
    trace_max_ttl=2,
    trace_wait_s=0.1,
    trace_attempts=1,
    dns_timeout_s=0.2,
    dns_deadline_s=0.3,
    tcp_count=1,
    http_count=1,
)
VANTAGES = [
    Vantage(id=name, latitude=24.9, longitude=67.0, resolvers=("127.0.0.1",), resolver_port=1)
    for name in ("khi", "lhe")
]


@contextlib.asynccontextmanager
async def web(html: bytes = b"") -> AsyncIterator[int]:
    """An HTTP server on the loopback; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(html) + html)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", family=socket.AF_INET)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def scan(
    port: int,
    before: Iterable[Observation] = (),
    declared: str = REGISTER,
    settings: Settings = QUICK,
    resolver: int = 1,
) -> tuple[Measured, list[Observation]]:
    """What a scan measured in all, and what of it this part did; ``resolver`` is a port of the loopback."""
    register = parse_register(
        Document.parse(declared.format(port=port).encode(), "register.yaml"), date(2026, 11, 1)
    )
    kept: list[Observation] = []

    def keep(observations: Sequence[Observation]) -> None:
        kept.extend(observations)

    work = Scan(
        register.endpoints,
        [one.model_copy(update={"resolver_port": resolver}) for one in VANTAGES],
        lambda _: None,
        settings,
        Pace(),
        lambda *_: None,
        None,
        before,
        keep,
    )
    async with asyncio.timeout(60):
        return await work.run(), kept


NAMED = """
version: 1
providers:
  - id: indus
    name: Indus
    accreditation: {{status: accredited}}
    services:
      - id: web
        deployment: government
        data_class: restricted
        endpoints: ["http://portal.indus.example:{port}/", "http://www.indus.example:{port}/"]
"""
NAMES = Dns.model_validate(
    {
        "resolver": "198.18.0.53",
        "zones": [{"name": "indus.example", "nameservers": ["ns1.a.example"], "mail": ["mx.a.example"]}],
        "names": [
            {"name": "portal.indus.example", "answers": [{"a": ["127.0.0.1"]}]},
            {"name": "www.indus.example", "answers": [{"cname": "portal.indus.example"}]},
            {"name": "ns1.a.example", "answers": [{"a": ["127.0.0.3"]}]},
            {"name": "mx.a.example", "rcode": "NXDOMAIN"},
            {"name": "cdn.a.example", "answers": [{"a": ["127.0.0.4"]}]},
        ],
    }
)


@contextlib.asynccontextmanager
async def names() -> AsyncIterator[int]:
    """A name server on the loopback; its port."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    async with asyncio.TaskGroup() as tasks, serving(Directory(NAMES, ()), [listening], [], tasks):
        yield listening.getsockname()[1]


class TestDependencies:
    """What endpoints depend on is asked for once from every vantage, never probed, and never asked again."""

    @pytest.mark.parametrize("crawl", [True, False])
    async def test_is_resolved_and_no_more(self, crawl: bool) -> None:
        html = b"<script src=//cdn.a.example/x.js></script><form action=http://www.indus.example/>"
        settings = replace(QUICK, dns_timeout_s=2, dns_deadline_s=6, crawl=crawl)
        async with names() as resolver, web(html) as port:
            whole, _ = await scan(port, (), NAMED, settings, resolver)
            rest = [one for one in whole.observations if one.endpoint != "dependency/ns1.a.example"]
            resumed, kept = await scan(port, rest, NAMED, settings, resolver)
        hosts = ["ns1.a.example", "mx.a.example", *(["cdn.a.example"] if crawl else [])]
        asked = Counter(
            (one.vantage, one.endpoint)
            for one in whole.observations
            if one.endpoint.startswith("dependency/")
        )
        assert asked == Counter((one.id, f"dependency/{host}") for one in VANTAGES for host in hosts)
        assert {one.address for one in whole.observations} == {None, "127.0.0.1"}
        assert {one.endpoint for one in kept} == {"dependency/ns1.a.example"}
        assert tally(resumed.observations) == tally(whole.observations)


def tally(observations: Iterable[Observation]) -> Counter[Any]:
    return Counter((kind_of(one), one.vantage, one.endpoint, one.address) for one in observations)


class TestResume:
    """What was measured is not measured again, and the rest is."""

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95, 1.0])
    async def test_every_measurement_is_made_once(self, share: float) -> None:
        async with web() as port:
            whole, kept = await scan(port)
            assert kept == whole.observations
            assert max(tally(kept).values()) == 2, "HTTP is measured twice, the second time calmly"
            before = whole.observations[: int(share * len(whole.observations))]
            resumed, kept = await scan(port, before)
        assert resumed.complete
        assert resumed.observations == [*before, *kept]
        assert set(tally(resumed.observations)) == set(tally(whole.observations))
        # Which vantage is nearest, and so measures calmly, is decided by what each scan measured.
        assert len(resumed.observations) == len(whole.observations)
        assert len({one.id for one in resumed.observations}) == len(resumed.observations)

    async def test_what_was_cancelled_is_measured_again(self) -> None:
        async with web() as port:
            whole, _ = await scan(port)
            first = next(one for one in whole.observations if kind_of(one) == "ping")
            rest = [one for one in whole.observations if one != first]
            cancelled = msgspec.structs.replace(first, error="cancelled", result=None)
            resumed, kept = await scan(port, [cancelled, *rest])
        assert [one.id for one in kept] == [first.id]
        assert cancelled not in resumed.observations
        assert tally(resumed.observations) == tally(whole.observations)
