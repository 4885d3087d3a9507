"""A contest: all tools on the same targets of the same running world, by turns."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probes.simnet.processes import DEVICE
from tests.bench.arena import Arena, ArenaError
from tests.bench.claim import Evidence
from tests.bench.flows import Ways
from tests.bench.row import Measure, Row
from tests.bench.scenario import Scenario, tree_of
from tests.bench.tools.scamper import Scamper
from tests.bench.tools.tool import Job
from tests.bench.truth import Truth
from tests.bench.wire import Wire, sent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.scenario import Options
    from tests.bench.tools.tool import Tool


@dataclass(frozen=True)
class Contest(Scenario):
    """``job`` holds what differs from :class:`Job`; ``pings`` of each target where it is none of traces.

    Only so many targets are ``taken``, evenly spread, where not all are. With ``flows`` it is also seen how
    many traces are of no one flow.
    """

    tools: tuple[Tool, ...] = ()
    job: Mapping[str, Any] = field(default_factory=dict)
    pings: int = 0
    taken: int | None = None
    flows: bool = False

    def play(self, options: Options, directory: Path) -> Evidence:
        tools = [*self.tools, *self._others(options)]
        missing = {tool.name: tool.missing() for tool in tools}
        runs: dict[str, list[Measure]] = defaultdict(list)
        world = self.world(options)
        with Arena(world, directory) as arena:
            for turn in range(options.runs):
                for tool in tools:
                    if missing[tool.name] is None and turn < tool.runs:
                        try:
                            runs[tool.name].append(self._run(tool, arena))
                        except ArenaError as error:
                            missing[tool.name] = str(error)
        rows = [
            Row(self.name, tool.name, tuple(runs[tool.name]), missing[tool.name], tool.note) for tool in tools
        ]
        return Evidence({row.tool: row for row in rows}, {})

    def _others(self, options: Options) -> list[Tool]:
        """Another scamper beside each that takes part."""
        if options.scamper is None:
            return []
        found = [tool for tool in self.tools if isinstance(tool, Scamper)]
        return [
            replace(tool, name=f"other {tool.name}", program=options.scamper, top=50_000) for tool in found
        ]

    def _run(self, tool: Tool, arena: Arena) -> Measure:
        tree = tree_of(arena.world)
        step = max(1, len(tree.targets) // (self.taken or len(tree.targets)))
        truth = Truth(tree, tree.targets[::step][: self.taken][: tool.limit])
        watched = Wire(arena.namespace) if self.flows else nullcontext()
        with tempfile.TemporaryDirectory(dir=arena.directory) as name, watched as wire:
            directory = Path(name)
            job = Job(directory / "targets", directory, **self.job)
            job.targets.write_text("".join(f"{address}\n" for address in truth.targets), encoding="ascii")
            if tool.by_gateway():
                _route(arena, "via", "192.0.2.254", "onlink")
            sys.stderr.write(f"{self.name}: {tool.name} … ")
            sys.stderr.flush()
            try:
                spent = arena.run(tool.command(job), job.output)
            finally:
                if tool.by_gateway():
                    _route(arena, "scope", "link")
            sys.stderr.write(f"{spent.wall_s:.2f} s\n")
            if tool.failed(spent.status):
                raise ArenaError(f"failed with status {spent.status}: {arena.complaint(job.output)}")
            outcomes = list(tool.read(job))
            passed = None if wire is None else wire.passed()
        false_paths = None if passed is None else Ways(arena.world).false_paths(sent(passed), outcomes)
        score = truth.score(outcomes, self.pings)
        counters = spent.counters
        busy = counters.cpu_s / spent.wall_s
        return Measure(spent.wall_s, spent.cpu_s, counters.sent, score, counters.lost, busy, false_paths)


def _route(arena: Arena, *way: str) -> None:
    """How the vantage reaches the world; nmap takes what has no gateway to be at its own wire."""
    command = ["ip", "route", "replace", "default", *way, "dev", DEVICE]
    subprocess.run(["nsenter", f"--net={arena.namespace}", *command], check=True)
