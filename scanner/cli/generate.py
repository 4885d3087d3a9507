"""``sarhad world``."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def world() -> None:
    """Make random worlds to hold verdicts against."""


@world.command()
@click.option(
    "--seed", type=click.IntRange(min=0), required=True, help="Where chance starts; the same gives the same."
)
@click.option(
    "--endpoints", type=click.IntRange(1, 100_000), default=500, show_default=True, help="How many."
)
@click.option(
    "--vantages",
    type=click.IntRange(2, 400),
    help="How many, half of them at home.  [default: chance decides, and some lie]",
)
@click.option("--country", default="PK", show_default=True, help="Home, any country of ISO 3166-1.")
@click.option(
    "--output",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for the files; made if it is not there.  [default: world-SEED]",
)
def generate(seed: int, endpoints: int, vantages: int | None, country: str, directory: Path | None) -> int:
    """Make a random world as recorded evidence, and the truth beside it; no packet is sent.

    The directory gets register.yaml, vantages.yaml, observations.jsonl and a snapshot, geodata, for
    `sarhad judge`; and truth.csv, truth.json and places.json to hold its verdicts against. Round-trip times
    obey physics; databases, paths, providers and some vantages are as bad as in reality.

    \b
    Example:
      sarhad world generate --seed 7 --output w && cd w
      sarhad judge observations.jsonl --register register.yaml --vantages vantages.yaml --geodata geodata
    """  # noqa: D301  click wants the character, not the backslash
    from geodata.errors import GeodataError  # noqa: PLC0415  --help does not need it
    from scanner.worlds import files, world  # noqa: PLC0415

    directory = directory or Path(f"world-{seed}")
    try:
        made = world.generate(seed, endpoints, country.upper(), vantages)
        files.write(made, directory)
    except GeodataError as error:
        raise click.UsageError(f"--country: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: cannot be written: {error.strerror}") from error
    liars = sum(one.lies for one in made.observers)
    vantage = f"{len(made.observers)} vantages ({liars} lie)"
    click.echo(f"{directory}: {len(made.hosts)} endpoints, {vantage}, home {made.country}", err=True)
    return 0
