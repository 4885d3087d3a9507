"""One demo for all end-to-end tests that only look at its result."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from scanner.run import Run, decode

SARHAD = Path(sys.executable).with_name("sarhad")


@dataclass(frozen=True)
class Demo:
    """What ``sarhad demo`` printed and wrote."""

    status: int
    stdout: str
    stderr: str
    run: Run
    directory: Path


def cannot_simulate() -> str | None:
    """Why this machine cannot run a simulated Internet, or None."""
    code = "from probes.simnet.sandbox import enter; enter()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else None


@pytest.fixture(scope="session")
def simulates() -> None:
    """Skips, with the reason, where no simulated Internet can run."""
    if reason := cannot_simulate():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, simulates: None) -> Demo:
    """The shipped world, scanned once."""
    directory = tmp_path_factory.mktemp("demo")
    outputs = [
        f"--output={name}={directory / file}"
        for name, file in (
            ("json", "run.json"),
            ("jsonl", "observations.jsonl"),
            ("prometheus", "residency.prom"),
        )
    ]
    done = subprocess.run(
        [SARHAD, "demo", *outputs], capture_output=True, text=True, timeout=240, check=False
    )
    assert (directory / "run.json").exists(), done.stderr
    return Demo(
        done.returncode,
        done.stdout,
        done.stderr,
        decode((directory / "run.json").read_bytes()),
        directory,
    )
