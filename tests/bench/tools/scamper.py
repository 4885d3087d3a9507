"""scamper, of Debian or another build of it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.outcome import Reply, Trace
from tests.bench.tools.tool import Job, Tool, no_command
from tests.bench.truth import GAP

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Scamper(Tool):
    """``program`` is the binary, ``top`` its highest rate; ``ahead`` its ``-N``, the hops asked at once."""

    method: str = "icmp-paris"
    ahead: int = 1
    program: str = "scamper"
    top: int = 10_000

    def missing(self) -> str | None:
        if "/" in self.program and shutil.which(self.program) is None:
            return f"{self.program} is no program"
        return no_command(self.program, "scamper")

    def command(self, job: Job) -> list[str]:
        trace = f"trace -P {self.method} -q {job.attempts} -w {job.wait_s:g} -g {GAP} -m {job.most}"
        if self.ahead > 1:
            trace += f" -N {self.ahead}"
        rate = str(min(job.rate, self.top))
        return [self.program, "-O", "json", "-p", rate, "-c", trace, "-f", str(job.targets)]

    def read(self, job: Job) -> Iterator[Trace]:
        with job.output.open(encoding="utf-8") as stream:
            for record in map(json.loads, stream):
                if record["type"] == "trace":
                    hops = record.get("hops", ())
                    replies = (Reply(hop["probe_ttl"], hop["addr"], hop["rtt"]) for hop in hops)
                    yield Trace(record["dst"], tuple(replies))
