"""The scenarios: what is asked of the engine, of which tools beside it, and in which worlds."""

from __future__ import annotations

from typing import Final

from tests.bench.claim import Claim, fact, number, ratio, share, unfound, worst
from tests.bench.contest import Contest
from tests.bench.headroom import Headroom
from tests.bench.own import Own, Part
from tests.bench.row import OURS
from tests.bench.tools.classic import Fping, Mtr, Nmap, Traceroute
from tests.bench.tools.libraries import IcmplibPing, IcmplibTrace, Pycaracal
from tests.bench.tools.sarhad import SarhadPing, SarhadTrace
from tests.bench.tools.scamper import Scamper

SCAMPER: Final = "scamper"
AHEAD: Final = "scamper -N 4"
_WHOLE: Final = "{:,.0f}"
_PERCENT: Final = "{:.2%}"
_SECONDS: Final = "{:.2f} s"
_TIME_MS: Final = "{:.3f} ms"
_NOT_FOUND: Final = "answers that it did not find"
_WRONG: Final = "wrong hops"
_ALL_FOUND: Final = Claim(_NOT_FOUND, "=", 0, unfound(), _WHOLE)
_NONE_WRONG: Final = Claim(_WRONG, "=", 0, number("wrong"), _WHOLE)
_AHEAD_TOO: Final = Claim(f"wall ÷ that of {AHEAD} (the aim)", "≤", 1, ratio("wall_s", AHEAD))
_FLOWS: Final = tuple(f"{OURS} {method}" for method in ("icmp", "udp", "tcp"))


def _dearest(facts: dict[str, float]) -> None:
    """How flat the cost of a target is, and what 10,000 probes a second take."""
    costs = [value for name, value in facts.items() if name.endswith("a target") and "CPU" in name]
    paced = "paced, 10,000/s: CPU, µs a probe"
    facts["dearest target ÷ cheapest"] = max(costs[:3]) / min(costs[:3])
    facts["share of a core"] = facts[paced] * 10_000 / 1e6


