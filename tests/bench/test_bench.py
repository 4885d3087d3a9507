from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from probes.simnet.packets import checksum
from probes.simnet.router import Router
from probes.simnet.topology import Topology
from tests.bench import table
from tests.bench.claim import Claim, Evidence, fact, number, ratio, share, unfound, worst
from tests.bench.flows import Ways
from tests.bench.outcome import Ping, Reply, Trace
from tests.bench.row import Measure, Row
from tests.bench.scenario import Options, tree_of, variant
from tests.bench.scenarios import SCENARIOS
from tests.bench.tools.classic import Fping, Mtr, Nmap, Traceroute
from tests.bench.tools.libraries import IcmplibPing, IcmplibTrace, Pycaracal
from tests.bench.tools.sarhad import SarhadPing, SarhadTrace
from tests.bench.tools.scamper import Scamper
from tests.bench.tools.tool import Job
from tests.bench.truth import GAP, Score, Truth
from tests.bench.wire import Passed, echo_times, sent

if TYPE_CHECKING:
    from tests.bench.tools.tool import Tool


def truth(**changes: float) -> Truth:
    return Truth(tree_of(variant({"targets": 60, **changes})))


def told(truth: Truth) -> dict[str, Trace]:
    """What a tool would say that found everything."""
    return {
        target: Trace(
            target,
            tuple(
                Reply(ttl, address, truth.rtt_ms(ttl))
                for ttl, step in enumerate(path, 1)
                for address in sorted(step)
            ),
        )
        for target, path in truth.paths.items()
    }


def living(truth: Truth) -> str:
    return next(target for target, path in truth.paths.items() if target in path[-1])


def measure(wall_s: float = 2.0, probes: int = 120, found: int = 100, wrong: int = 0) -> Measure:
    return Measure(wall_s, 0.5, probes, Score(100, found, wrong, 9, 8, (-0.1, 0.2, 0.4)), busy=0.25)


def evidence(*rows: Row, **facts: float) -> Evidence:
    return Evidence({row.tool: row for row in rows}, facts)


class TestTruth:
    """The truth of a world says of each answer whether it was to be had, and was right."""

    def test_everything_found(self) -> None:
        world = truth()
        score = world.score(told(world).values())
        assert score.found == score.answerable > 400
        assert (score.wrong, score.reached) == (0, score.alive)
        assert 40 <= score.alive < 60
        assert score.error_ms(0.9) == 0

    def test_nothing_found(self) -> None:
        score = truth().score([])
        assert (score.found, score.wrong, score.reached, score.error_ms(0.9)) == (0, 0, 0, None)
        assert score.answerable > 400

    def test_silence_and_death_are_not_asked_for(self) -> None:
        assert truth(silent=0, dead=0).score([]).answerable > truth().score([]).answerable

    def test_answers_at_the_wrong_hop(self) -> None:
        world = truth()
        found = told(world)
        target = living(world)
        first, second, *others = found[target].replies
        swapped = Reply(first.ttl, second.address), Reply(second.ttl, first.address)
        score = world.score({**found, target: Trace(target, (*swapped, *others))}.values())
        assert (score.wrong, score.found) == (2, score.answerable - 2)

    def test_an_answer_of_the_dead_and_of_strangers(self) -> None:
        world = truth()
        dead = next(target for target, path in world.paths.items() if not path[-1])
        ttl = len(world.paths[dead])
        invented = [Trace(dead, (Reply(ttl, dead),)), Trace("198.51.100.7", ())]
        assert world.score(invented).wrong == 2

    def test_a_target_may_answer_beyond_its_own_hop_but_not_before(self) -> None:
        world = truth()
        target = living(world)
        ttl = len(world.paths[target])
        late = world.score([Trace(target, (Reply(ttl + 1, target),))])
        early = world.score([Trace(target, (Reply(ttl - 1, target),))])
        assert (late.wrong, late.found, late.reached) == (0, 0, 1)
        assert (early.wrong, early.found) == (1, 0)

    def test_what_is_behind_a_gap_need_not_be_found_and_is_not_wrong(self) -> None:
        world = truth(silent=0.8)
        gaps = [target for target, path in world.paths.items() if world.asked[target] < len(path)]
        assert 0 < len(gaps) < 60
        assert all(not any(world.paths[target][world.asked[target] - GAP :][:GAP]) for target in gaps)
        score = world.score(told(world).values())
        assert (score.found, score.wrong, score.reached) == (score.answerable, 0, score.alive)
        assert score.answerable < sum(len(trace.replies) for trace in told(world).values())

    def test_errors_of_times(self) -> None:
        world = truth()
        target = living(world)
        replies = [
            Reply(reply.ttl, reply.address, (reply.rtt_ms or 0) + 0.25)
            for reply in told(world)[target].replies
        ]
        assert world.score([Trace(target, tuple(replies))]).error_ms(0.5) == pytest.approx(0.25)

    def test_pings(self) -> None:
        world = truth()
        target = living(world)
        rtt = world.rtt_ms(len(world.paths[target]))
        dead = next(target for target, path in world.paths.items() if not path[-1])
        score = world.score([Ping(target, (rtt, rtt + 1, rtt + 3)), Ping(dead, (1.0,))], pings=2)
        assert (score.found, score.wrong, score.reached) == (2, 2, 1)
        assert score.answerable == 2 * score.alive
        assert score.error_ms(0.5) == pytest.approx(1)


