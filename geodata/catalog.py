"""Generations of a snapshot: a directory in which a new one takes the old one's place in one step, and back.

Data files are never changed: each has the digest of its octets in its name. A generation is a manifest that
names them, and ``manifest.json`` is that of the current one, put in place by a rename. So whoever reads sees
one generation or the other, whatever happens to whoever writes; and what was opened stays as it is, since
readers keep what they read in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from typing import TYPE_CHECKING, Final

import msgspec

from geodata.errors import GeodataError
from geodata.file import read_file
from geodata.snapshot import EMBEDDED, MANIFEST, MAX_FILE_OCTETS, Manifest, Snapshot, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geodata.snapshot import Source

PACKAGED: Final = frozenset({"routeviews", "known-prefixes"})  # nobody publishes them for an update
KEPT: Final = 3  # generations
SCRATCH: Final = "unfinished"
_LOCK: Final = "lock"
_GENERATION: Final = re.compile(r"manifest\.([0-9]{1,9})\.json")
_DATA: Final = re.compile(r".+-[0-9a-f]{16}\.[a-z]+")


class Catalog:
    """The generations in a directory, which is made when the first is installed."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def scratch(self) -> Path:
        """Where what is not finished lies."""
        return self.home / SCRATCH

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """For one writer at a time; raises :class:`GeodataError` (``busy``) where there is another."""
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise GeodataError(f"{self.home}: cannot be written: {error.strerror}", "disk") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise GeodataError(f"{self.home}: another process is updating it", "busy") from error
            for left in self.scratch.glob("*.writing"):
                left.unlink()  # of one that was killed
            yield
        finally:
            os.close(lock)  # which also unlocks; a process that is killed lets go of it too

    def current(self) -> Manifest | None:
        """The manifest of the current generation."""
        path = self.home / MANIFEST
        return read_manifest(path) if path.exists() else None

    def generations(self) -> list[int]:
        """The numbers of those that are kept, ascending."""
        names = (_GENERATION.fullmatch(each.name) for each in self.home.glob("manifest.*.json"))
        return sorted(int(name[1]) for name in names if name)

    def add(self, source: str, octets: bytes, suffix: str) -> str:
        """Keep the octets of a data file, durably; its name. One that is there and is damaged is replaced."""
        digest = hashlib.sha256(octets).hexdigest()
        name = f"{source}-{digest[:16]}.{suffix}"
        if not self._is(name, digest):
            self._put(name, octets)
        return name

    def holds(self, source: Source) -> bool:
        """Whether the data of a source is there and as it was when it was kept."""
        return source.file is None or source.sha256 is None or self._is(source.file, source.sha256)

    def adopt(self, directory: Path, manifest: Manifest) -> Manifest:
        """Copy a snapshot's files from another directory; the manifest with their names and digests here."""
        sources = []
        for one in manifest.sources:
            if one.file is None:
                sources.append(one)
                continue
            octets = read_file(directory / one.file, MAX_FILE_OCTETS)
            name = self.add(one.source, octets, one.format)
            sources.append(msgspec.structs.replace(one, file=name, sha256=hashlib.sha256(octets).hexdigest()))
        return msgspec.structs.replace(manifest, sources=tuple(sources))

    def base(self) -> Manifest:
        """What an update starts from: the current generation, or else the embedded snapshot, made the first.

        So a directory answers from the beginning, whatever becomes of the first update, and can go back. What
        is damaged of the embedded snapshot's files is copied again, and what comes with Sarhad alone is that
        of this release, where that is no older.
        """
        embedded, current = read_manifest(EMBEDDED / MANIFEST), self.current()
        if current is None:
            return self.install(self.adopt(EMBEDDED, embedded))
        lost = {one.sha256 for one in current.sources if not self.holds(one)}
        again = tuple(one for one in embedded.sources if one.source in PACKAGED or one.sha256 in lost)
        adopted = self.adopt(EMBEDDED, msgspec.structs.replace(embedded, sources=again))
        if (current.known_date or "") > (embedded.known_date or ""):
            return current  # it was imported from where Sarhad is newer
        ours = {one.source: one for one in adopted.sources if one.source in PACKAGED}
        return msgspec.structs.replace(
            current,
            sources=tuple(ours.get(one.source, one) for one in current.sources),
            known=embedded.known,
            known_date=embedded.known_date,
            known_licence=embedded.known_licence,
            known_attribution=embedded.known_attribution,
        )

    def install(self, manifest: Manifest) -> Manifest:
        """Make this the current generation, once it can be opened; it gets the next number."""
        number = max(self.generations(), default=0) + 1
        manifest = msgspec.structs.replace(manifest, generation=number)
        octets = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
        name = f"manifest.{number}.json"
        self._put(name, octets)
        try:
            Snapshot.open(self.home, name).close()
        except GeodataError:
            (self.home / name).unlink()
            raise
        self._put(MANIFEST, octets)
        self.prune()
        return manifest

    def roll_back(self) -> Manifest:
        """Make the generation before the current one current; :class:`GeodataError` where none is left."""
        try:
            current = self.current()
        except GeodataError:
            now = 10**9  # it is damaged, so that any other is better
        else:
            now = 0 if current is None else current.generation
        for number in reversed([each for each in self.generations() if each < now]):
            name = f"manifest.{number}.json"
            with contextlib.suppress(GeodataError):
                Snapshot.open(self.home, name).close()
                self._put(MANIFEST, read_file(self.home / name, MAX_FILE_OCTETS))
                return read_manifest(self.home / MANIFEST)
        raise GeodataError(f"{self.home}: no generation before the current one can be had", "missing")

    def prune(self) -> None:
        """Remove what no kept generation names: the last ones, and always the current one."""
        current = self.current()
        kept = {*self.generations()[-KEPT:], *([current.generation] if current else [])}
        named: set[str | None] = set()
        for number in self.generations():
            path = self.home / f"manifest.{number}.json"
            manifest = None
            with contextlib.suppress(GeodataError):  # nobody can go back to what cannot be read
                manifest = read_manifest(path) if number in kept else None
            if manifest is None:
                path.unlink()
            else:
                named |= {one.file for one in manifest.sources}
        for path in self.home.iterdir():
            if _DATA.fullmatch(path.name) and path.name not in named:
                path.unlink()

    def _is(self, name: str, digest: str) -> bool:
        with contextlib.suppress(GeodataError):
            return hashlib.sha256(read_file(self.home / name, MAX_FILE_OCTETS)).hexdigest() == digest
        return False

    def _put(self, name: str, octets: bytes) -> None:
        """Write a file under its name in one step, so that it outlasts a crash whole or is not there."""
        part = self.scratch / f"{name}.writing"
        try:
            with part.open("wb") as stream:
                stream.write(octets)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(self.home / name)
            directory = os.open(self.home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise GeodataError(f"{self.home / name}: cannot be written: {error.strerror}", "disk") from error
