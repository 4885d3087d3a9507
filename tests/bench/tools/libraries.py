"""Peers from PyPI; each is driven by a small program, as its documentation shows."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.outcome import Ping, Reply, Trace
from tests.bench.tools.tool import Job, Tool, no_module

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = "tests.bench.programs"


@dataclass(frozen=True)
class IcmplibTrace(Tool):
    """icmplib's traceroute, in fifty threads."""

    def missing(self) -> str | None:
        return no_module("icmplib")

    def command(self, job: Job) -> list[str]:
        program = [sys.executable, "-m", f"{_PROGRAMS}.icmplib_trace", str(job.targets)]
        return [*program, f"{job.wait_s:g}", str(job.most)]

    def read(self, job: Job) -> Iterator[Trace]:
        with job.output.open(encoding="utf-8") as stream:
            for target, replies in map(json.loads, stream):
                yield Trace(target, tuple(Reply(*reply) for reply in replies))


@dataclass(frozen=True)
class IcmplibPing(Tool):
    """icmplib's asynchronous pings, all targets at once, without privileges: so it is fastest."""

    interval_s: float = 0.1

    def missing(self) -> str | None:
        return no_module("icmplib")

    def command(self, job: Job) -> list[str]:
        program = [sys.executable, "-m", f"{_PROGRAMS}.icmplib_ping", str(job.targets)]
        return [*program, str(job.count), f"{self.interval_s:g}", f"{job.wait_s:g}"]

    def read(self, job: Job) -> Iterator[Ping]:
        with job.output.open(encoding="utf-8") as stream:
            for target, rtts in map(json.loads, stream):
                yield Ping(target, tuple(rtts))


@dataclass(frozen=True)
class Pycaracal(Tool):
    """pycaracal, which sends what it is told to: TTLs 1 to ``most`` of each target, shuffled."""

    most: int = 18

    def missing(self) -> str | None:
        return no_module("pycaracal")

    def command(self, job: Job) -> list[str]:
        program = [sys.executable, "-m", f"{_PROGRAMS}.pycaracal_trace", str(job.targets)]
        return [
            *program,
            str(job.rate),
            f"{job.wait_s:g}",
            str(self.most),
            str(job.directory / "replies.csv"),
        ]

    def read(self, job: Job) -> Iterator[Trace]:
        found: dict[str, list[Reply]] = {}
        with (job.directory / "replies.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                target, address = _version4(row["probe_dst_addr"]), _version4(row["reply_src_addr"])
                reply = Reply(int(row["probe_ttl"]), address, int(row["rtt"]) / 10)  # it counts 0.1 ms
                found.setdefault(target, []).append(reply)
        for target, replies in found.items():
            yield Trace(target, tuple(replies))


def _version4(address: str) -> str:
    return address.removeprefix("::ffff:")
