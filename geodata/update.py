"""A new generation of a snapshot from what is published: all sources at once, each checked for itself.

What cannot be had or does not pass leaves that source as it was; the last good data keeps serving.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import aiohttp
import msgspec

from geodata.checks import Size, check, check_order, size_of
from geodata.download import download
from geodata.errors import GeodataError
from geodata.fetched import Fetched, checked
from geodata.file import read_file
from geodata.openpgp import MAX_SIGNATURE_OCTETS, Keyring
from geodata.snapshot import MAX_FILE_OCTETS, Manifest, Source
from geodata.sources.parsed import MAX_TOLD
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from geodata.catalog import Catalog
    from geodata.fetched import Validators
    from geodata.sources.parsed import Published

    Progress = Callable[[str, int, int | None], None]  # source, octets so far, and in all

CONCURRENT: Final = 4
DEADLINE_S: Final = 600.0
_DATES: Final = 3  # of a dated URL that are tried, the newest first
_DIGEST_OCTETS: Final = 4096
SIGNATURE: Final = ".asc"  # behind an URL: where its detached signature is


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to update: other places for URLs (longest beginning first), and whether to take large changes.

    ``keyring`` is a file of the OpenPGP public keys that must have signed what is published with a signature.
    """

    mirrors: Mapping[str, str] = field(default_factory=dict)
    contact: str = ""
    force: bool = False
    keyring: Path | None = None
    deadline_s: float = DEADLINE_S


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one source; ``reason`` is why it failed, ``skipped`` what its files have no sense in.

    ``checked`` is by what its files were checked, where its publisher gives anything for that.
    """

    source: str
    outcome: Literal["updated", "unchanged", "failed"]
    reason: str | None = None
    records: int = 0
    checked: str | None = None
    skipped: tuple[str, ...] = ()


class Updated(msgspec.Struct, frozen=True, kw_only=True):
    """The outcomes, and the manifest of the new generation; None where nothing changed."""

    outcomes: tuple[Outcome, ...]
    manifest: Manifest | None


async def update(
    catalog: Catalog, wanted: Sequence[Published], options: Options, progress: Progress | None = None
) -> Updated:
    """Update ``wanted`` sources in a catalog.

    Raises :class:`GeodataError` where that cannot be written, or the keyring cannot be used.
    """
    keyring = None if options.keyring is None else Keyring.read(options.keyring)
    with catalog.writing():
        base = catalog.base()
        before = {one.source: one for one in base.sources}
        gate = asyncio.Semaphore(CONCURRENT)
        agent = f"sarhad {options.contact}".strip()
        async with aiohttp.ClientSession(trust_env=True, headers={"User-Agent": agent}) as session:
            work = _Work(catalog, session, options, keyring, progress)

            async def one(published: Published) -> tuple[Outcome, Source | None]:
                async with gate:
                    return await work.update(published, before.get(published.source))

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(published)) for published in wanted]
        results = [task.result() for task in tasks]
        changed = [source for _, source in results if source is not None]
        manifest = _install(catalog, base, changed)
        return Updated(outcomes=tuple(outcome for outcome, _ in results), manifest=manifest)


class _Work:
    def __init__(
        self,
        catalog: Catalog,
        session: aiohttp.ClientSession,
        options: Options,
        keyring: Keyring | None,
        progress: Progress | None,
    ) -> None:
        self._catalog = catalog
        self._session = session
        self._options = options
        self._keyring = keyring
        self._progress = progress

    async def update(self, published: Published, before: Source | None) -> tuple[Outcome, Source | None]:
        """The outcome for one source, and what its line in the manifest is to be if that changed."""
        try:
            files = await self._files(published, before)
            if files is None:
                said = None if before is None else checked(before.fetched)
                return Outcome(source=published.source, outcome="unchanged", checked=said), None
            fetched = tuple(each for each, _ in files)
            take = functools.partial(_take, self._catalog, published, before, force=self._options.force)
            return await asyncio.to_thread(take, [octets for _, octets in files], fetched)
        except GeodataError as error:
            return Outcome(source=published.source, outcome="failed", reason=str(error)), None

    async def _files(self, published: Published, before: Source | None) -> list[tuple[Fetched, bytes]] | None:
        """All files of a source; None if none of them changed."""
        # What is damaged here is got anew, although it is the same there.
        whole = before is not None and self._catalog.holds(before)
        known = {each.url: each for each in before.fetched} if before is not None and whole else {}
        found = [await self._file(published, url, known) for url in published.urls]
        if all(octets is None for _, octets in found):
            return None
        # One that did not change is needed again, as all are read together.
        return [
            (fetched, octets) if octets is not None else await self._whole(published, fetched.url)
            for fetched, octets in found
        ]

    async def _file(
        self, published: Published, template: str, known: Mapping[str, Fetched]
    ) -> tuple[Fetched, bytes | None]:
        candidates = dated(template, dt.datetime.now(dt.UTC).date())
        newest: GeodataError | None = None
        for url in candidates:
            try:
                return await self._get(published, url, self._known(published, known.get(url)))
            except GeodataError as error:
                if error.code != "refused":
                    raise
                newest = newest or error
        assert newest is not None  # there is at least one
        older = f", nor are the {len(candidates) - 1} before it there" if len(candidates) > 1 else ""
        raise GeodataError(f"{newest}{older}", newest.code)

    def _known(self, published: Published, fetched: Fetched | None) -> Validators | None:
        """What the publisher is to compare with; nothing, where a signature is still to be verified."""
        if fetched is None:
            return None
        wanted = self._keyring is not None and fetched.url in published.signed
        return None if wanted and fetched.signer is None else fetched.validators

    async def _whole(self, published: Published, url: str) -> tuple[Fetched, bytes]:
        fetched, octets = await self._get(published, url, None)
        assert octets is not None  # nothing was said to be known of it
        return fetched, octets

    async def _get(
        self, published: Published, url: str, known: Validators | None
    ) -> tuple[Fetched, bytes | None]:
        place = mirrored(url, self._options.mirrors)
        progress = self._progress
        found = await download(
            self._session,
            place,
            self._catalog.scratch,
            known=known,
            max_octets=published.max_octets,
            deadline_s=self._options.deadline_s,
            progress=None
            if progress is None
            else lambda have, total: progress(published.source, have, total),
        )
        fetched = Fetched(url=url, validators=found.validators, signed=url in published.signed)
        if found.octets is None:
            return fetched, None
        if published.digest is not None:
            await self._compare(place + published.digest, place, found.octets)
            fetched = msgspec.structs.replace(fetched, digest=True)
        if fetched.signed and self._keyring is not None:
            signer = await self._verify(place + SIGNATURE, self._keyring, found.octets)
            fetched = msgspec.structs.replace(fetched, signer=signer)
        return fetched, found.octets

    async def _verify(self, url: str, keyring: Keyring, octets: bytes) -> str:
        try:
            found = await download(
                self._session,
                url,
                self._catalog.scratch,
                max_octets=MAX_SIGNATURE_OCTETS,
                deadline_s=self._options.deadline_s,
            )
        except GeodataError as error:
            raise GeodataError(f"the signature cannot be had: {error}", "signature") from error
        return await asyncio.to_thread(keyring.verify, url, octets, found.octets or b"")

    async def _compare(self, url: str, place: str, octets: bytes) -> None:
        found = await download(
            self._session,
            url,
            self._catalog.scratch,
            max_octets=_DIGEST_OCTETS,
            deadline_s=self._options.deadline_s,
        )
        digest = hashlib.md5(octets, usedforsecurity=False).hexdigest()  # what the registries publish
        if digest.encode() not in (found.octets or b"").lower():
            raise GeodataError(f"{place}: its MD5 digest is {digest}, which {url} does not say", "digest")


def add(catalog: Catalog, published: Published, files: Sequence[Path], options: Options) -> Updated:
    """Use local files as the data of a source, checked as an update's; raises :class:`GeodataError`."""
    with catalog.writing():
        base = catalog.base()
        before = next((one for one in base.sources if one.source == published.source), None)
        octets = [read_file(path, published.max_octets) for path in files]
        outcome, source = _take(catalog, published, before, octets, (), force=options.force)
        changed = [] if source is None else [source]
        return Updated(outcomes=(outcome,), manifest=_install(catalog, base, changed))


