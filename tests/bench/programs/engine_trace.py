"""``engine_trace FIRST TARGETS RATE WAIT BLOCK``: our engine in this process, and what it cost; JSON.

Traces ``TARGETS`` addresses from ``FIRST`` on at ``RATE`` probes a second. ``BLOCK`` is how many milliseconds
at a time something else keeps the event loop busy, half of the time; with it, and at 0, the round-trip times
are printed too; with -1 they are not, so that nothing but the engine is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from probes.engine.pacing import Pace, Rates
from probes.observation import TraceResult
from probes.session import Session
from probes.vantages.vantage import Vantage
from tests.bench import memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.engine.engine import Engine


async def main(first: str, targets: int, rate: float, wait_s: float, block_ms: float) -> dict[str, Any]:
    pace = Pace(Rates(process=rate, vantage=rate, target=rate))
    async with Session(Vantage(id="v", latitude=0, longitude=0), pace) as session:
        await trace(session.engine, addresses(first, 1), wait_s, [])  # whatever is only done once
        before = memory.octets("VmRSS")
        memory.forget_peak()
        blocker = asyncio.create_task(block(block_ms / 1000)) if block_ms > 0 else None
        rtts: list[tuple[str, int, str, float]] | None = None if block_ms < 0 else []
        wall, cpu = time.monotonic(), time.process_time()
        reached = await trace(session.engine, addresses(first, targets), wait_s, rtts)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        if blocker is not None:
            blocker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await blocker
        octets = memory.octets("VmHWM") - before
        return {"wall_s": wall, "cpu_s": cpu, "reached": reached, "octets": octets, "rtts": rtts or []}


async def trace(
    engine: Engine, targets: Iterator[str], wait_s: float, rtts: list[tuple[str, int, str, float]] | None
) -> int:
    """How many of the targets were reached; each answer's target, TTL, address and ms go into ``rtts``."""
    reached = 0
    async for address, outcome in engine.traces(targets, wait_s=wait_s, attempts=1):
        if isinstance(outcome, TraceResult):
            reached += outcome.reached
            if rtts is not None:
                rtts += [
                    (address, hop.ttl, reply.address, reply.rtt_ms)
                    for hop in outcome.hops
                    for reply in hop.replies
                    if reply.rtt_ms is not None
                ]
    return reached


async def block(seconds: float) -> None:
    """Keep the event loop busy for so long at a time, half of the time."""
    while True:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pass
        await asyncio.sleep(seconds)


def addresses(first: str, count: int) -> Iterator[str]:
    """So many addresses, none of them kept; made quickly, as the engine's time is measured meanwhile."""
    start = int(ipaddress.IPv4Address(first))
    return (socket.inet_ntoa(number.to_bytes(4, "big")) for number in range(start, start + count))


if __name__ == "__main__":
    numbers = map(float, sys.argv[3:])
    json.dump(asyncio.run(main(sys.argv[1], int(sys.argv[2]), *numbers)), sys.stdout)
