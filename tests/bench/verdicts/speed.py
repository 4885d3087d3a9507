"""How long judging takes and how much memory, as it grows: ``sarhad judge`` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Final

from scanner.worlds import files
from scanner.worlds.world import generate
from tests.bench.verdicts.sources import SARHAD

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.claim import Facts

_ENDPOINTS: Final = 10_000
_VANTAGES: Final = 6
_GROWTH: Final = 4
_SEED: Final = 1


def measured(directory: Path, endpoints: int = _ENDPOINTS) -> Facts:
    """Seconds and gigabytes for the whole, and how often the time of a quarter that is."""
    wall_s, memory_gb = _judge(directory, endpoints, _VANTAGES)
    few_s, _ = _judge(directory, endpoints // _GROWTH, _VANTAGES)
    many_s, _ = _judge(directory, endpoints // _GROWTH, _VANTAGES * _GROWTH)
    return {
        "wall, s": wall_s,
        "memory, GB": memory_gb,
        "more endpoints": wall_s / few_s,
        "more vantages": many_s / few_s,
    }


def _judge(directory: Path, endpoints: int, vantages: int) -> tuple[float, float]:
    """Wall clock and peak memory (GB) of judging one random world."""
    world = directory / f"speed-{endpoints}-{vantages}"
    files.write(generate(_SEED, endpoints, vantages=vantages), world)
    started = time.perf_counter()
    process = subprocess.Popen(
        [
            SARHAD,
            "judge",
            world / "observations.jsonl",
            f"--register={world / 'register.yaml'}",
            f"--vantages={world / 'vantages.yaml'}",
            f"--geodata={world / 'geodata'}",
            "--fail-on=never",
            "--format=prometheus",
        ],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in {0, 3}:
        raise RuntimeError(f"sarhad judge ended with {process.returncode}")
    return wall_s, usage.ru_maxrss / 2**20  # KiB, getrusage(2)
