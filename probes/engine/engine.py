"""The packet engine of one vantage: pings and Paris traceroutes, all over a handful of raw sockets.

There is no socket, task or future for a probe. A ping or a trace is a state machine (``run``, ``path``);
the engine asks each in turn what it wants to send, as fast as the pace allows, and hands it what was heard.
Runs that were begun go first ("depth first"), so that the routers near the vantage, which all paths share,
see probes at the pace divided by the length of a path.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import heapq
import ipaddress
import itertools
import logging
import secrets
from time import monotonic
from typing import TYPE_CHECKING, Final, Self, TypeVar

from probes.engine import flow as flows
from probes.engine.capture import explain
from probes.engine.flow import Flow, Method
from probes.engine.link import Link
from probes.engine.path import WINDOW, Path
from probes.engine.registry import Registry
from probes.engine.run import Ping, Run, Trace
from probes.failure import MeasureError, error_code

if TYPE_CHECKING:
    import socket

    from probes.engine.capture import Capture
    from probes.engine.pacing import Pace
    from probes.engine.run import Heard
    from probes.observation import PingResult, TraceResult
    from probes.vantages.local import LocalVantage

_LOG: Final = logging.getLogger("sarhad.engine")
_TURN: Final = 64  # packets between two turns of the event loop
_BATCHES: Final = 16  # that are read before sending again
_FEW: Final = 16  # with so few runs the pace is no bottleneck, and a window costs nobody anything
_BUSY = frozenset({errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM})
_BUSY_S: Final = 0.01
_NEVER: Final = float("inf")
_R = TypeVar("_R", Ping, Trace)


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
        self._bucket = pace.vantage()
        self._mark = f"sarhad {contact}".strip().encode("ascii", "replace")
        self._links: dict[int, Link] = {}
        self._registry = Registry()
        self._timers: list[tuple[float, int, Run]] = []
        self._ready: list[tuple[int, Run]] = []
        self._count = itertools.count()
        self._instance = secrets.randbelow(0x10000)
        self._handle: asyncio.TimerHandle | None = None
        self._backlog = False
        self.strangers = 0  # answers that belong to no probe of ours

    @property
    def dropped(self) -> int:
        """Packets that the kernel threw away because the engine did not read them in time."""
        return sum(link.dropped for link in self._links.values())

    def oddities(self) -> list[str]:
        """What scapy makes of the last packets that no probe explains; slow, for people who wonder."""
        return [explain(octets, version) for version, link in self._links.items() for octets in link.odd]

    async def __aenter__(self) -> Self:
        # scapy takes a while to import; no measurement of another vantage should wait for it.
        await asyncio.to_thread(flows.template, 4, "icmp")
        return self

    async def __aexit__(self, *_: object) -> None:
        for run in list(self._registry.runs):
            if run.future is not None and not run.future.done():
                run.future.set_exception(MeasureError("cancelled"))
            self._registry.remove(run)
        if self._handle is not None:
            self._handle.cancel()
        if _LOG.isEnabledFor(logging.DEBUG):
            for odd in self.oddities():
                _LOG.debug("%s: no probe of ours explains %s", self._vantage.id, odd)
        for link in self._links.values():
            link.close()
        self._links.clear()

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
        if not 1 <= count <= 0xFFFF:
            raise ValueError("count must be 1 to 65535")
        flow, held = self._flow(address, method, port, trace=False)
        bucket = self._pace.target(address, monotonic())
        run = Ping(_text(flow), flow, bucket, count, interval_s, timeout_s)
        return (await self._perform(run, held)).result()

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
        """The path to ``address``; raises ``PrivilegeError``, or ``MeasureError`` if nothing can be sent."""
        if not 1 <= max_ttl <= 255 or not 1 <= attempts <= 255:
            raise ValueError("max_ttl and attempts must be 1 to 255")
        flow, held = self._flow(address, method, port, trace=True)
        bucket = self._pace.target(address, monotonic())
        run = Trace(_text(flow), flow, bucket, Path(max_ttl, wait_s, attempts, deadline_s))
        return (await self._perform(run, held)).result()

    def _flow(
        self, address: str, method: Method, port: int | None, *, trace: bool
    ) -> tuple[Flow, socket.socket | None]:
        """The flow to an address and the socket that holds its source port, if it needs one of its own."""
        if method == "tcp" and port is None:
            raise ValueError("a TCP probe needs a port")
        try:
            destination = ipaddress.ip_address(address)
        except ValueError as error:
            raise MeasureError("unsupported", f"{address!r} is not an IP address") from error
        try:
            link = self._links.get(destination.version)
            if link is None:
                link = Link(
                    self._vantage,
                    destination.version,
                    self._registry,
                    self._deliver,
                    self._pump,
                    self._capture,
                )
                self._links[destination.version] = link
            source = ipaddress.ip_address(link.source(str(destination)).partition("%")[0])
            local, held = link.prepare(method, trace=trace)
        except OSError as error:
            raise MeasureError(error_code(error), f"{address}: {error.strerror}") from error
        remote = port or flows.TRACEROUTE_PORT
        if method == "icmp":
            self._instance = (self._instance + 1) & 0xFFFF
            local, remote = self._instance, 0
        return Flow(method, source.packed, destination.packed, local, remote, self._mark), held

    async def _perform(self, run: _R, held: socket.socket | None) -> _R:
        with held or contextlib.nullcontext():
            run.future = asyncio.get_running_loop().create_future()
            self._registry.add(run)
            self._make_ready(run)
            self._arm(0.0)
            try:
                await run.future
            finally:
                self._registry.remove(run)
        return run

    def _make_ready(self, run: Run) -> None:
        run.due = None
        if not run.ready:
            run.ready = True
            heapq.heappush(self._ready, (run.order, run))

    def _later(self, run: Run, at: float, now: float) -> None:
        run.due = max(at, now + 0.0005)  # never again in this very turn
        heapq.heappush(self._timers, (run.due, next(self._count), run))

    def _arm(self, at: float) -> None:
        """Be called at ``at``, or before if that was asked already."""
        if self._handle is not None:
            if self._handle.when() <= at and not self._handle.cancelled():
                return
            self._handle.cancel()
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(at, self._fire) if at < _NEVER else None

    def _fire(self) -> None:
        self._handle = None
        self._pump()

    def _pump(self) -> None:
        """Read everything that has come, then send: no run may end while its answer waits to be read."""
        for _ in range(_BATCHES):
            more = [link.drain() for link in self._links.values()]
            if not any(more):
                break
        self._turn(monotonic())

    def _turn(self, now: float) -> None:
        """Send what may be sent now, and arrange for the next turn."""
        while self._timers and self._timers[0][0] <= now:
            at, _, run = heapq.heappop(self._timers)
            if run.due == at:
                self._make_ready(run)
        window = 1 if self._backlog and len(self._registry.runs) > _FEW else WINDOW
        self._backlog = False
        sent = 0
        while self._ready:
            run = self._ready[0][1]
            due = max(self._pace.process.ready_at(now), self._bucket.ready_at(now))
            if due > now or sent >= _TURN:
                self._backlog = due > now
                self._arm(due)
                return
            if self._step(run, window, now):
                sent += 1
                now = monotonic()
            else:
                heapq.heappop(self._ready)
                run.ready = False
        while self._timers and self._timers[0][2].due != self._timers[0][0]:
            heapq.heappop(self._timers)
        self._arm(self._timers[0][0] if self._timers else _NEVER)

    def _step(self, run: Run, window: int, now: float) -> bool:
        """Send the run's next probe; False if it has none now (it is then due later, or over)."""
        if run not in self._registry.runs:
            return False
        if run.closed(now):
            if run.future is not None and not run.future.done():
                run.future.set_result(None)
            return False
        probe = run.poll(now, window)
        if probe is None:
            self._later(run, run.wake(now), now)
            return False
        due = run.bucket.ready_at(now)
        if due > now:
            self._later(run, due, now)
            return False
        return self._send(run, *probe)

    def _send(self, run: Run, code: int, ttl: int) -> bool:
        packet = run.flow.packet(code, ttl)
        self._registry.note(run, packet)
        now = monotonic()
        try:
            self._links[run.flow.version].send(packet, run.address)
        except OSError as error:
            if error.errno not in _BUSY or run.busy > 100:
                run.fail(error_code(error))
            run.busy += 1
            self._later(run, now + _BUSY_S, now)
            return False
        run.sent(code, now)
        for bucket in (self._pace.process, self._bucket, run.bucket):
            bucket.take(now)
        return True

    def _deliver(self, found: list[tuple[Run, Heard]], strangers: int) -> None:
        """Hand a batch of answers to the runs."""
        self.strangers += strangers
        for run, heard in found:
            if run in self._registry.runs:
                run.heard(heard)
                self._make_ready(run)


def _text(flow: Flow) -> str:
    """The destination as sockets and results write it."""
    return str(ipaddress.ip_address(flow.destination))