SCENARIOS: Final = (
    Contest(
        "S1",
        "1,000 targets behind 6 to 18 hops (12 at the mean) of 3 ms round trip each, 10 % of routers silent, "
        "15 % of targets dead; at most 10,000 probes a second, 1 s of waiting, one attempt",
        (
            Claim("wall ÷ scamper's", "≤", 0.28, ratio("wall_s", SCAMPER)),
            _ALL_FOUND,
            _NONE_WRONG,
            Claim("probes ÷ scamper's", "≤", 1.2, ratio("probes", SCAMPER)),
            _AHEAD_TOO,
        ),
        tools=(
            SarhadTrace(OURS),
            Scamper(SCAMPER),
            Scamper(AHEAD, ahead=4),
            Pycaracal("pycaracal"),
            Traceroute("traceroute -N 16, 50 at once", runs=3),
            Mtr("mtr, 50 at once", runs=1, limit=250),
            Nmap("nmap --traceroute", runs=1, limit=100),
            IcmplibTrace("icmplib, 50 threads", runs=1, limit=50),
        ),
    ),
    Contest(
        "ten",
        "10 targets of S1, evenly spread",
        (Claim("wall ÷ that of traceroute -N 16", "≤", 1, ratio("wall_s", "traceroute -N 16")), _ALL_FOUND),
        taken=10,
        tools=(
            SarhadTrace(OURS),
            Traceroute("traceroute -N 16"),
            Scamper(SCAMPER, runs=3),
            Scamper(AHEAD, ahead=4),
            Pycaracal("pycaracal"),
        ),
    ),
    Contest(
        "ten thousand",
        "10,000 targets, at most 40,000 probes a second (10,000 is the most that Debian's scamper takes)",
        (Claim("wall", "≤", 6, number("wall_s"), _SECONDS), _ALL_FOUND, _NONE_WRONG),
        targets=10_000,
        job={"rate": 40_000},
        tools=(
            SarhadTrace(OURS),
            Scamper(SCAMPER, runs=1),
            Scamper(AHEAD, ahead=4, runs=1),
            Pycaracal("pycaracal", runs=3),
        ),
    ),
    Contest(
        "limited",
        "S1, each router answers 500 times a second at most; two attempts",
        (
            Claim("hops found", "≥", 0.99, share(), _PERCENT),
            Claim("wall ÷ scamper's", "≤", 0.25, ratio("wall_s", SCAMPER)),
            _NONE_WRONG,
        ),
        tree={"rate_limit": 500},
        job={"attempts": 2},
        tools=(SarhadTrace(OURS), Scamper(SCAMPER, runs=3), Scamper(AHEAD, ahead=4, runs=3)),
    ),
    Contest(
        "loss",
        "S1, 2 % of the answers are lost; two attempts",
        (
            Claim("hops found ÷ scamper's", "≥", 1, ratio("found", SCAMPER), "{:.4f}"),
            Claim("wall ÷ scamper's", "≤", 0.25, ratio("wall_s", SCAMPER)),
            _NONE_WRONG,
        ),
        tree={"loss": 0.02},
        job={"attempts": 2},
        tools=(SarhadTrace(OURS), Scamper(SCAMPER, runs=3), Scamper(AHEAD, ahead=4, runs=3)),
    ),
    Contest(
        "jitter",
        "S1, 20 % of the answers are up to 400 ms late",
        (Claim("wall ÷ scamper's", "≤", 1, ratio("wall_s", SCAMPER)), _NONE_WRONG, _ALL_FOUND, _AHEAD_TOO),
        tree={"jitter_ms": 400, "jitter_share": 0.2},
        tools=(SarhadTrace(OURS), Scamper(SCAMPER), Scamper(AHEAD, ahead=4)),
    ),
    Contest(
        "long",
        "200 targets, 100 ms round trip each hop: more than is waited for",
        (Claim("wall ÷ scamper's", "≤", 1, ratio("wall_s", SCAMPER)), _NONE_WRONG, _ALL_FOUND, _AHEAD_TOO),
        targets=200,
        tree={"hop_ms": 50},
        tools=(SarhadTrace(OURS, runs=3), Scamper(SCAMPER, runs=3), Scamper(AHEAD, ahead=4, runs=3)),
    ),
    Contest(
        "flows",
        "250 targets, 4 equal routers side by side at each step that is not shared; all answer",
        (
            Claim(
                "false paths, by ICMP, UDP and TCP",
                "=",
                0,
                worst(lambda ours: number("false_paths", ours), *_FLOWS),
                _WHOLE,
            ),
            Claim(_NOT_FOUND, "=", 0, worst(unfound, *_FLOWS), _WHOLE),
            Claim(_WRONG, "=", 0, worst(lambda ours: number("wrong", ours), *_FLOWS), _WHOLE),
        ),
        targets=250,
        tree={"ecmp": 4, "silent": 0, "dead": 0},
        flows=True,
        tools=(
            SarhadTrace(_FLOWS[0]),
            SarhadTrace(_FLOWS[1], method="udp"),
            SarhadTrace(_FLOWS[2], method="tcp"),
            Scamper("scamper icmp-paris", runs=1),
            Scamper("scamper udp-paris", runs=1, method="udp-paris"),
            Scamper("scamper icmp", runs=1, method="icmp"),
            Pycaracal("pycaracal", runs=1),
            Traceroute("traceroute", runs=1),
            Traceroute("traceroute -I", runs=1, option="-I"),
            Traceroute("traceroute -T", runs=1, option="-T"),
            Mtr("mtr", runs=1),
            Nmap("nmap --traceroute", runs=1),
            IcmplibTrace("icmplib, 50 threads", runs=1),
        ),
    ),
    Contest(
        "ping",
        "10 pings of each of S1's targets, a round every 100 ms; hops are answers here",
        (
            Claim("wall ÷ fping's", "≤", 1.25, ratio("wall_s", "fping")),
            Claim("CPU ÷ fping's", "≤", 1.25, ratio("cpu_s", "fping")),
            _ALL_FOUND,
        ),
        pings=10,
        tools=(SarhadPing(OURS), Fping("fping"), IcmplibPing("icmplib, 500 tasks", runs=1)),
    ),
    Own(
        "cost",
        "the engine alone in one process, on S1 with as many targets as stated; processor time from the "
        "first probe to the last result",
        (
            Claim(
                "CPU a probe at 50,000/s",
                "≤",
                12,
                fact("10,000 targets, 50,000/s: CPU, µs a probe"),
                "{:.1f} µs",
            ),
            Claim("CPU at a paced 10,000/s", "≤", 0.25, fact("share of a core"), "{:.0%} of a core"),
            Claim(
                "memory a target",
                "≤",
                1000,
                fact("100,000 targets, 50,000/s: octets a target"),
                "{:,.0f} octets",
            ),
            Claim("dearest target ÷ cheapest", "≤", 1.15, fact("dearest target ÷ cheapest")),
        ),
        parts=(
            Part("1,000 targets, 50,000/s", 1000, 50_000),
            Part("10,000 targets, 50,000/s", 10_000, 50_000),
            Part("100,000 targets, 50,000/s", 100_000, 50_000, runs=1),
            Part("paced, 10,000/s", 2000, 10_000),
        ),
        derived=_dearest,
    ),
    Own(
        "clock",
        "the engine alone on 500 targets of S1; RTT error is what it reports less the world's true time, on "
        "the wire is how late the simulated router itself was, against the wire what is left to the engine",
        tuple(
            Claim(
                f"RTT error p90, {state}{words}",
                "≤",
                0.3,
                fact(f"{state}, 10,000/s: {name} p90, ms"),
                _TIME_MS,
            )
            for state in ("loop free", "loop blocked 20 ms")
            for words, name in (("", "RTT error"), (", against the wire", "against the wire"))
        ),
        targets=500,
        parts=(
            Part("loop free, 1,000/s", 100, 1000, runs=3, block_ms=0),
            Part("loop free, 10,000/s", 500, 10_000, block_ms=0),
            Part("loop blocked 20 ms, 1,000/s", 100, 1000, runs=3, block_ms=20),
            Part("loop blocked 20 ms, 10,000/s", 500, 10_000, block_ms=20),
        ),
    ),
    Headroom(
        "router",
        "the simulated router alone: probes made beforehand, from a sender that does nothing else, in a "
        "world that answers them all",
        (
            Claim("answered at 50,000/s", "≥", 0.999, fact("50,000/s: share answered"), _PERCENT),
            Claim(
                "router at 50,000/s", "≤", 1, fact("50,000/s: router, share of a core"), "{:.0%} of a core"
            ),
        ),
        tree={"silent": 0, "dead": 0},
        rates=(10_000, 40_000, 50_000, 0),
    ),
)
