"""When each run sends, and who hears what: the loop of the packet engine.

There is no socket, task or future for a probe. A ping or a trace is a state machine (``run``, ``path``);
the scheduler asks each in turn what it wants to send, as fast as the pace allows, and hands it what was
heard. New runs begin only when none that was begun has anything to send ("depth first"), so that the routers
near the vantage, which all paths share, see probes at the pace divided by the length of a path.

While there is much to do the sockets are looked at every millisecond, and not at each packet: the kernel
stamps what it receives, so no exactness is lost.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from probes.engine.path import WINDOW
from probes.engine.registry import Registry
from probes.engine.run import NEVER
from probes.engine.timers import Timers
from probes.failure import error_code

if TYPE_CHECKING:
    from probes.engine.batch import Batch
    from probes.engine.link import Link
    from probes.engine.pacing import Pace
    from probes.engine.run import Heard, Run

_TURN: Final = 256  # packets between two turns of the event loop, some 2 ms
_BATCHES: Final = 16  # that are read before sending again
_TICK_S: Final = 0.002
_FEW: Final = 16  # with so few runs each packet is read as it comes
_WIDE: Final = 16  # the window where the pace is no bottleneck and none waits to begin; costs nobody anything
_BUSY = frozenset({errno.ENOBUFS, errno.EAGAIN, errno.ENOMEM})
_BUSY_S: Final = 0.01


class Scheduler:
    """The runs of one vantage, begun one by one or by the batch, over the links of each IP version.

    Whoever adds a batch or begins a run calls :meth:`arm` with 0 then.
    """

    def __init__(self, pace: Pace) -> None:
        self.links: dict[int, Link] = {}
        self.registry = Registry()
        self.batches: list[Batch[Any]] = []
        self._pace = pace
        self._bucket = pace.vantage()
        self._timers = Timers()
        self.ready: deque[Run] = deque()  # who may have something to send
        self._handle: asyncio.TimerHandle | None = None
        self._starved = False  # whether the last turn ended for want of tokens

    def close(self) -> None:
        """End everything: the failure of runs in progress is ``cancelled``."""
        for run in list(self.registry.runs.values()):
            run.failure = "cancelled"
            self._end(run)
        if self._handle is not None:
            self._handle.cancel()
        for link in self.links.values():
            link.close()
        self.links.clear()

    def begin(self, run: Run) -> None:
        self.registry.add(run)
        self.wake(run)

    def _end(self, run: Run) -> None:
        self.forget(run)
        run.ended(run)

    def forget(self, run: Run) -> None:
        self.registry.remove(run)
        run.over = True
        for held in run.held:
            held.close()
        run.held = ()

    def _admit(self) -> bool:
        """Begin the next run that waits; whether there was one."""
        for batch in self.batches:
            run = batch.next()
            if run is not None:
                run.ended = batch.ended
                self.begin(run)
                return True
        return False

    def arm(self, at: float) -> None:
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

    def readable(self) -> None:
        if len(self.registry.runs) > _FEW:
            for link in self.links.values():
                link.pause()
            self.arm(monotonic() + _TICK_S)
        else:
            self._pump()

    def _pump(self) -> None:
        """Read what has come, then send: no run may end while its answer waits to be read."""
        came, more, start = 0, True, monotonic()
        for _ in range(_BATCHES):
            drained = [link.drain() for link in self.links.values()]
            came += sum(count for count, _ in drained)
            more = any(left for _, left in drained)
            if not more:
                break
        at, sent = self._turn(monotonic(), settled=not more)
        if came or sent:
            at = min(at, start + _TICK_S)
        else:
            for link in self.links.values():
                link.resume()
        self.arm(0.0 if more else at)

    def _turn(  # noqa: C901, PLR0912  (calls would cost)
        self, now: float, *, settled: bool
    ) -> tuple[float, int]:
        """Send what may be sent now; when the next turn is due, and how many were sent."""
        ready, timers = self.ready, self._timers
        for run in timers.rung(now):
            self.wake(run)
        tokens = min(_TURN, self._pace.process.tokens(now), self._bucket.tokens(now))
        begun = all(batch.exhausted for batch in self.batches)
        window = 1 if self._starved else _WIDE if begun else WINDOW
        sent = 0
        while sent < tokens and (ready or self._admit()):
            run = ready.popleft()
            run.ready = False
            if run.over:
                continue
            code = run.poll(now, window)
            if code is None:
                self._rest(run, now, settled=settled)
            elif run.bucket is None or self._granted(run, now):
                if run.by_ttl:
                    packet = run.flow.packet(code, code & 0xFF)
                else:
                    flow, ttl = run.way(code)
                    packet = flow.packet(code, ttl)
                left = monotonic()
                try:
                    run.send(packet, run.peer)
                except OSError as error:
                    self._refused(run, error, left)
                    continue
                sent += 1
                at = run.sent(code, left)
                if at <= left:
                    run.ready = True
                    ready.appendleft(run)
                elif at < run.due:  # else a timer is set already, as mostly
                    timers.set(run, at)
        if sent:
            now = monotonic()
            self._pace.process.take(now, sent)
            self._bucket.take(now, sent)
        self._starved = bool(ready) and tokens < _TURN
        if not ready and (begun or sent < tokens):
            return self._timers.next(), sent
        # There is more to send, or to begin, than the pace allowed.
        if tokens == _TURN:
            return now, sent
        return max(now + _TICK_S, self._pace.process.ready_at(now), self._bucket.ready_at(now)), sent

    def wake(self, run: Run) -> None:
        """Ask a run soon whether it has something to send."""
        if not run.ready:
            run.ready = True
            self.ready.append(run)

    def _rest(self, run: Run, now: float, *, settled: bool) -> None:
        """End a run that has nothing more to do, or see to it later."""
        at = run.wake() if settled else now
        if at <= now and settled and run.closed(now):
            self._end(run)
        elif at < run.due:  # else a timer is set already, which rings before
            self._timers.set(run, at if at > now else now)  # noqa: FURB136

    def _granted(self, run: Run, now: float) -> bool:
        """Whether its target's pace allows a run a probe, which is then taken; else a timer is set."""
        assert run.bucket is not None
        due = run.bucket.ready_at(now)
        if due > now:
            self._timers.set(run, due)
            return False
        run.bucket.take(now)
        return True

    def _refused(self, run: Run, error: OSError, now: float) -> None:
        """Have a run whose packet did not leave try again, or end."""
        if error.errno not in _BUSY or run.busy > 100:
            run.fail(error_code(error))
        run.busy += 1
        self._timers.set(run, now + _BUSY_S)

    def deliver(self, run: Run, heard: Heard) -> None:
        """Hand an answer to its run, which may now have more to send."""
        run.heard(heard)
        self.wake(run)
