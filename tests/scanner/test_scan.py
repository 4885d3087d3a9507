"""A scan that goes on from what an earlier part of it measured, on this machine's own loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from probes.document import Document
from probes.engine.pacing import Pace
from probes.observation import kind_of
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
async def web() -> AsyncIterator[int]:
    """An HTTP server on the loopback; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", family=socket.AF_INET)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def scan(port: int, before: Iterable[Observation] = ()) -> tuple[Measured, list[Observation]]:
    """What a scan measured in all, and what of it this part did."""
    register = parse_register(
        Document.parse(REGISTER.format(port=port).encode(), "register.yaml"), date(2026, 11, 1)
    )
    kept: list[Observation] = []

    def keep(observations: Sequence[Observation]) -> None:
        kept.extend(observations)

    work = Scan(
        register.endpoints, VANTAGES, lambda _: None, QUICK, Pace(), lambda *_: None, None, before, keep
    )
    async with asyncio.timeout(60):
        return await work.run(), kept


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
