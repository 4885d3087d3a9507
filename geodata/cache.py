"""Answers that were got once, kept as files in a directory that several processes may share.

A cache may lose everything at any time and must never lie: a file is written beside and renamed, it carries
a digest of what it holds, and one that is damaged, too large or no plain file is as if it were not there.
Number and size are bounded; the oldest files go first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import time
from typing import TYPE_CHECKING, Final

from geodata.errors import GeodataError

if TYPE_CHECKING:
    from pathlib import Path

_NAME: Final = re.compile(r"[0-9a-z][0-9a-z.-]{0,99}")
_DIGEST_OCTETS: Final = 32
_LEFT_S: Final = 3600.0  # after which what a killed process was writing is removed
_WRITING: Final = ".writing-"


class Cache:
    """Files of up to ``max_file_octets`` in ``directory``: at most ``max_files``, ``max_octets`` together.

    The directory is made with the first file, and for its owner only.
    """

    def __init__(self, directory: Path, *, max_files: int, max_octets: int, max_file_octets: int) -> None:
        self._directory = directory
        self._max_files = max_files
        self._max_octets = max_octets
        self._max_file_octets = max_file_octets

    def get(self, name: str) -> bytes | None:
        """What was put under ``name``; ``None`` where there is nothing, or nothing that can be believed."""
        try:
            descriptor = os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                octets = stream.read(_DIGEST_OCTETS + self._max_file_octets + 1)
        except OSError:
            return None
        digest, kept = octets[:_DIGEST_OCTETS], octets[_DIGEST_OCTETS:]
        whole = len(kept) <= self._max_file_octets and hashlib.sha256(kept).digest() == digest
        return kept if whole else None

    def put(self, name: str, octets: bytes) -> None:
        """Keep ``octets`` under ``name``, if they are not too many.

        Raises :class:`GeodataError` (``disk``) where that cannot be written.
        """
        if len(octets) > self._max_file_octets:
            return
        path = self._path(name)
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, part = tempfile.mkstemp(prefix=_WRITING, dir=self._directory)
            try:
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(hashlib.sha256(octets).digest() + octets)
                os.replace(part, path)  # noqa: PTH105  mkstemp gives no Path
            except BaseException:
                os.unlink(part)  # noqa: PTH108  the same
                raise
            self._prune()
        except OSError as error:
            raise GeodataError(
                f"{self._directory}: nothing can be kept there: {error.strerror or error}", "disk"
            ) from error

    def _path(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a cached file")
        return str(self._directory / name)

    def _prune(self) -> None:
        """Remove the oldest while there are too many, and what was left half-written."""
        files: list[tuple[float, int, str]] = []
        now = time.time()
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another process removed it
                    status = entry.stat(follow_symlinks=False)
                    if not entry.name.startswith(_WRITING):
                        files.append((status.st_mtime, status.st_size, entry.path))
                    elif now - status.st_mtime > _LEFT_S:
                        os.unlink(entry.path)  # noqa: PTH108  scandir gives no Path
        left, octets = len(files), sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if left <= self._max_files and octets <= self._max_octets:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108  the same
            left, octets = left - 1, octets - size
