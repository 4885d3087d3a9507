"""Octets that may be compressed, as publishers pack their files: no more of them than a limit."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from typing import Final

from geodata.errors import GeodataError

_GZIP: Final = b"\x1f\x8b"
_BZIP2: Final = b"BZh"
_CHUNK: Final = 1 << 20
_BEGINNING: Final = 64  # octets that tell one format from another
_WINDOW: Final = 31  # of zlib, for gzip's format
# What zipfile and the methods of compression that it knows raise for an archive that is damaged or encrypted.
_NO_ZIP: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
)


def inflated(octets: bytes, limit: int) -> bytes:
    """The octets, decompressed if they are gzip or bzip2; GeodataError for damage or more than ``limit``."""
    if octets.startswith(_GZIP):
        parts, left = [], limit + 1
        while octets and left > 0:  # a file may have several members
            engine = zlib.decompressobj(_WINDOW)
            try:
                parts.append(engine.decompress(octets, left))
            except zlib.error as error:
                raise GeodataError(f"damaged gzip data: {error}", "corrupt") from error
            left -= len(parts[-1])
            if left > 0 and not engine.eof:
                raise GeodataError("gzip data is cut short", "corrupt")
            octets = engine.unused_data
        octets = b"".join(parts)
    elif octets.startswith(_BZIP2):
        machine = bz2.BZ2Decompressor()
        try:
            octets = machine.decompress(octets, limit + 1)
        except OSError as error:
            raise GeodataError(f"damaged bzip2 data: {error}", "corrupt") from error
        if len(octets) <= limit and not machine.eof:
            raise GeodataError("bzip2 data is cut short", "corrupt")
    if len(octets) > limit:
        raise GeodataError(f"is more than {limit} octets when decompressed", "corrupt")
    return octets


def check_whole(octets: bytes, limit: int) -> None:
    """GeodataError where a gzip or bzip2 file is damaged, cut short, or more than ``limit`` decompressed.

    For what is too large to be :func:`inflated`; a file that is not compressed passes.
    """
    if not octets.startswith((_GZIP, _BZIP2)):
        return
    file, have = io.BytesIO(octets), 0
    try:
        with gzip.GzipFile(fileobj=file) if octets.startswith(_GZIP) else bz2.BZ2File(file) as stream:
            while piece := stream.read(_CHUNK):
                have += len(piece)
                if have > limit:
                    raise GeodataError(f"is more than {limit} octets when decompressed", "corrupt")
    except (OSError, EOFError, zlib.error) as error:
        raise GeodataError(f"damaged or cut short: {error}", "corrupt") from error


def beginning(octets: bytes) -> bytes:
    """The first octets of a file, decompressed if they are gzip or bzip2; none of what is damaged."""
    try:
        if octets.startswith(_GZIP):
            return zlib.decompressobj(_WINDOW).decompress(octets, _BEGINNING)
        if octets.startswith(_BZIP2):
            return bz2.BZ2Decompressor().decompress(octets, _BEGINNING)
    except (OSError, zlib.error):
        return b""
    return octets[:_BEGINNING]


def unzipped(octets: bytes, limit: int, suffix: str) -> bytes:
    """The files of a ZIP archive whose names end in ``suffix``, one after the other, in the archive's order.

    Raises :class:`GeodataError` for damage, encryption or more than ``limit`` octets. What macOS puts beside
    each file is left out.
    """
    parts: list[bytes] = []
    left = limit
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            for member in archive.infolist():
                if not member.filename.endswith(suffix) or member.filename.startswith("__MACOSX/"):
                    continue
                with archive.open(member) as stream:
                    parts.append(stream.read(left + 1))
                left -= len(parts[-1])
                if left < 0:
                    raise GeodataError(f"is more than {limit} octets when decompressed", "corrupt")
    except _NO_ZIP as error:
        raise GeodataError(f"is no ZIP archive that can be read: {error}", "corrupt") from error
    return b"\n".join(parts)
