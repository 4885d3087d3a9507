"""``sarhad store``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli import job, options
from scanner.cli.rows import print_json, print_table
from scanner.report.formats import FORMATS


@click.group()
def store() -> None:
    """List, show and prune the runs of a store."""


@store.command("list")
@options.store
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=100_000),
    default=50,
    show_default=True,
    help="How many of the newest runs.",
)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_(place: str, limit: int, format_: str) -> None:
    """The newest runs, newest first."""
    from scanner.cli import kept  # noqa: PLC0415  databases are slow to import

    with kept.opened(place) as opened:
        runs = opened.runs(limit)
    if format_ == "json":
        print_json(runs)
        return
    print_table(
        {
            "run": one.id,
            "started": one.started[:19] + "Z",
            "finished": one.finished[:19] + "Z",
            "complete": "yes" if one.complete else "no",
            "endpoints": one.endpoints,
            "violations": one.violations,
            "undecided": one.undecided,
            "observations": one.observations if one.observations_removed is None else "removed",
        }
        for one in runs
    )


@store.command()
@click.argument("run")
@options.store
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="table", show_default=True)
def show(run: str, place: str, format_: str) -> None:
    """Write one run as its scan would have.

    RUN is an id or the beginning of one, last, or last~1 for the one before that.
    """
    from scanner.cli import kept  # noqa: PLC0415

    with kept.opened(place) as opened:
        found = opened.run(run)
    job.write(found, job.Output(format_))


@store.command()
@options.store
@click.option(
    "--policy",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_POLICY",
    help="Policy file.  [default: the shipped one]",
)
def prune(place: str, policy: Path | None) -> None:
    """Remove what is older than the policy keeps.

    Every scan does so when it ends.
    """
    from scanner.cli import kept  # noqa: PLC0415
    from scanner.rulebook import load_policy  # noqa: PLC0415

    retention = job.told(load_policy, policy).retention
    with kept.opened(place) as opened, kept.alone(opened):
        kept.prune(opened, retention)
