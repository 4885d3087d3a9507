"""The simulated Internet, as the commands ``demo`` and ``simnet`` use it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import click

from geodata.snapshot_writer import write_snapshot
from probes.document import DocumentError
from probes.simnet.sandbox import SandboxError
from probes.simnet.session import run
from probes.simnet.simnet import SimnetError
from probes.simnet.topology import TopologyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from probes.simnet.simnet import Simnet


def inside(world: Path, action: Callable[[Simnet], int]) -> int:
    """Run ``action`` in the world, with the world's geodata snapshot in its directory; its exit status."""
    with _named():
        return run(world, lambda net: action(_prepared(net)))


def _prepared(net: Simnet) -> Simnet:
    described = json.loads((net.directory / "databases.json").read_bytes())
    write_snapshot(net.directory / "geodata", described)
    return net


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """What is wrong with a world or this machine becomes a message and status 2."""
    try:
        yield
    except (DocumentError, SandboxError, SimnetError, TopologyError) as error:
        raise click.ClickException(str(error)) from error
