"""Web servers of a world, and reverse proxies that end TLS themselves (layer 7)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
from contextlib import asynccontextmanager
from html import escape
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from probes.simnet.world import Service

MAX_CONNECTIONS = 512  # of one service; more are cut off
MAX_LINE = 8190  # octets of a request line or header field; aiohttp answers 400 over it
LIFETIME_S = 120.0  # of a connection, whatever it does
SWEEP_S = 5.0
KEEP_ALIVE_S = 30.0
HANDSHAKE_S = 10.0
SHUTDOWN_S = 0.5
UPSTREAM = aiohttp.ClientTimeout(total=30, sock_connect=10)
MAX_UPSTREAM = 64  # connections of a proxy to its backend
CHUNK = 2**16
FILE = "/favicon.ico"  # what every site has, and no application makes
_WORK_SIGMA = 0.2  # of the lognormal factor of what a page takes to compute
HOP_BY_HOP = frozenset(  # RFC 9110 section 7.6.1
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a failure is this server's: a client that speaks no HTTP got its 400, and that is all."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_LOG = logging.getLogger(__name__)
_LOG.addFilter(_is_ours)


@asynccontextmanager
async def pages(
    service: Service, sockets: Sequence[socket.socket], tls: ssl.SSLContext | None, tasks: asyncio.TaskGroup
) -> AsyncIterator[None]:
    """A server with one page at ``/`` (or a redirect), one file, and 404 for all else."""
    title = service.names[0] if service.names else "a host without a name"
    scripts = "".join(f'<script src="{escape(one)}"></script>' for one in service.scripts)
    page = f"<!doctype html><title>{title}</title>{scripts}<p>{title}</p>\n"

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=405, headers=_headers(service) | {"Allow": "GET, HEAD"})
        if request.path == FILE:
            return web.Response(headers=_headers(service), body=b"\0" * 16, content_type="image/x-icon")
        declared = request.path == "/"
        if service.think_ms and (declared or service.slow_errors):
            # Work takes now a little longer, now a little less; only distance is the same each time.
            await asyncio.sleep(service.think_ms / 1000 * random.lognormvariate(0, _WORK_SIGMA))
        if not declared:
            return web.Response(status=404, headers=_headers(service), text="not found\n")
        if service.redirect is not None:
            return web.Response(status=302, headers=_headers(service) | {"Location": service.redirect})
        return web.Response(headers=_headers(service), text=page, content_type="text/html")

    async with _listening(handle, sockets, tls, tasks):
        yield


@asynccontextmanager
async def proxy(
    service: Service,
    sockets: Sequence[socket.socket],
    tls: ssl.SSLContext | None,
    tasks: asyncio.TaskGroup,
    own: Sequence[str] = (),
) -> AsyncIterator[None]:
    """A reverse proxy: ends TLS, and asks the backend for every request, over connections that it keeps.

    It asks from that address of its ``own`` which is of the backend's family.
    """
    assert service.backend is not None
    scheme = "https" if service.backend_tls else "http"
    base = URL(f"{scheme}://{service.backend}")
    version = ipaddress.ip_address(base.host or "").version
    source = next((address for address in own if ipaddress.ip_address(address).version == version), None)
    connector = aiohttp.TCPConnector(
        limit=MAX_UPSTREAM,
        keepalive_timeout=LIFETIME_S,
        ssl=False,  # as most proxies do: the backend is known by its address
        local_addr=(source, 0) if source else None,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=UPSTREAM,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
    ) as session:

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if service.own_errors and request.path not in {"/", FILE}:
                return web.Response(status=404, headers=_headers(service), text="not found\n")
            url = _below(base, request.raw_path)
            if url is None:
                return web.Response(status=400, headers=_headers(service), text="bad request\n")
            try:
                async with session.request(
                    request.method,
                    url,
                    headers=_end_to_end(request.headers),
                    data=request.content if request.body_exists else None,
                    allow_redirects=False,
                    server_hostname=service.names[0] if service.names and service.backend_tls else None,
                ) as answer:
                    return await _stream(request, answer, service)
            except TimeoutError:
                return web.Response(status=504, headers=_headers(service), text="gateway timeout\n")
            except aiohttp.ClientError:
                return web.Response(status=502, headers=_headers(service), text="bad gateway\n")

        async with _listening(handle, sockets, tls, tasks):
            yield


def _below(base: URL, target: str) -> URL | None:
    """The backend's URL for a request target; None for one that is no path there."""
    try:
        url = base.join(URL(target, encoded=True)).with_scheme(base.scheme)
        same = url.host == base.host and url.port == base.port
    except ValueError:
        return None
    return url if same else None


async def _stream(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, service: Service
) -> web.StreamResponse:
    headers = _end_to_end(answer.headers)
    headers.update(service.headers)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_chunked(CHUNK):
        await response.write(chunk)
    await response.write_eof()
    return response


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in HOP_BY_HOP)


def _headers(service: Service) -> dict[str, str]:
    return {"Server": "simnet", **service.headers}


@asynccontextmanager
async def _listening(
    handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    sockets: Sequence[socket.socket],
    tls: ssl.SSLContext | None,
    tasks: asyncio.TaskGroup,
) -> AsyncIterator[None]:
    """Serve HTTP/1.1 on ``sockets``; everything a client can hold is bounded."""
    loop = asyncio.get_running_loop()
    server = web.Server(
        handle,
        access_log=None,
        logger=_LOG,
        keepalive_timeout=KEEP_ALIVE_S,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        lingering_time=1.0,
        handler_cancellation=True,
    )
    born: dict[asyncio.BaseProtocol, float] = {}

    def accept() -> asyncio.BaseProtocol:
        if len(server.connections) >= MAX_CONNECTIONS:
            return _Refusal()
        protocol = server()
        born[protocol] = loop.time()
        return protocol

    async def sweep() -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            for connection in server.connections:
                if loop.time() - born[connection] > LIFETIME_S:
                    connection.force_close()
            # What is no connection is closed, or has not ended its handshake.
            connected = set(server.connections)
            for protocol, since in list(born.items()):
                if protocol not in connected and loop.time() - since > HANDSHAKE_S:
                    del born[protocol]

    listeners = [
        await loop.create_server(
            accept, sock=one, ssl=tls, ssl_handshake_timeout=HANDSHAKE_S if tls else None
        )
        for one in sockets
    ]
    sweeper = tasks.create_task(sweep())
    try:
        yield
    finally:
        sweeper.cancel()
        for listener in listeners:
            listener.close()
        await server.shutdown(SHUTDOWN_S)


class _Refusal(asyncio.Protocol):
    """Ends a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.abort()
