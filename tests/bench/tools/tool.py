"""A tool under measurement: how it is called, and how what it prints is read."""

from __future__ import annotations

import importlib.util
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bench.outcome import Outcome

Method = Literal["icmp", "udp", "tcp"]


@dataclass(frozen=True)
class Job:
    """What every tool of a scenario is asked: the targets (a file, an address a line) and where output goes.

    ``rate`` is the cap in packets a second, ``wait_s`` how long an answer is waited for, ``attempts`` how
    often a hop is asked, ``count`` how many pings, ``most`` the highest TTL.
    """

    targets: Path
    directory: Path
    rate: int = 10_000
    wait_s: float = 1.0
    attempts: int = 1
    count: int = 10
    most: int = 30

    @property
    def output(self) -> Path:
        """What the tool prints."""
        return self.directory / "output"

    @property
    def addresses(self) -> list[str]:
        return self.targets.read_text(encoding="ascii").split()


@dataclass(frozen=True)
class Tool(ABC):
    """A tool with the options that it is given; ``runs`` at most, where it is slow, of ``limit`` targets."""

    name: str
    runs: int = 5
    limit: int | None = None

    @property
    def note(self) -> str:
        """What a reader of its row should know."""
        return f"at most {self.limit} targets" if self.limit else ""

    @abstractmethod
    def command(self, job: Job) -> list[str]:
        """The command; its standard output is ``job.output``."""

    @abstractmethod
    def read(self, job: Job) -> Iterator[Outcome]:
        """What it said."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot be run here; None if it can."""

    def failed(self, status: int) -> bool:
        """Whether an exit status means that it could not measure, rather than that some target was silent."""
        return status != 0

    def by_gateway(self) -> bool:
        """Whether it sees a path only where the route there names a gateway."""
        return False


def no_command(command: str, package: str) -> str | None:
    """Why a Debian tool cannot be run."""
    if shutil.which(command) is None:
        return f"{command} is not installed (Debian package {package})"
    return None


def no_module(module: str) -> str | None:
    """Why a tool from PyPI cannot be run."""
    return f"{module} is not installed (PyPI)" if importlib.util.find_spec(module) is None else None
