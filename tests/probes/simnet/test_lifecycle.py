from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from probes.simnet.loading import load_world
from probes.simnet.simnet import Simnet, SimnetError
from probes.simnet.world import Farm, Host, Service, World
from probes.vantages.vantage import load_vantages
from tests.probes.conftest import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(os.geteuid() != 0, reason="looks into namespaces as root"),
]

ROOT = Path(__file__).parents[3]
BASICS = Path(__file__).with_name("worlds") / "basics.yaml"
DEADLINE = 15.0
# A caller that starts a world and tells what it made; then it does what its argument says.
CALLER = """
import json, os, signal, sys, time
from pathlib import Path
from probes.simnet import sandbox
from probes.simnet.simnet import Simnet
from probes.simnet.loading import load_world
if sys.argv[2] == "sandbox":
    sandbox.enter()
with Simnet(load_world(Path(sys.argv[1]))) as net:
    inodes = [os.stat(path).st_ino for path in net.sites.values()]
    inodes += [os.stat("/proc/self/ns/net").st_ino] if sys.argv[2] == "sandbox" else []
    print(json.dumps({"inodes": inodes, "directory": str(net.directory), "keeper": net._keeper}), flush=True)
    time.sleep(60)
"""


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, a deadline long."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def holders(inodes: set[int]) -> set[str]:
    """The processes in one of these network namespaces."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/net").stat().st_ino in inodes:
                found.add(process.name)
        except OSError:
            continue
    return found


def children(pid: int) -> list[int]:
    """The living descendants of a process."""
    try:
        direct = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return direct + [further for child in direct for further in children(child)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def routes() -> str:
    """What this machine's own network looks like."""
    tables = ("route", "ipv6_route", "if_inet6", "fib_trie")
    return "".join(
        Path("/proc/net", table).read_text() for table in tables if Path("/proc/net", table).exists()
    )


class Caller:
    """A process with a running world, and everything that belongs to it."""

    def __init__(self, place: str, tmp_path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CALLER, str(BASICS), place],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE)[0]
        made: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.inodes = set(made["inodes"])
        self.directory = Path(made["directory"])
        self.pids = [made["keeper"], *children(made["keeper"])]

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=DEADLINE)
        return self.process.returncode

    def left(self) -> list[str]:
        """What is still there."""
        return [
            *(f"process {pid}" for pid in self.pids if alive(pid)),
            *(f"namespace of {pid}" for pid in holders(self.inodes)),
            *([str(self.directory)] if self.directory.exists() else []),
        ]


@pytest.fixture(params=["sandbox", "machine"])
def caller(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Caller]:
    made = Caller(request.param, tmp_path)
    yield made
    made.process.kill()
    made.process.communicate(timeout=DEADLINE)


class TestEnds:
    """However the caller ends, nothing of its world is left: no process, no namespace, no file."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_of_the_caller(self, caller: Caller, number: signal.Signals) -> None:
        assert len(caller.pids) == 2 + 1 + 6  # keeper, supervisor, router, sites
        assert len(holders(caller.inodes)) >= 6
        caller.end(number)
        assert until(lambda: not caller.left()), caller.left()

    @pytest.mark.parametrize("position", [0, 1])
    def test_of_the_keeper_or_the_supervisor(self, caller: Caller, position: int) -> None:
        os.kill(caller.pids[position], signal.SIGKILL)
        rest = caller.pids[position:]  # a keeper that lost its world waits for the caller, to clean up
        assert until(lambda: not any(map(alive, rest)))
        caller.end(signal.SIGTERM)
        assert until(lambda: not any(map(alive, caller.pids)))

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_of_a_session_with_a_busy_command(self, tmp_path: Path, number: signal.Signals) -> None:
        """Also what the command had started, here and in a vantage's namespace."""
        code = "sleep 987 & ip netns exec sim-v-khi sleep 987 & echo started; wait; true"
        with subprocess.Popen(
            [sys.executable, "-m", "probes.simnet", str(BASICS), "--", "sh", "-c", code],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        ) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == "started\n"
                asleep = until(lambda: [*map(command, children(process.pid))].count("sleep\x00987\x00") == 2)
                everything = children(process.pid)
                process.send_signal(number)
                process.wait(DEADLINE)
            finally:
                process.kill()
        assert asleep
        assert len(everything) == 2 + 1 + 6 + 3
        assert until(lambda: not any(map(alive, everything)))
        assert until(lambda: not list(tmp_path.iterdir()))

    @pytest.fixture
    def undisturbed(self) -> Iterator[None]:
        with alone():
            yield

    def test_leaves_the_machine_as_it_was(self, undisturbed: None) -> None:
        mounts, own = Path("/proc/self/mounts").read_text(), routes()
        names = Path("/run/netns").exists()
        with Simnet(load_world(BASICS)) as net:
            assert len(net.sites) == 6
            assert routes() == own
            assert Path("/proc/self/mounts").read_text() == mounts
            directory, keeper = net.directory, net._keeper
            inodes = {os.stat(path).st_ino for path in net.sites.values()}  # noqa: PTH116 a namespace
        assert (Path("/proc/self/mounts").read_text(), routes()) == (mounts, own)
        assert Path("/run/netns").exists() is names
        assert not directory.exists()
        assert not alive(keeper)
        assert not holders(inodes)

    def test_a_second_stop_does_nothing(self) -> None:
        net = Simnet(load_world(BASICS))
        net.start()
        assert net.stop() is None
        assert net.stop() is None


