"""``pycaracal_trace TARGETS RATE WAIT MOST CSV``: TTLs 1 to MOST of all targets, shuffled; replies to CSV."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from pycaracal import Probe, prober

from probes.simnet.processes import DEVICE


def main(targets: str, rate: str, wait_s: str, most: str, replies: str) -> None:
    config = prober.Config()
    config.set_interface(DEVICE)
    config.set_probing_rate(int(rate))
    config.set_sniffer_wait_time(max(1, round(float(wait_s))))
    config.set_output_file_csv(replies)
    probes = [
        Probe(f"::ffff:{address}", 24_000, 33_434, ttl, "icmp")
        for address in Path(targets).read_text(encoding="ascii").split()
        for ttl in range(1, int(most) + 1)
    ]
    random.Random(1).shuffle(probes)  # noqa: S311 an order, no secret
    prober.probe(config, probes)


if __name__ == "__main__":
    main(*sys.argv[1:])
