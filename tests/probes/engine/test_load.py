"""An engine beside others on its machine, and where sequence numbers, buffers and queues end."""

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
from typing import TYPE_CHECKING

import msgspec
import pytest

from probes.engine.engine import Engine
from probes.engine.pacing import Pace, Rates
from probes.failure import MeasureError
from probes.observation import PingResult, TraceResult
from probes.simnet.tree import Tree
from tests.probes.conftest import local
from tests.probes.engine.cases import RATES, Odd, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.simnet.simnet import Simnet

pytestmark = pytest.mark.net

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
