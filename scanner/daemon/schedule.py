"""When each class of data is due: cron expressions in UTC, all later by the same chance delay."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cronsim import CronSim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scanner.register import DataClass


class Schedule:
    """What is due; ``last`` is when each class's last scan began, where there was one.

    A class that was never scanned, or whose time passed while nobody was there to scan, is due at once. The
    delay is drawn once, so that classes of one minute stay one scan.
    """

    def __init__(
        self,
        expressions: Mapping[DataClass, str],
        last: Mapping[DataClass, datetime],
        now: datetime,
        jitter_s: float = 0,
    ) -> None:
        self._expressions = expressions
        self._delay = timedelta(seconds=random.uniform(0, jitter_s))  # noqa: S311  no secret
        self._next = {name: self._after(name, last[name]) if name in last else now for name in expressions}

    def _after(self, name: DataClass, moment: datetime) -> datetime:
        return next(CronSim(self._expressions[name], moment.astimezone(UTC))) + self._delay

    def due(self, now: datetime) -> tuple[DataClass, ...]:
        """The classes whose time has come."""
        return tuple(name for name, at in self._next.items() if at <= now)

    def begun(self, names: Iterable[DataClass], now: datetime) -> None:
        """They are scanned now, whatever comes of it; next at the first time after this."""
        for name in names:
            if name in self._expressions:
                self._next[name] = self._after(name, now)

    def wait_s(self, now: datetime) -> float:
        """How long nothing is due."""
        return max(0.0, (min(self._next.values()) - now).total_seconds())
