"""The read API, ``/api/v1``: runs, endpoints, their history, changes; with a token, evidence and scans."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from aiohttp import web

from scanner.daemon.log import log
from scanner.daemon.openapi import document
from scanner.daemon.server import RefusedError
from scanner.drift import drift
from scanner.register import DATA_CLASSES, DataClass

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.daemon.server import Server
    from scanner.run import Run
    from scanner.store import Store

PAGE: Final = 100
MOST: Final = 1000
FARTHEST: Final = 10_000_000
CONCURRENT_READS: Final = 4  # of the store; each may hold a whole run
_T = TypeVar("_T")


class Scans(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a scan is asked for: classes of data, or all that have endpoints."""

    classes: tuple[DataClass, ...] = ()


class Api:
    """The routes below ``/api/v1``; ``order`` is told which classes to scan, and says whether it can be."""

    def __init__(self, server: Server, store: Store, order: Callable[[tuple[DataClass, ...]], bool]) -> None:
        self._server = server
        self._store = store
        self._order = order
        self._reading = asyncio.Semaphore(CONCURRENT_READS)
        self._openapi = msgspec.json.encode(document())
        server.app.add_routes(
            [
                web.get("/api/v1/openapi.json", self.openapi),
                web.get("/api/v1/runs", self.runs),
                web.get("/api/v1/runs/{run}", self.run),
                web.get("/api/v1/runs/{run}/endpoints", self.run_endpoints),
                web.get("/api/v1/runs/{run}/observations", self.run_observations),
                web.get("/api/v1/endpoints", self.endpoints),
                web.get("/api/v1/history", self.history),
                web.get("/api/v1/changes", self.changes),
                web.post("/api/v1/scans", self.scans),
            ]
        )

    async def _read(self, read: Callable[[], _T]) -> _T:
        async with self._reading:
            return await asyncio.to_thread(read)

    async def openapi(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._openapi, content_type="application/json")

    async def runs(self, request: web.Request) -> web.Response:
        """The newest runs, newest first."""
        limit, offset = _window(request)
        found = await self._read(lambda: self._store.runs(limit + 1, offset))
        return await _answer(request, found[:limit], offset, more=len(found) > limit)

    async def _run(self, request: web.Request) -> Run:
        reference = request.match_info["run"]
        return await self._read(lambda: self._store.run(reference))

    async def run(self, request: web.Request) -> web.Response:
        """One run without its endpoints and its evidence, which have addresses of their own."""
        run = await self._run(request)
        bare = msgspec.structs.replace(run, endpoints=(), observations=(), claims={}, special={})
        return web.Response(body=msgspec.json.encode(bare), content_type="application/json")

    async def run_endpoints(self, request: web.Request) -> web.Response:
        """The verdicts of one run."""
        return await _page(request, (await self._run(request)).endpoints)

    async def run_observations(self, request: web.Request) -> web.Response:
        """The evidence of one run; ``endpoint`` chooses that of one."""
        await self._server.authorize(request)
        observations = (await self._run(request)).observations
        endpoint = request.query.get("endpoint")
        return await _page(request, [one for one in observations if endpoint in {None, one.endpoint}])

    async def endpoints(self, request: web.Request) -> web.Response:
        """The newest verdicts, by ``endpoint``, ``provider``, ``data_class`` and ``status`` where given."""
        view = self._server.known().shown.view
        names = ("endpoint", "provider", "data_class", "status")
        wanted = {name: request.query[name] for name in names if name in request.query}
        found = [
            one
            for one in (() if view is None else view.endpoints)
            if all(getattr(one, name) == value for name, value in wanted.items())
        ]
        return await _page(request, found)

    async def history(self, request: web.Request) -> web.Response:
        """What was judged of ``endpoint``, newest first."""
        endpoint = request.query.get("endpoint", "")
        limit, offset = _window(request)
        found = await self._read(lambda: self._store.history(endpoint, offset + limit + 1))
        return await _answer(
            request, found[offset : offset + limit], offset, more=len(found) > offset + limit
        )

    async def changes(self, request: web.Request) -> web.Response:
        """What is different in run ``new`` (the last) from run ``old`` (the one before)."""
        old, new = request.query.get("old", "last~1"), request.query.get("new", "last")
        return await _page(
            request, await self._read(lambda: drift(self._store.run(old), self._store.run(new)))
        )

    async def scans(self, request: web.Request) -> web.Response:
        """Begin a scan, now."""
        who = await self._server.authorize(request)
        try:
            asked = msgspec.json.decode(await request.read() or b"{}", type=Scans).classes
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RefusedError(400, f"the body is not as it should be: {str(error)[:200]}") from None
        register = self._server.known().inputs.register
        there = {one.data_class for one in register.endpoints}
        classes = tuple(name for name in DATA_CLASSES if name in (asked or there))
        if not there.intersection(classes):
            raise RefusedError(400, "no endpoint of the register has such data")
        if not self._order(classes):
            raise RefusedError(409, "a scan goes on, or is to begin", Retry_After="60")
        log("scan asked for", by=who, classes=classes)
        return web.Response(
            status=202, body=msgspec.json.encode({"classes": classes}), content_type="application/json"
        )


def _window(request: web.Request) -> tuple[int, int]:
    """``limit`` and ``offset``, each within its bounds."""
    found = []
    for name, least, most, default in (("limit", 1, MOST, PAGE), ("offset", 0, FARTHEST, 0)):
        text = request.query.get(name, str(default))
        if not (text.isascii() and text.isdecimal() and len(text) <= 9 and least <= int(text) <= most):
            raise RefusedError(400, f"{name}: is not a whole number from {least} to {most}")
        found.append(int(text))
    return found[0], found[1]


async def _page(request: web.Request, every: Sequence[Any]) -> web.Response:
    limit, offset = _window(request)
    page = every[offset : offset + limit]
    return await _answer(request, page, offset, more=len(every) > offset + limit, total=len(every))


async def _answer(
    request: web.Request, items: Sequence[Any], offset: int, *, more: bool, total: int | None = None
) -> web.Response:
    """A page: its items, how many there are where that is known, and where the next one is."""
    query = {**request.query, "offset": str(offset + len(items))}
    following = str(request.rel_url.with_query(query)) if more else None
    body = {"items": items, "total": total, "next": following}
    octets = await asyncio.to_thread(msgspec.json.encode, body)
    return web.Response(body=octets, content_type="application/json")
