"""Our engine by itself, in one process: what a probe and a target cost, and how exact its times are."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from tests.bench.arena import Arena, ArenaError
from tests.bench.claim import Evidence
from tests.bench.outcome import Reply, Trace
from tests.bench.scenario import Scenario, tree_of
from tests.bench.truth import Truth
from tests.bench.wire import Wire, echo_times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bench.scenario import Options
    from tests.bench.truth import Score

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
        # Where times are measured the router must be exact, where processor time is it must not interrupt.
        exact = all(part.block_ms >= 0 for part in self.parts)
        with Arena(self.world(options, most), directory, punctual=exact) as arena:
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
        with Wire(arena.namespace) if part.block_ms >= 0 else nullcontext() as wire:
            spent = arena.run(program, output)
            passed = [] if wire is None else wire.passed()
        sys.stderr.write(f"{spent.wall_s:.2f} s\n")
        if spent.status:
            raise ArenaError(f"{part.name}: status {spent.status}: {arena.complaint(output)}")
        said: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
        probes = spent.counters.sent
        alive = sum(not tree.dead(target) for target in tree.targets[:targets])
        facts = {
            "probes": probes,
            "wall, s": said["wall_s"],
            "share of the living reached": said["reached"] / alive,
            "lost by the world": spent.counters.lost,
            "router, share of a core": spent.counters.cpu_s / spent.wall_s,
        }
        if part.block_ms < 0:
            return facts | {
                "CPU, µs a probe": said["cpu_s"] / probes * 1e6,
                "CPU, µs a target": said["cpu_s"] / targets * 1e6,
                "octets a target": said["octets"] / targets,
            }
        world = Truth(tree, tree.targets[:targets])
        wire_ms = {(target, ttl): rtt for target, ttl, rtt in echo_times(passed)}
        on_wire = (
            rtt - world.rtt_ms(ttl) for (name, ttl), rtt in wire_ms.items() if ttl <= len(world.paths[name])
        )
        against_wire = (
            rtt - wire_ms[target, ttl] for target, ttl, _, rtt in said["rtts"] if (target, ttl) in wire_ms
        )
        score = world.score(_traces(said["rtts"]))
        facts |= _shares("RTT error", score)
        facts |= _shares("on the wire", replace(score, errors_ms=tuple(on_wire)))
        facts |= _shares("against the wire", replace(score, errors_ms=tuple(against_wire)))
        return facts | {"wrong hops": score.wrong}


def _traces(rtts: list[tuple[str, int, str, float]]) -> Iterator[Trace]:
    """The answers that the program printed, by target."""
    replies: dict[str, list[Reply]] = defaultdict(list)
    for target, ttl, address, rtt in rtts:
        replies[target].append(Reply(ttl, address, rtt))
    return (Trace(target, tuple(found)) for target, found in replies.items())


def _shares(what: str, score: Score) -> dict[str, float]:
    """The errors that half, nine tenths and 99 in 100 of the times do not exceed."""
    errors = {name: score.error_ms(share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {f"{what} {name}, ms": error for name, error in errors.items() if error is not None}
