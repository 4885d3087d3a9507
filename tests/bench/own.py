"""Our engine by itself, in one process: what a probe and a target cost, and how exact its times are."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.arena import Arena, ArenaError
from tests.bench.claim import Evidence
from tests.bench.outcome import Reply, Trace
from tests.bench.scenario import Scenario, tree_of
from tests.bench.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bench.scenario import Options

PROGRAM = "tests.bench.programs"


@dataclass(frozen=True)
class Part:
    """One way of running the engine; its facts begin with ``name``, ``block_ms`` is as the program's."""

    name: str
    targets: int
    rate: int
    runs: int = 5
    block_ms: float = -1


@dataclass(frozen=True)
class Own(Scenario):
    """Parts, and facts that follow from several of them: ``derived`` adds to what was measured."""

    parts: tuple[Part, ...] = ()
    derived: Callable[[dict[str, float]], None] | None = None
    wait_s: float = 1.0

    def play(self, options: Options, directory: Path) -> Evidence:
        most = max(self.size(options, part.targets) for part in self.parts)
        found: dict[str, list[float]] = defaultdict(list)
        with Arena(self.world(options, most), directory) as arena:
            for turn in range(options.runs):
                for part in self.parts:
                    if turn < part.runs:
                        for name, value in self._run(part, arena, options).items():
                            found[f"{part.name}: {name}"].append(value)
        facts = {name: median(values) for name, values in found.items()}
        if self.derived is not None:
            self.derived(facts)
        return Evidence({}, facts)

    def _run(self, part: Part, arena: Arena, options: Options) -> dict[str, float]:
        targets = self.size(options, part.targets)
        tree = tree_of(arena.world)
        numbers = [targets, part.rate, self.wait_s, part.block_ms]
        sys.stderr.write(f"{self.name}: {part.name} … ")
        sys.stderr.flush()
        output = arena.directory / "output"
        program = [sys.executable, "-m", f"{PROGRAM}.engine_trace", tree.targets[0], *map(str, numbers)]
        spent = arena.run(program, output)
        sys.stderr.write(f"{spent.wall_s:.2f} s\n")
        if spent.status:
            raise ArenaError(f"{part.name}: status {spent.status}: {arena.complaint(output)}")
        said: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        probes = spent.counters.sent
        alive = sum(not tree.dead(target) for target in tree.targets[:targets])
        facts = {
            "probes": probes,
            "wall, s": said["wall_s"],
            "probes/s": probes / said["wall_s"],
            "CPU, µs a probe": said["cpu_s"] / probes * 1e6,
            "CPU, µs a target": said["cpu_s"] / targets * 1e6,
            "octets a target": said["octets"] / targets,
            "share of the living reached": said["reached"] / alive,
            "share of probes that the world lost": spent.counters.lost / probes,
            "router, share of a core": spent.counters.cpu_s / spent.wall_s,
        }
        if said["rtts"]:
            traces = [
                Trace(target, (Reply(ttl, address, rtt),)) for target, ttl, address, rtt in said["rtts"]
            ]
            facts |= _errors(Truth(tree, tree.targets[:targets]), traces)
        return facts


def _errors(truth: Truth, traces: list[Trace]) -> dict[str, float]:
    """The errors of the round-trip times; each trace here holds one answer."""
    merged: dict[str, list[Reply]] = defaultdict(list)
    for trace in traces:
        merged[trace.target] += trace.replies
    score = truth.score(Trace(target, tuple(replies)) for target, replies in merged.items())
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    errors = {f"RTT error {name}, ms": score.error_ms(share) for name, share in shares.items()}
    return {name: error for name, error in errors.items() if error is not None} | {"wrong hops": score.wrong}
