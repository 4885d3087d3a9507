"""``sarhad demo``."""

from __future__ import annotations

import json
from datetime import date
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli import job, options
from scanner.files import Files

if TYPE_CHECKING:
    from probes.simnet.simnet import Simnet
    from scanner.metrics import Detail


@click.command()
@click.option(
    "--world",
    type=click.Path(dir_okay=False, path_type=Path),
    help="World file to simulate.  [default: the shipped Pakistan]",
)
@click.option(
    "--pcap",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for a pcap file of each vantage.",
)
@options.outputs
def demo(
    world: Path | None,
    pcap: Path | None,
    format_: str,
    detail: Detail,
    outputs: tuple[str, ...],
    fail_on: str | None,
) -> int:
    """Run the main job on an embedded simulated Internet of real packets.

    Everything happens in network namespaces of its own: no packet leaves this machine. The shipped world is
    full of cheats, so the exit status is 1; what is true of each is known, and compared with the verdicts
    on standard error.
    """
    from scanner.cli import world as worlds  # noqa: PLC0415  --help does not need it

    targets = job.parse_outputs(format_, outputs, detail)

    def scan(net: Simnet) -> int:
        return _scan(net, targets, fail_on, pcap)

    if world is not None:
        return worlds.inside(world, scan)
    with as_file(files("probes").joinpath("simnet", "worlds", "pakistan.yaml")) as shipped:
        return worlds.inside(shipped, scan)


def _scan(net: Simnet, targets: list[job.Output], fail_on: str | None, pcap: Path | None) -> int:
    from scanner.truth import compare  # noqa: PLC0415  --help does not need it

    directory = net.directory
    if not (directory / "register.yaml").exists():
        raise click.ClickException(f"the world {net.world.name} has no register, so there is nothing to scan")
    inputs = job.load(
        Files(directory / "register.yaml", directory / "vantages.yaml", geodata=directory / "geodata"),
        today=date.fromisoformat(net.world.date),
    )
    run = job.scan(inputs, *job.measuring("", 2000, directory / "ca.pem", crawl=True), pcap)
    truth = json.loads((directory / "truth.json").read_bytes())
    comparison = compare(run.endpoints, {name: one["location"] for name, one in truth.items()})
    click.echo(str(comparison), err=True)
    return job.finish(run, targets, inputs, fail_on)
