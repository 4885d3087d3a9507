"""What the daemon has in hand: the files in force, the last run of each class, and how they are shown.

Everything is replaced by reference: who began with a register, a snapshot or a view goes on with that one.
What takes long (reading, rendering) is done in a thread, once for each change and not for each request.
"""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from geodata.snapshot import MANIFEST, GeodataError, Snapshot
from scanner.daemon.log import log
from scanner.daemon.page import Known, Pages
from scanner.daemon.view import view
from scanner.files import FilesError, load
from scanner.metrics import RegisterCollector, RunCollector, Standing, StandingCollector, exposition
from scanner.register import DATA_CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from scanner.daemon.config import Config
    from scanner.judge import Inputs
    from scanner.register import DataClass
    from scanner.run import Run
    from scanner.store import Store

RECENT: Final = 50  # runs that are looked at, to find the last one of each class
_GZIP: Final = 31  # zlib's wbits for gzip's format
_FAILED: Final = logging.ERROR


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known now (see :mod:`scanner.daemon.view`) and its metrics, plain and as gzip's beginning."""

    view: Run | None
    metrics: bytes
    packed: bytes
    packer: zlib._Compress

    @classmethod
    def of(cls, inputs: Inputs, runs: dict[DataClass, Run], config: Config) -> Shown:
        """Rendered; takes a second for 10,000 endpoints."""
        now = view(inputs.register, runs)
        collectors = [RegisterCollector(inputs.register)]
        run = [] if now is None else [RunCollector(now, config.metrics_detail)]
        text = exposition(*run, *collectors)
        packer = zlib.compressobj(1, wbits=_GZIP)
        return cls(now, text, packer.compress(text), packer)

    def gzip(self, more: bytes) -> bytes:
        """The metrics and ``more``, compressed; only ``more`` is work."""
        packer = self.packer.copy()
        return self.packed + packer.compress(more) + packer.flush()


class State:
    """Made by :meth:`begin`. ``scanning`` are the classes that a scan goes on for, none otherwise."""

    def __init__(self, config: Config, inputs: Inputs, runs: dict[DataClass, Run], pages: Pages) -> None:
        self.config = config
        self.inputs = inputs
        self.runs = runs
        self.pages = pages
        self.scanning: tuple[DataClass, ...] = ()
        self._stamp = _stamp(config.geodata)
        self._files_ok = self._geodata_ok = True
        self._reloaded_at = time.time()
        self._rendering = asyncio.Lock()
        self.shown = Shown.of(inputs, {}, config)

    @classmethod
    async def begin(cls, config: Config, store: Store) -> State:
        """Read the files and the newest stored runs; ``FilesError`` and ``StoreError`` say what is wrong."""
        inputs = await asyncio.to_thread(_read, config)
        runs = await asyncio.to_thread(_stored, store, {one.data_class for one in inputs.register.endpoints})
        state = cls(config, inputs, runs, Pages(store))
        await state._show()
        return state

    async def _show(self) -> None:
        async with self._rendering:
            inputs, runs = self.inputs, dict(self.runs)
            self.shown = await asyncio.to_thread(Shown.of, inputs, runs, self.config)
            if self.shown.view is not None:
                self.pages.show(Known(self.shown.view, inputs.register, runs))

    async def adopt(self, run: Run, classes: Iterable[DataClass]) -> None:
        """From here on, what is known of the classes is what the run found."""
        self.runs |= dict.fromkeys(classes, run)
        await self._show()

    async def reload(self) -> bool:
        """Read all files anew; where one is bad those of before stay in force, and that is logged."""
        stamp = _stamp(self.config.geodata)
        try:
            inputs = await asyncio.to_thread(_read, self.config)
        except (FilesError, OSError) as error:
            self._files_ok = False
            faults = error.faults if isinstance(error, FilesError) else (str(error),)
            log("reload refused; the files of before stay in force", _FAILED, faults=faults[:20])
            return False
        self.inputs, self._stamp = inputs, stamp
        self._files_ok = self._geodata_ok = True
        self._reloaded_at = time.time()
        await self._show()
        log("reloaded", endpoints=len(inputs.register.endpoints), vantages=len(inputs.vantages))
        return True

    async def refresh(self) -> None:
        """Take a new snapshot of geodata, where there is one; a bad one leaves that of before in force."""
        stamp = _stamp(self.config.geodata)
        if stamp == self._stamp:
            return
        try:
            snapshot = await asyncio.to_thread(Snapshot.open, self.config.geodata)
        except GeodataError as error:
            self._geodata_ok = False
            log("geodata refused; those of before stay in force", _FAILED, fault=str(error))
            return
        self.inputs, self._stamp, self._geodata_ok = replace(self.inputs, snapshot=snapshot), stamp, True
        log("geodata replaced", manifest=snapshot.manifest.date)

    def standing(self) -> bytes:
        """The metrics of the daemon itself."""
        return exposition(
            StandingCollector(
                Standing(
                    scanning=bool(self.scanning),
                    reload_ok=self._files_ok and self._geodata_ok,
                    reloaded_at=self._reloaded_at,
                    covered={
                        name: datetime.fromisoformat(run.finished).timestamp()
                        for name, run in self.runs.items()
                        if run.complete
                    },
                )
            )
        )


def _read(config: Config) -> Inputs:
    inputs = load(config.files)
    used = {one.data_class for one in inputs.register.endpoints}
    if missing := [name for name in DATA_CLASSES if name in used and name not in config.schedules]:
        raise FilesError(
            [
                f"{config.register_}: has endpoints for {name} data, and schedules has no {name}"
                for name in missing
            ]
        )
    return inputs


def _stored(store: Store, classes: set[DataClass]) -> dict[DataClass, Run]:
    """The newest run of each class, as far as the recent ones go."""
    found: dict[DataClass, Run] = {}
    for summary in store.runs(RECENT):
        if classes <= found.keys():
            break
        run = store.run(summary.id)
        there = {one.data_class for one in run.endpoints}
        found |= {name: run for name in classes - found.keys() if name in there}
    return {name: found[name] for name in DATA_CLASSES if name in found}


def _stamp(geodata: Path | None) -> tuple[int, ...]:
    """What tells one manifest from another; nothing for the embedded one, or one that is not there."""
    if geodata is None:
        return ()
    try:
        found = (geodata / MANIFEST).stat()
    except OSError:
        return (0,)
    return found.st_ino, found.st_mtime_ns, found.st_size
