"""Whether the simulated router is a bottleneck: how many probes a second it answers, and at what cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.arena import Arena, ArenaError
from tests.bench.claim import Evidence
from tests.bench.scenario import Scenario, tree_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.scenario import Options

_SECONDS = 3.0


@dataclass(frozen=True)
class Headroom(Scenario):
    """Prebuilt probes at each of the ``rates`` (0: as many as it can) to a world in which all answer."""

    rates: tuple[int, ...] = ()

    def play(self, options: Options, directory: Path) -> Evidence:
        facts: dict[str, float] = {}
        with Arena(self.world(options), directory) as arena:
            for rate in self.rates:
                name = f"{rate:,}/s" if rate else "unpaced"
                facts |= {
                    f"{name}: {what}": value for what, value in self._send(arena, options, rate).items()
                }
        return Evidence({}, facts)

    def _send(self, arena: Arena, options: Options, rate: int) -> dict[str, float]:
        sys.stderr.write(f"{self.name}: {rate}/s …\n")
        output = arena.directory / "output"
        program = [sys.executable, "-m", "tests.bench.programs.sender", tree_of(arena.world).targets[0]]
        numbers = [self.size(options), rate, _SECONDS]
        spent = arena.run([*program, *map(str, numbers)], output)
        if spent.status:
            raise ArenaError(f"the sender: status {spent.status}: {arena.complaint(output)}")
        counters = spent.counters
        return {
            "probes/s": counters.sent / _SECONDS,
            "answers/s": counters.answered / _SECONDS,
            "share answered": counters.answered / counters.sent,
            "router, share of a core": counters.cpu_s / _SECONDS,
            "router, µs a probe": counters.cpu_s / counters.sent * 1e6,
        }