def packet(target: str, mark: int, ttl: int = 1) -> bytes:
    """An echo request of the vantage; ``mark`` is its identifier, and so its flow."""
    echo = struct.pack("!BBHHH", 8, 0, 0, mark, ttl) + bytes(2)
    echo = echo[:2] + checksum(echo).to_bytes(2, "big") + echo[4:]
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(echo), 0, 0, ttl, 1, 0)
    return header + bytes((192, 0, 2, 1)) + bytes(map(int, target.split("."))) + echo


class TestWire:
    """Times from device to device are those between a request and the first answer to it."""

    def test_times(self) -> None:
        world = variant({"targets": 60, "silent": 0, "dead": 0})
        topology = Topology(world)
        router = Router(topology, list(topology.sites))
        target = tree_of(world).targets[0]
        probes = [packet(target, 7, ttl) for ttl in (1, 2, 40)]
        passed = [Passed(probe, out=True, at=10) for probe in probes]
        for probe in probes:
            router.receive(0, probe, 0)
        passed += [Passed(bytes(octets), out=False, at=10 + due / 1e9) for due, _, _, octets in router.queue]
        passed += passed[-3:]  # a copy of each answer
        passed += [Passed(packet(target, 8), out=False, at=11)]  # somebody asks us
        assert sent(passed) == probes
        times = {ttl: rtt for address, ttl, rtt in echo_times(passed) if address == target}
        assert times == pytest.approx({1: 3, 2: 6, 40: 3 * len(tree_of(world).hops(target))})
        assert len(list(echo_times(passed))) == 3


class TestFlows:
    """A trace is a false path where none of its probes' flows goes past all that answered."""

    def test_true_and_false_paths(self) -> None:
        world = variant({"targets": 60, "ecmp": 4, "silent": 0, "dead": 0})
        topology = Topology(world)
        router = Router(topology, list(topology.sites))
        target = tree_of(world).targets[0]

        def answerer(probe: bytes) -> str:
            router.receive(0, probe, 0)
            octets = router.queue.pop()[3]
            return ".".join(map(str, octets[12:16]))

        def way(probe: bytes) -> Trace:
            sent = {ttl: probe[:8] + bytes((ttl,)) + probe[9:] for ttl in range(1, 12)}
            return Trace(target, tuple(Reply(ttl, answerer(octets)) for ttl, octets in sent.items()))

        one, other = packet(target, 1), packet(target, 2)
        mixed = Trace(target, (*way(one).replies[:6], *way(other).replies[6:]))
        ways = Ways(world)
        assert way(one) != way(other)
        assert ways.false_paths([one, other], [way(one)]) == 0
        assert ways.false_paths([one, other], [way(other)]) == 0
        assert ways.false_paths([one], [way(other)]) == 1
        assert ways.false_paths([one, other], [mixed]) == 1
        assert ways.false_paths([], [Trace(target, ())]) == 0


