"""The odd answers of the Internet that tracers have stumbled over, each behind a tree of a simulated one.

Where the cases are, by the number and source that the project's notes on probing give them:

1 late answer, 2 duplicates, 3 out of order, 4 answer of an earlier run: here and in ``test_path``; 5 more
probes than a sequence number: ``TestScale``; 6 and 7 quotes rewritten by routers and translators, 8 time
exceeded in the destination's name, 9 answers from another address, 10 and 11 refusals, 13 quoted TTL: here,
and octet by octet in ``test_packets`` and ``test_registry``; 12 no reply's TTL is ever used; 14 and 15
extensions and label stacks: ``test_packets``, ``test_ordinary`` and here; 16 loops, 17 several answers, 18
silence between answers: here; 19 gaps: ``test_path``; 20 limits of rate: here and in ``test_routers``; 21
balancing by packet, 22 diamonds: here and in ``test_multipath``; 23 change of path, 24 overshoot: here; 25
flow label: ``test_packets``; 26 other people's packets: ``TestCompany``; 27 damaged quotes: here and in
``test_packets``; 28 overflow: ``TestScale``; 29 clocks that step: ``TestClock`` of ``test_values``; 30
SYN-ACK and RST: ``test_engine``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pytest

from probes.engine.engine import Engine
from probes.engine.pacing import Pace, Rates
from probes.failure import MeasureError
from probes.observation import PingResult, TraceResult
from probes.simnet.tree import Tree
from probes.simnet.world import World
from probes.trace import why_short
from tests.probes.conftest import local
from tests.probes.simnet.conftest import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from probes.simnet.simnet import Simnet
    from probes.vantages.local import LocalVantage

pytestmark = pytest.mark.net

Method = Literal["icmp", "tcp", "udp"]
METHODS: tuple[Method, ...] = ("icmp", "udp", "tcp")
NAMED = "header_only", "ports", "checksum"  # a quote that but for the identification could be anybody's

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "ecmp": {"ecmp": 4, "hops": [8, 8], "shared": 2},
    "late": {"oddities": [{"at": 3, "late_ms": 500}]},
    "out of order": {"oddities": [{"at": 2, "late_ms": 60}, {"at": 4, "late_ms": 30}]},
    "copies": {"oddities": [{"at": 2, "copies": 3}, {"at": "target", "copies": 20}]},
    "short quotes": {"oddities": [{"at": at, "quote": ["header_only"]} for at in (1, 2, 3, "target")]},
    "translated": {"oddities": [{"at": at, "quote": ["ports", "checksum"]} for at in (1, 2, 3, "target")]},
    "quoted ttl": {"oddities": [{"at": at, "quote": ["ttl"]} for at in (1, 2, 3)]},
    "named": {
        "oddities": [
            {"at": 1, "quote": NAMED},
            {"at": 2, "quote": [*NAMED, "identification_plus_one"]},
            {"at": 3, "quote": [*NAMED, "identification_swapped"]},
            {"at": 4, "quote": [*NAMED, "identification_zero"]},
        ]
    },
    "damaged": {"oddities": [{"at": 2, "quote": ["truncated"]}, {"at": 3, "quote": ["garbage"]}]},
    "in the target's name": {"oddities": [{"at": 1, "source": "target"}, {"at": 4, "source": "target"}]},
    "from elsewhere": {"oddities": [{"at": "target", "source": "ELSEWHERE"}]},
    "middle box": {"oddities": [{"at": 3, "refuses": "PORT"}]},
    "no host": {"oddities": [{"at": 3, "refuses": "HOST"}]},
    "filter": {"oddities": [{"at": 3, "refuses": "PROHIBITED"}]},
    "labels": {"oddities": [{"at": 2, "mpls": [{"label": 29657, "ttl": 1}, {"label": 25437, "ttl": 2}]}]},
    "loop": {"oddities": [{"at": 4, "loops": True}]},
    "silence": {"silent": 0.5, "hops": [8, 12], "targets": 40},
    "limited": {"rate_limit": 200, "targets": 100, "shared": 1},
    "by packet": {"ecmp": 3, "oddities": [{"at": 4, "per_packet": True}]},
    "change": {"ecmp": 2, "targets": 1, "hops": [8, 8], "oddities": [{"at": 4, "changes_after": 1}]},
    "lossy": {"loss": 0.1, "targets": 100},
}
CODES = {4: {"PORT": 3, "HOST": 1, "PROHIBITED": 13}, 6: {"PORT": 4, "HOST": 3, "PROHIBITED": 1}}
ELSEWHERE = {4: "192.0.2.77", 6: "2001:db8:1::77"}


def tree(number: int, version: int, **spec: Any) -> dict[str, Any]:
    """A tree of its own prefixes, and what is said of it in terms of this IP version."""
    given = json.dumps({"hops": [6, 9], "targets": 8, "shared": 2, "hop_ms": 1, "oddities": [], **spec})
    for word, code in CODES[version].items():
        given = given.replace(f'"{word}"', str(code))
    prefixes = (f"198.18.{number}.0/24", f"10.{number}.0.0/16")
    if version == 6:
        prefixes = (f"2001:db8:a{number:02x}::/64", f"2001:db8:b{number:02x}::/64")
    return {
        "prefix": prefixes[0],
        "routers": prefixes[1],
        **json.loads(given.replace("ELSEWHERE", ELSEWHERE[version])),
    }


WORLD = {
    "version": 1,
    "name": "cases",
    "country": "PK",
    "places": {
        "here": {
            "city": "Karachi",
            "country": "PK",
            "latitude": 24.86,
            "longitude": 67.0,
            "routers": {"prefixes": ["192.0.2.0/24", "2001:db8:1::/64"]},
        }
    },
    "vantages": [{"id": "v", "place": "here", "addresses": ["203.0.113.1", "2001:db8:2::1"]}],
    "trees": [
        *(tree(number, 4, **spec) for number, spec in enumerate(CASES.values())),
        *(tree(number, 6, **spec) for number, spec in enumerate(CASES.values())),
        {
            "prefix": "100.64.0.0/14",
            "targets": 67_000,
            "routers": "240.0.0.0/5",
            "hops": [12, 14],
            "hop_ms": 1,
            "dead": 0.99,
        },
    ],
}
RATES = Rates(process=20_000, vantage=20_000, target=20_000)


class Odd:
    """The running world, and an engine in it."""

    def __init__(self, net: Simnet, vantage: LocalVantage, engine: Engine) -> None:
        self.net = net
        self.vantage = vantage
        self.engine = engine

    def tree(self, case: str, version: int = 4) -> Tree:
        number = list(CASES).index(case) + (len(CASES) if version == 6 else 0)
        return Tree(self.net.world.trees[number], self.net.world.seed)

    async def trace(self, case: str, method: Method = "icmp", version: int = 4, **more: Any) -> Seen:
        """A trace to the first target of a case."""
        made = self.tree(case, version)
        target = made.targets[0]
        return Seen(made, target, await self.engine.trace(target, method, port(method), **more))

    async def traces(self, case: str, method: Method = "icmp", **more: Any) -> list[Seen]:
        """Those to all of them, at once."""
        made, found = self.tree(case), []
        async for target, result in self.engine.traces(made.targets, method, port(method), **more):
            assert isinstance(result, TraceResult)
            found.append(Seen(made, target, result))
        assert len(found) == len(made.targets)
        return found


class Seen:
    """A trace, and the truth."""

    def __init__(self, made: Tree, target: str, result: TraceResult) -> None:
        self.result = result
        self.target = target
        self.true = made.hops(target)
        self.found = [[reply.address for reply in hop.replies] for hop in result.hops]
        self.silent = [all(map(made.silent, step)) for step in self.true[:-1]] + [False]

    def right(self, *odd: int) -> bool:
        """Whether each hop up to the target is one true answer, or rightly silent; the ``odd`` ones aside."""
        if not self.result.reached or len(self.found) != len(self.true):
            return False
        hops = zip(itertools.count(1), self.found, self.true, self.silent, strict=False)
        return all(
            ttl in odd or (found == [] if silent else len(found) == 1 and found[0] in true)
            for ttl, found, true, silent in hops
        )


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def port(method: Method) -> int | None:
    return 443 if method == "tcp" else None


@pytest.fixture(scope="module")
def net() -> Iterator[Simnet]:
    for peer in running(World.model_validate(WORLD)):
        yield peer.net


@pytest.fixture
async def odd(net: Simnet) -> AsyncIterator[Odd]:
    with local(net.sites["v"]) as vantage:
        async with Engine(vantage, Pace(RATES)) as engine:
            yield Odd(net, vantage, engine)


class TestTimes:
    """An answer counts for its own probe, however late, and a probe is answered once."""

    async def test_late_ones_keep_their_ttl(self, odd: Odd) -> None:
        """The third hop takes longer than is waited for; so it is silent, or known by what came meanwhile."""
        for _ in range(3):
            for seen in await odd.traces("late", wait_s=0.2, attempts=1):
                assert seen.right(3)
                assert seen.found[2] in ([], *([each] for each in seen.true[2]))

    async def test_long_waits_find_them(self, odd: Odd) -> None:
        seen = await odd.trace("late", wait_s=1.0)
        assert seen.right()
        rtt_ms = seen.result.hops[2].replies[0].rtt_ms
        assert rtt_ms is not None
        assert rtt_ms > 500

    async def test_out_of_order(self, odd: Odd) -> None:
        assert all(seen.right() for seen in await odd.traces("out of order"))

    @pytest.mark.parametrize("method", METHODS)
    async def test_copies_are_one_answer(self, odd: Odd, method: Method) -> None:
        seen = await odd.trace("copies", method)
        assert seen.right()
        ping = await odd.engine.ping(seen.target, method, port(method), count=2, timeout_s=0.3)
        assert (ping.sent, len(ping.rtts_ms)) == (2, 2)


class TestQuotes:
    """A probe is known by any of what says which it is, whatever was done to the rest."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("case", ["short quotes", "translated", "quoted ttl"])
    async def test_rewritten(self, odd: Odd, case: str, method: Method, version: int) -> None:
        seen = await odd.trace(case, method, version)
        if (case, method, version) == ("short quotes", "udp", 6):
            # It has 16 bits that only the probe had; from whoever says to be the target, that is no proof.
            assert not seen.result.reached
            assert seen.found == [list(step) for step in seen.true]
        else:
            assert seen.right(), seen.found

    @pytest.mark.parametrize("method", METHODS)
    async def test_by_the_identification_alone(self, odd: Odd, method: Method) -> None:
        """As it was, one more, or its octets exchanged; without it only a SYN says whose it is."""
        seen = await odd.trace("named", method)
        assert seen.right(4), seen.found
        assert seen.found[3] == ([seen.true[3][0]] if method == "tcp" else [])

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    async def test_damaged_ones_are_nobodys(self, odd: Odd, method: Method, version: int) -> None:
        seen = await odd.trace("damaged", method, version, wait_s=0.3)
        assert seen.right(2, 3), seen.found
        assert seen.found[1:3] == [[], []]

    @pytest.mark.parametrize("version", [4, 6])
    async def test_label_stacks(self, odd: Odd, version: int) -> None:
        seen = await odd.trace("labels", version=version)
        assert seen.right()
        (reply,) = seen.result.hops[1].replies
        assert [(label.label, label.ttl, label.s) for label in reply.mpls] == [(29657, 1, 0), (25437, 2, 1)]