def _install(catalog: Catalog, base: Manifest, changed: Sequence[Source]) -> Manifest | None:
    """A generation in which the sources that changed have taken the place of what they were."""
    if not changed and base == catalog.current():
        return None
    new = {each.source: each for each in changed}
    sources = [new.pop(one.source, one) for one in base.sources]
    today = dt.datetime.now(dt.UTC).date().isoformat()
    return catalog.install(
        msgspec.structs.replace(base, name="updated", date=today, sources=(*sources, *new.values()))
    )


def _take(
    catalog: Catalog,
    published: Published,
    before: Source | None,
    files: Sequence[bytes],
    fetched: tuple[Fetched, ...],
    *,
    force: bool,
) -> tuple[Outcome, Source | None]:
    """Read, check and keep the files of a source; what its line in the manifest is to be, if that changed."""
    ranges, skipped, version, date = published.parse(files)
    octets = table_octets(ranges, version, date)
    table = Table(published.source, octets)
    size = size_of(table)
    check(published.source, table, size, _size(before), world=published.world, force=force)
    if fetched:
        check_order(published.source, date, _date(catalog, before), force=force)
    name = catalog.add(published.source, octets, "table")
    if before is not None and before.file == name and before.fetched == fetched:
        outcome = Outcome(
            source=published.source, outcome="unchanged", records=len(ranges), checked=checked(fetched)
        )
        return outcome, None
    source = Source(
        source=published.source,
        family=published.family,
        meaning=published.meaning,
        format=published.format,
        file=name,
        version=version,
        date=date or dt.datetime.now(dt.UTC).date().isoformat(),
        licence=published.licence,
        attribution=published.attribution,
        asserted_by=published.asserted_by,
        sha256=hashlib.sha256(read_file(catalog.home / name, MAX_FILE_OCTETS)).hexdigest(),
        world=published.world,
        fetched=fetched,
        records=len(ranges),
        addresses4=size.addresses4,
        home4=size.home4,
    )
    told = tuple(f"line {each.line}: {each.why}" for each in skipped[:MAX_TOLD])
    more = (f"and {len(skipped) - MAX_TOLD} more",) if len(skipped) > MAX_TOLD else ()
    outcome = Outcome(
        source=published.source,
        outcome="updated",
        records=len(ranges),
        checked=checked(fetched),
        skipped=(*told, *more),
    )
    return outcome, source


def dated(template: str, today: dt.date) -> list[str]:
    """The newest addresses of a file whose URL has dates in it (as of strftime); else the URL itself."""
    if "%" not in template:
        return [template]
    days = (today - dt.timedelta(days=back) for back in range(1, 63))
    urls = dict.fromkeys(day.strftime(template) for day in (today, *days))
    return list(urls)[:_DATES]


def mirrored(url: str, mirrors: Mapping[str, str]) -> str:
    """The URL, with the longest beginning that a mirror is given for replaced by that."""
    for beginning in sorted(mirrors, key=len, reverse=True):
        if url.startswith(beginning):
            return mirrors[beginning] + url[len(beginning) :]
    return url


def _date(catalog: Catalog, source: Source | None) -> str | None:
    """The day that the publisher's own files said, where the source was made of such."""
    if source is None or source.file is None or not source.fetched:
        return None
    with contextlib.suppress(GeodataError):  # if damaged, anything is better
        return Table.read(catalog.home / source.file).date
    return None


def _size(source: Source | None) -> Size | None:
    if source is None or source.addresses4 is None or source.home4 is None:
        return None
    return Size(source.addresses4, source.home4, source.records or 0)
