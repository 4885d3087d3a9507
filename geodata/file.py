"""Reading a data file whole, and no more of it than a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geodata.errors import GeodataError

if TYPE_CHECKING:
    from pathlib import Path


def read_file(path: Path, limit: int) -> bytes:
    """The octets of a file; a GeodataError where it cannot be read or is larger than ``limit`` octets."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(limit + 1)
    except OSError as error:
        raise GeodataError(f"{path}: cannot be read: {error.strerror or error}", "missing") from error
    if len(octets) > limit:
        raise GeodataError(f"{path}: is larger than {limit} octets", "corrupt")
    return octets
