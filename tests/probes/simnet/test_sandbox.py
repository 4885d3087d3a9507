from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from probes.simnet import netlink, sandbox
from probes.simnet.sandbox import SandboxError
from tests.probes.conftest import alone

pytestmark = pytest.mark.net

ROOT = Path(__file__).parents[3]
WORLD = Path(__file__).with_name("worlds") / "basics.yaml"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes the machines that it tests as root")
# A machine of its own kind of /dev/net/tun, on which an ordinary user runs Python.
MACHINE = """
set -e
mount --make-rprivate /
mount -t tmpfs none /mnt
mknod -m {mode} /mnt/tun c 10 200
mount --bind /mnt/tun /dev/net/tun
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


def python(code: str, *prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


def as_user(*command: str, mode: str = "666") -> subprocess.CompletedProcess[str]:
    """Run a command as an ordinary user; skips where this machine cannot be made to."""
    if shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("setpriv and unshare (util-linux) are not installed")
    if reason := user_lacks():
        pytest.skip(f"an ordinary user cannot run this project where it lies: {reason}")
    return _as_user(command, mode)


@functools.cache
def user_lacks() -> str:
    """Why an ordinary user cannot import the project or make a namespace, or nothing if he can."""
    code = (
        "import sys, probes.simnet.kernel as kernel\n"
        "open(sys.argv[1]).close(); kernel.unshare(kernel.CLONE_NEWUSER)"
    )
    done = _as_user((sys.executable, "-c", code, str(WORLD)), "666")
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def _as_user(command: tuple[str, ...], mode: str) -> subprocess.CompletedProcess[str]:
    script = MACHINE.format(mode=mode)
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


@needs_root
class TestEnter:
    """Inside there is a network with loopback only, and the machine's stays as it is."""

    def test_has_only_loopback_and_it_is_up(self) -> None:
        done = python(
            "import os, socket, json\n"
            "from probes.simnet import sandbox\n"
            "sandbox.enter(); sandbox.enter()\n"
            "server = socket.create_server(('127.0.0.1', 0))\n"
            "socket.create_connection(server.getsockname(), 1)\n"
            "print(json.dumps([[name for _, name in socket.if_nameindex()], os.readlink('/proc/self/ns/net'),"
            " sandbox.inside(), sandbox.named(), os.listdir('/run/netns'), sorted(os.listdir('/run'))]))"
        )
        interfaces, namespace, inside, named, names, run = json.loads(done.stdout or done.stderr)
        assert "lo" in interfaces
        assert not {name for name in interfaces if name.startswith(("eth", "en", "wl", "sim"))}
        assert namespace != os.readlink("/proc/self/ns/net")  # noqa: PTH115 the text of the link
        assert (inside, named, names) == (True, True, [])
        assert {entry.name for entry in Path("/run").iterdir()} - {"netns"} <= set(run)

    def test_the_machine_sees_none_of_it(self) -> None:
        def mounts() -> list[str]:
            return [line for line in Path("/proc/self/mounts").read_text().splitlines() if "/run" in line]

        with alone():
            before = (mounts(), Path("/run/netns").exists(), Path("/proc/net/route").read_text())
            assert python("from probes.simnet import sandbox; sandbox.enter()").returncode == 0
            assert (mounts(), Path("/run/netns").exists(), Path("/proc/net/route").read_text()) == before

    def test_threads_are_refused(self) -> None:
        done = python(
            "import threading, time\n"
            "from probes.simnet import sandbox\n"
            "threading.Thread(target=time.sleep, args=(1,)).start()\n"
            "sandbox.enter()"
        )
        assert "must be entered before threads start; this process has 2" in done.stderr


@needs_root
class TestOrdinaryUser:
    """Without root a world runs in a user namespace; what is missing for that is named."""

    def test_a_world_runs(self) -> None:
        done = as_user(
            sys.executable,
            *("-m", "probes.simnet", str(WORLD), "--", "sh", "-c"),
            "ip netns exec sim-v-lhe traceroute -n -q 1 203.0.113.1; ls $SARHAD_WORLD; exit 7",
        )
        assert (done.returncode, done.stderr) == (7, "")
        assert "198.18.2.1 " in done.stdout
        assert "203.0.113.1 " in done.stdout
        assert "vantages.yaml" in done.stdout

    def test_a_device_that_only_root_may_open_is_named(self) -> None:
        done = as_user(sys.executable, "-m", "probes.simnet", str(WORLD), mode="600")
        assert done.returncode == 2
        assert "/dev/net/tun may not be opened by uid 65534 (its mode is crw-------)" in done.stderr
        assert "chmod 0666 /dev/net/tun" in done.stderr

    def test_switched_off_user_namespaces_are_named(self) -> None:
        # In a user namespace of its own the switch counts for that one only.
        code = (
            "import os\n"
            "from probes.simnet import kernel, sandbox\n"
            "os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)\n"
            "kernel.own_proc(); kernel.unshare(kernel.CLONE_NEWUSER)\n"
            "open('/proc/self/setgroups', 'w').write('deny')\n"
            "open('/proc/self/uid_map', 'w').write('65534 65534 1')\n"
            "open('/proc/self/gid_map', 'w').write('65534 65534 1')\n"
            "open('/proc/sys/user/max_user_namespaces', 'w').write('0')\n"
            "sandbox.check = lambda: None\n"
            "sandbox.enter()"
        )
        done = python(code)
        if "SandboxError" not in done.stderr:
            pytest.skip(f"user namespaces cannot be nested here: {done.stderr.strip()[-200:]}")
        assert "/proc/sys/user/max_user_namespaces is 0" in done.stderr
        assert "sysctl user.max_user_namespaces=10000" in done.stderr


class TestCheck:
    """What a machine lacks is said before anything is started."""

    def test_no_device(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(netlink, "TUN", str(tmp_path / "tun"))
        with pytest.raises(SandboxError, match=r"does not exist; load it .modprobe tun. or, in a container"):
            sandbox.check()

    def test_no_module(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("mknod needs root")
        os.mknod(tmp_path / "tun", 0o600 | 0o020000, os.makedev(10, 254))
        monkeypatch.setattr(netlink, "TUN", str(tmp_path / "tun"))
        with pytest.raises(SandboxError, match="the kernel lacks the tun module"):
            sandbox.check()
