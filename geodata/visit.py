"""Getting a file at a URL that a stranger wrote, so that it leads nowhere but to the Internet.

Whoever writes the URL may want this machine to ask for something inside its own network (server-side request
forgery). So it is HTTPS on port 443 to a host's name, redirects too, and no connection is made to a
special-purpose address: that is checked of the address that is connected to, whatever the name resolved to
before. No proxy is used, since it would be the one that resolves. All is bounded: octets, redirects, time.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
from yarl import URL

from geodata.errors import GeodataError
from geodata.fetched import Validators
from geodata.http_time import freshness_s
from geodata.special import special_purpose

if TYPE_CHECKING:
    from typing import Self

    from aiohttp.abc import AbstractResolver

MAX_REDIRECTS: Final = 3
MAX_URL: Final = 2000  # characters
_CHUNK: Final = 1 << 16
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK, _UNCHANGED = 200, 304
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")  # an IPv4 address, however it is written


class Page(NamedTuple):
    """What was got: ``octets`` is None if it is what it was before. ``url`` is where it was in the end.

    ``fresh_s`` is for how many seconds the publisher says that it will not change, where it says so.
    """

    octets: bytes | None
    url: str
    validators: Validators
    fresh_s: float | None


class Visitor:
    """A client, to be used as an asynchronous context manager.

    Addresses in ``lab`` are ordinary (a simulated Internet); ``trust`` are other authorities than the
    system's, ``resolver`` is another than the system's.
    """

    def __init__(
        self,
        *,
        lab: tuple[str, ...] = (),
        trust: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._lab = lab
        self._trust = trust or ssl.create_default_context()
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            ssl=self._trust,
            resolver=self._resolver,
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "sarhad", "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, *, known: Validators, max_octets: int, deadline_s: float) -> Page:
        """The file at ``url``, if it is another than the ``known`` one.

        Raises :class:`GeodataError`: ``refused`` (the URL, an address, a status), ``unreachable``,
        ``timeout``, ``too-large`` or ``malformed``.
        """
        try:
            async with asyncio.timeout(deadline_s):
                return await self._follow(url, known, max_octets)
        except TimeoutError as error:
            raise GeodataError(f"{url}: not complete within {deadline_s:g} s", "timeout") from error
        except aiohttp.ClientError as error:
            raise GeodataError(f"{url}: {error or type(error).__name__}", "unreachable") from error

    async def _follow(self, url: str, known: Validators, max_octets: int) -> Page:
        assert self._session is not None, "not entered"
        headers = {}
        if known.etag is not None:
            headers["If-None-Match"] = known.etag
        elif known.modified is not None:
            headers["If-Modified-Since"] = known.modified
        place = checked(url)
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(place, headers=headers, allow_redirects=False) as answer:
                if answer.status not in _REDIRECTS:
                    return await _read(answer, url, known, max_octets)
                place = _redirected(place, answer.headers.get("Location", ""), url)
        raise GeodataError(f"{url}: was redirected more than {MAX_REDIRECTS} times", "refused")

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that may be connected to."""
        family, kind, protocol, _, address = info
        special = special_purpose(address[0], self._lab)
        if special is not None:
            raise GeodataError(
                f"{address[0]} is in {special.prefix} ({special.name}), where no file of strangers is got",
                "refused",
            )
        return socket.socket(family, kind, protocol)


def checked(url: str) -> URL:
    """The URL, if it may be visited; raises :class:`GeodataError` (``refused``)."""
    if len(url) > MAX_URL or not url.isprintable() or " " in url:
        raise GeodataError(f"{url[:MAX_URL]!r} is no URL", "refused")
    try:
        parsed = URL(url)
        host, port, user, password = parsed.host, parsed.port, parsed.user, parsed.password
    except (ValueError, IndexError) as error:  # the latter is yarl's, for "[]@"
        raise GeodataError(f"{url}: is no URL: {error}", "refused") from error
    if parsed.scheme != "https" or port != 443 or not host:
        raise GeodataError(f"{url}: is not of HTTPS on port 443", "refused")
    if user is not None or password is not None:
        raise GeodataError(f"{url}: carries a user's name", "refused")
    if _is_address(host):
        raise GeodataError(f"{url}: names an address where a host's name should be", "refused")
    return parsed


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) is not None
    return True


def _redirected(place: URL, location: str, url: str) -> URL:
    try:
        joined = place.join(URL(location))
    except (ValueError, IndexError) as error:
        raise GeodataError(f"{url}: was redirected to what is no URL: {error}", "refused") from error
    try:
        return checked(str(joined))
    except GeodataError as error:
        raise GeodataError(f"{url}: was redirected: {error}", "refused") from error


async def _read(answer: aiohttp.ClientResponse, url: str, known: Validators, max_octets: int) -> Page:
    headers = answer.headers
    fresh_s = freshness_s(headers, dt.datetime.now(dt.UTC))
    if answer.status == _UNCHANGED and known != Validators():
        return Page(None, str(answer.url), known, fresh_s)
    if answer.status != _OK:
        raise GeodataError(f"{url}: answered {answer.status} {answer.reason or ''}".rstrip(), "refused")
    if headers.get("Content-Encoding", "identity").lower() != "identity":
        raise GeodataError(f"{url}: came compressed, which was not asked for", "malformed")
    octets = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        octets += chunk
        if len(octets) > max_octets:
            raise GeodataError(f"{url}: is more than {max_octets} octets", "too-large")
    validators = Validators(etag=_sane(headers.get("ETag")), modified=_sane(headers.get("Last-Modified")))
    return Page(bytes(octets), str(answer.url), validators, fresh_s)


def _sane(value: str | None) -> str | None:
    """A validator that can be sent back."""
    return (
        value if value is not None and value.isascii() and value.isprintable() and len(value) <= 200 else None
    )
