"""How often Python looks for cycles while very many runs are under way.

By default it does for every 700 new objects that could be part of one. A run has a dozen, which hardly ever
are; but those of all runs under way are looked through again and again, which takes 5 % of the time of ten
thousand traces.
"""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_OBJECTS: Final = 50_000


class _Collector:
    """Python's collector; ``streams`` want it to look seldom, before whom it had its ``usual`` thresholds."""

    def __init__(self) -> None:
        self.streams = 0
        self.usual = gc.get_threshold()


_collector: Final = _Collector()


@contextlib.contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for cycles after 50,000 new objects; who switched that off, or made it rarer, has it so."""
    collector = _collector
    if not collector.streams:
        collector.usual = gc.get_threshold()
        first, *others = collector.usual
        gc.set_threshold(max(first, _OBJECTS) if first else 0, *others)
    collector.streams += 1
    try:
        yield
    finally:
        collector.streams -= 1
        if not collector.streams:
            gc.set_threshold(*collector.usual)
