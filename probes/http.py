"""HTTP requests to one address: status, headers, redirects, and how soon the first octet comes.

The time to the first octet runs from just before aiohttp writes the request (its trace event
``request_headers_sent``; our requests have no body) until the kernel received what completed the head of
the answer (``request_end``), which servers send in one piece. It is not the very first octet after the
request: that may be of TLS's own (a session ticket), and no answer. Connecting is not in it: the tries
follow one another on one connection, unless the server closes it. Tries of the declared resource, with
``Cache-Control: no-cache``, alternate with tries of a random path that no cache can hold, and with tries of a
file that browsers and crawlers ask every site for, where there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.metadata
import ipaddress
import secrets
import socket
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
import aiohttp.abc
import yarl

from probes import hostname, page
from probes.failure import MeasureError, error_code
from probes.observation import HttpObservation, HttpResult, Redirect, now
from probes.stamped import StampedSocket
from probes.tcp import port_of
from probes.tls import measuring_context

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType
    from aiohttp.abc import ResolveResult

    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target

MAX_REDIRECTS: Final = 5
MAX_HEADERS: Final = 64
MAX_VALUE: Final = 512
MAX_BODY: Final = 65_536
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SCHEMES: Final = {443: "https", 80: "http"}
_STATIC: Final = ("/favicon.ico", "/robots.txt")
_OK: Final = 200


async def probe(target: Target, session: Session, settings: Settings) -> list[HttpObservation]:
    """One observation of the target's URL at the target's address; nothing if it is no HTTP service.

    Header names are lower case, repeated ones joined by a comma, as Latin-1 text. Redirects are followed on
    the same scheme, host and port only; others are listed and left alone.
    """
    time = now()
    url = url_of(target)
    if target.address is None or url is None:
        return []
    found = _Findings(str(url))
    error: ErrorCode | None = None
    try:
        _require_same(url, target.address)
        async with (
            asyncio.timeout(settings.http_deadline_s),
            _Client(target.address, session, settings) as client,
        ):
            body = await _visit(client, url, found, page.MAX_OCTETS if settings.crawl else MAX_BODY)
            if settings.crawl and found.is_readable():
                # In a thread: a hostile page takes the parser up to a second, and others are being measured.
                found.page_hosts = await asyncio.to_thread(page.hosts, found.url, body)
            static = await _static(client, url)
            found.static_url = None if static is None else str(static)
            for _ in range(settings.http_count):
                found.ttfb_ms.append(await client.time(url))
                found.probe_ttfb_ms.append(
                    await client.time(url.with_path(f"/.well-known/sarhad-{_nonce()}"))
                )
                if static is not None:
                    found.static_ttfb_ms.append(await client.time(static))
    except (MeasureError, OSError, aiohttp.ClientError, ValueError) as failure:
        error = _code(failure)
    return [
        HttpObservation(
            id=session.observation_id(target, "http", f"{target.address}:{url.port}"),
            vantage=session.id,
            endpoint=target.endpoint,
            address=target.address,
            time=time,
            error=error,
            result=found.result(),
        )
    ]


def url_of(target: Target) -> yarl.URL | None:
    """The declared URL, or the root of the declared host and port where those are of HTTP."""
    try:
        if target.url is not None:
            url = yarl.URL(target.url)
            return url if url.scheme in {"http", "https"} and url.host else None
        port = port_of(target)
        scheme = target.scheme or _SCHEMES.get(port or 0)
        host = target.host or target.address
        if scheme not in {"http", "https"} or host is None:
            return None
        return yarl.URL.build(scheme=scheme, host=host, port=port, path="/")
    except ValueError:
        return None


@functools.cache
def user_agent(contact: str) -> str:
    """What the probes call themselves, with the operator's contact."""
    try:
        version = importlib.metadata.version("sarhad")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    text = f"sarhad/{version}" + (f" (+{contact})" if contact else "")
    return "".join(letter for letter in text if " " <= letter <= "~")


class _Findings:
    """What is known so far; a result also where the probe fails half-way."""

    def __init__(self, url: str) -> None:
        self.url = url[:MAX_BODY]
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.redirects: list[Redirect] = []
        self.ttfb_ms: list[float] = []
        self.probe_ttfb_ms: list[float] = []
        self.static_url: str | None = None
        self.static_ttfb_ms: list[float] = []
        self.page_hosts: tuple[str, ...] | None = None

    def is_readable(self) -> bool:
        """Whether what came is a page, and not encoded, although that was not asked for."""
        media = self.headers.get("content-type", "text/html").lower()
        return "html" in media and self.headers.get("content-encoding", "identity").lower() == "identity"

    def result(self) -> HttpResult:
        return HttpResult(
            url=self.url,
            status=self.status,
            ttfb_ms=tuple(self.ttfb_ms),
            probe_ttfb_ms=tuple(self.probe_ttfb_ms),
            static_url=self.static_url,
            static_ttfb_ms=tuple(self.static_ttfb_ms),
            headers=self.headers,
            redirects=tuple(self.redirects),
            page_hosts=self.page_hosts,
        )