class TestClaims:
    """What is asked is held against medians, and what was not measured is not met."""

    def test_medians(self) -> None:
        row = Row("S1", "sarhad", (measure(2.0), measure(9.0), measure(3.0)))
        assert row.median("wall_s") == 3.0
        assert row.median("found") == 100
        assert row.error_ms(0.9) == pytest.approx(0.4)

    def test_values(self) -> None:
        ours = Row("S1", "sarhad", (measure(2.0, probes=120, found=99),))
        peer = Row("S1", "scamper", (measure(8.0, probes=100),))
        measured = evidence(ours, peer, cost=3)
        assert ratio("wall_s", "scamper")(measured) == 0.25
        assert ratio("probes", "scamper")(measured) == 1.2
        assert number("wall_s")(measured) == 2
        assert share()(measured) == 0.99
        assert unfound()(measured) == 1
        assert worst(unfound, "sarhad", "scamper")(measured) == 1
        assert fact("cost")(measured) == 3

    def test_what_is_missing_was_not_measured(self) -> None:
        measured = evidence(Row("S1", "sarhad", (measure(),)), Row("S1", "scamper", missing="not installed"))
        assert ratio("wall_s", "scamper")(measured) is None
        assert worst(unfound, "sarhad", "scamper")(measured) is None
        assert Claim("wall", "≤", 1, ratio("wall_s", "scamper")).met(measured) is None

    def test_runs_before_one_that_failed_count_for_nothing(self) -> None:
        measured = evidence(
            Row("S1", "sarhad", (measure(), measure()), missing="it did not end within 120 s")
        )
        assert number("wall_s")(measured) is None

    @pytest.mark.parametrize(("compare", "met"), [("≤", True), ("=", True), ("≥", True)])
    def test_a_bound_itself_is_met(self, compare: str, met: bool) -> None:
        claim = Claim("wall", compare, 2, number("wall_s"))  # type: ignore[arg-type]  # one of its three
        assert claim.met(evidence(Row("S1", "sarhad", (measure(2.0),)))) is met

    @pytest.mark.parametrize(("compare", "bound"), [("≤", 1.9), ("=", 1.9), ("≥", 2.1)])
    def test_beyond_it_is_not(self, compare: str, bound: float) -> None:
        claim = Claim("wall", compare, bound, number("wall_s"))  # type: ignore[arg-type]  # one of its three
        assert claim.met(evidence(Row("S1", "sarhad", (measure(2.0),)))) is False

    def test_every_claim_can_go_unmeasured(self) -> None:
        for scenario in SCENARIOS:
            assert [claim.met(evidence()) for claim in scenario.claims] == [None] * len(scenario.claims)

    def test_every_world_can_be_had(self) -> None:
        for scenario in SCENARIOS:
            world = scenario.world(Options(targets=20, seed=3))
            assert (len(tree_of(world).targets), world.trees[0].seed) == (20, 3)


class TestTable:
    """The tables say what was asked, what was measured, and what could not be."""

    def document(self) -> str:
        rows = (
            Row("S1", "sarhad", (measure(2.0), measure(3.0), measure(2.5, found=98))),
            Row("S1", "scamper", (measure(10.0, probes=100),), note="the first 10"),
            Row("S1", "nmap", missing="nmap is not installed (Debian package nmap)"),
        )
        asked = (
            Claim("wall ÷ scamper's", "≤", 0.28, ratio("wall_s", "scamper")),
            Claim("probes ÷ scamper's", "≤", 1.1, ratio("probes", "scamper")),
            Claim("wall ÷ nmap's", "≤", 1, ratio("wall_s", "nmap")),
        )
        facts = {"fast: probes/s": 50_000.0, "fast: cost, µs": 7.25, "slow: probes/s": 0.0, "alone": 1.0}
        played = [("S1", "the world", asked, Evidence({r.tool: r for r in rows}, facts))]
        return f"{table.summary('Measured.', played)}\n{table.details('Measured.', played)}"

    @pytest.mark.parametrize(
        "line",
        [
            "| S1 | wall ÷ scamper's | ≤ 0.28 | 0.25 | met |",
            "| S1 | probes ÷ scamper's | ≤ 1.10 | 1.20 | **not met** |",
            "| S1 | wall ÷ nmap's | ≤ 1.00 | - | not measured |",
            "- S1: the world.",
            "| S1 | **sarhad** | 3 | 2.50 | 120 | 0.50 | 100 of 100 | 0 | 8 of 9 | 0.40 | 25% |  |",
            "| S1 | scamper | 1 | 10.00 | 100 | 0.50 | 100 of 100 | 0 | 8 of 9 | 0.40 | 25% | the first 10 |",
            "| S1 | nmap | 0 | - | - | - | - | - | - | - | - | nmap is not installed (Debian package nmap) |",
            "| S1 | probes/s | cost, µs |",
            "| fast | 50,000 | 7.25 |",
            "| slow | 0 | - |",
        ],
    )
    def test_lines(self, line: str) -> None:
        assert line in self.document().splitlines()

    def test_every_table_is_even(self) -> None:
        tables = [part.splitlines() for part in self.document().split("\n\n") if part.startswith("|")]
        assert len(tables) == 3
        for lines in tables:
            assert len({line.count("|") for line in lines}) == 1

    def test_its_place_in_a_document(self) -> None:
        text = "before\n<!-- some -->\nold\n<!-- /some -->\nafter\n"
        once = table.placed(text, "new\n", "some")
        assert once == "before\n<!-- some -->\nnew\n<!-- /some -->\nafter\n"
        assert table.placed(once, "new\n", "some") == once

    @pytest.mark.parametrize(
        ("name", "section"),
        [
            ("README.md", table.PROBES),
            ("geodata/README.md", table.GEODATA),
            ("config/README.md", table.SERVICE),
        ],
    )
    def test_documents_have_one(self, name: str, section: str) -> None:
        document = Path(__file__).parents[2] / name
        text = table.placed(document.read_text(encoding="utf-8"), self.document(), section)
        assert "| world | asked |" in text

    def test_a_document_without_a_place(self) -> None:
        with pytest.raises(ValueError, match="no section"):
            table.placed("before", "new", table.PROBES)


