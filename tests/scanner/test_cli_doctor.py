"""``sarhad doctor`` tells root and an ordinary user what they can measure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.scanner.test_cli import SARHAD, call

WORLD = Path(__file__).parents[1] / "probes" / "simnet" / "worlds" / "tree.yaml"
# What is imported before may be where only root can read.
MAIN = """
import os, sys
import probes.doctor, probes.vantages.vantage, scanner.cli.doctor
from scanner.cli import main
os.setresgid(*[{0}] * 3)
os.setresuid(*[{0}] * 3)
main()
"""


def doctor(user: int, groups: str, *options: str) -> tuple[int, str]:
    """Status and output in a network namespace of its own, in which ``groups`` may send echo requests."""
    command = f"echo '{groups}' > /proc/sys/net/ipv4/ping_group_range; exec \"$@\""
    inside = ("simnet", str(WORLD), "--", "ip", "netns", "exec", "sim-v", "sh", "-c", command, "sh")
    done = subprocess.run(
        [SARHAD, *inside, sys.executable, "-c", MAIN.format(user), "doctor", *options],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def findings(user: int, groups: str) -> tuple[int, dict[str, dict[str, Any]], dict[str, list[str]]]:
    status, out = doctor(user, groups, "--format", "json")
    (diagnosis,) = json.loads(out)
    return status, {each["subject"]: each for each in diagnosis["findings"]}, diagnosis["kinds"]


@pytest.mark.net
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(shutil.which("ip") is None, reason="the command ip is not installed")
class TestDoctor:
    """What works is tried, and what would allow more is said."""

    def test_root(self) -> None:
        status, found, kinds = findings(0, "1 0")
        assert status == 0
        for method in ("ICMP", "UDP", "TCP"):
            for version in (4, 6):
                finding = found[f"{method} over IPv{version}"]
                assert (finding["works"], finding["detail"], finding["command"]) == (
                    True,
                    "raw sockets",
                    None,
                )
        assert kinds["trace"] == ["icmp", "udp", "tcp"]

    def test_an_ordinary_user_who_may_send_echo_requests(self) -> None:
        status, found, kinds = findings(65534, "0 65534")
        assert status == 0
        assert kinds["trace"] == kinds["ping"] == ["icmp", "udp", "tcp"]
        assert "without privilege" in found["ICMP over IPv6"]["detail"]
        assert found["TCP over IPv4"]["command"].startswith("setcap cap_net_raw+ep /")
        assert found["MPLS labels"]["works"]

    def test_an_ordinary_user_who_may_not(self) -> None:
        status, found, kinds = findings(65534, "1 0")
        assert status == 0
        assert kinds["trace"] == ["udp", "tcp"]
        assert not found["ICMP over IPv4"]["works"]
        assert "net.ipv4.ping_group_range" in found["ICMP over IPv4"]["command"]

    def test_the_table(self) -> None:
        _, out = doctor(65534, "1 0")
        assert "Vantage here, as user 65534" in out
        assert "no  ICMP over IPv4" in out
        assert "this would allow it: sysctl -w net.ipv4.ping_group_range=" in out
        assert "Can be measured: ping (udp, tcp), trace (udp, tcp)" in out
        assert out.count("setcap") == 1


class TestVantages:
    """The local vantages of a file are looked at, each for itself."""

    @staticmethod
    def run(tmp_path: Path, entry: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "vantages.yaml"
        file.write_text(f"vantages:\n  - {{id: khi, latitude: 24.9, longitude: 67.0, {entry}}}\n")
        return call("doctor", "--vantages", file)

    def test_one_that_cannot_be_used(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "netns: nowhere")
        assert done.returncode == 3
        assert "no network namespace at /run/netns/nowhere" in done.stdout
        assert "Cannot be measured: ping, trace, dns, tcp, tls, http" in done.stdout

    def test_none_that_is_local(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "kind: recorded")
        assert (done.returncode, "no vantage is local" in done.stderr) == (2, True)
