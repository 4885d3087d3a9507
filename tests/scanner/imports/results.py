"""Results of RIPE Atlas as its probes write them, and what becomes of one."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from scanner.imports.atlas import observations

if TYPE_CHECKING:
    from probes.observation import Observation

HEAD = {
    "fw": 5080,
    "lts": 21,
    "msm_id": 101,
    "prb_id": 1234,
    "timestamp": 1_780_000_000,
    "from": "192.0.2.9",
    "src_addr": "192.0.2.9",
    "af": 4,
}
PING = {
    **HEAD,
    "type": "ping",
    "proto": "ICMP",
    "dst_name": "portal.indus.example",
    "dst_addr": "203.0.113.7",
    "sent": 4,
    "rcvd": 2,
    "dup": 1,
    "min": 1.5,
    "max": 2.25,
    "avg": 1.875,
    "ttl": 60,
    "size": 64,
    "result": [{"rtt": 2.25}, {"x": "*"}, {"rtt": 1.5}, {"rtt": 3.5, "dup": 1}, {"error": "sendto failed"}],
}
MPLS = {
    "version": 2,
    "rfc4884": 0,
    "obj": [{"class": 1, "type": 1, "mpls": [{"exp": 1, "label": 24001, "s": 1, "ttl": 3}]}],
}
TRACE = {
    **HEAD,
    "type": "traceroute",
    "proto": "ICMP",
    "paris_id": 3,
    "endtime": 1_780_000_009,
    "dst_name": "203.0.113.7",
    "dst_addr": "203.0.113.7",
    "size": 48,
    "result": [
        {
            "hop": 1,
            "result": [
                {"from": "192.168.1.1", "rtt": 0.5, "size": 28, "ttl": 64},
                {"from": "192.168.1.2", "rtt": 0.75, "size": 28, "ttl": 64, "icmpext": MPLS},
                {"x": "*"},
            ],
        },
        {
            "hop": 2,
            "result": [{"x": "*"}, {"x": "*"}, {"from": "198.51.100.5", "late": 2, "size": 28, "ttl": 250}],
        },
        {"hop": 3, "error": "sendto failed: Network is unreachable"},
        {
            "hop": 4,
            "result": [
                {"from": "198.51.100.6", "rtt": 9, "err": "H"},
                {"from": "203.0.113.7", "rtt": 9.5, "dup": 1},
            ],
        },
        {"hop": 255, "result": [{"from": "203.0.113.7", "rtt": 10.125, "size": 48, "ttl": 55}]},
    ],
}


def made(record: object) -> list[Observation]:
    return observations(json.dumps(record).encode(), Counter())


def only(record: object) -> Any:
    (one,) = made(record)
    return one
