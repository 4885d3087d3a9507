"""A daemon in the test's own process, on a port of its own, with a register of endpoints on this machine."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from probes.observation import now
from scanner.daemon.config import load_config
from scanner.daemon.notify import Notifier
from scanner.daemon.service import Service
from scanner.store import Store
from tests.scanner.store.runs import ping, result, run
from tests.scanner.test_scan import QUICK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from scanner.run import EndpointResult

ENDPOINT = "indus/web/portal.indus.example"
OTHER = "indus/open/127.0.0.1:9"
# Of the token below, so that the tests need not wait for a hash to be made.
TOKEN = "sarhad_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  # noqa: S105  of no daemon but the tests'
TOKEN_HASH = "scrypt:MDAwMDAwMDAwMDAwMDAwMA:lG3E5V_s7Th8dNfCyVX7A2GN7g_xRglhSutY8m137p4"  # noqa: S105  the hash of that
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NEVER = "0 0 29 2 *"


def register(*, port: int = 9, expires: str = "2029-05-31", country: str = "PK") -> dict[str, Any]:
    return {
        "version": 1,
        "country": country,
        "providers": [
            {
                "id": "indus",
                "name": "Indus",
                "accreditation": {"status": "accredited", "expires": expires},
                "services": [
                    {
                        "id": "web",
                        "deployment": "government",
                        "data_class": "restricted",
                        "endpoints": ["https://portal.indus.example"],
                    },
                    {
                        "id": "open",
                        "deployment": "public",
                        "data_class": "open",
                        "endpoints": [{"address": "127.0.0.1", "port": port}],
                    },
                ],
            }
        ],
        "waivers": [
            {"endpoint": ENDPOINT, "issuer": "Cloud Office", "reason": "migration", "expires": "2026-12-31"}
        ],
    }


VANTAGES = {
    "vantages": [
        {
            "id": "khi",
            "latitude": 24.9,
            "longitude": 67.0,
            "resolvers": ["127.0.0.1"],
            "resolver_port": 1,
        }
    ]
}


def _left(found: EndpointResult, *countries: str) -> EndpointResult:
    """A result whose addresses are left so many countries, and answered."""
    addresses = tuple(
        msgspec.structs.replace(one, countries=countries, rtts_ms={"khi": 1.5})
        for one in found.verdict.addresses
    )
    return msgspec.structs.replace(found, verdict=msgspec.structs.replace(found.verdict, addresses=addresses))


class Daemon:
    """A directory with the files of a daemon; :meth:`run` runs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.config: dict[str, Any] = {
            "version": 1,
            "register": "register.yaml",
            "vantages": "vantages.yaml",
            "store": "sarhad.db",
            "schedules": {"restricted": NEVER, "open": NEVER},
            "listen": {"port": 0},
            "jitter_s": 0,
        }
        self.write("register", register())
        self.write("vantages", VANTAGES)
        self.service: Service | None = None

    def write(self, name: str, value: Any) -> None:
        (self.directory / f"{name}.yaml").write_text(yaml.safe_dump(value))

    @property
    def store(self) -> str:
        return str(self.directory / "sarhad.db")

    def keep(self, *days: float, **more: Any) -> None:
        """Store runs, the last of which is of today, so that nothing is due."""
        inside = _left(result(ENDPOINT, "198.18.1.1", "2001:db8::1"), "PK")
        abroad = _left(result(OTHER, location="outside", status="not_applicable"), "SG", "MY")
        abroad = msgspec.structs.replace(abroad, service="open", data_class="open")
        pings = tuple(ping(number, ENDPOINT) for number in range(3))
        with Store.open(self.store, create=True) as store:
            for day in days:
                store.add(run(day, inside, abroad, observations=pings, **more))
            today = {"started": now(), "finished": now()}
            store.add(run(99, inside, abroad, **{"observations": pings, **today, **more}))

    @contextlib.asynccontextmanager
    async def run(self, notifier: Notifier | None = None) -> AsyncIterator[aiohttp.ClientSession]:
        """The running daemon, ready, and a session that asks it."""
        self.write("daemon", self.config)
        self.service = Service(load_config(self.directory / "daemon.yaml"), notifier or Notifier(None), QUICK)
        task = asyncio.create_task(self.service.run())
        try:
            while self.service.address is None or self.service._server.state is None:
                await asyncio.sleep(0.01)
                if task.done():
                    task.result()
            host, port = self.service.address
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
                yield session
        finally:
            self.service.stop()
            async with asyncio.timeout(30):
                await task


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(tmp_path)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.01)


def families(text: str) -> dict[str, Metric]:
    return {one.name: one for one in text_string_to_metric_families(text)}


async def scrape(client: aiohttp.ClientSession) -> dict[str, Metric]:
    async with client.get("/metrics") as response:
        assert response.status == 200
        return families(await response.text())


@contextlib.asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """A server on the loopback that takes every connection and never answers; its port."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(1 << 16):
                pass
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]
