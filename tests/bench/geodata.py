"""``python -m tests.bench.geodata``: what look-ups and territory cost, us and the peers, as tables."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from tests.bench import inputs, machine, table
from tests.bench.claim import Claim, Evidence, fact, worst
from tests.bench.programs.survey import CASES

if TYPE_CHECKING:
    from collections.abc import Iterator

_README: Final = Path(__file__).parents[2] / "geodata" / "README.md"
_LIBRARIES: Final = ("geoip2", "maxminddb", "iptocc", "pyasn", "pytricia")
_DEADLINE_S: Final = 120.0
_HOSTS: Final = 100_000
_OURS: Final = "**sarhad**, all embedded sources"
_OURS6: Final = "**sarhad**, the same with 10 % IPv6"
_TEN: Final = "**sarhad**, 11 sources with 10 % IPv6"
_START: Final = "from geodata.snapshot import Snapshot; Snapshot.open({}).claims('39.32.0.1')"


@dataclass(frozen=True)
class Contestant:
    """One way of looking up: the program's name for it, the module it needs, and how many it can be given."""

    name: str
    reader: str
    module: str
    count: int = inputs.COUNT
    file: str = "addresses"
    directory: str = "peers"


_CONTESTANTS: Final = (
    Contestant(_OURS, "sarhad", "geodata"),
    Contestant(_OURS6, "sarhad", "geodata", file="mixed"),
    Contestant(_TEN, "sarhad", "geodata", file="mixed", directory="ten"),
    Contestant("iptocc (registries)", "iptocc", "iptocc"),
    Contestant("maxminddb, in C (DB-IP)", "maxminddb", "maxminddb"),
    Contestant("maxminddb, in Python (DB-IP)", "maxminddb_python", "maxminddb", 100_000),
    Contestant("geoip2 (DB-IP)", "geoip2", "geoip2", 100_000),
    Contestant("pyasn (networks)", "pyasn", "pyasn"),
    Contestant("pytricia (networks)", "pytricia", "pytricia"),
)
_CLAIMS: Final = {
    "look-up": (
        Claim("a million addresses, all embedded sources", "≤", 3, fact(f"{_OURS}: many, s"), "{:.2f} s"),
        Claim("the same with 10 % IPv6", "≤", 3, fact(f"{_OURS6}: many, s"), "{:.2f} s"),
        Claim("the same, 11 sources of 6.5 million ranges", "≤", 3, fact(f"{_TEN}: many, s"), "{:.2f} s"),
        Claim("memory for that", "≤", 300, fact(f"{_TEN}: memory, MB"), "{:.0f} MB"),
        Claim("one address, all embedded sources", "≤", 50, fact(f"{_OURS}: one address, µs"), "{:.1f} µs"),
        Claim("one address, 11 sources", "≤", 50, fact(f"{_TEN}: one address, µs"), "{:.1f} µs"),
        Claim("start to first answer, embedded", "≤", 150, fact("embedded: start, ms"), "{:.0f} ms"),
        Claim("start to first answer, 11 sources", "≤", 150, fact("ten: start, ms"), "{:.0f} ms"),
    ),
    "territory": (
        Claim(
            "100,000 hosts from 8 vantages, the slowest case",
            "≤",
            2,
            worst(lambda case: fact(f"{case}: assess_many, s"), *CASES),
            "{:.2f} s",
        ),
        Claim(
            "the same, all countries that are feasible",
            "≤",
            2,
            worst(lambda case: fact(f"{case}: countries_of_many, s"), *CASES),
            "{:.2f} s",
        ),
    ),
}
_ABOUT: Final = (
    "`make bench-geodata` looks the same addresses up in the embedded snapshot and by the libraries of its "
    "neighbours, asks what land is feasible for many hosts, and puts here what was met and what was measured."
)
_LEGEND: Final = (
    "Medians of {runs} runs, by turns, each in a process of its own on one core; times are processor time. "
    "Peers are given the embedded data: DB-IP's table as a MaxMind DB, the table of networks as prefixes. "
    "Many are a million addresses, half of them in Pakistan (100,000 for the readers in Python). Memory is "
    "what the process grew by at most."
)


class BenchError(Exception):
    """Something could not be measured; the message says what."""


