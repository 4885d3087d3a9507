"""``sarhad simnet``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("world", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def simnet(world: Path, command: tuple[str, ...]) -> int:
    """Run COMMAND (a shell, where none is given) inside the simulated Internet of a WORLD file.

    \b
    Inside, the directory $SARHAD_WORLD holds the world's register.yaml, vantages.yaml,
    ca.pem, truth.json and a geodata snapshot in geodata/, and each vantage is a network
    namespace:
      sarhad simnet world.yaml -- ip netns exec sim-khi traceroute -n 198.18.17.10
    """  # noqa: D301  click wants the character, not the backslash
    from probes.simnet.session import execute  # noqa: PLC0415  --help does not need them
    from scanner.cli import world as worlds  # noqa: PLC0415

    return worlds.inside(world, lambda net: execute(command, net))
