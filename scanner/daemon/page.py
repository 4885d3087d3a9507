"""The page of what is known now: rendered beside everything else, and kept as it is sent.

For 10,000 endpoints that takes several seconds, so it is done once for each change and not for a request: who
asks meanwhile gets the page of before, and only who asks for the very first one waits. It is done in a
thread, which leaves the loop its turn every 5 ms (``sys.getswitchinterval``).
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from msgspec.structs import replace

from scanner.daemon.log import LOGGER, log
from scanner.daemon.view import view
from scanner.report.page import render_page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.register import DataClass, Register
    from scanner.run import EndpointResult, Run
    from scanner.store import Store

FIRST_S: Final = 60.0  # that a request waits for the first page
_LEVEL: Final = 1  # of gzip; most of a large page is compressed already


class Known(NamedTuple):
    """What a page shows: the view (see :mod:`scanner.daemon.view`) and what that was made of."""

    view: Run
    register: Register
    runs: Mapping[DataClass, Run]


class Page(NamedTuple):
    """A page as it is sent, plain and as gzip, and its tag, which is that of either."""

    plain: bytes
    packed: bytes
    tag: str

    @classmethod
    def of(cls, known: Known, store: Store) -> Self:
        """Rendered, with the history that the store has and what changed since the run before."""
        octets = render_page(known.view, _before(known, store), history=store.histories(known.view.started))
        return cls(octets, gzip.compress(octets, _LEVEL, mtime=0), hashlib.sha256(octets).hexdigest()[:32])


def _before(known: Known, store: Store) -> Run | None:
    """What was known by the run before the last one of each class; None where there is none of any."""
    before: dict[DataClass, Run] = {}
    for name, run in known.runs.items():
        endpoints = [one.endpoint for one in run.endpoints if one.data_class == name]
        id_ = store.previous(run.started, endpoints)
        if id_ is not None:
            read = {one.id: one for one in before.values()}
            before[name] = _remembering(read[id_] if id_ in read else store.run(id_), run, store)
    return view(known.register, {**known.runs, **before}) if before else None


def _remembering(before: Run, run: Run, store: Store) -> Run:
    """``before`` with the keys that addresses showed last where it was shown none, and ``run`` is again.

    Else a key that was changed while none was seen would never be told of.
    """
    showing = {
        (one.endpoint, each.address) for one in run.endpoints for each in one.verdict.addresses if each.keys
    }
    silent: defaultdict[str, list[str]] = defaultdict(list)
    for one in before.endpoints:
        for each in one.verdict.addresses:
            if not each.keys and (one.endpoint, each.address) in showing:
                silent[one.endpoint].append(each.address)
    keys = store.keys_before(before.started, silent) if silent else {}
    return replace(
        before,
        endpoints=tuple(_with(one, keys) if one.endpoint in silent else one for one in before.endpoints),
    )


def _with(
    result: EndpointResult, keys: Mapping[tuple[str, str], dict[str, tuple[str, ...]]]
) -> EndpointResult:
    addresses = tuple(
        replace(one, keys=keys.get((result.endpoint, one.address), one.keys))
        for one in result.verdict.addresses
    )
    return replace(result, verdict=replace(result.verdict, addresses=addresses))


class Pages:
    """The last page that was rendered. :meth:`keep` renders, for as long as it runs, what is to be shown."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: Known | None = None
        self._page: Page | None = None
        self._changed = asyncio.Event()
        self._rendered = asyncio.Event()

    def show(self, known: Known) -> None:
        """From here on, a page of this is what is wanted."""
        self._known = known
        self._changed.set()

    async def keep(self) -> None:
        """Render whenever something changed, until cancelled; where that fails the page of before stays."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            assert self._known is not None
            try:
                self._page = await asyncio.to_thread(Page.of, self._known, self._store)
            except Exception as error:  # noqa: BLE001  the page must not end the daemon, whatever it meets with
                log("the page was not rendered", logging.ERROR, fault=repr(error))
                LOGGER.exception("the traceback of that")
            else:
                self._rendered.set()

    async def page(self) -> Page | None:
        """The last page; None before the first run, TimeoutError where the first takes too long."""
        if self._known is None:
            return None
        async with asyncio.timeout(FIRST_S):
            await self._rendered.wait()
        return self._page
