"""Exhibits: recorded evidence with what is true of it, judged by the rules and by the simpler methods."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from geodata.snapshot import Snapshot
from geodata.territory import Territory
from probes.vantages.vantage import load_vantages
from scanner.judge import Inputs, compose
from scanner.record import read_observations
from scanner.register import load_register
from scanner.rulebook import load_policy
from tests.bench.verdicts.methods import Looked, look

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from scanner.run import Run

PLACES: Final = frozenset({"inside", "outside"})
_TODAY: Final = date(2026, 11, 1)


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of an endpoint; ``accept`` are other locations that are true as well.

    ``metro`` says whether an honest vantage is in its metropolitan area, ``provable`` whether the disks of
    the honest vantages leave land of home alone, or of others alone.
    """

    location: str
    kind: str = ""
    accept: tuple[str, ...] = ()
    metro: bool = False
    provable: bool = False
    relay_km: float | None = None
    note: str = ""
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """An endpoint's truth and what was found; ``looked`` is by method."""

    endpoint: str
    truth: Truth
    location: str
    assurance: str | None
    rule: str
    reason: str
    looked: Mapping[str, Looked]
    path: str = "unknown"

    @property
    def wrong(self) -> bool:
        """Whether the verdict claims a place that is not true."""
        return is_wrong(self.truth, self.location)

    @property
    def false_proof(self) -> bool:
        """Whether it does so as proved."""
        return self.wrong and self.assurance == "proved"


@dataclass(slots=True)
class Exhibit:
    """All that was judged of one kind of evidence: what it is in words, and the endpoints."""

    name: str
    about: str
    judged: list[Judged] = field(default_factory=list)
    missing: str | None = None

    def count(self, endpoints: Iterable[Judged] | None = None) -> Counter[tuple[str, str]]:
        """How many by (true location, location found)."""
        return Counter((one.truth.location, one.location) for one in endpoints or self.judged)


def is_wrong(truth: Truth, location: str | None) -> bool:
    """Whether a location claims a place, and not a true one."""
    return location in PLACES and location != truth.location and location not in truth.accept


def load(register: Path, vantages: Path, geodata: Path | None = None, today: date = _TODAY) -> Inputs:
    """What a judgement needs, from files."""
    parsed = load_register(register, today)
    return Inputs(
        register=parsed,
        vantages=load_vantages(vantages),
        policy=load_policy(),
        snapshot=Snapshot.open(geodata),
        territory=Territory.load(parsed.country),
        today=today,
    )


def judge(inputs: Inputs, observations: Path) -> Run:
    """The run of recorded observations."""
    read = read_observations(observations)
    return compose(inputs, read, min(one.time for one in read), complete=True)


def judged(
    run: Run, truth: Mapping[str, Truth], territory: Territory, *, plain: bool = True
) -> Iterator[Judged]:
    """Each endpoint of a run that the truth names; ``plain`` methods are asked too, if wanted."""
    for result in run.endpoints:
        if (true := truth.get(result.endpoint)) is None:
            continue
        verdict = result.verdict
        yield Judged(
            endpoint=result.endpoint,
            truth=true,
            location=verdict.location,
            assurance=verdict.assurance,
            rule=verdict.rule,
            reason=verdict.reason,
            path=verdict.path,
            looked=look(run, verdict, territory) if plain else {},
        )


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a head."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
