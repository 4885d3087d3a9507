"""Our own engine, as its command."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.outcome import Ping, Reply, Trace
from tests.bench.tools.tool import Job, Method, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class _Sarhad(Tool):
    def missing(self) -> str | None:
        return None if _command().exists() else f"{_command()} does not exist; run make .venv/run.stamp"

    def probe(self, kind: str, job: Job, *options: str) -> list[str]:
        rate = str(job.rate)
        paced = ["--input", str(job.targets), "--rate", rate, "--target-rate", rate]
        return [str(_command()), "probe", kind, *paced, *options]


@dataclass(frozen=True)
class SarhadTrace(_Sarhad):
    """``sarhad probe trace``."""

    method: Method = "icmp"

    def command(self, job: Job) -> list[str]:
        options = ["--method", self.method, "--wait", f"{job.wait_s:g}", "--attempts", str(job.attempts)]
        if self.method == "tcp":
            options += ["--port", "443"]
        return self.probe("trace", job, *options, "--max-ttl", str(job.most))

    def read(self, job: Job) -> Iterator[Trace]:
        for record in _records(job):
            hops = (record.get("result") or {}).get("hops", ())
            replies = (
                Reply(hop["ttl"], reply["address"], reply["rtt_ms"])
                for hop in hops
                for reply in hop["replies"]
                if not reply.get("inferred")  # what was not measured was not found
            )
            yield Trace(record["address"], tuple(replies))


@dataclass(frozen=True)
class SarhadPing(_Sarhad):
    """``sarhad probe ping``; a round of all targets every ``interval_s``."""

    interval_s: float = 0.1

    def command(self, job: Job) -> list[str]:
        interval = f"{self.interval_s:g}"
        timing = ["--interval", interval, "--timeout", f"{job.wait_s:g}"]
        return self.probe("ping", job, "--count", str(job.count), *timing)

    def read(self, job: Job) -> Iterator[Ping]:
        for record in _records(job):
            yield Ping(record["address"], tuple((record.get("result") or {}).get("rtts_ms", ())))


def _command() -> Path:
    return Path(sys.executable).with_name("sarhad")


def _records(job: Job) -> Iterator[Any]:
    with job.output.open(encoding="utf-8") as stream:
        yield from map(json.loads, stream)
