"""A command inside a simulated Internet: enter the sandbox, start the world, run, leave nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from probes.simnet import kernel, leftovers, sandbox
from probes.simnet.loading import load_world
from probes.simnet.simnet import Simnet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

ENVIRONMENT = "SARHAD_WORLD"  # tells commands the world's directory
_RESOLV_CONF = Path("/etc/resolv.conf")
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


def run(
    world_path: Path,
    command: Sequence[str] | Callable[[Simnet], int] = (),
    *,
    directory: Path | None = None,
    prepare: Callable[[Path], object] | None = None,
) -> int:
    """Run ``command`` in the world and return its exit status (128 + n where signal n ended it).

    A command is arguments, a function of the running :class:`Simnet`, or nothing: then a shell on a
    terminal, else a wait for SIGINT or SIGTERM. ``prepare`` may add files to the world's directory before.
    This process stays in the sandbox. Raises a ``DocumentError`` for a faulty world, a ``SandboxError`` and a
    ``SimnetError``.
    """
    world = load_world(world_path)
    sandbox.enter()
    previous = signal.signal(signal.SIGTERM, _terminated)
    try:
        with Simnet(world, directory) as net:
            if world.dns is not None:
                _resolve_with(world.dns.resolver, net.directory)
            if prepare is not None:
                prepare(net.directory)
            if callable(command):
                return command(net)
            if command or sys.stdin.isatty():
                return execute(command, net)
            return _wait(net)
    finally:
        signal.signal(signal.SIGTERM, previous)
        if not callable(command) and sandbox.entered_by(os.getpid()):
            leftovers.end(leftovers.hold(("net", "mnt")))  # what the command left in the background


def _terminated(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def execute(command: Sequence[str], net: Simnet) -> int:
    """Run a command (a shell, where it is empty) in the world and return its exit status."""
    command = list(command) or [os.environ.get("SHELL", "/bin/sh")]
    environment = {**os.environ, ENVIRONMENT: str(net.directory)}
    # The process is single-threaded (the sandbox saw to that), so a function between fork and exec is safe.
    with subprocess.Popen(command, env=environment, preexec_fn=_end_with_parent) as process:  # noqa: PLW1509
        try:
            while True:
                try:
                    status = process.wait()
                    break
                except KeyboardInterrupt:
                    continue  # a terminal sent it to the command too, which decides what it means
        except BaseException:
            process.kill()
            raise
    return 128 - status if status < 0 else status


def _end_with_parent() -> None:
    kernel.die_with_parent(signal.SIGKILL)


def _wait(net: Simnet) -> int:
    try:
        sys.stdout.write(f"{net.directory}\n")
        sys.stdout.flush()
        while True:
            signal.pause()
    except KeyboardInterrupt:
        return _INTERRUPTED


def _resolve_with(resolver: str, directory: Path) -> None:
    """Have what runs inside, such as ``ip netns exec sim-khi curl``, ask the world's resolver."""
    configuration = directory / "resolv.conf"
    configuration.write_text(f"nameserver {resolver}\noptions timeout:2 attempts:2\n", encoding="utf-8")
    with contextlib.suppress(OSError):  # a convenience: probes are told the resolver in vantages.yaml
        kernel.mount(str(configuration), str(_RESOLV_CONF.resolve()), flags=kernel.MS_BIND)