class TestDirectory:
    """The world's directory holds what its users need."""

    def test_holds_vantages_that_can_be_loaded(self, tmp_path: Path) -> None:
        with Simnet(load_world(BASICS), tmp_path / "world") as net:
            vantages = load_vantages(net.directory / "vantages.yaml")
            found = {vantage.id: vantage for vantage in vantages}
            assert set(found) == {"v-khi", "v-fra", "v-lhe"}
            assert (found["v-khi"].city, found["v-khi"].network) == ("Karachi", "AS64510")
            assert found["v-khi"].netns == net.vantages["v-khi"]
            assert {entry.name for entry in net.directory.iterdir()} >= {
                "databases.json",
                "truth.json",
                "simnet.log",
                "ca.pem",
            }
        assert (tmp_path / "world" / "vantages.yaml").exists()

    def test_says_what_the_world_declares_not_what_is_true(self, tmp_path: Path) -> None:
        world = load_world(BASICS.with_name("troubles.yaml"))
        with Simnet(world, tmp_path) as net:
            entries = yaml.safe_load((net.directory / "vantages.yaml").read_text())["vantages"]
        assert {entry["id"]: entry["city"] for entry in entries} == {"v": "Karachi", "liar": "Karachi"}


class TestFailure:
    """A world that cannot start, or does not last, says which part and why."""

    def world(self) -> World:
        base = load_world(BASICS)
        service = Service(kind="tcp", port=9)
        farm = Farm(id="f", place="lhe", hosts=(Host(addresses=("203.0.113.1",), services=(service,)),))
        return base.model_copy(update={"farms": (farm,), "paths": ()})

    def test_at_the_start(self) -> None:
        async def serve(*_: object) -> None:
            raise OSError("no such luck")

        before = children(os.getpid())
        with pytest.raises(SimnetError, match="f: OSError: no such luck"), Simnet(self.world(), serve=serve):
            pass
        assert children(os.getpid()) == before

    def test_later(self) -> None:
        async def serve(_farm: Farm, _world: World, _: object, ready: Callable[[], None]) -> None:
            ready()
            await asyncio.sleep(0.05)
            raise RuntimeError("had enough")

        net = Simnet(self.world(), serve=serve)
        with pytest.raises(SimnetError, match="f: RuntimeError: had enough"), net:
            assert until(lambda: len(children(net._keeper)) == 0)

    async def test_a_coroutine_can_start_a_world(self) -> None:
        async def serve(_farm: Farm, _world: World, _: object, ready: Callable[[], None]) -> None:
            asyncio.get_running_loop().call_soon(ready)
            await asyncio.Event().wait()

        with Simnet(self.world(), serve=serve) as net:
            assert set(net.sites) == {"v-khi", "v-fra", "v-lhe", "f"}


class TestSession:
    """``python -m probes.simnet`` runs a command in a world and hands on its exit status."""

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "probes.simnet", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )

    def test_a_command(self) -> None:
        code = "ls $SARHAD_WORLD; ls /run/netns; exit 7"
        done = self.run(str(BASICS), "--", "sh", "-c", code)
        assert done.returncode == 7, done.stderr
        assert "vantages.yaml" in done.stdout
        assert "sim-v-khi" in done.stdout

    def test_a_command_that_a_signal_ends(self) -> None:
        assert self.run(str(BASICS), "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM

    def test_a_faulty_world(self, tmp_path: Path) -> None:
        done = self.run(str(tmp_path / "none.yaml"))
        assert done.returncode == 2
        assert "none.yaml: cannot be read" in done.stderr

    def test_usage(self) -> None:
        assert self.run().returncode == 2
        assert "usage" in self.run("a", "b").stderr

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_a_signal_while_it_waits(self, number: signal.Signals, status: int) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "probes.simnet", str(BASICS)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        directory = Path(process.stdout.readline().strip())
        assert directory.is_dir()
        process.send_signal(number)
        process.communicate(timeout=DEADLINE)
        assert process.returncode == status
        assert not directory.exists()
