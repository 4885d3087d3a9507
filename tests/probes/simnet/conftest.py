"""Worlds that run for the tests, and real tools inside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes.simnet import authority, hosts
from probes.simnet.loading import load_world
from probes.simnet.sandbox import SandboxError
from probes.simnet.simnet import Simnet
from probes.simnet.topology import Topology
from probes.simnet.world import Farm, Host, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from probes.simnet.authority import Credentials
    from probes.simnet.topology import Family
    from probes.simnet.world import Dns, Service

WORLDS = Path(__file__).with_name("worlds")


class Peer:
    """A running world, and tools that know nothing of it."""

    def __init__(self, net: Simnet) -> None:
        self.net = net
        self.topology = Topology(net.world)

    def tool(self, site: str, *command: str, deadline: float = 60) -> str:
        """Run a command in a site's network namespace; its output."""
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed (a Debian package of that name)")
        entered = ["nsenter", f"--net={self.net.sites[site]}", *command]
        done = subprocess.run(entered, capture_output=True, text=True, timeout=deadline, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def traceroute(self, site: str, *arguments: str) -> list[tuple[list[str], list[float], str]]:
        """Every hop's addresses, round-trip times (ms) and line."""
        lines = self.tool(site, "traceroute", "-n", "-w", "0.6", *arguments).splitlines()[1:]
        hops = []
        for line in lines:
            words = line.split()[1:]
            addresses = [word for word in words if "." in word or ":" in word]
            addresses = [word for word in addresses if not _is_number(word) and "=" not in word]
            hops.append((addresses, [float(word) for word in words if _is_number(word)], line))
        return hops

    def scamper(self, site: str, command: str) -> dict[str, Any]:
        """The result of one scamper command."""
        text = self.tool(site, "scamper", "-O", "json", "-p", "500", "-I", command)
        results: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        return next(result for result in results if not result["type"].startswith("cycle"))

    def mtr(self, site: str, *arguments: str) -> list[dict[str, Any]]:
        """The hubs of an mtr report."""
        text = self.tool(site, "mtr", "--json", "-n", "-c", "3", "-i", "0.1", "-G", "0.5", *arguments)
        hubs: list[dict[str, Any]] = json.loads(text)["report"]["hubs"]
        return hubs

    def world_hops(self, start: str, end: str, family: Family = 4) -> list[tuple[str, ...]]:
        return [hop.addresses for hop in self.topology.path(start, end, family).hops]

    def world_rtts(self, start: str, end: str, family: Family = 4) -> list[float]:
        """The round trips of the world to every hop and to the end, ms."""
        path = self.topology.path(start, end, family)
        hops = [
            hop.delay_ms + self.topology.way_back(path, position, family).delay_ms
            for position, hop in enumerate(path.hops, 1)
        ]
        return [*hops, path.delay_ms + self.topology.path(end, start, family).delay_ms]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def started(name: str) -> Iterator[Peer]:
    yield from running(load_world(WORLDS / f"{name}.yaml"))


def running(world: World) -> Iterator[Peer]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces that a test can enter need root")
    net = Simnet(world)
    try:
        net.start()
    except SandboxError as error:
        pytest.skip(str(error))
    try:
        yield Peer(net)
    finally:
        assert net.stop() is None


@pytest.fixture(scope="session")
def basics() -> Iterator[Peer]:
    yield from started("basics")


@pytest.fixture(scope="session")
def troubles() -> Iterator[Peer]:
    yield from started("troubles")


@pytest.fixture(scope="session")
def start_world() -> Callable[[World], Iterator[Peer]]:
    """Runs a world; for fixtures that ``yield from`` it."""
    return running


class Hosting:
    """Hosts of a world, run on this machine's loopback addresses, without namespaces."""

    @staticmethod
    def loopback() -> str:
        """An address of this machine that no other test uses."""
        return f"127.{secrets.randbelow(200) + 10}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"

    @staticmethod
    def ipv6_port() -> int:
        """A port of ``::1`` that is free."""
        with socket.socket(socket.AF_INET6) as free:
            try:
                free.bind(("::1", 0))
            except OSError:
                pytest.skip("this machine has no IPv6 loopback")
            port: int = free.getsockname()[1]
            return port

    @staticmethod
    def host(address: str, *services: Service, dead: bool = False) -> Host:
        """A host on loopback, where a world's file would not let it stand."""
        return Host.model_construct(addresses=(address,), services=services, allow=None, dead=dead)

    @staticmethod
    @contextlib.asynccontextmanager
    async def serving(*standing: Host, dns: Dns | None = None) -> AsyncIterator[Credentials]:
        """The hosts, while they run."""
        farm = Farm.model_construct(id="farm", place="x", hosts=standing)
        world = World.model_construct(
            version=1, name="test", country="PK", places={}, farms=(farm,), dns=dns, vantages=()
        )
        credentials = authority.issue(world)
        ready = asyncio.Event()
        task = asyncio.create_task(hosts.serve(farm, world, credentials, ready.set))
        waiter = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiter}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        if task.done():
            task.result()
        try:
            yield credentials
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    @staticmethod
    def trusting(credentials: Credentials) -> ssl.SSLContext:
        """A client that trusts the world's authority and no other."""
        return ssl.create_default_context(cadata=credentials.ca_pem.decode())

    @staticmethod
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture(scope="session")
def hosting() -> Hosting:
    return Hosting()
