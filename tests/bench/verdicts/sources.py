"""Where the exhibits come from: the shipped world, random worlds, and what others measured and checked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import yaml

from geodata.sphere import EARTH_RADIUS_KM, angle, unit
from geodata.territory import Disk, Territory
from probes.observation import PingObservation
from probes.vantages.vantage import load_vantages
from scanner.judge import compose
from scanner.record import read_observations
from scanner.run import decode
from scanner.worlds import files
from scanner.worlds.world import generate
from tests.bench.verdicts.exhibit import Exhibit, Judged, Truth, judge, judged, load, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from probes.observation import Observation
    from probes.vantages.vantage import Vantage
    from scanner.judge import Inputs
    from scanner.verdict import EndpointVerdict

ROOT: Final = Path(__file__).parents[3]
REALDATA: Final = ROOT.parent / "shared" / "realdata"
SARHAD: Final = Path(sys.executable).with_name("sarhad")
_WORLD: Final = ROOT / "probes" / "simnet" / "worlds" / "pakistan.yaml"
_DEMO_S: Final = 300
_RUNS: Final = 3  # of which the least disturbed counts


@dataclass(frozen=True, slots=True)
class Pings:
    """What the pings show by themselves: addresses that two honest vantages contradict; time to judge one."""

    country: str
    contradicted: frozenset[str]
    liars: frozenset[str]
    judge_ms: float


def pakistan(directory: Path) -> Exhibit:
    """The shipped world, scanned and judged."""
    exhibit = Exhibit("pakistan.yaml", "the scan of the shipped world, 47 endpoints from six vantages")
    output = directory / "demo.json"
    done = subprocess.run(
        [SARHAD, "demo", "--format=json", "--fail-on=never"],
        stdout=output.open("wb"),
        stderr=subprocess.PIPE,
        text=True,
        timeout=_DEMO_S,
        check=False,
    )
    if done.returncode not in {0, 3}:
        exhibit.missing = f"sarhad demo ended with {done.returncode}: {' '.join(done.stderr.split())[-200:]}"
        return exhibit
    said = yaml.safe_load(_WORLD.read_bytes())["truth"]
    truth = {
        name: Truth(one["location"], note=one.get("note", ""), path=one.get("path"))
        for name, one in said.items()
    }
    exhibit.judged += judged(decode(output.read_bytes()), truth, Territory.load("PK"))
    return exhibit


def worlds(seeds: Sequence[int], endpoints: int, directory: Path, country: str = "PK") -> Exhibit:
    """Random worlds, all in one."""
    about = f"{len(seeds)} random worlds of {endpoints} endpoints, home {country} (sarhad world generate)"
    exhibit = Exhibit("random worlds", about)
    jobs = [(seed, endpoints, directory / f"world-{seed}", country) for seed in seeds]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for part in pool.map(_world, jobs):
            exhibit.judged += part
    return exhibit


def _world(job: tuple[int, int, Path, str]) -> list[Judged]:
    seed, endpoints, directory, country = job
    files.write(generate(seed, endpoints, country), directory)
    inputs = load(directory / "register.yaml", directory / "vantages.yaml", directory / "geodata")
    places = json.loads((directory / "places.json").read_bytes())
    lie = ", where a vantage lies" if any(one["lies"] for one in places.values()) else ""
    truth = {
        name: Truth(
            location=one["location"],
            kind=one["kind"],
            accept=tuple(one["accept"]),
            metro=bool(one["metro"]),
            relay_km=one["relay_km"],
            path=one["path"],
            note=f"seed {seed}{lie}: {one['note']}",
        )
        for name, one in json.loads((directory / "truth.json").read_bytes()).items()
    }
    run = judge(inputs, directory / "observations.jsonl")
    honest = {one.id: one for one in inputs.vantages if not places[one.id]["lies"]}
    for result in run.endpoints:
        if truth[result.endpoint].metro:
            provable = _is_provable(result.verdict, honest, inputs.territory)
            truth[result.endpoint] = replace(truth[result.endpoint], provable=provable)
    return list(judged(run, truth, inputs.territory))


def _is_provable(verdict: EndpointVerdict, honest: Mapping[str, Vantage], territory: Territory) -> bool:
    """Whether the times of honest vantages leave only land of home, or only that of others."""
    for one in verdict.addresses:
        feasible = territory.assess(
            Disk(at.latitude, at.longitude, rtt_ms * 100 + at.location_error_km)
            for name, rtt_ms in one.rtts_ms.items()
            if (at := honest.get(name)) is not None
        )
        if feasible.home == feasible.foreign:
            return False
    return True


def traceroutes() -> Exhibit:
    """Real traceroutes of 32 well-known Pakistani sites."""
    source = REALDATA / "pk-atlas-2026-06"
    exhibit = Exhibit("traceroutes 2026", "RIPE Atlas traceroutes from five Pakistani networks to 32 sites")
    if not source.is_dir():
        exhibit.missing = f"no {source.name} in shared/realdata beside the project"
        return exhibit
    inputs = load(source / "register.yaml", source / "vantages.yaml", today=date(2026, 6, 30))
    hosts = {row["endpoint"]: row for row in read_table(source / "truth.csv")}
    truth = {
        one.id: Truth(hosts[name]["location"], note=hosts[name]["note"])
        for one in inputs.register.endpoints
        if (name := one.host or "") in hosts
    }
    run = judge(inputs, source / "observations.jsonl")
    exhibit.judged += judged(run, truth, inputs.territory)
    return exhibit


def pings(country: str, directory: Path) -> tuple[Exhibit, Pings | None]:
    """Real pings of 16 addresses from 300 vantages each, with a country as home."""
    source = REALDATA / "atlas-pings-2023"
    exhibit = Exhibit(
        f"pings 2023, {country}", f"RIPE Atlas pings of 16 addresses, 300 vantages each, home {country}"
    )
    if not source.is_dir():
        exhibit.missing = f"no {source.name} in shared/realdata beside the project"
        return exhibit, None
    declared = yaml.safe_load((source / "register.yaml").read_bytes())
    register = directory / f"register-{country}.yaml"
    register.write_text(yaml.safe_dump({**declared, "country": country}), encoding="utf-8")
    inputs = load(register, source / "vantages.yaml", today=date(2023, 7, 1))
    rows = {row["address"]: row for row in read_table(source / "truth.csv")}
    truth = {
        one.id: Truth(
            location="edge"
            if row["kind"] == "anycast"
            else "inside"
            if row["country"] == country
            else "outside",
            kind=row["kind"],
            note=f"{row['note']} {row['country']}".strip(),
        )
        for one in inputs.register.endpoints
        if (row := rows.get(one.address or "")) is not None
    }
    observations = read_observations(source / "observations.jsonl")
    judge_ms = min(_judge_ms(inputs, observations) for _ in range(_RUNS)) / len(truth)
    run = compose(inputs, observations, observations[0].time, complete=True)
    exhibit.judged += judged(run, truth, inputs.territory)
    unicast = {address for address, row in rows.items() if row["kind"] == "unicast"}
    contradicted, liars = contradictions(source, unicast)
    ids = {one.address: one.id for one in inputs.register.endpoints}
    found = frozenset(ids[address] for address in contradicted if address in ids)
    return exhibit, Pings(country, found, liars, judge_ms)


def _judge_ms(inputs: Inputs, observations: Sequence[Observation]) -> float:
    """How long judging takes, with a territory that remembers nothing of an earlier time."""
    fresh = replace(inputs, territory=Territory.load(inputs.register.country))
    started = time.perf_counter()
    compose(fresh, observations, observations[0].time, complete=True)
    return 1000 * (time.perf_counter() - started)


def contradictions(source: Path, unicast: set[str]) -> tuple[set[str], frozenset[str]]:
    """The addresses that two vantages contradict, and the vantages that lie.

    Reckoned apart from the rules, by pairs: two disks (with the sphere's and a map's error, as margins) that
    are apart. A vantage of which every contradiction of a unicast address is part lies, and is left out.
    """
    vantages = {one.id: one for one in load_vantages(source / "vantages.yaml")}
    least: dict[str, dict[str, float]] = {}
    for one in read_observations(source / "observations.jsonl"):
        if isinstance(one, PingObservation) and one.result and one.result.rtts_ms and one.address:
            known = least.setdefault(one.address, {})
            known[one.vantage] = min(known.get(one.vantage, np.inf), *one.result.rtts_ms)
    pairs = {address: _apart(times, vantages) for address, times in least.items()}
    liars: set[str] = set()
    for address in unicast:
        if found := pairs.get(address):
            liars |= set.intersection(*map(set, found))
    honest = {
        address for address, found in pairs.items() if any(not liars.intersection(pair) for pair in found)
    }
    return honest, frozenset(liars)


def _apart(times: Mapping[str, float], vantages: Mapping[str, Vantage]) -> list[tuple[str, str]]:
    names = [name for name, rtt_ms in times.items() if name in vantages and rtt_ms > 0]
    places = {name: vantages[name] for name in names}
    where = {name: unit(one.latitude, one.longitude) for name, one in places.items()}
    reach = {name: (times[name] * 100 + places[name].location_error_km) * 1.0057 + 3 for name in names}
    return [
        (one, other)
        for one, other in combinations(names, 2)
        if float(angle(where[one], where[other])) * EARTH_RADIUS_KM > reach[one] + reach[other]
    ]