class TestNames:
    """Who answers is not what an answer's source says."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    async def test_time_exceeded_in_the_targets_name_is_a_router(
        self, odd: Odd, method: Method, version: int
    ) -> None:
        seen = await odd.trace("in the target's name", method, version)
        assert seen.right(1, 4), seen.found
        assert seen.found[0] == seen.found[3] == [seen.target]
        ping = await odd.engine.ping(seen.target, method, port(method), count=1)
        assert len(ping.rtts_ms) == 1

    @pytest.mark.parametrize("version", [4, 6])
    async def test_echo_from_another_address_has_reached(self, odd: Odd, version: int) -> None:
        seen = await odd.trace("from elsewhere", version=version)
        assert (seen.result.reached, seen.found[-1]) == (True, [ELSEWHERE[version]])
        assert len((await odd.engine.ping(seen.target, count=1)).rtts_ms) == 1

    async def test_port_unreachable_from_another_address_has_not(self, odd: Odd) -> None:
        """A box in between that says so cannot be told from a host with two addresses."""
        seen = await odd.trace("from elsewhere", "udp")
        assert (seen.result.reached, seen.found[-1]) == (False, [ELSEWHERE[4]])

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize(
        ("case", "error"),
        [("middle box", "unreachable"), ("no host", "unreachable"), ("filter", "prohibited")],
    )
    async def test_refusals_end_a_trace_with_a_reason(
        self, odd: Odd, case: str, error: str, method: Method, version: int
    ) -> None:
        seen = await odd.trace(case, method, version)
        assert (seen.result.reached, len(seen.found)) == (False, 4)
        assert seen.found[3] in [[each] for each in seen.true[2]]
        assert why_short(seen.result, version) == error


class TestPaths:
    """Paths that are odd are told as they are."""

    async def test_loop(self, odd: Odd) -> None:
        seen = await odd.trace("loop", max_ttl=20)
        assert not seen.result.reached
        assert seen.found == [[seen.true[ttl][0]] for ttl in (0, 1, 2, 3, *[2, 3] * 8)]

    async def test_silence_between_answers(self, odd: Odd) -> None:
        found = await odd.traces("silence")
        for seen in found:
            gap = max(len(list(run)) for quiet, run in itertools.groupby(seen.silent) if quiet)
            assert seen.right() == (gap < 5), (seen.found, seen.silent)
        assert sum(seen.right() for seen in found) > 20

    async def test_nothing_is_told_beyond_the_target(self, odd: Odd) -> None:
        for method in METHODS:
            assert all(seen.right() for seen in await odd.traces("plain", method))

    @pytest.mark.parametrize("case", ["limited", "lossy"])
    async def test_lost_answers_are_asked_for_again(self, odd: Odd, case: str) -> None:
        """What limits of rate and losses leave out of first tries, later ones find."""
        found = await odd.traces(case, attempts=4, wait_s=0.5)
        hops = sum(len(seen.true) for seen in found)
        told = [hop for seen in found for hop in zip(seen.found, seen.true, strict=False) if hop[0]]
        assert all(len(here) == 1 and here[0] in true for here, true in told)
        assert len(told) >= 0.99 * hops

    async def test_a_change_of_path_is_no_mixture(self, odd: Odd) -> None:
        """Every probe is answered by whom it met, at its own TTL."""
        first, second = await odd.trace("change"), await odd.trace("change")
        assert first.right()
        assert second.right()

    async def test_one_flow_through_equal_routers_takes_one_path(self, odd: Odd) -> None:
        """No trace shows two flows' paths: asked again, each hop of a flow is the same."""
        for method in METHODS:
            for seen in await odd.traces("ecmp", method):
                assert seen.right()


