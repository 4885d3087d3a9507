"""What all scenarios have in common: a world that varies S1, what is asked, and how it is played."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from probes.simnet.loading import load_world
from probes.simnet.tree import Tree
from probes.simnet.world import TreeSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from probes.simnet.world import World
    from tests.bench.claim import Claim, Evidence

S1: Final = Path(__file__).with_name("worlds") / "s1.yaml"


@dataclass(frozen=True)
class Options:
    """What the command line says: runs of each tool at most, targets at most, the tree's seed, a scamper."""

    runs: int = 5
    targets: int | None = None
    seed: int | None = None
    scamper: str | None = None


@dataclass(frozen=True)
class Scenario(ABC):
    """``about`` says in words how its world differs from S1, ``tree`` in fields of the world's tree."""

    name: str
    about: str
    claims: tuple[Claim, ...]
    targets: int = 1000
    tree: Mapping[str, Any] = field(default_factory=dict)

    @abstractmethod
    def play(self, options: Options, directory: Path) -> Evidence:
        """Measure; ``directory`` is empty, and its own."""

    def world(self, options: Options, targets: int | None = None) -> World:
        """The scenario's world, with as many targets as it has or as are given."""
        return variant({**self.tree, "targets": self.size(options, targets)}, options.seed)

    def size(self, options: Options, targets: int | None = None) -> int:
        """How many targets: the scenario's or those given, and not more than the options say."""
        return min(targets or self.targets, options.targets or 2**17)


def variant(changes: Mapping[str, Any], seed: int | None = None) -> World:
    """S1 with some fields of its tree changed."""
    world = load_world(S1)
    (spec,) = world.trees
    fields = {**spec.model_dump(), **changes}
    if seed is not None:
        fields["seed"] = seed
    return world.model_copy(update={"trees": (TreeSpec.model_validate(fields),)})


def tree_of(world: World) -> Tree:
    """The tree of a world that has one."""
    (spec,) = world.trees
    return Tree(spec, world.seed)
