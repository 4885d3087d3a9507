"""What the holder of a block publishes of it in a geofeed (RFC 8805) that the block's registration refers to.

RFC 9632: the reference is the registry's to show, the feed is believed only inside the block that referred to
it, and it is got by HTTPS, no oftener than its publisher says, else once a week (between a day and a week
here). Only the registration that the registry gives for the address is followed, not those above it. A feed
may be signed with RPKI at its end (5): that is told, and not verified.

The holder may be the one under audit, so the claim is the operator's own and can only corroborate.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import ipaddress
import re
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from geodata.cache import Cache
from geodata.claim import Claim
from geodata.errors import GeodataError
from geodata.fetched import Validators
from geodata.http_time import moment
from geodata.sources import geofeed
from geodata.special import decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geodata.sources.parsed import Parsed, Range
    from geodata.sources.registration import Registration
    from geodata.visit import Visitor

_LICENCE: Final = "none stated; published for anybody's use"
SOURCE: Final = "geofeed"
MAX_OCTETS: Final = 8 << 20  # the largest that were met have about 1 MB
MIN_FRESH_S: Final = 86_400.0
MAX_FRESH_S: Final = 7 * 86_400.0
MAX_FILES: Final = 64
MAX_FAILED: Final = 1024
_MAX_HEADER: Final = 4096
# "# RPKI Signature: 192.0.2.0 - 192.0.2.255" (RFC 9632, 5)
_SIGNATURE: Final = re.compile(rb"^# ?RPKI Signature:", re.MULTILINE)


class Located(NamedTuple):
    """What a feed says of an address, and what of the feed was not believed.

    ``outside`` counts its entries that are not inside the block, ``skipped`` its lines that make no sense;
    ``signed`` is whether it carries a signature, which nobody verified.
    """

    url: str
    claims: tuple[Claim, ...] = ()
    outside: int = 0
    skipped: int = 0
    signed: bool = False


class _Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a cached feed; its octets follow."""

    at: float  # seconds since 1970
    url: str
    place: str  # after redirects
    fresh_s: float
    validators: Validators


class _Feed(NamedTuple):
    kept: _Kept
    octets: bytes


