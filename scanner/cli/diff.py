"""``sarhad diff``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli import job, options
from scanner.cli.rows import print_json, print_table
from scanner.files import Files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.judge import Inputs
    from scanner.run import EndpointResult, Run

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("old")
@click.argument("new")
@options.stored
@click.option("--register", type=_FILE, envvar="SARHAD_REGISTER", help="File of providers.")
@click.option("--vantages", type=_FILE, envvar="SARHAD_VANTAGES", help="File of vantages.")
@click.option("--policy", type=_FILE, envvar="SARHAD_POLICY", help="Policy file.  [default: the shipped one]")
@click.option(
    "--territory",
    type=_FILE,
    envvar="SARHAD_TERRITORY",
    help="GeoJSON of home's land.  [default: as administered, Natural Earth]",
)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def diff(
    old: str,
    new: str,
    place: str | None,
    register: Path | None,
    vantages: Path | None,
    policy: Path | None,
    territory: Path | None,
    format_: str,
) -> None:
    """Say what changed from run OLD to run NEW: verdicts, addresses, networks, certificates' keys.

    Each is a JSON file, or one of a store (--store) by its id, or last, or last~1.

    With --register and --vantages also why a verdict, a path, the policy's status or a dependency changed:
    because the world did, because the data of sources did, or because the judgement did, by other rules or
    files, or as a waiver or an accreditation has ended. For that, what was measured in each run is judged
    with the claims of the other, as of today.

    \b
    Example:
      sarhad diff yesterday.json today.json --register register.yaml --vantages vantages.yaml
    """  # noqa: D301  click wants the character, not the backslash
    if (register is None) != (vantages is None):
        raise click.UsageError("to say why a verdict changed, both --register and --vantages are needed")
    from scanner.drift import drift, judged_by_turns  # noqa: PLC0415  --help does not need it

    runs = job.read_run(old, place), job.read_run(new, place)
    judged = None
    if register is not None and vantages is not None:
        inputs = job.load(Files(register, vantages, policy, None, territory))
        judged = judged_by_turns(lambda measured, said: _judge(inputs, measured, said, runs), *runs)
    changes = drift(*runs, judged)
    if format_ == "json":
        print_json(changes)
    elif changes:
        print_table(
            {
                "endpoint": one.endpoint,
                "what": one.kind,
                "address": one.address,
                "before": one.before,
                "after": one.after,
                "cause": one.cause,
            }
            for one in changes
        )
    else:
        click.echo("Nothing changed.", err=True)


def _judge(inputs: Inputs, measured: Run, said: Run, runs: tuple[Run, Run]) -> Iterable[EndpointResult]:
    from scanner.judge import judge  # noqa: PLC0415
    from scanner.recorded import Recorded  # noqa: PLC0415

    # Of an address that only one run knows there is only that run's word.
    claims = Recorded(said, *runs)
    return judge(replace(inputs, snapshot=claims), measured.observations).endpoints
