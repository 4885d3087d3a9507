"""``sarhad probe`` over real packets in a small world, and what it says of mistakes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from probes.observation import Observation, TraceObservation
from probes.simnet.loading import load_world
from probes.simnet.tree import Tree
from tests.scanner.test_cli import SARHAD, call

WORLD = Path(__file__).parents[1] / "probes" / "simnet" / "worlds" / "tree.yaml"


def inside(*arguments: str | Path, text: str = "") -> list[dict[str, object]]:
    """The records of a ``sarhad probe`` from the world's vantage."""
    vantage = ("ip", "netns", "exec", "sim-v")
    done = subprocess.run(
        [SARHAD, "simnet", WORLD, "--", *vantage, SARHAD, "probe", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.net
@pytest.mark.skipif(shutil.which("ip") is None, reason="the command ip is not installed")
class TestProbe:
    """The records of all addresses come out, each once, and say what the world is."""

    @pytest.mark.parametrize("family", [0, 1])
    def test_traces(self, family: int) -> None:
        world = load_world(WORLD)
        tree = Tree(world.trees[family], world.seed)
        found = inside("trace", "--input", "-", "--rate", "5000", text="\n".join(tree.targets))
        assert sorted(str(each["address"]) for each in found) == sorted(tree.targets)
        for record in found:
            msgspec.convert(record, type=Observation)
            target = str(record["address"])
            assert (record["error"] is None) == (not tree.dead(target))
            result = record["result"]
            assert isinstance(result, dict)
            for hop, step in zip(result["hops"], tree.hops(target), strict=False):
                for reply in hop["replies"]:
                    assert reply["address"] in step
                    assert reply["address"] == target or not tree.silent(reply["address"])

    @pytest.mark.parametrize("method", [("icmp",), ("udp",), ("tcp", "--port", "443")])
    def test_pings(self, method: tuple[str, ...]) -> None:
        world = load_world(WORLD)
        tree = Tree(world.trees[0], world.seed)
        dead = next(filter(tree.dead, tree.targets))
        alive = next(target for target in tree.targets if not tree.dead(target))
        common = ("--count", "2", "--interval", "0.01", "--timeout", "0.3", alive, dead)
        found = {each["address"]: each for each in inside("ping", "--method", *method, *common)}
        answers, silence = found[alive]["result"], found[dead]["result"]
        assert isinstance(answers, dict)
        assert isinstance(silence, dict)
        assert (answers["method"], answers["sent"], len(answers["rtts_ms"])) == (method[0], 2, 2)
        assert (found[dead]["error"], silence["rtts_ms"]) == ("timeout", [])

    def test_all_paths(self) -> None:
        world = load_world(WORLD)
        tree = Tree(world.trees[0], world.seed)
        alive = next(target for target in tree.targets if not tree.dead(target))
        rates = ("--rate", "5000", "--target-rate", "2000")
        (found,) = inside("trace", "--paths", "128", "--confidence", "0.99", *rates, alive)
        record = msgspec.convert(found, type=Observation)
        assert isinstance(record, TraceObservation)
        assert record.result is not None
        assert record.result.multipath is not None
        for hop, step in zip(record.result.multipath.hops, tree.hops(alive), strict=True):
            assert set(hop.addresses) == {router for router in step if not tree.silent(router)}


class TestUsage:
    """A mistake is named with its place, and nothing is probed."""

    @pytest.mark.parametrize(
        ("words", "text", "message"),
        [
            ((), "", "no address"),
            (("name.example",), "", "argument: 'name.example' is not an IP address"),
            (
                ("--input", "-"),
                "192.0.2.1\n\n192.0.2.300 # x\n",
                "line 3: '192.0.2.300' is not an IP address",
            ),
            (("--method", "tcp", "192.0.2.1"), "", "--method tcp needs a --port"),
            (("--port", "80", "192.0.2.1"), "", "ICMP has none"),
            (("--vantage", "khi", "192.0.2.1"), "", "--vantage needs --vantages"),
            (("--rate", "0", "192.0.2.1"), "", "--rate"),
        ],
    )
    def test_mistakes(self, words: tuple[str, ...], text: str, message: str) -> None:
        done = call("probe", "trace", *words, text=text)
        assert done.returncode == 2
        assert message in done.stderr
        assert done.stdout == ""

    def test_a_vantage_of_several_must_be_named(self, tmp_path: Path) -> None:
        file = tmp_path / "vantages.yaml"
        place = "latitude: 24.9, longitude: 67.0, kind: local, netns: nowhere"
        file.write_text(f"vantages: [{{id: khi, {place}}}, {{id: lhe, {place}}}]", encoding="utf-8")
        done = call("probe", "ping", "--vantages", file, "192.0.2.1")
        assert (done.returncode, "--vantage must be one of khi, lhe" in done.stderr) == (2, True)
        done = call("probe", "ping", "--vantages", file, "--vantage", "lhe", "192.0.2.1")
        assert (done.returncode, "no network namespace" in done.stderr) == (2, True)
