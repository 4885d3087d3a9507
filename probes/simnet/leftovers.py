"""What ran in a world's namespaces when the world ended ends too, such as a shell's traceroute.

A process is known by the namespace it is in, and a namespace by a descriptor that is held all the time, so
that its number cannot have become another's.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 3.0  # a process that is being killed may still be making others


def hold(kinds: tuple[str, ...] = ("net",)) -> list[int]:
    """Descriptors of this process's namespaces of these kinds."""
    return [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in kinds]


def end(namespaces: list[int]) -> None:
    """Kill every other process in one of the held ``namespaces``, wait until they are gone, and let go."""
    held = {_identity(os.fstat(descriptor)) for descriptor in namespaces}
    deadline = time.monotonic() + _SECONDS
    while (found := list(_inside(held))) and time.monotonic() < deadline:
        for process in found:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    for descriptor in namespaces:
        os.close(descriptor)


def _inside(held: set[tuple[int, int]]) -> Iterator[int]:
    own = os.getpid()
    for process in Path("/proc").glob("[0-9]*"):
        for kind in ("net", "mnt"):
            with contextlib.suppress(OSError):  # gone, a zombie, or not ours to see
                if int(process.name) != own and _identity((process / "ns" / kind).stat()) in held:
                    yield int(process.name)
                    break


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
