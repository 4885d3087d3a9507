"""The packet engine of one vantage: pings and Paris traceroutes, all over a handful of sockets.

There is no socket, task or future for a probe. A ping or a trace is a state machine (``run``, ``path``);
the engine asks each in turn what it wants to send, as fast as the pace allows, and hands it what was heard.
New runs begin only when none that was begun has anything to send ("depth first"), so that the routers near
the vantage, which all paths share, see probes at the pace divided by the length of a path.

While there is much to do the engine looks at its sockets every millisecond, and not at each packet: the
kernel stamps what it receives, so no exactness is lost.
"""

from __future__ import annotations

import asyncio
import errno
import heapq
import itertools
import logging
import secrets
from collections import deque
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from probes.engine.batch import Batch
from probes.engine.capture import explain
from probes.engine.flow import TRACEROUTE_PORT, Flow, Method
from probes.engine.link import Link
from probes.engine.packets import packed, text
from probes.engine.path import WINDOW, Path, Patience
from probes.engine.registry import Registry
from probes.engine.routers import Routers
from probes.engine.run import NEVER, Ping, Run, Trace
from probes.failure import MeasureError, error_code

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from probes.engine.capture import Capture
    from probes.engine.pacing import Bucket, Pace
    from probes.engine.run import Heard
    from probes.observation import PingResult, TraceResult
    from probes.vantages.local import LocalVantage

