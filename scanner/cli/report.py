"""``sarhad report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli import job, options
from scanner.report.formats import FORMATS
from scanner.report.words import LANGUAGES

if TYPE_CHECKING:
    from scanner.report.words import Language
    from scanner.run import Run
    from scanner.store import History

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("run")
@options.stored
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), default="html", show_default=True)
@click.option("--output", type=_FILE, help="File to write, replaced at once.  [default: standard output]")
@click.option("--previous", metavar="RUN", help="An earlier run: html says what has changed since.")
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    envvar="SARHAD_LANGUAGE",
    help="What html begins in; the page itself can change it.",
)
def report(
    run: str,
    place: str | None,
    format_: str,
    output: Path | None,
    previous: str | None,
    language: Language,
) -> None:
    """Write a finished run in another format: html is one page that needs no network.

    RUN is a JSON file, or one of a store (--store) by its id, or last, or last~1. Of a store the page has the
    history of every endpoint, too.

    \b
    Examples:
      sarhad report run.json --output report.html --previous last-week.json
      sarhad report run.json --format csv --output run.csv
    """  # noqa: D301  click wants the character, not the backslash
    if previous is not None and format_ != "html":
        raise click.UsageError("--previous is for --format html; `sarhad diff` compares runs otherwise")
    if format_ != "html":
        job.write(job.read_run(run, place), job.Output(format_, output))
        return
    from scanner.report.page import render_page  # noqa: PLC0415  --help does not need it

    before = None if previous is None else job.read_run(previous, place)
    found = job.read_run(run, place)
    octets = render_page(found, before, language, _history(found, place))
    if output is not None:
        job.replace(output, (octets,))
    else:
        sys.stdout.buffer.write(octets)
        sys.stdout.flush()


def _history(run: Run, place: str | None) -> History | None:
    """What a store's runs judged of every endpoint, up to this one; None without a store."""
    if place is None:
        return None
    from scanner.cli import kept  # noqa: PLC0415  databases are slow to import

    with kept.opened(place) as store:
        return store.histories(run.started)
