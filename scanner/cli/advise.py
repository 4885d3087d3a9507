"""``sarhad advise``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli import job, options
from scanner.report.text import printable


@click.command()
@click.argument("run")
@options.stored
@click.option(
    "--territory",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_TERRITORY",
    help="GeoJSON of home's land.  [default: as administered, Natural Earth]",
)
@click.option(
    "--facilities",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of PeeringDB's facilities (/api/fac), or of all its objects.",
)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def advise(
    run: str, place: str | None, territory: Path | None, facilities: Path | None, format_: str
) -> None:
    """Say in which cities one more vantage would prove most of what RUN left unproved.

    RUN is a JSON file, or one of a store (--store) by its id, or last, or last~1.

    \b
    Example:
      sarhad scan … --output json=run.json
      sarhad advise run.json
    """  # noqa: D301  click wants the character, not the backslash
    import msgspec  # noqa: PLC0415  --help does not need them

    from geodata.errors import GeodataError  # noqa: PLC0415
    from geodata.file import read_file  # noqa: PLC0415
    from geodata.sources import peeringdb  # noqa: PLC0415
    from geodata.territory import Territory  # noqa: PLC0415
    from scanner.advice import advise, sentence  # noqa: PLC0415

    scanned = job.read_run(run, place)
    land = job.told(Territory.load, scanned.country, territory)
    houses = None
    if facilities is not None:
        octets = job.told(read_file, facilities, peeringdb.MAX_OCTETS)
        try:
            houses = peeringdb.facilities(octets)
        except GeodataError as error:
            raise click.ClickException(printable(f"{facilities}: {error}")) from error
        if not houses:
            raise click.ClickException(f"{facilities}: has no facilities; it takes the file of /api/fac")
    found = advise(scanned, land, houses)
    if format_ == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1))
        return
    for one in found:
        click.echo(printable(sentence(one, land.country_name)))
    if not found:
        click.echo("No vantage in a large city would prove more than was proved.", err=True)
