"""The loop that carries packets between the TUN devices of all sites, as the router says."""

from __future__ import annotations

import contextlib
import heapq
import os
import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from probes.simnet.router import Router

_MTU = 2048  # octets read at once; the devices' MTU is 1500
_BATCH = 128  # packets read from one device before others have a turn
_SPIN_NS = 60_000  # how long before its time a wait ends, the rest is polled: sleeping is not more exact
_WAKE_NS = 400_000
_IDLE_SECONDS = 1.0


def forward(router: Router, devices: Sequence[int]) -> None:
    """Carry packets between ``devices`` (TUN descriptors, in the order of the router's sites) for ever."""
    site_of = {descriptor: index for index, descriptor in enumerate(devices)}
    waiting = select.epoll()
    for descriptor in devices:
        os.set_blocking(descriptor, False)
        waiting.register(descriptor, select.EPOLLIN)
    queue, clock = router.queue, time.monotonic_ns
    while True:
        _deliver(queue, devices, clock)
        events = waiting.poll(0)
        if not events:
            _sleep(waiting, queue[0][0] - clock() if queue else None)
        # First all are read, so that each has the time at which it came: what is made of a packet takes ten
        # times as long as to read it. And no answer that is due waits for that of all.
        came = [each for descriptor, _ in events for each in _read(descriptor, site_of[descriptor], clock)]
        for site, packet, now in came:
            router.receive(site, packet, now)
            _deliver(queue, devices, clock)


def _deliver(
    queue: list[tuple[int, int, int, bytes | bytearray]], devices: Sequence[int], clock: Callable[[], int]
) -> None:
    """Write what is due."""
    while queue and queue[0][0] <= clock():
        _, _, site, packet = heapq.heappop(queue)
        with contextlib.suppress(OSError):  # the device is going down, or its site has no such family
            os.write(devices[site], packet)


def _read(descriptor: int, site: int, clock: Callable[[], int]) -> Iterator[tuple[int, bytes, int]]:
    """What came from a site, at most a batch, with the time of each."""
    for _ in range(_BATCH):
        try:
            packet = os.read(descriptor, _MTU)
        except OSError:  # nothing more for now
            return
        yield site, packet, clock()


def _sleep(waiting: select.epoll, nanoseconds: int | None) -> None:
    """Until a packet comes or shortly before the time; epoll itself counts milliseconds, select smaller."""
    if nanoseconds is None:
        select.select([waiting], [], [], _IDLE_SECONDS)
    elif nanoseconds > _SPIN_NS:
        # The kernel may end a long wait late by a thousandth of it, and a processor that slept is slow at
        # first: wake well before, and wait the rest by a short wait that is exact.
        early = _WAKE_NS if nanoseconds > 2 * _WAKE_NS else _SPIN_NS
        select.select([waiting], [], [], min(_IDLE_SECONDS, (nanoseconds - early) / 1e9))
