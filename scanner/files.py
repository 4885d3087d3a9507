"""The files that a judgement needs, read together: all that is wrong with any of them is said at once."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from geodata.snapshot import GeodataError, Snapshot
from geodata.territory import Territory
from probes.document import DocumentError
from probes.vantages.vantage import load_vantages
from scanner.judge import Inputs
from scanner.register import load_register
from scanner.rulebook import load_policy
from scanner.run import FileUsed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a job; ``None`` stands for what is shipped."""

    register: Path
    vantages: Path
    policy: Path | None = None
    geodata: Path | None = None
    territory: Path | None = None


class FilesError(Exception):
    """Files that cannot be used; ``faults`` has a line for each thing that is wrong."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def load(files: Files, today: date | None = None) -> Inputs:
    """Everything a judgement needs from files; a :class:`FilesError` has every fault of each of them."""
    faults: list[str] = []
    today = today or datetime.now(UTC).date()
    with collect(faults):
        register = load_register(files.register, today)
    with collect(faults):
        vantages = load_vantages(files.vantages)
    with collect(faults):
        policy = load_policy(files.policy)
    with collect(faults):
        snapshot = Snapshot.open(files.geodata)
    if not faults:
        with collect(faults):
            territory = Territory.load(register.country, files.territory)
    if faults:
        raise FilesError(faults)
    return Inputs(
        register=register,
        vantages=vantages,
        policy=policy,
        snapshot=snapshot,
        territory=territory,
        today=today,
        files=tuple(
            FileUsed(name=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
            for name, path in (("register", files.register), ("vantages", files.vantages))
        ),
    )


@contextlib.contextmanager
def collect(faults: list[str]) -> Iterator[None]:
    """What is wrong with a file that is read becomes a line of ``faults`` for each fault."""
    try:
        yield
    except DocumentError as error:
        faults.extend(map(str, error.faults))
    except GeodataError as error:
        faults.append(str(error))
