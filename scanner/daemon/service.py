"""The daemon's life: read, serve, scan when it is time, reload on SIGHUP, drain on SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from probes.engine.pacing import Pace
from probes.target import Settings
from scanner.daemon.api import Api
from scanner.daemon.log import log
from scanner.daemon.schedule import Schedule
from scanner.daemon.server import Server
from scanner.daemon.state import State
from scanner.daemon.work import Work
from scanner.store import Store

if TYPE_CHECKING:
    from scanner.daemon.config import Config
    from scanner.daemon.notify import Notifier
    from scanner.register import DataClass

CLOSE_S: Final = 5.0  # for answers that are being sent when the daemon stops
LOOK_S: Final = 60.0  # at the clock, which somebody may set
BACKLOG: Final = 128


class Service:
    """One daemon; :meth:`run` once. ``address`` is where it serves, once it does."""

    def __init__(self, config: Config, notifier: Notifier, settings: Settings | None = None) -> None:
        self._config = config
        self._notifier = notifier
        self._settings = settings or Settings(contact=config.contact, trust=config.trust)
        self._asked: asyncio.Queue[tuple[DataClass, ...]] = asyncio.Queue(1)
        self._reload = asyncio.Event()
        self._stopped = asyncio.Event()
        self._server = Server()
        self.address: tuple[str, int] | None = None

    def stop(self) -> None:
        """Drain: no new scan, the one that goes on is broken off and stays in the journal."""
        self._stopped.set()

    def reload(self) -> None:
        """Read register, vantages, policy and geodata anew."""
        self._reload.set()

    async def run(self) -> None:
        """Until :meth:`stop`; ``FilesError``, ``StoreError`` and OSError where it cannot begin."""
        async with contextlib.AsyncExitStack() as stack:
            threads = stack.enter_context(ThreadPoolExecutor(thread_name_prefix="daemon"))
            asyncio.get_running_loop().set_default_executor(threads)
            store = await asyncio.to_thread(Store.open, self._config.store, create=True)
            stack.callback(store.__exit__)
            stack.callback(threads.shutdown)  # those that still use the store end before it is closed
            Api(self._server, store, self._order)
            runner = web.AppRunner(self._server.app, access_log=None, shutdown_timeout=CLOSE_S)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            listen = self._config.listen
            site = web.TCPSite(runner, listen.address, listen.port, backlog=BACKLOG)
            await site.start()
            self.address = runner.addresses[0][:2]
            log("serving", address=self.address[0], port=self.address[1])
            state = await State.begin(self._config, store)
            work = Work(state, store, self._settings, Pace(self._config.limits))
            self._server.work, self._server.state = work, state
            self._notifier.ready(_status(state))
            log("ready", endpoints=len(state.inputs.register.endpoints), runs=len(state.runs))
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._scan(state, work)),
                    group.create_task(self._reload_when_told(state)),
                    group.create_task(state.pages.keep()),
                    group.create_task(self._watchdog()),
                ]
                await self._stopped.wait()
                self._notifier.stopping()
                log("stopping", scanning=state.scanning)
                for task in tasks:
                    task.cancel()
        log("stopped")

    def _order(self, classes: tuple[DataClass, ...]) -> bool:
        """Take one order for a scan; False where one is taken already, or a scan goes on."""
        if self._asked.full() or self._server.known().scanning:
            return False
        self._asked.put_nowait(classes)
        return True

    async def _scan(self, state: State, work: Work) -> None:
        """One scan at a time, of what is due or was asked for."""
        last = {name: datetime.fromisoformat(run.started) for name, run in state.runs.items()}
        schedule = Schedule(self._config.schedules, last, datetime.now(UTC), self._config.jitter_s)
        while True:
            wait_s = min(LOOK_S, schedule.wait_s(datetime.now(UTC)))
            asked: tuple[DataClass, ...] = ()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    asked = await self._asked.get()
            there = {one.data_class for one in state.inputs.register.endpoints}
            now = datetime.now(UTC)
            due = asked or schedule.due(now)
            schedule.begun(due, now)
            if classes := tuple(name for name in due if name in there):
                self._notifier.status(f"Scanning {', '.join(classes)} data")
                await work.scan(classes)
                self._notifier.status(_status(state))

    async def _reload_when_told(self, state: State) -> None:
        while True:
            await self._reload.wait()
            self._reload.clear()
            self._notifier.reloading()
            await state.reload()
            self._notifier.ready(_status(state))

    async def _watchdog(self) -> None:
        """From the loop that everything waits for: where that hangs, systemd is to know."""
        while self._notifier.watchdog_s is not None:
            self._notifier.alive()
            await asyncio.sleep(self._notifier.watchdog_s / 2)


def _status(state: State) -> str:
    violations = (
        0 if (view := state.shown.view) is None else sum(one.status == "violation" for one in view.endpoints)
    )
    return f"{len(state.inputs.register.endpoints)} endpoints, {violations} violations"


async def serve(config: Config, notifier: Notifier) -> None:
    """Run a daemon until SIGTERM or SIGINT; errors as of :meth:`Service.run`."""
    service = Service(config, notifier)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)
    loop.add_signal_handler(signal.SIGHUP, service.reload)
    await service.run()
