"""Very many runs of one kind, begun when there is room for them, their outcomes handed out as they end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from probes.engine.run import Run
from probes.failure import MeasureError, PrivilegeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DONE: Final = 4096  # outcomes that may wait to be taken before no more runs begin
_R = TypeVar("_R", bound=Run)


class Batch(Generic[_R]):
    """The runs to ``addresses``, each made by ``make`` when its turn comes.

    ``make`` may raise ``MeasureError``, which is then the outcome; a ``PrivilegeError``, which would be that
    of all, is raised by :meth:`changed`.
    """

    def __init__(self, addresses: Iterable[str], make: Callable[[str], _R]) -> None:
        self._addresses = iter(addresses)
        self._make = make
        self.exhausted = False  # whether no more runs are to begin
        self.blocked = False  # whether one could not for want of room in ``done``
        self._changed = asyncio.Event()
        self._failure: PrivilegeError | ValueError | None = None
        self.running: dict[Run, str] = {}
        self.done: deque[tuple[str, _R | MeasureError]] = deque()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.exhausted and not self.running and not self.done and self._failure is None

    def next(self) -> _R | None:
        """The next run, or None if there is none now."""
        while not self.exhausted:
            if len(self.done) >= MAX_DONE:
                self.blocked = True
                break
            address = next(self._addresses, None)
            if address is None:
                self.exhausted = True
                self._changed.set()
                break
            try:
                run = self._make(address)
            except MeasureError as error:
                self.done.append((address, error))
                self._changed.set()
                continue
            except (PrivilegeError, ValueError) as error:
                self._failure = error
                self.exhausted = True
                self._changed.set()
                break
            self.running[run] = address
            return run
        return None

    def ended(self, run: Run) -> None:
        """Take a run that ended."""
        self.done.append((self.running.pop(run), run))  # type: ignore[arg-type]  # it came from next()
        self._changed.set()

    async def changed(self) -> None:
        """Wait until there is something in ``done``, or nothing more to come."""
        await self._changed.wait()
        self._changed.clear()
        if self._failure is not None:
            raise self._failure
