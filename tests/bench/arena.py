"""Where tools are measured: a running world, commands in its vantage's namespace, and what they cost."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from probes.simnet.processes import DEVICE
from probes.simnet.simnet import Simnet
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage
from tests.bench.scenario import tree_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from probes.simnet.world import World

VANTAGE: Final = "v"
_DEADLINE_S: Final = 120.0
_QUIET_S: Final = 0.3  # so long without a packet, and nothing is on its way
_NOISY_S: Final = 15.0
_GREETINGS: Final = 2000  # packets on their way to the router, whose device holds 10,000
_PORT: Final = 33_434
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ArenaError(Exception):
    """A command could not be measured; the message says why."""


@dataclass(frozen=True)
class Counters:
    """The world's side: packets the vantage sent, was answered and had no room for; the router's seconds."""

    sent: int
    answered: int
    lost: int
    cpu_s: float

    def __sub__(self, other: Counters) -> Counters:
        return Counters(
            self.sent - other.sent,
            self.answered - other.answered,
            self.lost - other.lost,
            self.cpu_s - other.cpu_s,
        )


@dataclass(frozen=True)
class Spent:
    """What a command took: seconds of wall clock, of processor (its children's too), and its exit status."""

    wall_s: float
    cpu_s: float
    status: int
    counters: Counters


class Arena:
    """A context manager around a world with one vantage, ``v``; inside the sandbox.

    The router of a ``punctual`` one comes before all else that this machine does, where that is allowed: so
    that its times are the world's, however busy the machine is.
    """

    def __init__(self, world: World, directory: Path, *, punctual: bool = False) -> None:
        self.world = world
        self.directory = directory
        self._net = Simnet(world)
        self._processes: list[int] = []
        self._punctual = punctual

    def __enter__(self) -> Self:
        before = set(_descendants(os.getpid()))
        self._net.start()
        self._processes = [pid for pid in _descendants(os.getpid()) if pid not in before]
        for pid in self._processes if self._punctual else ():
            with contextlib.suppress(PermissionError):  # not in a user's own namespaces
                os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
        try:
            self._settle()  # the kernel's own greetings of a new device
            self._greet()
            self._settle()
        except BaseException:
            self._net.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._net.stop()

    @property
    def namespace(self) -> str:
        return self._net.sites[VANTAGE]

    def counters(self) -> Counters:
        """The state of the counters, in which no tool has a part."""
        words = self._device()
        lost = int(words[11])
        return Counters(int(words[9]) + lost, int(words[1]), lost, sum(map(_cpu_s, self._processes)))

    def run(self, command: Sequence[str], output: Path) -> Spent:
        """Run a command in the vantage's namespace, its output to a file; its complaints beside it."""
        entered = ["nsenter", f"--net={self.namespace}", *command]
        errors = output.with_name("errors")
        with output.open("wb") as out, errors.open("wb") as err:
            before, start = self.counters(), time.monotonic()
            child = subprocess.Popen(
                entered, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
            )
            try:
                status, cpu_s = _wait(child, start + _DEADLINE_S)
            except BaseException:
                _end(child)
                raise
            wall_s = time.monotonic() - start
        self._settle()
        return Spent(wall_s, cpu_s, status, self.counters() - before)

    def complaint(self, output: Path) -> str:
        """The last line of what the command complained of."""
        lines = output.with_name("errors").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it said nothing")

    def _greet(self) -> None:
        """A packet to each target: the router works out a path with the first, which no tool shall wait for.

        An ArenaError where the router does not read them.
        """
        with LocalVantage(Vantage(id=VANTAGE, latitude=0, longitude=0, netns=self.namespace)) as vantage:
            greeter = vantage.socket(socket.AF_INET, socket.SOCK_DGRAM)
        start, deadline = self.counters().sent, time.monotonic() + _DEADLINE_S
        with greeter:
            greeter.settimeout(_QUIET_S)  # it may wait for room
            for number, target in enumerate(tree_of(self.world).targets, 1):
                greeter.sendto(b"", (target, _PORT))
                while number % _GREETINGS == 0 and self.counters().sent - start < number:
                    if time.monotonic() > deadline:
                        raise ArenaError("the router does not read what it is sent")
                    time.sleep(_QUIET_S / 10)

    def _settle(self) -> None:
        """Until no packet is on its way any more."""
        deadline = time.monotonic() + _NOISY_S
        before = self._device()
        while time.monotonic() < deadline:
            time.sleep(_QUIET_S)
            after = self._device()
            if after == before:
                return
            before = after

    def _device(self) -> list[str]:
        """The device's counters, in the columns of ``/proc/net/dev``."""
        table = subprocess.run(
            ["nsenter", f"--net={self.namespace}", "cat", "/proc/net/dev"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for line in table.splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == DEVICE:
                return numbers.split()
        raise ArenaError(f"no device {DEVICE} in {self.namespace}")


def _wait(child: subprocess.Popen[bytes], deadline: float) -> tuple[int, float]:
    """The exit status and processor seconds of a child and of the children it waited for."""
    handle = os.pidfd_open(child.pid)
    try:
        if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ArenaError(f"it did not end within {_DEADLINE_S:g} s")
    finally:
        os.close(handle)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode, usage.ru_utime + usage.ru_stime


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _descendants(process: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text(encoding="ascii").split():
                found += [int(child), *_descendants(int(child))]
    return found


def _cpu_s(process: int) -> float:
    try:
        words = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / _TICKS