class TestMultipath:
    """All load-balanced paths are found, by every method, and how they are balanced is told."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    async def test_equal_routers(self, odd: Odd, method: Method, version: int) -> None:
        made = odd.tree("ecmp", version)
        target = made.targets[0]
        result = await odd.engine.paths(target, method, port(method), flows=200, confidence=0.999)
        assert result.reached
        assert result.multipath is not None
        true = made.hops(target)
        assert [set(hop.addresses) for hop in result.multipath.hops] == [set(step) for step in true]
        assert [hop.balancing for hop in result.multipath.hops] == [*["none"] * 2, *["flow"] * 5, "none"]
        places = {address: ttl for ttl, step in enumerate(true, 1) for address in step}
        assert all(
            places[link.source] == link.ttl == places[link.target] - 1 for link in result.multipath.links
        )
        assert len({(link.source, link.target) for link in result.multipath.links}) >= 66  # of 73
        # The first flow's own path; some of it was asked again, to see whether a flow keeps to it.
        assert all(len({reply.address for reply in hop.replies}) == 1 for hop in result.hops)

    async def test_balancing_by_packet(self, odd: Odd) -> None:
        made = odd.tree("by packet")
        result = await odd.engine.paths(made.targets[0])
        assert result.multipath is not None
        hop = result.multipath.hops[3]
        assert (hop.balancing, set(hop.addresses)) == ("packet", set(made.hops(made.targets[0])[3]))

    async def test_cancelled_it_leaves_nothing_behind(self, odd: Odd) -> None:
        before = descriptors()
        task = asyncio.create_task(odd.engine.paths(odd.tree("ecmp").targets[0], "tcp", 443))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        registry = odd.engine._registry
        assert (registry.runs, registry._by_destination) == ({}, {})
        assert descriptors() <= before + 4  # the engine's own


OTHER = """
import asyncio, sys
import msgspec
from probes.engine.engine import Engine
from probes.engine.pacing import Pace, Rates
from probes.vantages.local import Here, LocalVantage

