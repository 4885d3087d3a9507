"""Pings and traces over real packets between network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from probes.engine.engine import Engine
from probes.engine.pacing import Pace
from probes.failure import MeasureError
from probes.observation import PingResult, TraceResult
from probes.target import Settings, Target

if TYPE_CHECKING:
    from probes.session import Session
    from tests.probes.conftest import Chain

pytestmark = pytest.mark.net


class TestPing:
    """A ping tells the round-trip times of an address, by each method, over IPv4 and IPv6."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize(("method", "port"), [("icmp", None), ("tcp", 81), ("udp", None)])
    async def test_answers(
        self, session: Session, chain: Chain, version: int, method: Any, port: int | None
    ) -> None:
        address = chain.host4 if version == 4 else chain.host6
        result = await session.engine.ping(address, method, port, count=3, interval_s=0.01)
        assert (result.method, result.sent, len(result.rtts_ms)) == (method, 3, 3)
        assert all(0 < rtt < 1000 for rtt in result.rtts_ms)

    async def test_open_port_answers_a_syn_more_than_once(self, session: Session, chain: Chain) -> None:
        with chain.listen(chain.host4, 4080):
            result = await session.engine.ping(chain.host4, "tcp", 4080, count=4, interval_s=0.01)
        assert len(result.rtts_ms) == 4

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("binding", ["source", "interface"])
    async def test_bound_vantage(self, chain: Chain, version: int, binding: str) -> None:
        """A source address or interface that the vantage names is used for every packet."""
        address, source = ((chain.host4, "10.9.0.1"), (chain.host6, "fd09:1::1"))[version == 6]
        bound = {"source_address": source} if binding == "source" else {"interface": "a0"}
        with chain.vantage(**bound) as vantage:
            async with Engine(vantage, Pace()) as engine:
                for method in ("icmp", "tcp", "udp"):
                    result = await engine.ping(address, method, 81, count=1)
                    assert len(result.rtts_ms) == 1, method
                if binding == "source":
                    with pytest.raises(MeasureError) as caught:
                        await engine.ping(chain.host6 if version == 4 else chain.host4)
                    assert caught.value.code == "unsupported"

    async def test_silent_address_is_a_timeout(self, session: Session, chain: Chain) -> None:
        chain.ip(chain.host, "route", "add", "blackhole", "10.9.50.1/32")
        chain.ip(chain.source, "route", "add", "10.9.50.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "blackhole", "10.9.50.1/32")
        target = Target("e", address="10.9.50.1")
        seen = await chain.observe("ping", target, session, Settings(ping_count=2, ping_timeout_s=0.1))
        assert (seen.error, seen.result.sent, seen.result.rtts_ms) == ("timeout", 2, ())

    async def test_it_is_over_once_all_is_answered(self, session: Session, chain: Chain) -> None:
        result = await session.engine.ping(chain.host4, count=2, timeout_s=3600)
        assert (result.sent, len(result.rtts_ms)) == (2, 2)

    async def test_no_route_is_unreachable(self, session: Session, chain: Chain) -> None:
        seen = await chain.observe("ping", Target("e", address="192.0.2.1"), session)
        assert (seen.error, seen.result.sent) == ("unreachable", 0)

    async def test_refusal_of_a_router_is_told(self, session: Session, chain: Chain) -> None:
        chain.ip(chain.source, "route", "add", "10.9.60.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "prohibit", "10.9.60.0/24")
        seen = await chain.observe("ping", Target("e", address="10.9.60.1"), session, Settings(ping_count=1))
        assert (seen.error, seen.result.rtts_ms) == ("prohibited", ())

    async def test_many_at_once_are_told_apart(self, session: Session, chain: Chain) -> None:
        targets = (chain.host4, chain.host6, *chain.hops4[:-1], *chain.hops6[:-1]) * 8
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(session.engine.ping(each, count=2, interval_s=0.01)) for each in targets
            ]
        assert [len(task.result().rtts_ms) for task in tasks] == [2] * len(targets)

    async def test_cancelled_ping_leaves_nothing_behind(self, session: Session, chain: Chain) -> None:
        task = asyncio.create_task(session.engine.ping(chain.host4, count=100, interval_s=1))
        await asyncio.sleep(0.05)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        registry = session.engine._registry
        assert (registry.runs, registry._by_destination) == ({}, {})


class TestTrace:
    """A trace sees every router between the vantage and the host, once, in order."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize(("method", "port"), [("icmp", None), ("tcp", 81), ("udp", None)])
    async def test_sees_the_path(
        self, session: Session, chain: Chain, version: int, method: Any, port: int | None
    ) -> None:
        hops = chain.hops4 if version == 4 else chain.hops6
        result = await session.engine.trace(hops[-1], method, port)
        assert result.reached
        assert tuple(hop.replies[0].address for hop in result.hops) == hops
        assert [hop.ttl for hop in result.hops] == [1, 2, 3, 4]

    async def test_busy_event_loop_neither_loses_nor_lengthens(self, session: Session, chain: Chain) -> None:
        """What came while this process was busy counts, with the time at which the kernel received it."""
        loop = asyncio.get_running_loop()
        slowest: list[float] = []
        for _ in range(5):  # the machine too may be busy, once
            for delay_s in (0.0, 0.001, 0.002):
                loop.call_later(delay_s, time.sleep, 0.3)
            result = await session.engine.trace(chain.host4, wait_s=0.1, attempts=1)
            found = [[reply.address for reply in hop.replies] for hop in result.hops]
            slowest.append(max(reply.rtt_ms or 0 for hop in result.hops for reply in hop.replies))
            if found == [[address] for address in chain.hops4] and slowest[-1] < 250:
                return
        pytest.fail(f"lost or lengthened: {slowest}")

    async def test_dead_host_shows_the_path_to_it(self, session: Session, chain: Chain) -> None:
        chain.ip(chain.host, "route", "add", "blackhole", "10.9.71.1/32")
        for index, name in enumerate((chain.source, *chain.routers)):
            chain.ip(name, "route", "add", "10.9.71.0/24", "via", f"10.9.{index}.2")
        target = Target("e", address="10.9.71.1")
        seen = await chain.observe("trace", target, session, Settings(trace_wait_s=0.2))
        assert seen.error in {"timeout", "unreachable"}
        assert not seen.result.reached
        assert [hop.replies[0].address for hop in seen.result.hops[:3]] == list(chain.hops4[:3])

    async def test_middle_box_that_refuses_is_not_the_destination(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.72.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "10.9.72.0/24", "via", "10.9.1.2")
        chain.ip(chain.routers[1], "route", "add", "prohibit", "10.9.72.0/24")
        seen = await chain.observe("trace", Target("e", address="10.9.72.1"), session)
        assert (seen.error, seen.result.reached, len(seen.result.hops)) == ("prohibited", False, 2)
        assert seen.result.hops[1].replies[0].icmp == (3, 13)

    async def test_hundreds_at_once_are_told_apart(self, session: Session, chain: Chain) -> None:
        """Every address of a network answers for itself; half of the traces lead to silence."""
        for index, name in enumerate((chain.source, *chain.routers)):
            chain.ip(name, "route", "add", "10.9.100.0/23", "via", f"10.9.{index}.2")
        chain.ip(chain.host, "route", "add", "local", "10.9.100.0/24", "dev", "lo")
        chain.ip(chain.host, "route", "add", "blackhole", "10.9.101.0/24")
        addresses = [f"10.9.{100 + last % 2}.{last}" for last in range(1, 255)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(session.engine.trace(each, wait_s=0.3)) for each in addresses]
        for address, task in zip(addresses, tasks, strict=True):
            result = task.result()
            path = [[reply.address for reply in hop.replies] for hop in result.hops]
            assert path[:3] == [[hop] for hop in chain.hops4[:3]]
            assert result.reached == address.startswith("10.9.100.")
            assert path[3:] == ([[address]] if result.reached else [[]] * 5)
        assert session.engine.dropped == 0


class TestBatch:
    """Very many are measured in one go: every outcome is handed out once, as it comes."""

    async def test_traces_and_pings(self, session: Session, chain: Chain) -> None:
        addresses = [*chain.hops4, *chain.hops6, "192.0.2.1", "nobody"]
        traced = {address: outcome async for address, outcome in session.engine.traces(iter(addresses))}
        pinged = {address: outcome async for address, outcome in session.engine.pings(addresses, count=1)}
        assert set(traced) == set(pinged) == set(addresses)
        for address in (*chain.hops4, *chain.hops6):
            trace, ping = traced[address], pinged[address]
            assert isinstance(trace, TraceResult)
            assert trace.reached
            assert isinstance(ping, PingResult)
            assert len(ping.rtts_ms) == 1
        failures = [traced["192.0.2.1"], traced["nobody"], pinged["192.0.2.1"]]
        assert [each.code for each in failures if isinstance(each, MeasureError)] == [
            *("unreachable", "unsupported", "unreachable")
        ]

    async def test_left_early_it_leaves_nothing_behind(self, session: Session, chain: Chain) -> None:
        stream = session.engine.traces([*chain.hops4, *chain.hops6] * 20)
        async for _ in stream:
            break
        await stream.aclose()
        registry = session.engine._registry
        assert (registry.runs, registry._by_destination, session.engine._scheduler.batches) == ({}, {}, [])

    async def test_a_faulty_request_is_an_error(self, session: Session) -> None:
        with pytest.raises(ValueError, match="needs a port"):
            _ = [each async for each in session.engine.traces(["192.0.2.1"], "tcp")]

    async def test_nothing_asked_nothing_given(self, session: Session) -> None:
        assert [each async for each in session.engine.traces([])] == []


ORDINARY = """
import asyncio, json, os, sys
import msgspec
from probes.engine.engine import Engine
from probes.engine.pacing import Pace
from probes.failure import PrivilegeError
from probes.vantages.local import Here, LocalVantage

async def main():
    what, method, port, address = sys.argv[1:]
    with LocalVantage(Here()) as local:
        async with Engine(local, Pace()) as engine:
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            try:
                result = await getattr(engine, what)(address, method, int(port) or None)
            except PrivilegeError as error:
                result = str(error)
            print(msgspec.json.encode([result, sorted(engine.means.values())]).decode())

asyncio.run(main())
"""


async def as_nobody(
    namespace: str, groups: str, what: str, method: str, address: str, port: int = 0
) -> tuple[Any, list[str]]:
    """What a ping or trace gives to a process without rights, and by what means."""
    command = f"echo '{groups}' > /proc/sys/net/ipv4/ping_group_range; exec \"$@\""
    process = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", namespace, "sh", "-c", command, "sh", sys.executable, "-c", ORDINARY),
        *(what, method, str(port), address),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert not err, err.decode()
    result, means = json.loads(out)
    return result, means


class TestOrdinaryUser:
    """Without the right to raw sockets the results are the same, and it is said by what means."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize(("method", "port"), [("icmp", 0), ("udp", 0), ("tcp", 81), ("tcp", 4080)])
    async def test_traces(self, chain: Chain, version: int, method: str, port: int) -> None:
        hops = chain.hops4 if version == 4 else chain.hops6
        with chain.listen(hops[-1], 4080):
            found, means = await as_nobody(chain.source, "0 65534", "trace", method, hops[-1], port)
        assert means == ["connection" if method == "tcp" else "datagram"]
        assert (found["method"], found["reached"]) == (method, True)
        assert [[reply["address"] for reply in hop["replies"]] for hop in found["hops"]] == [
            [hop] for hop in hops
        ]
        assert all(0 < reply["rtt_ms"] < 1000 for hop in found["hops"] for reply in hop["replies"])
        exceeded = [11, 0] if version == 4 else [3, 0]
        assert [hop["replies"][0]["icmp"] for hop in found["hops"][:-1]] == [exceeded] * 3

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize(("method", "port"), [("icmp", 0), ("udp", 0), ("tcp", 81), ("tcp", 4080)])
    async def test_pings(self, chain: Chain, version: int, method: str, port: int) -> None:
        address = chain.host4 if version == 4 else chain.host6
        with chain.listen(address, 4080):
            found, _ = await as_nobody(chain.source, "0 65534", "ping", method, address, port)
        assert (found["sent"], len(found["rtts_ms"])) == (5, 5)

    @pytest.mark.parametrize("what", ["ping", "trace"])
    async def test_it_is_said_what_is_missing(self, chain: Chain, what: str) -> None:
        found, means = await as_nobody(chain.source, "1 0", what, "icmp", chain.host4)
        assert "net.ipv4.ping_group_range" in found
        assert "CAP_NET_RAW" in found
        assert means == []

    async def test_a_filter_on_the_way_is_told(self, chain: Chain) -> None:
        for namespace, via in ((chain.source, "10.9.0.2"), (chain.routers[0], "10.9.1.2")):
            chain.ip(namespace, "route", "add", "10.9.73.0/24", "via", via)
        chain.ip(chain.routers[1], "route", "add", "prohibit", "10.9.73.0/24")
        for method, port in (("icmp", 0), ("udp", 0), ("tcp", 81)):
            # Linux tells one asker no more than a few in a row, and then one a second.
            for _ in range(5):
                found, _ = await as_nobody(chain.source, "0 65534", "trace", method, "10.9.73.1", port)
                assert not found["reached"], found
                if found["hops"][-1]["replies"]:
                    break
            assert found["hops"][-1]["replies"][0]["icmp"] == [3, 13], found

    async def test_closed_engine_ends_what_waits(self, chain: Chain) -> None:
        with chain.vantage() as vantage:
            async with Engine(vantage, Pace()) as engine:
                task = asyncio.create_task(engine.ping(chain.host4, count=100, interval_s=1))
                await asyncio.sleep(0.05)
            with pytest.raises(MeasureError, match="cancelled"):
                await task