_LOG: Final = logging.getLogger("sarhad.engine")
_TURN: Final = 256  # packets between two turns of the event loop, some 2 ms
_BATCHES: Final = 4  # that are read before sending again
_TICK_S: Final = 0.001
_FEW: Final = 16  # with so few runs the pace is no bottleneck, and a window costs nobody anything
_WIDE: Final = 16
_BUSY = frozenset({errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM})
_BUSY_S: Final = 0.01
_R = TypeVar("_R", Ping, Trace)
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
        self._bucket = pace.vantage()
        self._mark = f"sarhad {contact}".strip().encode("ascii", "replace")
        self._links: dict[int, Link] = {}
        self._registry = Registry()
        self._patience = Patience()
        self._routers = Routers()
        self._timers: list[tuple[float, int, Run]] = []
        self._ready: deque[Run] = deque()
        self._batches: list[Batch[Any]] = []
        self._count = itertools.count()
        self._instance = secrets.randbelow(0x10000)
        self._handle: asyncio.TimerHandle | None = None
        self._starved = False  # whether the last turn ended for want of tokens

    @property
    def dropped(self) -> int:
        """Packets that the kernel threw away because the engine did not read them in time."""
        return sum(link.dropped for link in self._links.values())

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
        for run in list(self._registry.runs.values()):
            run.failure = "cancelled"
            self._end(run)
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

    async def pings(
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
        async with aclosing(self._stream(batch)) as stream:
            async for address, run in stream:
                yield address, run if isinstance(run, MeasureError) else _outcome(run.result)

    async def traces(
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
        async with aclosing(self._stream(batch)) as stream:
            async for address, run in stream:
                yield address, run if isinstance(run, MeasureError) else _outcome(run.result)

    def _ping(
        self, address: str, method: Method, port: int | None, count: int, interval_s: float, timeout_s: float
    ) -> Ping:
        if not 1 <= count <= 0xFFFF:
            raise ValueError("count must be 1 to 65535")
        flow = self._flow(address, method, port, trace=False)
        bucket = self._target(address)
        return self._hold_port(Ping(text(flow.destination), flow, bucket, count, interval_s, timeout_s))

    def _trace(
        self,
        address: str,
        method: Method,
        port: int | None,
        max_ttl: int,
        wait_s: float,
        attempts: int,
        deadline_s: float,
    ) -> Trace:
        if not 1 <= max_ttl <= 255 or not 1 <= attempts <= 255:
            raise ValueError("max_ttl and attempts must be 1 to 255")
        flow = self._flow(address, method, port, trace=True)
        bucket = self._target(address)
        path = Path(max_ttl, wait_s, attempts, deadline_s, self._patience, self._routers)
        return self._hold_port(Trace(text(flow.destination), flow, bucket, path))

    def _flow(self, address: str, method: Method, port: int | None, *, trace: bool) -> Flow:
        if method == "tcp" and port is None:
            raise ValueError("a TCP probe needs a port")
        try:
            destination = packed(address)
        except OSError as error:
            raise MeasureError("unsupported", f"{address!r} is not an IP address") from error
        try:
            link = self._link(4 if len(destination) == 4 else 6)
            link.prepare(method, trace=trace)
            # No checksum covers the source of an ICMP probe over IPv4, so the kernel may write it (raw(7)).
            unsaid = method == "icmp" and link.version == 4 and self._capture is None
            source = bytes(4) if unsaid else packed(link.source(address))
            if method == "icmp":
                self._instance = (self._instance + 1) & 0xFFFF
                local, remote = self._instance, 0
            else:
                local, remote = link.port(method), port or TRACEROUTE_PORT
        except OSError as error:
            raise MeasureError(error_code(error), f"{address}: {error.strerror}") from error
        return Flow(method, source, destination, local, remote, self._mark, self._registry.slot())

    def _target(self, address: str) -> Bucket | None:
        """The bucket of an address, unless the process's own is smaller."""
        rates = self._pace.rates
        return None if rates.target >= rates.process else self._pace.target(address, monotonic())

    def _link(self, version: int) -> Link:
        if version not in self._links:
            self._links[version] = Link(
                self._vantage, version, self._registry, self._deliver, self._readable, self._capture
            )
        return self._links[version]

    def _hold_port(self, run: _R) -> _R:
        """Give a TCP run a source port of its own where another one has the same destination and port."""
        flow = run.flow
        if flow.method == "tcp" and self._registry.same(flow):
            try:
                run.held, flow.local = self._links[flow.version].own_port()
            except OSError as error:
                raise MeasureError(error_code(error), f"{run.address}: {error.strerror}") from error
        return run

    async def _perform(self, run: _R) -> _R:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        run.ended = lambda _: None if future.done() else future.set_result(None)
        self._begin(run)
        self._arm(0.0)
        try:
            await future
        finally:
            self._forget(run)
        return run

    async def _stream(self, batch: Batch[_R]) -> AsyncGenerator[tuple[str, _R | MeasureError], None]:
        self._batches.append(batch)
        self._arm(0.0)
        try:
            while not batch.over:
                await batch.changed()
                self._arm(0.0)  # there is room for more results
                while batch.done:
                    yield batch.done.popleft()
        finally:
            self._batches.remove(batch)
            for run in list(batch.running):
                self._forget(run)

    def _begin(self, run: Run) -> None:
        self._registry.add(run)
        self._wake(run)

    def _end(self, run: Run) -> None:
        self._forget(run)
        run.ended(run)

    def _forget(self, run: Run) -> None:
        self._registry.remove(run)
        run.over = True
        if run.held is not None:
            run.held.close()
            run.held = None

    def _admit(self) -> bool:
        """Begin the next run that waits; whether there was one."""
        for batch in self._batches:
            run = batch.next()
            if run is not None:
                run.ended = batch.ended
                self._begin(run)
                return True
        return False

    def _later(self, run: Run, at: float, now: float) -> None:
        at = max(at, now + 0.0005)  # never again in this very turn
        if at < run.due:  # else a timer that rings before is set already
            run.due = at
            heapq.heappush(self._timers, (at, next(self._count), run))

    def _arm(self, at: float) -> None:
        """Be called at ``at``, or before if that was asked already."""
        if self._handle is not None:
            if self._handle.when() <= at and not self._handle.cancelled():
                return
            self._handle.cancel()
        loop = asyncio.get_running_loop()
        self._handle = loop.call_at(at, self._fire) if at < NEVER else None

    def _fire(self) -> None:
        self._handle = None
        self._pump()

    def _readable(self) -> None:
        if len(self._registry.runs) > _FEW:
            for link in self._links.values():
                link.pause()
            self._arm(monotonic() + _TICK_S)
        else:
            self._pump()

    def _pump(self) -> None:
        """Read what has come, then send: no run may end while its answer waits to be read."""
        came, more = 0, True
        for _ in range(_BATCHES):
            drained = [link.drain() for link in self._links.values()]
            came += sum(count for count, _ in drained)
            more = any(left for _, left in drained)
            if not more:
                break
        at, sent = self._turn(monotonic(), settled=not more)
        if came or sent:
            at = min(at, monotonic() + _TICK_S)
        else:
            for link in self._links.values():
                link.resume()
        self._arm(0.0 if more else at)

    def _turn(self, now: float, *, settled: bool) -> tuple[float, int]:
        """Send what may be sent now; when the next turn is due, and how many were sent."""
        self._ring(now)
        ready = self._ready
        tokens = min(_TURN, self._pace.process.tokens(now), self._bucket.tokens(now))
        few = len(self._registry.runs) <= _FEW and all(batch.exhausted for batch in self._batches)
        window = _WIDE if few else 1 if self._starved else WINDOW
        sent = 0
        while sent < tokens and (ready or self._admit()):
            run = ready[0]
            if not run.over:
                probe = run.poll(now, window)
                if probe is None:
                    self._rest(run, now, settled=settled)
                elif self._send(run, *probe, now):
                    sent += 1
                    if window > 1:
                        continue  # it may have more
                    self._later(run, run.wake(now), now)
            ready.popleft()
            run.ready = False
        if sent:
            now = monotonic()
            self._pace.process.take(now, sent)
            self._bucket.take(now, sent)
        self._starved = bool(ready) and tokens < _TURN
        if ready and tokens == _TURN:
            return now, sent
        if ready:
            return max(now + _TICK_S, self._pace.process.ready_at(now), self._bucket.ready_at(now)), sent
        return self._timers[0][0] if self._timers else NEVER, sent

    def _ring(self, now: float) -> None:
        """Let the runs be ready whose time has come."""
        timers = self._timers
        while timers and timers[0][0] <= now:
            at, _, run = heapq.heappop(timers)
            if run.due == at:
                run.due = NEVER
                self._wake(run)

    def _wake(self, run: Run) -> None:
        if not run.ready:
            run.ready = True
            self._ready.append(run)

    def _rest(self, run: Run, now: float, *, settled: bool) -> None:
        """End a run that has nothing more to do, or see to it later."""
        at = run.wake(now) if settled else now
        if settled and at <= now and run.closed(now):
            self._end(run)
        else:
            self._later(run, at, now)

    def _send(self, run: Run, code: int, ttl: int, now: float) -> bool:
        """Send a probe; False if it must wait, and :meth:`_later` was told."""
        if run.bucket is not None:
            due = run.bucket.ready_at(now)
            if due > now:
                self._later(run, due, now)
                return False
            run.bucket.take(now)
        packet = run.flow.packet(code, ttl)
        now = monotonic()
        try:
            self._links[run.flow.version].send(packet, run.peer)
        except OSError as error:
            if error.errno not in _BUSY or run.busy > 100:
                run.fail(error_code(error))
            run.busy += 1
            self._later(run, now + _BUSY_S, now)
            return False
        run.sent(code, now)
        return True

    def _deliver(self, run: Run, heard: Heard) -> None:
        """Hand an answer to its run, which may now have more to send."""
        run.heard(heard)
        self._wake(run)


def _outcome(result: Callable[[], _T]) -> _T | MeasureError:
    try:
        return result()
    except MeasureError as error:
        return error