async def main():
    with LocalVantage(Here()) as local:
        async with Engine(local, Pace(Rates(process=5000, vantage=5000, target=5000))) as engine:
            async for address, result in engine.traces(sys.argv[1:]):
                print(msgspec.json.encode([address, result]).decode())

asyncio.run(main())
"""


class TestCompany:
    """Others who probe the same targets from the same machine at the same time change nothing."""

    async def test_two_engines_and_another_process(self, odd: Odd) -> None:
        made = odd.tree("plain")
        entered = (
            "nsenter",
            f"--net={odd.net.sites['v']}",
            sys.executable,
            "-c",
            OTHER,
            *20 * list(made.targets),
        )
        other = await asyncio.create_subprocess_exec(
            *entered,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=asyncio.subprocess.PIPE,
        )
        async with Engine(odd.vantage, Pace(RATES)) as second:
            twin = Odd(odd.net, odd.vantage, second)
            async with asyncio.TaskGroup() as group:
                written = group.create_task(other.communicate())
                tasks = [group.create_task(each.traces("plain")) for each in (odd, twin) * 20]
        for task in tasks:
            for seen in task.result():
                assert seen.right(), (seen.found, seen.true)
        lines = [json.loads(line) for line in written.result()[0].splitlines()]
        assert len(lines) == 160
        for address, result in lines:
            assert Seen(made, address, msgspec.convert(result, TraceResult)).right()

    @pytest.mark.skipif(shutil.which("fping") is None, reason="the command fping is not installed")
    async def test_a_foreign_ping(self, odd: Odd) -> None:
        made = odd.tree("plain")
        command = ("nsenter", f"--net={odd.net.sites['v']}", "fping", "-q")
        quiet = asyncio.subprocess.DEVNULL
        other = await asyncio.create_subprocess_exec(
            *command, "-c", "300", "-p", "5", "-t", "500", made.targets[0], stdout=quiet, stderr=quiet
        )
        while other.returncode is None:
            assert all(seen.right() for seen in await odd.traces("plain"))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(other.wait(), 0.01)
        assert other.returncode == 0
        assert odd.engine.strangers > 0


class TestScale:
    """Neither a sequence number nor a buffer is the end of what can be told apart."""

    async def test_more_probes_under_way_than_a_sequence_number_counts(self, net: Simnet) -> None:
        """So many wait for what never comes that each of those who answer shares 16 bits with one of them."""
        made = Tree(net.world.trees[-1], net.world.seed)
        dead = [target for target in made.targets if made.dead(target)]
        unheard = set(made.targets) - set(dead)
        rates = Rates(process=12_000, vantage=12_000, target=10)  # so many the world can take
        with local(net.sites["v"]) as vantage:
            async with Engine(vantage, Pace(rates)) as engine:
                waiting = asyncio.ensure_future(anext(engine.pings(dead, count=1, timeout_s=600)))
                while len(engine._registry.runs) < len(dead):  # noqa: ASYNC110  it has no event of this
                    await asyncio.sleep(0.05)
                for _ in range(5):  # the machine may be busy, and what plays the Internet then drops some
                    async for address, result in engine.pings(list(unheard), count=1, timeout_s=10):
                        assert isinstance(result, PingResult)
                        assert all(rtt >= 2 * len(made.hops(address)) - 0.5 for rtt in result.rtts_ms)
                        unheard -= {address} if result.rtts_ms else set()
                assert unheard == set()
                assert engine.strangers == 0
                assert len(engine._registry.runs) == len(dead) > 0xFFFF
                assert not waiting.done()
                waiting.cancel()

    async def test_overflow_is_told_and_is_no_loss(self, odd: Odd) -> None:
        made = odd.tree("plain")
        await odd.engine.ping(made.targets[0], count=1)
        receiver = odd.engine._links[4]._receivers["icmp"].socket
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        asyncio.get_running_loop().call_later(0.01, time.sleep, 0.5)
        await asyncio.gather(
            *(
                odd.engine.ping(target, count=50, interval_s=0.001, timeout_s=0.2)
                for target in made.targets
                for _ in range(4)
            )
        )
        assert odd.engine.dropped > 0


class TestSending:
    """What the machine refuses to send is told, and what it has no room for is sent later."""

    @pytest.mark.parametrize(
        ("error", "code"),
        [(1, "prohibited"), (101, "unreachable"), (113, "unreachable"), (22, "unsupported")],
    )
    async def test_refusals_are_told(
        self, odd: Odd, monkeypatch: pytest.MonkeyPatch, error: int, code: str
    ) -> None:
        target = odd.tree("plain").targets[0]
        await odd.engine.ping(target, count=1)
        link = odd.engine._links[4]

        def refuse(_packet: bytes, _peer: Sequence[object]) -> None:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(link, "send", refuse)
        for measure in (odd.engine.ping, odd.engine.trace, odd.engine.paths):
            with pytest.raises(MeasureError) as caught:
                await measure(target)
            assert caught.value.code == code

    async def test_a_full_queue_is_no_loss(self, odd: Odd, monkeypatch: pytest.MonkeyPatch) -> None:
        made = odd.tree("plain")
        await odd.engine.ping(made.targets[0], count=1)
        link = odd.engine._links[4]
        real, turns = link.send, itertools.count()

        def crowded(packet: bytes, peer: tuple[str, int]) -> None:
            if next(turns) % 3:
                raise OSError(105, os.strerror(105))  # ENOBUFS
            real(packet, peer)

        monkeypatch.setattr(link, "send", crowded)
        assert all(seen.right() for seen in await odd.traces("plain", attempts=1))
        result = await odd.engine.paths(made.targets[0])
        assert result.reached
