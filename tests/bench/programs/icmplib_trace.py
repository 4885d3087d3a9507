"""``icmplib_trace TARGETS WAIT MOST``: lines of ``[target, [[ttl, address, rtt ms], …]]``."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from icmplib import traceroute

_THREADS = 50


def main(targets: str, wait_s: str, most: str) -> None:
    def trace(address: str) -> str:
        hops = traceroute(address, count=1, interval=0, timeout=float(wait_s), max_hops=int(most))
        return json.dumps([address, [(hop.distance, hop.address, hop.avg_rtt) for hop in hops]])

    with ThreadPoolExecutor(_THREADS) as pool:
        for line in pool.map(trace, Path(targets).read_text(encoding="ascii").split()):
            sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
