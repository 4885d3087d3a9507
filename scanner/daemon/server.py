"""The daemon's HTTP server: metrics, health, ``/probe`` and the page; the read API is beside it.

Whoever asks may be hostile: bodies are bounded, nothing is read from a path, every answer forbids a browser
to do anything with it, and an error says what was wrong with the request and nothing of this machine.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

import msgspec
from aiohttp import web

from scanner.daemon.log import LOGGER, log
from scanner.daemon.tokens import bearer, owner
from scanner.metrics import RunCollector, exposition
from scanner.report.text import printable
from scanner.run import encode_observations
from scanner.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.daemon.state import State
    from scanner.daemon.work import Work

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_OCTETS: Final = 16 << 10
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
# A scraper that has given up gets nothing: we are done a little before it does (as blackbox_exporter is).
SCRAPE_OFFSET_S: Final = 0.5
LEAST_PROBE_S: Final = 0.5
CONCURRENT_HASHES: Final = 2
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE_HEADERS: Final = {
    # The page states its own policy, by digests of what is in it; this one only forbids to frame it.
    "Content-Security-Policy": "frame-ancestors 'none'",
    # A browser may keep it, as it can be large, and asks whether it still holds.
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Encoding",
}


class RefusedError(Exception):
    """A request that is refused: status, and a message for whoever asked."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Server:
    """``state`` and ``work`` are there once the daemon has read its files; before, it is not ready."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.work: Work | None = None
        self._hashing = asyncio.Semaphore(CONCURRENT_HASHES)
        self._probing = 0
        self.app = web.Application(middlewares=[guard], client_max_size=MAX_BODY_OCTETS)
        self.app.add_routes(
            [
                web.get("/-/healthy", self.healthy),
                web.get("/-/ready", self.ready),
                web.get("/metrics", self.metrics),
                web.get("/probe", self.probe),
                web.get("/", self.page),
            ]
        )

    def known(self) -> State:
        """The state; refused with 503 before it is there."""
        if self.state is None:
            raise RefusedError(503, "not ready: the register and the geodata are being read", Retry_After="5")
        return self.state

    async def authorize(self, request: web.Request) -> str:
        """Whose bearer token came with the request; refused with 401 without a valid one."""
        known = self.known().config.tokens
        token = bearer(request.headers.get("Authorization"))
        found = None
        if token is not None and known:
            async with self._hashing:
                found = await asyncio.to_thread(owner, token, known)
        if found is None:
            raise RefusedError(401, "this needs a bearer token", WWW_Authenticate='Bearer realm="sarhad"')
        return found

    async def healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="healthy\n")

    async def ready(self, _request: web.Request) -> web.Response:
        self.known()
        return web.Response(text="ready\n")

    async def metrics(self, request: web.Request) -> web.Response:
        """The last run's, rendered before, and the daemon's own."""
        state = self.known()
        own = state.standing()
        if _takes_gzip(request):
            body, encoding = state.shown.gzip(own), {"Content-Encoding": "gzip"}
        else:
            body, encoding = state.shown.metrics + own, {}
        return web.Response(
            body=body, headers={"Content-Type": PROMETHEUS, "Vary": "Accept-Encoding", **encoding}
        )

    async def probe(self, request: web.Request) -> web.Response:
        """Measure one registered endpoint now; its metrics, from a registry of their own."""
        state = self.known()
        assert self.work is not None
        debug = request.query.get("debug", "false")
        if debug not in {"true", "false"}:
            raise RefusedError(400, "debug is true or false")
        if debug == "true":
            await self.authorize(request)  # what was observed is evidence
        try:
            endpoint = state.inputs.register.endpoint(request.query.get("endpoint", ""))
        except KeyError:
            raise RefusedError(404, "endpoint: is not the id of a registered endpoint") from None
        deadline_s = _deadline(request, state.config.probe.timeout_s)
        if self._probing >= state.config.probe.concurrency:
            raise RefusedError(503, f"{self._probing} endpoints are being probed already", Retry_After="10")
        self._probing += 1
        try:
            run = await self.work.probe(endpoint, deadline_s)
        finally:
            self._probing -= 1
        text = await asyncio.to_thread(exposition, RunCollector(run))
        if debug == "true":
            notices = "".join(f"# {printable(notice)}\n" for notice in run.notices)
            records = encode_observations(run.observations)
            text = b"\n".join(
                (f"Notices:\n{notices}".encode(), b"Records:\n" + records, b"Metrics:\n" + text)
            )
            return web.Response(body=text, content_type="text/plain", charset="utf-8")
        return web.Response(body=text, headers={"Content-Type": PROMETHEUS})

    async def page(self, request: web.Request) -> web.Response:
        """What is known now, for a person; nothing where the browser has that page already."""
        try:
            page = await self.known().pages.page()
        except TimeoutError:
            raise RefusedError(503, "the page is being rendered", Retry_After="10") from None
        if page is None:
            raise RefusedError(404, "there is no page: no scan has finished yet")
        if any(one.value in {page.tag, "*"} for one in request.if_none_match or ()):
            response = web.Response(status=304)
        else:
            packed = _takes_gzip(request)
            response = web.Response(
                body=page.packed if packed else page.plain,
                content_type="text/html",
                charset="utf-8",
                headers={"Content-Encoding": "gzip"} if packed else {},
            )
        # A weak one is the same for either encoding (RFC 9110, 8.8.3.3).
        response.headers.update({"ETag": f'W/"{page.tag}"', **PAGE_HEADERS})
        return response


def _takes_gzip(request: web.Request) -> bool:
    return "gzip" in request.headers.get("Accept-Encoding", "")


def _deadline(request: web.Request, most_s: float) -> float:
    """Seconds until the scraper gives up, less a little; at most what the configuration says."""
    given = request.headers.get("X-Prometheus-Scrape-Timeout-Seconds")
    if given is None:
        return most_s
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise RefusedError(400, "X-Prometheus-Scrape-Timeout-Seconds: is not a number of seconds")
    return min(most_s, max(LEAST_PROBE_S, seconds - SCRAPE_OFFSET_S))


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every answer its headers, and make an answer of whatever goes wrong."""
    try:
        response = await handler(request)
    except RefusedError as error:
        response = _failure(error.status, str(error), error.headers)
    except web.HTTPException as error:
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        response = _failure(error.status, error.reason.lower(), allow)
    except StoreError as error:
        response = _of_store(error)
    except Exception:  # noqa: BLE001  the last resort: whoever asked learns nothing, the log all
        log("request failed", logging.ERROR, method=request.method, path=printable(request.path, 200))
        LOGGER.exception("the traceback of that")
        response = _failure(500, "internal error", {})
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _of_store(error: StoreError) -> web.Response:
    """The store's messages name files and hosts of ours; they are for the log."""
    if error.code in {"unknown", "ambiguous"}:
        many = error.code == "ambiguous"
        return _failure(
            400 if many else 404, "is the beginning of several runs" if many else "is not there", {}
        )
    log("the store failed", logging.ERROR, fault=str(error))
    return _failure(503, "the store cannot be used now", {"Retry-After": "30"})


def _failure(status: int, message: str, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode({"error": message}),
        content_type="application/json",
        headers=headers,
    )
