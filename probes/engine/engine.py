"""The packet engine of one vantage: pings and Paris traceroutes, all over a handful of sockets.

It makes the runs, which ``scheduler`` drives: one at a time, or very many as a stream.
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic
from typing import TYPE_CHECKING, Final, Self, TypeVar

from probes.engine.batch import Batch
from probes.engine.capture import explain
from probes.engine.flow import TRACEROUTE_PORT, Flow, Method
from probes.engine.garbage import seldom_collected
from probes.engine.link import Link, Means
from probes.engine.multipath import Paths
from probes.engine.multitrace import MultiTrace
from probes.engine.packets import packed, text
from probes.engine.path import Path
from probes.engine.patience import Patience
from probes.engine.routers import Routers
from probes.engine.run import Ping
from probes.engine.scheduler import Scheduler
from probes.failure import MeasureError, error_code

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable, Iterable

    from probes.engine.capture import Capture
    from probes.engine.pacing import Bucket, Pace
    from probes.observation import PingResult, TraceResult
    from probes.vantages.local import LocalVantage

_LOG: Final = logging.getLogger("sarhad.engine")
_R = TypeVar("_R", Ping, Path, MultiTrace)
_T = TypeVar("_T")


class Engine:
    """Pings and traces of one vantage; an async context manager. ``contact`` ends every ICMP and UDP probe.

    Sockets are opened when they are first needed, so a machine without IPv6 can measure IPv4.
    """

    def __init__(
        self, vantage: LocalVantage, pace: Pace, contact: str = "", capture: Capture | None = None
    ) -> None:
        self._capture = capture
        self._vantage = vantage
        self._pace = pace
        self._mark = f"sarhad {contact}".strip().encode("ascii", "replace")
        self._scheduler = Scheduler(pace)
        self._links = self._scheduler.links
        self._registry = self._scheduler.registry
        self._patience = Patience()
        self._routers = Routers()

    @property
    def dropped(self) -> int:
        """Packets that the kernel threw away because the engine did not read them in time."""
        return sum(link.dropped for link in self._links.values())

    @property
    def means(self) -> dict[tuple[Method, int], Means]:
        """By what each method that was used sends and hears, for each IP version."""
        found = ((version, link.means.items()) for version, link in self._links.items())
        return {(method, version): means for version, items in found for method, means in items}

    @property
    def strangers(self) -> int:
        """Packets that belong to no probe of ours, or come after its run's end."""
        return sum(link.strangers for link in self._links.values())

    def oddities(self) -> list[str]:
        """What scapy makes of the last packets that no probe explains; slow, for people who wonder."""
        return [explain(octets, version) for version, link in self._links.items() for octets in link.odd]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if _LOG.isEnabledFor(logging.DEBUG):
            for odd in self.oddities():
                _LOG.debug("%s: no probe of ours explains %s", self._vantage.id, odd)
        self._scheduler.close()

    async def ping(
        self,
        address: str,
        method: Method = "icmp",
        port: int | None = None,
        *,
        count: int = 5,
        interval_s: float = 0.05,
        timeout_s: float = 1.0,
    ) -> PingResult:
        """Round-trip times of ``address``; no answer gives a result without them.

        Raises ``PrivilegeError``, or ``MeasureError`` where the way was refused. A TCP ping is a SYN to
        ``port``: SYN-ACK and RST both answer it, and our kernel resets what was opened. A UDP ping waits for
        "port unreachable" from the address itself.
        """
        run = self._ping(address, method, port, count, interval_s, timeout_s)
        return (await self._perform(run)).result()

    async def trace(
        self,
        address: str,
        method: Method = "icmp",
        port: int | None = None,
        *,
        max_ttl: int = 30,
        wait_s: float = 1.0,
        attempts: int = 2,
        deadline_s: float = 30.0,
    ) -> TraceResult:
        """The path to ``address``; raises ``PrivilegeError``, or ``MeasureError`` if nothing can be sent.

        ``wait_s`` is the most that silence is waited for (see :class:`~probes.engine.path.Patience`).
        """
        run = self._trace(address, method, port, max_ttl, wait_s, attempts, deadline_s)
        return (await self._perform(run)).result()

    async def paths(
        self,
        address: str,
        method: Method = "icmp",
        port: int | None = None,
        *,
        flows: int = 64,
        confidence: float = 0.95,
        max_ttl: int = 30,
        wait_s: float = 1.0,
        attempts: int = 2,
        deadline_s: float = 60.0,
    ) -> TraceResult:
        """:meth:`trace` over at most ``flows`` flows, until all next hops of each router are known.

        That is with ``confidence`` for each router (see :mod:`probes.engine.multipath`). UDP flows differ by
        their destination port, from ``port`` upwards; TCP flows by their source port.
        """
        run = self._paths(address, method, port, flows, confidence, max_ttl, wait_s, attempts, deadline_s)
        return (await self._perform(run)).result()

    def pings(
        self,
        addresses: Iterable[str],
        method: Method = "icmp",
        port: int | None = None,
        *,
        count: int = 5,
        interval_s: float = 0.05,
        timeout_s: float = 1.0,
    ) -> AsyncGenerator[tuple[str, PingResult | MeasureError], None]:
        """:meth:`ping` of very many addresses: each with its outcome, as it ends. Close it if left early."""
        batch = Batch(addresses, lambda each: self._ping(each, method, port, count, interval_s, timeout_s))
        return self._stream(batch, Ping.result)

    def traces(
        self,
        addresses: Iterable[str],
        method: Method = "icmp",
        port: int | None = None,
        *,
        max_ttl: int = 30,
        wait_s: float = 1.0,
        attempts: int = 2,
        deadline_s: float = 30.0,
    ) -> AsyncGenerator[tuple[str, TraceResult | MeasureError], None]:
        """:meth:`trace` to very many addresses: each with its outcome, as it ends. Close it if left early.

        Only those that are under way take memory; so does what the caller has not yet taken.
        """
        batch = Batch(
            addresses,
            lambda each: self._trace(each, method, port, max_ttl, wait_s, attempts, deadline_s),
        )
        return self._stream(batch, Path.result)

    def multipaths(
        self,
        addresses: Iterable[str],
        method: Method = "icmp",
        port: int | None = None,
        *,
        flows: int = 64,
        confidence: float = 0.95,
        max_ttl: int = 30,
        wait_s: float = 1.0,
        attempts: int = 2,
        deadline_s: float = 60.0,
    ) -> AsyncGenerator[tuple[str, TraceResult | MeasureError], None]:
        """:meth:`paths` to very many addresses: each with its outcome, as it ends. Close it if left early."""
        batch = Batch(
            addresses,
            lambda each: self._paths(
                each, method, port, flows, confidence, max_ttl, wait_s, attempts, deadline_s
            ),
        )
        return self._stream(batch, MultiTrace.result)

    def _ping(
        self, address: str, method: Method, port: int | None, count: int, interval_s: float, timeout_s: float
    ) -> Ping:
        if not 1 <= count <= 0xFFFF:
            raise ValueError("count must be 1 to 65535")
        flow, held = self._flow(address, method, port)
        run = Ping(text(flow.destination), flow, self._target(address), count, interval_s, timeout_s)
        return self._dressed(run, held)

    def _trace(
        self,
        address: str,
        method: Method,
        port: int | None,
        max_ttl: int,
        wait_s: float,
        attempts: int,
        deadline_s: float,
    ) -> Path:
        if not 1 <= max_ttl <= 255 or not 1 <= attempts <= 255:
            raise ValueError("max_ttl and attempts must be 1 to 255")
        flow, held = self._flow(address, method, port)
        serial = self._links[flow.version].prepare(method) == "connection"
        run = Path(
            text(flow.destination),
            flow,
            self._target(address),
            max_ttl,
            wait_s,
            attempts,
            deadline_s,
            self._patience,
            self._routers,
            serial=serial,
        )
        return self._dressed(run, held)

    def _paths(
        self,
        address: str,
        method: Method,
        port: int | None,
        flows: int,
        confidence: float,
        max_ttl: int,
        wait_s: float,
        attempts: int,
        deadline_s: float,
    ) -> MultiTrace:
        if not 1 <= max_ttl <= 255 or not 1 <= attempts <= 255:
            raise ValueError("max_ttl and attempts must be 1 to 255")
        paths = Paths(flows, confidence, max_ttl, wait_s, attempts, deadline_s, self._patience)
        first, held = self._flow(address, method, port)
        link = self._links[first.version]

        def more(number: int) -> Flow:
            local, remote = first.local, first.remote
            if method == "tcp":
                own, local = link.own_port()
                run.held += (own,)
            elif method == "udp":
                remote = (remote - 1 + number) % 0xFFFF + 1
            return first.sibling(local, remote, (first.constant + number) & 0xFFFF)

        run = MultiTrace(text(first.destination), first, self._target(address), paths, more)
        return self._dressed(run, held)

    def _flow(self, address: str, method: Method, port: int | None) -> tuple[Flow, tuple[socket.socket, ...]]:
        """The flow to an address, and the socket that holds its source port, if it needs one of its own."""
        if method == "tcp" and port is None:
            raise ValueError("a TCP probe needs a port")
        try:
            destination = packed(address)
        except OSError as error:
            raise MeasureError("unsupported", f"{address!r} is not an IP address") from error
        remote = 0 if method == "icmp" else port or TRACEROUTE_PORT
        held: tuple[socket.socket, ...] = ()
        try:
            link = self._link(4 if len(destination) == 4 else 6)
            link.prepare(method)
            # No checksum covers the source of an ICMP probe over IPv4, so the kernel may write it (raw(7)).
            unsaid = method == "icmp" and link.version == 4 and self._capture is None
            source = bytes(4) if unsaid else packed(link.source(address))
            local = link.local(method)
            if method == "tcp" and self._registry.taken(destination, remote, local):
                own, local = link.own_port()
                held = (own,)
        except OSError as error:
            raise MeasureError(error_code(error), f"{address}: {error.strerror}") from error
        flow = Flow(method, source, destination, local, remote, self._mark, self._registry.slot())
        return flow, held

    def _dressed(self, run: _R, held: tuple[socket.socket, ...]) -> _R:
        """A run with what its link asks of it."""
        run.held = held
        link = self._links[run.flow.version]
        run.most, run.send = link.most(run.flow.method), link.send
        return run

    def _target(self, address: str) -> Bucket | None:
        """The bucket of an address, unless the process's own is smaller."""
        rates = self._pace.rates
        return None if rates.target >= rates.process else self._pace.target(address, monotonic())

    def _link(self, version: int) -> Link:
        if version not in self._links:
            self._links[version] = Link(self._vantage, version, self._scheduler, self._capture)
        return self._links[version]

    async def _perform(self, run: _R) -> _R:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run.ended = lambda _: None if future.done() else future.set_result(None)
        self._scheduler.begin(run)
        self._scheduler.arm(0.0)
        try:
            await future
        finally:
            self._scheduler.forget(run)
        return run

    async def _stream(
        self, batch: Batch[_R], result: Callable[[_R], _T]
    ) -> AsyncGenerator[tuple[str, _T | MeasureError], None]:
        """The outcome of each run of a batch, as it ends."""
        self._scheduler.batches.append(batch)
        self._scheduler.arm(0.0)
        try:
            with seldom_collected():
                while not batch.over:
                    await batch.changed()
                    while batch.done:
                        address, run = batch.done.popleft()
                        yield address, run if isinstance(run, MeasureError) else _outcome(result, run)
                    if batch.blocked:
                        batch.blocked = False
                        self._scheduler.arm(0.0)
        finally:
            self._scheduler.batches.remove(batch)
            for left in list(batch.running):
                self._scheduler.forget(left)


def _outcome(result: Callable[[_R], _T], run: _R) -> _T | MeasureError:
    try:
        return result(run)
    except MeasureError as error:
        return error
