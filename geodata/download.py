"""Getting a published file: only if it changed, from where it broke off, and no more of it than a limit.

Conditional requests (RFC 9110, 13) cost the publisher next to nothing; a range request (14.2) goes on with
what an earlier try left, if the file is still the same one (If-Range).
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp
import msgspec

from geodata.errors import GeodataError
from geodata.fetched import Validators

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Progress = Callable[[int, int | None], None]  # octets so far, and in all where that is known

TRIES: Final = 3
_CHUNK: Final = 1 << 16
_QUIET_S: Final = 30.0  # without an octet
_AGAIN_S: Final = 1.0  # before the second try; twice that before the third
_OK, _PARTIAL, _UNCHANGED, _BEYOND = 200, 206, 304, 416
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class Download(NamedTuple):
    """A file that was got: ``octets`` is None if it is what it was before."""

    octets: bytes | None
    validators: Validators


class _Begun(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    validators: Validators


async def download(
    session: aiohttp.ClientSession,
    url: str,
    scratch: Path,
    *,
    known: Validators | None = None,
    max_octets: int,
    deadline_s: float,
    progress: Progress | None = None,
) -> Download:
    """The file at ``url``; what could be had of it stays in ``scratch`` (a directory) for the next try.

    Raises :class:`GeodataError`: ``unreachable``, ``timeout``, ``refused`` (a status), ``too-large``,
    ``disk``.
    """
    name = hashlib.sha256(url.encode()).hexdigest()[:32]
    one = _Transfer(session, url, scratch / f"{name}.part", scratch / f"{name}.json", max_octets, progress)
    try:
        async with asyncio.timeout(deadline_s):
            return await one.run(known or Validators())
    except TimeoutError as error:
        raise GeodataError(f"{url}: not complete within {deadline_s:g} s", "timeout") from error
    except OSError as error:
        if isinstance(error, aiohttp.ClientError):
            raise GeodataError(f"{url}: {error}", "unreachable") from error
        raise GeodataError(f"{scratch}: cannot be written: {error.strerror or error}", "disk") from error


class _Transfer:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        part: Path,
        note: Path,
        max_octets: int,
        progress: Progress | None,
    ) -> None:
        self._session = session
        self._url = url
        self._part = part
        self._note = note
        self._max = max_octets
        self._progress = progress

    async def run(self, known: Validators) -> Download:
        for left in range(TRIES - 1, -1, -1):
            try:
                return await self._try(known)
            except (aiohttp.ClientError, TimeoutError, _LaterError) as error:
                if not left:
                    raise GeodataError(f"{self._url}: {_why(error)}", "unreachable") from error
            await asyncio.sleep(_AGAIN_S * (TRIES - left))
        raise AssertionError("the last try returns or raises")

    async def _try(self, known: Validators) -> Download:
        headers = {"Accept-Encoding": "identity"}
        begun, have = self._begun()
        if have and begun is not None and begun.strong is not None:
            headers |= {"Range": f"bytes={have}-", "If-Range": begun.strong}
        elif known.etag is not None:
            headers["If-None-Match"] = known.etag
        elif known.modified is not None:
            headers["If-Modified-Since"] = known.modified
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_QUIET_S, sock_read=_QUIET_S)
        async with self._session.get(self._url, headers=headers, timeout=timeout, max_redirects=5) as answer:
            if self._url.startswith("https:") and answer.url.scheme != "https":
                raise GeodataError(f"{self._url}: was redirected to {answer.url}, without TLS", "refused")
            if answer.status == _UNCHANGED:
                return Download(None, known)
            if answer.status == _BEYOND or (answer.status == _PARTIAL and not _follows(answer, have)):
                self._forget()
                raise _LaterError("what was left of an earlier try does not fit")
            if answer.status in _AGAIN:
                raise _LaterError(f"answered {answer.status} {answer.reason}")
            if answer.status not in {_OK, _PARTIAL}:
                raise GeodataError(f"{self._url}: answered {answer.status} {answer.reason}", "refused")
            return await self._read(answer, have if answer.status == _PARTIAL else 0)

    async def _read(self, answer: aiohttp.ClientResponse, have: int) -> Download:
        validators = Validators(etag=answer.headers.get("ETag"), modified=answer.headers.get("Last-Modified"))
        self._note.write_bytes(msgspec.json.encode(_Begun(url=self._url, validators=validators)))
        total = None if answer.content_length is None else have + answer.content_length
        if total is not None and total > self._max:
            raise GeodataError(f"{self._url}: {total} octets are more than {self._max}", "too-large")
        with self._part.open(
            "ab" if have else "wb", buffering=0
        ) as stream:  # what came is kept if we are killed
            async for chunk in answer.content.iter_chunked(_CHUNK):
                have += len(chunk)
                if have > self._max:
                    self._forget()
                    raise GeodataError(f"{self._url}: is more than {self._max} octets", "too-large")
                stream.write(chunk)
                if self._progress is not None:
                    self._progress(have, total)
        octets = self._part.read_bytes()
        self._forget()
        if total is not None and len(octets) != total:
            raise _LaterError(f"{len(octets)} octets came where {total} were announced")
        return Download(octets, validators)

    def _begun(self) -> tuple[Validators | None, int]:
        """What an earlier try left: of which state of the file, and how many octets."""
        try:
            begun = msgspec.json.decode(self._note.read_bytes(), type=_Begun)
            have = self._part.stat().st_size
        except (FileNotFoundError, msgspec.DecodeError):
            self._forget()
            return None, 0
        return (begun.validators, have) if begun.url == self._url else (None, 0)

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _LaterError(Exception):
    """Worth another try."""


def _follows(answer: aiohttp.ClientResponse, have: int) -> bool:
    """Whether a partial answer goes on where we are (``Content-Range: bytes 5-9/10``)."""
    return answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")


def _why(error: Exception) -> str:
    return str(error) or type(error).__name__
