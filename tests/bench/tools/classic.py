"""traceroute, mtr, nmap and fping."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from tests.bench.outcome import Ping, Reply, Trace
from tests.bench.tools.tool import Job, Tool, no_command

if TYPE_CHECKING:
    from collections.abc import Iterator

_AT_ONCE: Final = 50  # processes of a tool that traces one target each
_HOP: Final = re.compile(r"^ *(\d+) +(\S.*)$")
_ANSWER: Final = re.compile(r"(\d+\.\d+\.\d+\.\d+) +([\d.]+) ms")


@dataclass(frozen=True)
class _OneEach(Tool):
    """A tool that is started once for each target, fifty at once, as a shell's user would."""

    def command(self, job: Job) -> list[str]:
        each = f'exec {" ".join(self.each(job))} "$1" >"$0/$1" 2>/dev/null </dev/null'
        spread = ["xargs", "-a", str(job.targets), "-P", str(_AT_ONCE), "-n", "1"]
        return [*spread, "sh", "-c", each, str(job.directory)]

    @abstractmethod
    def each(self, job: Job) -> list[str]:
        """The command for one target, less the target."""

    @abstractmethod
    def replies(self, text: str) -> Iterator[Reply]:
        """The answers in what it printed."""

    def failed(self, status: int) -> bool:
        return status not in {0, 123}  # xargs: all were run, some ended with a status of their own

    def read(self, job: Job) -> Iterator[Trace]:
        for address in job.addresses:
            file = job.directory / address
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            yield Trace(address, tuple(self.replies(text)))


@dataclass(frozen=True)
class Traceroute(_OneEach):
    """Debian's traceroute, with the widest window; ``option`` names the protocol (none is UDP)."""

    option: str = ""

    def missing(self) -> str | None:
        return no_command("traceroute", "traceroute")

    def each(self, job: Job) -> list[str]:
        timing = ["-q", str(job.attempts), "-w", f"{job.wait_s:g}", "-N", "16", "-m", str(job.most)]
        return ["traceroute", "-n", *timing, *self.option.split()]

    def replies(self, text: str) -> Iterator[Reply]:
        for line in text.splitlines()[1:]:
            if hop := _HOP.match(line):
                for address, rtt in _ANSWER.findall(hop[2])[:1]:
                    yield Reply(int(hop[1]), address, float(rtt))


@dataclass(frozen=True)
class Mtr(_OneEach):
    """One round of mtr."""

    option: str = ""

    def missing(self) -> str | None:
        return no_command("mtr", "mtr-tiny")

    def each(self, job: Job) -> list[str]:
        timing = ["-c", str(job.attempts), "-G", f"{job.wait_s:g}", "-m", str(job.most)]
        return ["mtr", "--raw", "-n", *timing, *self.option.split()]

    def replies(self, text: str) -> Iterator[Reply]:
        """Lines ``h INDEX ADDRESS`` and ``p INDEX MICROSECONDS SEQUENCE``; the index is the TTL less one."""
        addresses: dict[int, str] = {}
        for words in map(str.split, text.splitlines()):
            if words[0] == "h":
                addresses[int(words[1])] = words[2]
            elif words[0] == "p" and int(words[1]) in addresses:
                yield Reply(int(words[1]) + 1, addresses[int(words[1])], int(words[2]) / 1000)


@dataclass(frozen=True)
class Nmap(Tool):
    """nmap's traceroute of the hosts that its echo request finds alive."""

    @property
    def note(self) -> str:
        return f"{super().note}; it leaves out those that are dead".removeprefix("; ")

    def missing(self) -> str | None:
        return no_command("nmap", "nmap")

    def by_gateway(self) -> bool:
        return True

    def command(self, job: Job) -> list[str]:
        return ["nmap", "-n", "-sn", "-PE", "--traceroute", "-T4", "-oX", "-", "-iL", str(job.targets)]

    def read(self, job: Job) -> Iterator[Trace]:
        for host in ET.parse(job.output).getroot().iter("host"):  # noqa: S314 our own nmap wrote it
            address, hops = host.find("address"), host.iter("hop")
            if address is not None:
                replies = (Reply(int(hop.attrib["ttl"]), hop.attrib["ipaddr"]) for hop in hops)
                yield Trace(address.attrib["addr"], tuple(replies))


@dataclass(frozen=True)
class Fping(Tool):
    """fping at the pace of the job: a round of all targets every ``interval_s``."""

    interval_s: float = 0.1

    def missing(self) -> str | None:
        return no_command("fping", "fping")

    def failed(self, status: int) -> bool:
        return status not in {0, 1}  # 1: some hosts did not answer

    def command(self, job: Job) -> list[str]:
        timing = [
            "-i",
            f"{1000 / job.rate:g}",
            "-p",
            f"{self.interval_s * 1000:g}",
            "-t",
            f"{job.wait_s * 1000:g}",
        ]
        # The summary, all times of a target on a line, goes to standard error.
        silent = ["sh", "-c", 'exec "$@" 2>&1', "sh"]
        return [*silent, "fping", "-C", str(job.count), "-q", *timing, "-f", str(job.targets)]

    def read(self, job: Job) -> Iterator[Ping]:
        for line in job.output.read_text(encoding="utf-8").splitlines():
            address, separator, rest = line.partition(" : ")
            if separator:
                yield Ping(address.strip(), tuple(float(word) for word in rest.split() if word != "-"))
