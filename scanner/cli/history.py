"""``sarhad history``."""

from __future__ import annotations

import click

from scanner.cli import options
from scanner.cli.rows import print_json, print_table


@click.command()
@click.argument("endpoint")
@options.store
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=100_000),
    default=50,
    show_default=True,
    help="How many changes to go back.",
)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def history(endpoint: str, place: str, limit: int, format_: str) -> None:
    """Say what was judged of ENDPOINT, newest first, and when that changed.

    A line stands for runs one after the other with the same location, assurance, path, policy status and
    addresses.
    """
    from scanner.cli import kept  # noqa: PLC0415  databases are slow to import

    with kept.opened(place) as store:
        periods = store.history(endpoint, limit)
    if format_ == "json":
        print_json(periods)
        return
    print_table(
        {
            "since": one.since[:19] + "Z",
            "until": one.until[:19] + "Z",
            "runs": one.runs,
            "last run": one.last,
            "location": one.location,
            "assurance": one.assurance,
            "path": one.path,
            "policy": one.status,
            "addresses": ", ".join(one.addresses) or None,
            "reason": one.reason,
        }
        for one in periods
    )
