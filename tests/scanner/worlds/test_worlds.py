"""Random worlds: as bad as reality, and never impossible."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from datetime import date
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geodata.snapshot import Snapshot
from geodata.territory import Territory
from probes.observation import (
    HttpObservation,
    PingObservation,
    TcpObservation,
    TlsObservation,
    TraceObservation,
)
from probes.simnet.geography import KM_PER_MS, great_circle_km
from probes.vantages.vantage import load_vantages
from scanner.judge import Inputs, compose
from scanner.record import read_observations
from scanner.register import load_register
from scanner.rulebook import load_policy
from scanner.run import encode_observations
from scanner.worlds import census
from scanner.worlds.chance import Chance
from scanner.worlds.files import write
from scanner.worlds.gazetteer import Gazetteer, Spot
from scanner.worlds.way import up_ms
from scanner.worlds.world import World, generate
from tests.scanner.test_cli import call, sarhad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probes.observation import Observation
    from scanner.worlds.host import Server


@cache
def made(seed: int, endpoints: int = 120, country: str = "PK") -> World:
    return generate(seed, endpoints, country)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("world")
    write(made(3), path)
    return path


def floor_ms(*spots: Spot) -> float:
    """What light in fibre needs at least, there and back, along these points."""
    return sum(2 * great_circle_km(a, b) / KM_PER_MS for a, b in pairwise(spots))


def timed(world: World) -> Iterator[tuple[float, float, Observation]]:
    """Every time of the world, with the least that physics allows for it."""
    seen = {one.id: one for one in world.observers}
    servers: dict[str, Server] = {one.address: one for host in world.hosts for one in host.servers}
    servers |= {each.address: each for one in world.observers if (each := one.server) is not None}
    for one in world.observations():
        server = servers.get(one.address or "")
        if server is None or one.result is None:
            continue
        observer = seen[one.vantage]
        site = server.site(observer)
        least = floor_ms(observer.spot, site)
        if isinstance(one, PingObservation | TcpObservation):
            yield from ((least, time, one) for time in one.result.rtts_ms)
        elif isinstance(one, TlsObservation):
            behind = floor_ms(observer.spot, site, server.key) if server.key else least
            yield from ((least, time, one) for time in (one.result.tcp_rtt_ms,) if time is not None)
            yield from ((behind, time, one) for time in (one.result.handshake_ms,) if time is not None)
        elif isinstance(one, HttpObservation):
            behind = floor_ms(observer.spot, site, server.origin) if server.origin else least
            pages = least if server.page_in_front else behind
            errors = least if server.errors_in_front else behind
            yield from ((pages, time, one) for time in one.result.ttfb_ms)
            yield from ((errors, time, one) for time in one.result.probe_ttfb_ms)
        elif isinstance(one, TraceObservation):
            yield from (
                (least, reply.rtt_ms or 0, one)
                for hop in one.result.hops
                for reply in hop.replies
                if reply.address == one.address
            )


class TestPhysics:
    """No time is below what light in fibre needs, whatever else is wrong."""

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.integers(0, 10**9), st.sampled_from(["PK", "FR", "SG", "US", "FJ"]))
    def test_every_time_of_hosts(self, seed: int, country: str) -> None:
        times = list(timed(generate(seed, 25, country)))
        assert times
        assert [(least, time, one.id) for least, time, one in times if time < least] == []

    def test_every_time_of_hops(self) -> None:
        for seed in range(4):
            world = made(seed)
            seen = {one.id: one for one in world.observers}
            spots: dict[str, set[Spot]] = {}
            for host in world.hosts:
                for server in host.servers:
                    for observer in world.observers:
                        for spot in world.recorder.link(observer, server).way.stops:
                            prefix = world.recorder.router(spot, 0, 4).rpartition(".")[0]
                            spots.setdefault(prefix, set()).add(spot)
            hops = [
                (one.vantage, reply)
                for one in world.observations()
                if isinstance(one, TraceObservation) and one.result is not None
                for hop in one.result.hops
                for reply in hop.replies
                if reply.address.rpartition(".")[0] in spots
            ]
            assert len(hops) > 500
            for vantage, reply in hops:
                city = spots[reply.address.rpartition(".")[0]]
                assert (reply.rtt_ms or 0) >= min(floor_ms(seen[vantage].spot, spot) for spot in city)

    def test_honest_vantages_are_where_they_say(self) -> None:
        for seed in range(10):
            for one in made(seed).observers:
                far_km = great_circle_km(one.declared, one.spot)
                assert (far_km > census._LEAST_LIE_KM - 30) if one.lies else (far_km <= one.error_km)

    def test_rounding_is_upwards(self) -> None:
        assert up_ms(1.0001) == 1.001


class TestTruth:
    """What is said to be true is, by where things stand."""

    def test_places_are_on_the_land_that_they_say(self) -> None:
        territory = Territory.load("PK")
        for host in made(3).hosts:
            at_home = {
                territory.contains(site.latitude, site.longitude)
                for one in host.servers
                for site in one.sites
            }
            if host.location == "inside":
                assert at_home == {True}
            if host.location == "outside":
                assert False in at_home
            if host.kind.startswith(("relay4", "relay7")):
                (server,) = host.servers
                behind = server.key or server.origin
                assert behind is not None
                assert at_home == {True}
                assert not territory.contains(behind.latitude, behind.longitude)

    def test_every_kind_is_there(self) -> None:
        assert {host.kind for seed in range(4) for host in made(seed).hosts} == set(census._KINDS)

    def test_paths_that_leave(self, directory: Path) -> None:
        truth = json.loads((directory / "truth.json").read_bytes())
        paths = Counter((one["kind"], one["path"]) for one in truth.values())
        assert paths["honest", "domestic"] > paths["honest", "leaves"] > 0
        assert not paths["foreign", "domestic"]
        assert not paths["scrubbed", "domestic"]

    def test_who_asks_for_a_split_name_can_find_it_out(self) -> None:
        for seed in range(6):
            honest = {one.id for one in made(seed).observers if not one.lies}
            for host in made(seed).hosts:
                if host.kind == "split":
                    assert host.answers is not None
                    abroad = host.servers[1].address
                    assert any(abroad in host.answers[name] for name in honest)

    def test_some_vantages_lie_and_are_contradicted(self) -> None:
        liars = [one for seed in range(12) for one in made(seed).observers if one.lies]
        assert len(liars) >= 3


class TestDeterminism:
    """A seed is a world."""

    def test_the_same_seed_gives_the_same(self) -> None:
        again = generate(3, 120)
        assert encode_observations(again.observations()) == encode_observations(made(3).observations())
        assert again.databases == made(3).databases
        assert generate(4, 120).observers != again.observers

    def test_more_endpoints_change_none_of_the_first(self) -> None:
        few, many = generate(5, 20, vantages=4), generate(5, 40, vantages=4)
        assert few.hosts == many.hosts[:20]

    def test_the_hash_seed_does_not_matter(self, tmp_path: Path) -> None:
        """That of this process is another."""
        words = ("world", "generate", "--seed=8", "--endpoints=40")
        seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        for done in (
            call(*words, f"--output={tmp_path / '1'}"),
            sarhad(*words, f"--output={tmp_path / '2'}", PYTHONHASHSEED=seed),
        ):
            assert done.returncode == 0, done.stderr
        names = sorted(path.name for path in (tmp_path / "1").iterdir() if path.is_file())
        assert names == [
            "observations.jsonl",
            "places.json",
            "register.yaml",
            "truth.csv",
            "truth.json",
            "vantages.yaml",
        ]
        for name in names:
            assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


class TestChance:
    """Chance draws what it is asked for."""

    @given(st.integers())
    def test_bounds(self, seed: int) -> None:
        chance = Chance(seed)
        assert 3 <= chance.between(3, 5) < 5
        assert chance.whole(1, 2) in {1, 2}
        assert chance.wait(2) >= 0
        assert chance.factor(0.3) > 0
        assert sorted(chance.some("abc", 9)) == ["a", "b", "c"]

    def test_weights(self) -> None:
        chance = Chance("weights")
        drawn = Counter(chance.weighted({"often": 9, "seldom": 1, "never": 0}) for _ in range(2000))
        assert 1700 < drawn["often"] < 1900
        assert drawn["never"] == 0

    def test_names_keep_streams_apart(self) -> None:
        assert Chance(1, "a").share() != Chance(1, "b").share()


class TestFiles:
    """What is written is what ``sarhad judge`` reads."""

    def test_it_can_be_judged(self, directory: Path) -> None:
        register = load_register(directory / "register.yaml", date(2026, 11, 1))
        truth = json.loads((directory / "truth.json").read_bytes())
        assert [endpoint.id for endpoint in register.endpoints] == list(truth)
        observations = read_observations(directory / "observations.jsonl")
        with Snapshot.open(directory / "geodata") as snapshot:
            inputs = Inputs(
                register=register,
                vantages=load_vantages(directory / "vantages.yaml"),
                policy=load_policy(),
                snapshot=snapshot,
                territory=Territory.load("PK"),
                today=date(2026, 11, 1),
            )
            run = compose(inputs, observations, "2026-11-01T00:00:00Z", complete=True)
        assert not [notice for notice in run.notices if "left out" in notice]
        found = {one.endpoint: one.verdict.location for one in run.endpoints}
        right = sum(found[endpoint] == one["location"] for endpoint, one in truth.items())
        assert right > len(truth) / 2, "else evidence and endpoints do not belong together"

    def test_the_tables_of_truth_agree(self, directory: Path) -> None:
        with (directory / "truth.csv").open(encoding="utf-8") as stream:
            rows = {row["endpoint"]: row for row in csv.DictReader(stream)}
        truth = json.loads((directory / "truth.json").read_bytes())
        assert {name: row["location"] for name, row in rows.items()} == {
            name: one["location"] for name, one in truth.items()
        }


class TestHome:
    """Any country can be home."""

    @pytest.mark.parametrize("country", ["AD", "AQ", "FJ", "IN", "KI", "LI", "NR", "RU", "SG", "WS"])
    def test_countries_small_and_large(self, country: str) -> None:
        gazetteer = Gazetteer.of(country)
        assert all(gazetteer.is_home(spot) for spot in gazetteer.home)
        assert not any(gazetteer.is_home(spot) for spot in (*gazetteer.near, *gazetteer.hubs, *gazetteer.far))
        world = generate(1, 10, country)
        assert list(world.observations())

    @pytest.mark.parametrize(("country", "words"), [("TK", "is no country with land"), ("VA", "as a point")])
    def test_no_country(self, tmp_path: Path, country: str, words: str) -> None:
        done = call("world", "generate", "--seed=1", "--country", country, f"--output={tmp_path / 'w'}")
        assert done.returncode == 2
        assert words in " ".join(done.stderr.split())
        assert not (tmp_path / "w").exists()

    def test_a_directory_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "w").write_text("a file")
        done = call("world", "generate", "--seed=1", "--endpoints=1", f"--output={tmp_path / 'w' / 'x'}")
        assert done.returncode == 2
        assert "cannot be written" in done.stderr
