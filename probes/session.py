"""A session: one vantage, opened, with its packet engine and its pace; what every probe is handed."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, Self

from probes.engine.engine import Engine
from probes.vantages.local import LocalVantage

if TYPE_CHECKING:
    from probes.engine.capture import Capture
    from probes.engine.pacing import Pace
    from probes.target import Target
    from probes.vantages.vantage import Vantage

_AGAIN: Final = re.compile(r"(.*)#([0-9]{1,9})", re.DOTALL)


class Session:
    """Async context manager around one local vantage: ``async with Session(vantage, pace) as session``.

    ``pace`` is the process's, shared by all sessions; ``contact`` goes into the packets' payload; ``capture``
    keeps the engine's packets, and stays its maker's to close. Entering
    raises ``VantageError`` where the vantage cannot be used at all; a missing privilege that only some
    probes need becomes their error instead.
    """

    def __init__(
        self, vantage: Vantage, pace: Pace, contact: str = "", capture: Capture | None = None
    ) -> None:
        self.vantage = LocalVantage(vantage)
        self.pace = pace
        self.engine = Engine(self.vantage, pace, contact, capture)
        self._ids: Counter[str] = Counter()
        self._stack = contextlib.AsyncExitStack()

    @property
    def id(self) -> str:
        return self.vantage.id

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self.vantage)
            await stack.enter_async_context(self.engine)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def observation_id(self, target: Target, kind: str, subject: str) -> str:
        """An id unique within a run: ``endpoint@vantage:kind:subject``, the second time with ``#2``."""
        name = f"{target.endpoint}@{self.id}:{kind}:{subject}"
        self._ids[name] += 1
        count = self._ids[name]
        return name if count == 1 else f"{name}#{count}"

    def recall(self, observation_id: str) -> None:
        """Never give again an id that an earlier part of the same scan gave."""
        again = _AGAIN.fullmatch(observation_id)
        name, count = (again[1], int(again[2])) if again else (observation_id, 1)
        self._ids[name] = max(self._ids[name], count)