class Feeds:
    """A client for the geofeeds of registrations; ``cache`` is a directory, shared among processes.

    ``trouble`` is why a feed could not be kept, where one could not; look-ups go on.
    """

    def __init__(
        self, visitor: Visitor, *, cache: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._visitor = visitor
        self._clock = clock
        self._cache = (
            None
            if cache is None
            else Cache(
                cache / "geofeeds",
                max_files=MAX_FILES,
                max_octets=16 * MAX_OCTETS,
                max_file_octets=MAX_OCTETS + _MAX_HEADER,
            )
        )
        self._failed: dict[str, GeodataError] = {}
        self._last: tuple[_Feed, Parsed, bool] | None = None
        self._lock = asyncio.Lock()
        self.trouble: GeodataError | None = None

    async def lookup(self, address: str, registration: Registration, *, deadline_s: float) -> Located | None:
        """What the feed of the registration around ``address`` says of it; ``None`` where it has no feed.

        Raises :class:`GeodataError` as :meth:`Visitor.get`, and ``corrupt`` for a file that is no geofeed.
        A feed that could not be had is not tried again in the life of this client.
        """
        url = registration.geofeed
        if url is None:
            return None
        until = time.monotonic() + deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                await self._lock.acquire()  # two addresses of one block want one feed
        except TimeoutError as error:
            raise GeodataError(f"{url}: others took more than {deadline_s:g} s", "timeout") from error
        try:
            feed, parsed, signed = await self._get(url, until)
        finally:
            self._lock.release()
        block = ipaddress.ip_network(registration.prefix)
        inside = geofeed.inside(
            parsed, block.version, int(block.network_address), int(block.broadcast_address)
        )
        found = _narrowest(inside, address)
        return Located(
            url=url,
            claims=tuple(
                _claims(found, feed, egress=geofeed.is_egress(url) or geofeed.is_egress(feed.kept.place))
            ),
            outside=len(parsed.ranges) - len(inside.ranges),
            skipped=len(parsed.skipped),
            signed=signed,
        )

    async def _get(self, url: str, until: float) -> tuple[_Feed, Parsed, bool]:
        if url in self._failed:
            raise self._failed[url]
        try:
            if self._last is None or not self._fresh(self._last[0], url):
                feed = await self._feed(url, until)
                # Very many lines take a while, though no more than seconds: MAX_OCTETS bounds them.
                parsed = await asyncio.to_thread(geofeed.parse, feed.octets)
                self._last = feed, parsed, _SIGNATURE.search(feed.octets) is not None
        except GeodataError as error:
            if len(self._failed) < MAX_FAILED:
                self._failed[url] = error
            raise
        return self._last

    async def _feed(self, url: str, until: float) -> _Feed:
        """The feed, from the cache or else from its publisher."""
        kept = self._read(url)
        if kept is not None and self._fresh(kept, url):
            return kept
        known = Validators() if kept is None else kept.kept.validators
        left_s = until - time.monotonic()
        page = await self._visitor.get(url, known=known, max_octets=MAX_OCTETS, deadline_s=left_s)
        octets = page.octets
        if octets is None:
            assert kept is not None  # nothing was said to be known otherwise
            octets = kept.octets
        fresh_s = MAX_FRESH_S if page.fresh_s is None else page.fresh_s
        header = _Kept(
            at=self._clock(),
            url=url,
            place=page.url,
            fresh_s=min(max(fresh_s, MIN_FRESH_S), MAX_FRESH_S),
            validators=page.validators,
        )
        feed = _Feed(header, octets)
        self._write(feed)
        return feed

    def _fresh(self, feed: _Feed, url: str) -> bool:
        return feed.kept.url == url and 0 <= self._clock() - feed.kept.at < feed.kept.fresh_s

    def _read(self, url: str) -> _Feed | None:
        found = None if self._cache is None else self._cache.get(_name(url))
        if found is None:
            return None
        line, _, octets = found.partition(b"\n")
        try:
            kept = msgspec.json.decode(line, type=_Kept)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return _Feed(kept, octets) if kept.url == url else None

    def _write(self, feed: _Feed) -> None:
        line = msgspec.json.encode(feed.kept)
        if self._cache is None or len(line) >= _MAX_HEADER:
            return
        try:
            self._cache.put(_name(feed.kept.url), line + b"\n" + feed.octets)
        except GeodataError as error:
            self.trouble = error


def _name(url: str) -> str:
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()


def _narrowest(feed: Parsed, address: str) -> list[Range]:
    """The entries of the narrowest prefix around an address, each once."""
    decoded = decode(address)
    value = int(decoded)
    around = [
        each for each in feed.ranges if each.version == decoded.version and each.first <= value <= each.last
    ]
    least = min((each.last - each.first for each in around), default=0)
    return list(dict.fromkeys(each for each in around if each.last - each.first == least))


def _claims(found: list[Range], feed: _Feed, *, egress: bool) -> list[Claim]:
    """A claim for each entry that says something; the holder may ask that nobody locates a prefix."""
    modified = moment(feed.kept.validators.modified)
    day = modified or dt.datetime.fromtimestamp(feed.kept.at, dt.UTC)
    return [
        Claim(
            source=SOURCE,
            family="geofeed",
            prefix=_prefix(each),
            meaning="user_egress" if egress else "server",
            country=each.entry.country,
            city=each.entry.city,
            region=each.entry.region,
            asserted_by="operator",
            version=day.date().isoformat(),
            date=day.date().isoformat(),
            licence=_LICENCE,
        )
        for each in found
        if each.entry.country is not None
    ]


def _prefix(entry: Range) -> str:
    kind = ipaddress.IPv4Network if entry.version == 4 else ipaddress.IPv6Network
    return str(
        kind((entry.first, (32 if entry.version == 4 else 128) - (entry.last - entry.first).bit_length()))
    )
