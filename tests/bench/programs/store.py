"""``python -m tests.bench.programs.store DIRECTORY ENDPOINTS VANTAGES RUNS``: a store that scans have filled.

One random world is written into the directory, judged once, and stored as runs six hours apart. The runs
differ: each accuses another fiftieth of its endpoints, so that there is history to be read and change to be
told. Random worlds have no dependencies, as most endpoints have in life; so each is given three. The newest
two runs have their raw observations; nothing reads those of the others.
"""

from __future__ import annotations

import gc
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from scanner.store import Store
from scanner.verdict import Dependency
from scanner.worlds import files
from scanner.worlds.world import generate
from tests.bench.verdicts import exhibit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.run import EndpointResult, Run
    from scanner.verdict import Location, Relation

PLACE: Final = "sarhad.db"
SEED: Final = 1
_APART: Final = timedelta(hours=6)
_TOOK: Final = timedelta(minutes=30)
_ACCUSED: Final = 0.02
_OBSERVED: Final = 2
_DEPENDENCIES: Final[tuple[tuple[Relation, str, Location, str], ...]] = (
    ("nameserver", "ns1", "inside", "PK"),
    ("nameserver", "ns2", "outside", "SG"),
    ("mail", "mx", "outside", "DE"),
)


def main(directory: Path, endpoints: int, vantages: int, runs: int) -> None:
    files.write(generate(SEED, endpoints, vantages=vantages), directory)
    inputs = exhibit.load(directory / "register.yaml", directory / "vantages.yaml", directory / "geodata")
    run = exhibit.judge(inputs, directory / "observations.jsonl")
    run = replace(run, endpoints=tuple(_depending(one, n) for n, one in enumerate(run.endpoints)))
    gc.freeze()  # millions of values that stay
    with Store.open(str(directory / PLACE), create=True) as store:
        for one in _series(run, runs):
            store.add(one)


def _series(run: Run, runs: int) -> Iterator[Run]:
    """The oldest first; the newest has just finished."""
    chance = random.Random(SEED)  # noqa: S311  a sample, not a secret
    now = datetime.now(UTC)
    for age in reversed(range(runs)):
        started, finished = _time(now - age * _APART - _TOOK), _time(now - age * _APART)
        yield replace(
            run,
            id=f"{started[:19].replace(':', '')}Z-{age:012x}",
            started=started,
            finished=finished,
            endpoints=tuple(_accused(one) if chance.random() < _ACCUSED else one for one in run.endpoints),
            observations=run.observations if age < _OBSERVED else (),
        )


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _depending(result: EndpointResult, number: int) -> EndpointResult:
    address = f"240.0.{number % 200}.1"
    dependencies = tuple(
        Dependency(
            relation=relation,
            host=f"{host}.e{number % 500}.example",
            location=location,
            assurance="claimed",
            rule="claims",
            reason=f"{address}: All 5 families that are left agree.",
            countries=(country,),
            addresses=(address,),
        )
        for relation, host, location, country in _DEPENDENCIES
    )
    return replace(result, verdict=replace(result.verdict, dependencies=dependencies))


def _accused(result: EndpointResult) -> EndpointResult:
    verdict = replace(result.verdict, location="outside", assurance="proved")
    return replace(result, status="violation", verdict=verdict)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
