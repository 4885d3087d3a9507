"""What is true in a tree world, and how much of it a tool found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from tests.bench.outcome import Ping, Trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from probes.simnet.tree import Tree
    from tests.bench.outcome import Outcome

GAP: Final = 5  # silent hops in a row behind which nobody is asked to look; every tool is told so


@dataclass(frozen=True)
class Score:
    """Answers found of those that were to be had, wrong ones, destinations reached of those alive.

    ``errors_ms`` are reported round-trip times less the true ones, in order. For pings an answer is one of
    those of each target that is alive.
    """

    answerable: int
    found: int
    wrong: int
    alive: int
    reached: int
    errors_ms: tuple[float, ...] = ()

    def error_ms(self, share: float) -> float | None:
        """The error that ``share`` of the answers do not exceed, either way."""
        sizes = sorted(map(abs, self.errors_ms))
        return sizes[min(len(sizes) - 1, int(share * len(sizes)))] if sizes else None


class Truth:
    """The truth of one tree for some of its targets, all unless they are given."""

    def __init__(self, tree: Tree, targets: Sequence[str] | None = None) -> None:
        self._tree = tree
        self.targets = tree.targets if targets is None else targets

    @cached_property
    def paths(self) -> dict[str, tuple[frozenset[str], ...]]:
        """For each target who may answer at each TTL from 1, the target's own TTL the last."""
        return {target: self._path(target) for target in self.targets}

    @cached_property
    def asked(self) -> dict[str, int]:
        """For each target the last TTL that is asked for: not behind a gap of silent hops."""
        return {target: _before_gap(path) for target, path in self.paths.items()}

    def _path(self, target: str) -> tuple[frozenset[str], ...]:
        tree = self._tree
        steps = [frozenset(each for each in step if not tree.silent(each)) for step in tree.hops(target)[:-1]]
        return (*steps, frozenset(() if tree.dead(target) else (target,)))

    def rtt_ms(self, ttl: int) -> float:
        """The true round-trip time to the hop at a TTL; the world's delays are one way."""
        return 2 * self._tree.spec.hop_ms * ttl

    def score(self, outcomes: Iterable[Outcome], pings: int = 0) -> Score:
        """Hold outcomes against the truth: traces or, where each target was to be sent ``pings``, pings."""
        found: dict[str, Outcome] = {}
        strangers = 0
        for outcome in outcomes:
            if outcome.target in self.paths:
                found[outcome.target] = outcome
            else:
                strangers += 1
        if pings:
            score = self._pings({name: each for name, each in found.items() if isinstance(each, Ping)}, pings)
        else:
            score = self._traces({name: each for name, each in found.items() if isinstance(each, Trace)})
        return replace(score, wrong=score.wrong + strangers)

    def _traces(self, traces: dict[str, Trace]) -> Score:
        answerable = found = wrong = alive = reached = 0
        errors: list[float] = []
        for target, path in self.paths.items():
            asked = self.asked[target]
            lives = target in path[-1]
            alive += lives and asked == len(path)
            answerable += sum(map(bool, path[:asked]))
            right: set[int] = set()
            replies = traces[target].replies if target in traces else ()
            for reply in replies:
                if 1 <= reply.ttl <= len(path) and reply.address in path[reply.ttl - 1]:
                    if reply.ttl <= asked:
                        right.add(reply.ttl)
                    if reply.rtt_ms is not None:
                        errors.append(reply.rtt_ms - self.rtt_ms(reply.ttl))
                elif not (lives and reply.address == target and reply.ttl > len(path)):
                    wrong += (
                        1  # where the answer at the target's own TTL was lost, a higher one reaches it too
                    )
            found += len(right)
            reached += lives and asked == len(path) and any(reply.address == target for reply in replies)
        return Score(answerable, found, wrong, alive, reached, tuple(sorted(errors)))

    def _pings(self, pings: dict[str, Ping], count: int) -> Score:
        answerable = found = wrong = alive = reached = 0
        errors: list[float] = []
        for target, path in self.paths.items():
            lives = target in path[-1]
            alive += lives
            answerable += count * lives
            rtts = pings[target].rtts_ms if target in pings else ()
            reached += lives and bool(rtts)
            found += min(count, len(rtts)) * lives
            wrong += len(rtts) - min(count, len(rtts)) * lives
            errors += [rtt - self.rtt_ms(len(path)) for rtt in rtts if lives]
        return Score(answerable, found, wrong, alive, reached, tuple(sorted(errors)))


def _before_gap(path: tuple[frozenset[str], ...]) -> int:
    silent = 0
    for ttl, answering in enumerate(path, 1):
        silent = 0 if answering else silent + 1
        if silent == GAP:
            return ttl
    return len(path)