SCAMPER = [
    {"type": "cycle-start"},
    {"type": "trace", "dst": "198.18.0.1", "hops": [{"addr": "10.0.0.1", "probe_ttl": 2, "rtt": 6.25}]},
    {"type": "trace", "dst": "198.18.0.2"},
    {"type": "cycle-stop"},
]
SARHAD = {
    "address": "198.18.0.1",
    "result": {
        "hops": [
            {"ttl": 1, "replies": []},
            {"ttl": 2, "replies": [{"address": "10.0.0.1", "rtt_ms": 6.25}]},
            {"ttl": 3, "replies": [{"address": "10.0.0.3", "rtt_ms": None, "inferred": True}]},
        ]
    },
}
TRACEROUTE = "traceroute to 198.18.0.1 (198.18.0.1), 30 hops max\n 1  *\n 2  10.0.0.1  6.25 ms !N\n"
MTR = "x 0 33000\nx 1 33001\nh 1 10.0.0.1\nh 1 10.0.0.1\np 1 6250 33001\n"
NMAP = """<nmaprun><host><address addr="198.18.0.1" addrtype="ipv4"/><trace>
<hop ttl="2" ipaddr="10.0.0.1" rtt="6.25"/></trace></host></nmaprun>"""
CARACAL = (
    "probe_dst_addr,probe_ttl,reply_src_addr,rtt\n"
    "::ffff:198.18.0.1,2,::ffff:10.0.0.1,62\n::ffff:198.18.0.1,3,::ffff:198.18.0.1,90\n"
)


class TestReading:
    """What each tool prints is read into one form."""

    def job(self, directory: Path, name: str, text: str) -> Job:
        job = Job(directory / "targets", directory)
        job.targets.write_text("198.18.0.1\n198.18.0.2\n", encoding="ascii")
        (directory / name).write_text(text, encoding="utf-8")
        return job

    @pytest.mark.parametrize(
        ("tool", "name", "text"),
        [
            (Scamper("scamper"), "output", "\n".join(map(json.dumps, SCAMPER))),
            (SarhadTrace("sarhad"), "output", json.dumps(SARHAD)),
            (Traceroute("traceroute"), "198.18.0.1", TRACEROUTE),
            (Mtr("mtr"), "198.18.0.1", MTR),
            (IcmplibTrace("icmplib"), "output", '["198.18.0.1", [[2, "10.0.0.1", 6.25]]]\n'),
        ],
    )
    def test_traces(self, tmp_path: Path, tool: Tool, name: str, text: str) -> None:
        first, *others = tool.read(self.job(tmp_path, name, text))
        assert first == Trace("198.18.0.1", (Reply(2, "10.0.0.1", 6.25),))
        assert all(other == Trace("198.18.0.2", ()) for other in others)

    def test_nmap_tells_rounded_times_which_are_left_out(self, tmp_path: Path) -> None:
        found = list(Nmap("nmap").read(self.job(tmp_path, "output", NMAP)))
        assert found == [Trace("198.18.0.1", (Reply(2, "10.0.0.1"),))]

    def test_pycaracal_counts_tenths_of_milliseconds(self, tmp_path: Path) -> None:
        found = list(Pycaracal("pycaracal").read(self.job(tmp_path, "replies.csv", CARACAL)))
        assert found == [Trace("198.18.0.1", (Reply(2, "10.0.0.1", 6.2), Reply(3, "198.18.0.1", 9.0)))]

    @pytest.mark.parametrize(
        ("tool", "text"),
        [
            (Fping("fping"), "198.18.0.1 : 9.1 - 9.2\n198.18.0.2 : - - -\n"),
            (IcmplibPing("icmplib"), '["198.18.0.1", [9.1, 9.2]]\n["198.18.0.2", []]\n'),
            (
                SarhadPing("sarhad"),
                '{"address": "198.18.0.1", "result": {"rtts_ms": [9.1, 9.2]}}\n{"address": "198.18.0.2"}\n',
            ),
        ],
    )
    def test_pings(self, tmp_path: Path, tool: Tool, text: str) -> None:
        found = list(tool.read(self.job(tmp_path, "output", text)))
        assert found == [Ping("198.18.0.1", (9.1, 9.2)), Ping("198.18.0.2", ())]

    def test_a_tool_that_wrote_nothing_found_nothing(self, tmp_path: Path) -> None:
        found = list(Traceroute("traceroute").read(self.job(tmp_path, "output", "")))
        assert found == [Trace("198.18.0.1", ()), Trace("198.18.0.2", ())]
