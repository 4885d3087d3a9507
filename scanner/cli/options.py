"""Options that several commands share. A flag wins over its ``SARHAD_*`` variable, that over the default."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from scanner.metrics import Detail
from scanner.policy import SEVERITIES
from scanner.report.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

_F = TypeVar("_F", bound="Callable[..., Any]")
_FILE = click.Path(dir_okay=False, path_type=Path)


class _Records(click.Path):
    """A file of records; ``-`` is standard input, as elsewhere."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The file's path."""
        return super().convert("/dev/stdin" if value == "-" else value, param, ctx)


RECORDS = _Records(dir_okay=False, path_type=Path)


def inputs(command: _F) -> _F:
    """What is scanned or judged, from where, and by which rules."""
    for option in (
        click.option(
            "--territory",
            type=_FILE,
            envvar="SARHAD_TERRITORY",
            help="GeoJSON of home's land.  [default: as administered, Natural Earth]",
        ),
        click.option(
            "--geodata",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="SARHAD_GEODATA",
            help="Directory of a geodata snapshot.  [default: the embedded one]",
        ),
        click.option(
            "--policy", type=_FILE, envvar="SARHAD_POLICY", help="Policy file.  [default: the shipped one]"
        ),
        click.option(
            "--vantages", type=_FILE, required=True, envvar="SARHAD_VANTAGES", help="File of vantages."
        ),
        click.option(
            "--register", type=_FILE, required=True, envvar="SARHAD_REGISTER", help="File of providers."
        ),
    ):
        command = option(command)
    return command


def _store(*, required: bool) -> Callable[[_F], _F]:
    return click.option(
        "--store",
        "place",
        envvar="SARHAD_STORE",
        required=required,
        metavar="PATH|URL",
        help="The store: a file of SQLite (or its directory), or postgresql://USER@HOST/DATABASE.",
    )


store = _store(required=True)  # that is read
stored = _store(required=False)  # of which a run is read, where it is not in a file


def keeping(command: _F) -> _F:
    """What becomes of a scan when it ends, or is broken off."""
    for option in (
        click.option("--resume", is_flag=True, help="Finish the scan that was broken off, if there is one."),
        click.option(
            "--store",
            "place",
            envvar="SARHAD_STORE",
            metavar="PATH|URL",
            help="Keep the run: in a file of SQLite (or a directory), or postgresql://USER@HOST/DATABASE.",
        ),
    ):
        command = option(command)
    return command


def outputs(command: _F) -> _F:
    """Where the run goes and what makes the command fail."""
    for option in (
        click.option(
            "--fail-on",
            type=click.Choice([*SEVERITIES, "never"]),
            envvar="SARHAD_FAIL_ON",
            help="Least severity of a violation that makes the exit status 1.  [default: the policy's]",
        ),
        click.option(
            "--metrics-detail",
            "detail",
            type=click.Choice(get_args(Detail)),
            default="full",
            show_default=True,
            envvar="SARHAD_METRICS_DETAIL",
            help="What prometheus has of each endpoint: low leaves out all but verdict, status and path.",
        ),
        click.option(
            "--output",
            "outputs",
            multiple=True,
            metavar="FMT=PATH",
            help="Also write the run to a file; may be given several times.",
        ),
        click.option(
            "--format",
            "format_",
            type=click.Choice(list(FORMATS)),
            default="table",
            show_default=True,
            envvar="SARHAD_FORMAT",
            help="What goes to standard output.",
        ),
    ):
        command = option(command)
    return command


crawling = click.option(
    "--crawl",
    is_flag=True,
    envvar="SARHAD_CRAWL",
    help="Read each declared page for the hosts of its scripts, frames, forms and style sheets.",
)


def measuring(command: _F) -> _F:
    """How much and how fast is probed."""
    for option in (
        click.option(
            "--contact",
            envvar="SARHAD_CONTACT",
            default="",
            help="URL or mail address for the probed, sent in probes and the User-Agent.",
        ),
        click.option(
            "--rate",
            type=click.FloatRange(min=1, max=100_000),
            default=1000,
            show_default=True,
            envvar="SARHAD_RATE",
            help="Packets a second, over all vantages.",
        ),
        click.option(
            "--pcap",
            type=click.Path(file_okay=False, path_type=Path),
            envvar="SARHAD_PCAP",
            help="Directory for a pcap file of each vantage: every probe and every answer to one.",
        ),
        click.option(
            "--trust",
            type=_FILE,
            envvar="SARHAD_TRUST",
            help="PEM file of certificate authorities to trust beside the system's.",
        ),
    ):
        command = option(command)
    return command
