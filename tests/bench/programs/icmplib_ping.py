"""``icmplib_ping TARGETS COUNT INTERVAL WAIT``: lines of ``[target, [rtt ms, …]]``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from icmplib import async_multiping

_TASKS = 500  # each has a socket, and a process has 1,024 descriptors


def main(targets: str, count: str, interval_s: str, wait_s: str) -> None:
    addresses = Path(targets).read_text(encoding="ascii").split()
    pings = async_multiping(
        addresses,
        count=int(count),
        interval=float(interval_s),
        timeout=float(wait_s),
        concurrent_tasks=_TASKS,
        privileged=False,
    )
    for host in asyncio.run(pings):
        sys.stdout.write(json.dumps([host.address, host.rtts]) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
