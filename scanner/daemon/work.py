"""Measuring in the daemon: scans of whole classes, kept in the store, and single endpoints for ``/probe``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from probes.failure import VantageError
from probes.observation import now
from scanner.daemon.log import LOGGER, log
from scanner.judge import compose, special_name
from scanner.scan import Scan
from scanner.store import Circumstances, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.engine.pacing import Pace
    from probes.target import Settings
    from scanner.daemon.state import State
    from scanner.judge import Inputs
    from scanner.register import DataClass, Endpoint
    from scanner.run import Run
    from scanner.store import Journal, Store


class Work:
    """Everything that this daemon measures goes through here, at one pace."""

    def __init__(self, state: State, store: Store, settings: Settings, pace: Pace) -> None:
        self._state = state
        self._store = store
        self._settings = settings
        self._pace = pace

    async def scan(self, classes: Sequence[DataClass]) -> Run | None:
        """One scan of the classes' endpoints: locked, journalled, judged, stored and shown.

        None where it could not be, which is logged. Cancelled, it leaves its journal, and the next scan of
        the same classes goes on from that.
        """
        self._state.scanning = tuple(classes)
        try:
            return await self._scan(classes)
        except (StoreError, VantageError, OSError) as error:
            log("scan failed", logging.ERROR, classes=classes, fault=str(error))
            return None
        except Exception as error:  # noqa: BLE001  what is known stays served, whatever one scan meets with
            log("scan failed by a fault of sarhad", logging.ERROR, classes=classes, fault=repr(error))
            LOGGER.exception("the traceback of that")
            return None
        finally:
            self._state.scanning = ()

    async def _scan(self, classes: Sequence[DataClass]) -> Run:
        await self._state.refresh()
        state = self._state
        inputs = _of(
            state.inputs, [one for one in state.inputs.register.endpoints if one.data_class in classes]
        )
        with contextlib.ExitStack() as stack:
            await asyncio.to_thread(stack.enter_context, self._store.lock())
            journal = await asyncio.to_thread(self._journal, inputs, classes)
            log("scan begins", classes=classes, endpoints=len(inputs.register.endpoints), kept=journal.kept)
            work = self._work(inputs, journal)
            journal.__enter__()
            try:
                await work.run()
            finally:
                # Its thread commits what came last; a second cancellation does not keep it from that.
                await asyncio.shield(asyncio.to_thread(journal.__exit__))
                if not work.measured.complete:
                    log("scan broken off", logging.WARNING, classes=classes, kept=journal.kept)
            run = await asyncio.to_thread(_composed, inputs, work, journal.started, journal.notices)
            await asyncio.to_thread(self._store.add, run, journal)
            with contextlib.suppress(StoreError):
                await asyncio.to_thread(self._store.prune, inputs.policy.retention, datetime.now(UTC))
        await self._state.adopt(run, classes)
        violations = sum(one.status == "violation" for one in run.endpoints)
        log("scan finished", run=run.id, classes=classes, endpoints=len(run.endpoints), violations=violations)
        return run

    def _journal(self, inputs: Inputs, classes: Sequence[DataClass]) -> Journal:
        """Go on with a scan of the same classes that was broken off; any other is given up."""
        circumstances = Circumstances.of(inputs, self._settings, classes=list(classes))
        try:
            return self._store.journal(circumstances, resume=True)
        except StoreError as error:
            if error.code != "changed":
                raise
            log("a scan that was broken off is given up", logging.WARNING, why=str(error))
            return self._store.journal(circumstances, resume=False)

    def _work(self, inputs: Inputs, journal: Journal | None = None) -> Scan:
        snapshot = inputs.snapshot
        return Scan(
            inputs.register.endpoints,
            inputs.vantages,
            lambda address: special_name(snapshot, address),
            self._settings,
            self._pace,
            lambda *_: None,
            None,
            *((journal.before, journal.write) if journal else ()),
        )

    async def probe(self, endpoint: Endpoint, deadline_s: float) -> Run:
        """One endpoint, measured and judged now, and not kept; not complete where the time was too short."""
        inputs = _of(self._state.inputs, [endpoint])
        work, started = self._work(inputs), now()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await work.run()
        return await asyncio.to_thread(_composed, inputs, work, started, ())


def _of(inputs: Inputs, endpoints: Sequence[Endpoint]) -> Inputs:
    """The inputs of a scan of some endpoints, today."""
    register = replace(inputs.register, endpoints=tuple(endpoints))
    return replace(inputs, register=register, today=datetime.now(UTC).date())


def _composed(inputs: Inputs, work: Scan, started: str, notices: Sequence[str]) -> Run:
    measured = work.measured
    return compose(
        inputs,
        tuple(measured.observations),
        started,
        complete=measured.complete,
        methods=measured.methods,
        notices=[*notices, *measured.notices],
    )