def main(arguments: list[str]) -> int:
    """Measure and print; 0 whatever was found, 1 if it could not be, 130 interrupted."""
    parser = argparse.ArgumentParser("python -m tests.bench.geodata", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=5, choices=range(1, 100), metavar="N", help="(%(default)s)"
    )
    parser.add_argument("--write-readme", action="store_true", help="put the tables into README.md")
    given = parser.parse_args(arguments)
    described = machine.described((), _LIBRARIES)
    try:
        with tempfile.TemporaryDirectory(prefix="sarhad-bench-") as directory:
            evidence = measure(Path(directory), given.runs)
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    text = document(described, given.runs, evidence)
    sys.stdout.write(text)
    if given.write_readme:
        placed = table.placed(_README.read_text(encoding="utf-8"), text, table.GEODATA)
        _README.write_text(placed, encoding="utf-8")
    return 0


def measure(directory: Path, runs: int) -> dict[str, Evidence]:
    """What was found of each kind, as facts."""
    peers, ten = directory / "peers", directory / "ten"
    peers.mkdir()
    ten.mkdir()
    for write in (inputs.write_addresses, inputs.write_mmdb, inputs.write_prefixes):
        sys.stderr.write(f"{write.__name__} …\n")
        write(peers)
    inputs.write_snapshot(ten)
    (ten / "mixed").symlink_to(peers / "mixed")
    found: dict[str, dict[str, list[float]]] = {"look-up": defaultdict(list), "territory": defaultdict(list)}
    for _ in range(runs):
        for name, value in _look_ups(directory, ten):
            found["look-up"][name].append(value)
        for name, value in _run("territory", "-m", "tests.bench.programs.survey", str(_HOSTS)).items():
            found["territory"][name].append(value)
    return {
        kind: Evidence({}, {name: median(values) for name, values in facts.items()})
        for kind, facts in found.items()
    }


def _look_ups(directory: Path, ten: Path) -> Iterator[tuple[str, float]]:
    for one in _CONTESTANTS:
        if importlib.util.find_spec(one.module) is not None:
            program = ["-m", "tests.bench.programs.lookup", one.reader, str(directory / one.directory)]
            for name, value in _run(one.name, *program, one.file, str(one.count)).items():
                yield f"{one.name}: {name}", value
    for name, snapshot in (("embedded", "None"), ("ten", f"__import__('pathlib').Path({str(ten)!r})")):
        before = _children_s()
        _run(f"{name} start", "-c", f"{_START.format(snapshot)}; print('{{}}')")
        yield f"{name}: start, ms", (_children_s() - before) * 1e3


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(what: str, *arguments: str) -> dict[str, float]:
    """What a program of ours prints, on one core."""
    sys.stderr.write(f"{what} …\n")
    # Libraries of linear algebra start threads of their own, whose time is counted and is of no use.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, *arguments],
            check=True,
            capture_output=True,
            timeout=_DEADLINE_S,
            env=environment,
            text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{what}: did not end within {_DEADLINE_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise BenchError(f"{what}: {error.stderr.strip().splitlines()[-1]}") from error
    found: dict[str, float] = json.loads(done.stdout)
    return found


def document(described: str, runs: int, evidence: dict[str, Evidence]) -> str:
    """What is put into README: what was asked, and then all that was measured."""
    missing = [one.name for one in _CONTESTANTS if importlib.util.find_spec(one.module) is None]
    legend = _LEGEND.format(runs=runs)
    if missing:
        legend += f" Not installed, and so not measured: {', '.join(missing)}."
    played = [(kind, "", _CLAIMS[kind], found) for kind, found in evidence.items()]
    about, legend = ("\n".join(textwrap.wrap(text, 118)) + "\n" for text in (_ABOUT, legend))
    parts = [about, table.summary(described, played, "of"), legend]
    look_ups = evidence["look-up"].facts
    measured = {
        name: value for name, value in look_ups.items() if not name.endswith((": start, ms", ": many, s"))
    }
    parts.append("\n".join(table.facts("look-up", Evidence({}, measured))) + "\n")
    parts.append("\n".join(table.facts("100,000 hosts from 8 vantages", evidence["territory"])) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