class _Client:
    """An HTTP client whose every connection goes to one address, from one vantage."""

    def __init__(self, address: str, session: Session, settings: Settings) -> None:
        self._address = address
        self._session = session
        self._timeout = settings.http_timeout_s
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._on_sent)
        trace.on_request_end.append(self._on_answered)
        self._sent = self._answered = 0.0
        self._socket: StampedSocket | None = None
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Pinned(address),
                socket_factory=self._open,
                ssl=measuring_context(),
                use_dns_cache=False,
                limit=1,
                happy_eyeballs_delay=None,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": user_agent(settings.contact),
                "Accept": "*/*",
                "Cache-Control": "no-cache",
            },
            skip_auto_headers={"Accept-Encoding"},
            auto_decompress=False,
            trace_configs=[trace],
            timeout=aiohttp.ClientTimeout(total=settings.http_timeout_s),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def get(self, url: yarl.URL, most: int = MAX_BODY) -> tuple[int, dict[str, str], str | None, bytes]:
        """Status, headers, location and body of a resource, of that at ``most`` so many octets.

        A body is read also where nobody wants it, to keep the connection usable.
        """
        await self._session.pace.turn(self._address)
        async with self._http.get(url, allow_redirects=False) as response:
            headers = bounded(response.raw_headers)
            location = response.headers.get("Location")
            body = bytearray()
            while len(body) < most and (chunk := await response.content.read(most - len(body))):
                body += chunk
            if len(body) >= most:
                response.close()
        return response.status, headers, location, bytes(body)

    async def time(self, url: yarl.URL) -> float:
        """Milliseconds from the request to the answer's first octet."""
        await self.get(url)
        return round((self._answered - self._sent) * 1000, 4)

    def _open(self, info: AddrInfoType) -> StampedSocket:
        # One connection at a time, so the socket that was opened last is the one that answers.
        self._socket = StampedSocket.adopt(self._session.vantage.socket(info[0], info[1], info[2]))
        return self._socket

    async def _on_sent(self, *_: Any) -> None:
        self._sent = monotonic()

    async def _on_answered(self, *_: Any) -> None:
        received = 0.0 if self._socket is None else self._socket.received
        self._answered = received if received >= self._sent else monotonic()


class _Pinned(aiohttp.abc.AbstractResolver):
    """Every name is at one address: the one that is measured."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family
        return [
            {
                "hostname": host,
                "host": self._address,
                "port": port,
                "family": socket.AF_INET6 if ":" in self._address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        return


def bounded(raw: tuple[tuple[bytes, bytes], ...]) -> dict[str, str]:
    """The first headers, cut to size; any octet becomes the Latin-1 character of its number."""
    headers: dict[str, str] = {}
    for name, value in raw[:MAX_HEADERS]:
        key = name[:MAX_VALUE].decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = (f"{headers[key]}, {text}" if key in headers else text)[:MAX_VALUE]
    return headers


async def _visit(client: _Client, url: yarl.URL, found: _Findings, most: int) -> bytes:
    """Get the resource, and what it redirects to as long as that is the same server; the last one's body."""
    origin = url.origin()
    for _ in range(MAX_REDIRECTS + 1):
        found.url = str(url)
        found.status, found.headers, location, body = await client.get(url, most)
        if found.status not in _REDIRECTS or location is None:
            return body
        location = location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")[: 4 * MAX_VALUE]
        found.redirects.append(Redirect(url=found.url, status=found.status, location=location))
        try:
            url = url.join(yarl.URL(location))
            if url.origin() != origin:
                return body
        except ValueError:
            return body  # not a URL: it stands in the result as it came
    raise MeasureError("loop")


async def _static(client: _Client, url: yarl.URL) -> yarl.URL | None:
    """The first of the usual files that this server has; what it does instead of answering is no matter."""
    for path in _STATIC:
        file = url.with_path(path)
        with contextlib.suppress(OSError, aiohttp.ClientError, ValueError):
            if (await client.get(file))[0] == _OK:
                return file
    return None


def _require_same(url: yarl.URL, address: str) -> None:
    """Refuse a URL with another address in it: no name would be resolved, so nothing would pin it."""
    host = url.host or ""
    if hostname.is_address(host) and ipaddress.ip_address(host) != ipaddress.ip_address(address):
        raise MeasureError("unsupported", f"{url} is not at {address}")


def _nonce() -> str:
    return secrets.token_hex(12)


def _code(failure: BaseException) -> ErrorCode:
    if isinstance(failure, aiohttp.ClientConnectorError) and not isinstance(failure, aiohttp.ClientSSLError):
        return error_code(failure.os_error)
    if isinstance(failure, (aiohttp.ClientSSLError, ssl.SSLError)):
        return "tls"
    if isinstance(failure, aiohttp.ServerDisconnectedError):
        return "reset"
    if isinstance(failure, (aiohttp.ClientResponseError, aiohttp.ClientPayloadError, aiohttp.InvalidURL)):
        return "protocol"
    return error_code(failure) if isinstance(failure, (MeasureError, OSError)) else "protocol"
