"""``sarhad import``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, TypeVar

import click

from scanner.cli import job, options
from scanner.cli.exits import CLEAN, INCOMPLETE

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator, Sequence

    from probes.observation import Observation
    from scanner.imports.source import Tally

_F = TypeVar("_F", bound="Callable[..., Any]")
_SHOWN: Final = 5  # faults; of the others the number is said


def _common(command: _F) -> _F:
    for option in (
        click.option(
            "--output",
            "output",
            type=click.Path(dir_okay=False, path_type=Path),
            help="File for the records; replaced atomically.  [default: standard output]",
        ),
        click.argument("files", nargs=-1, required=True, type=options.RECORDS, metavar="FILE..."),
    ):
        command = option(command)
    return command


@click.group(name="import")
def import_() -> None:
    """Turn what other programs measured into observation records.

    A record that is no result is passed over and said; the exit status is then 3, and 2 where nothing was of
    use. Judge what comes out with `sarhad judge`.
    """


@import_.command()
@_common
@click.option(
    "--probes",
    type=click.Path(dir_okay=False, path_type=Path),
    help="RIPE Atlas's JSON of probes, to write --vantages from.",
)
@click.option(
    "--vantages",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_VANTAGES",
    help="File of vantages: written with --probes; without, read to say which probes it has not.",
)
def atlas(files: Sequence[Path], output: Path | None, probes: Path | None, vantages: Path | None) -> int:
    """Results of RIPE Atlas: ping, traceroute, sslcert and dns.

    FILE is JSON as RIPE Atlas gives it, one array or one object a line, plain or compressed (gzip, bzip2);
    - is standard input. The vantage of probe 1234 is atlas-1234.

    \b
    Example:
      sarhad import atlas results.json.gz --probes probes.json --vantages vantages.yaml --output o.jsonl
      sarhad judge o.jsonl --register register.yaml --vantages vantages.yaml
    """  # noqa: D301  click wants the character, not the backslash
    from scanner.imports.atlas import observations  # noqa: PLC0415  --help does not need it

    if probes is not None and vantages is None:
        raise click.UsageError("--probes is to write the vantages from: say where with --vantages FILE")
    seen: set[str] = set()
    status = _run(files, output, observations, seen)
    if vantages is not None:
        _vantages(vantages, probes, seen)
    return status


@import_.command()
@_common
@click.option("--vantage", required=True, help="Id of the vantage at which scamper ran.")
def scamper(files: Sequence[Path], output: Path | None, vantage: str) -> int:
    """What scamper measured: its JSON of ping and trace.

    FILE is what scamper -O json writes, or sc_warts2json, plain or compressed (gzip, bzip2); - is standard
    input.

    \b
    Example:
      sc_warts2json khi.warts | sarhad import scamper - --vantage khi --output khi.jsonl
    """  # noqa: D301  click wants the character, not the backslash
    from scanner.imports.scamper import Importer  # noqa: PLC0415  --help does not need it

    return _run(files, output, Importer(vantage).observations, set())


def _run(
    files: Sequence[Path],
    output: Path | None,
    made: Callable[[bytes, Counter[str]], list[Observation]],
    seen: set[str],
) -> int:
    from scanner.imports.source import SourceError, Tally, convert  # noqa: PLC0415
    from scanner.run import encode_observations  # noqa: PLC0415

    tally = Tally()
    try:
        with _stream(output) as stream:
            for one in convert(files, made, tally):
                seen.add(one.vantage)
                stream.write(encode_observations([one]))
            _check(tally)
    except SourceError as error:
        _say(tally)
        raise click.ClickException(_printable(str(error))) from error
    except OSError as error:
        if isinstance(error, BrokenPipeError) or output is None:
            raise
        raise click.ClickException(f"{output}: cannot be written: {error.strerror}") from error
    _say(tally)
    return INCOMPLETE if tally.faults else CLEAN


@contextlib.contextmanager
def _stream(output: Path | None) -> Iterator[IO[bytes]]:
    """Where records go."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    with job.replacing(output) as stream:
        yield stream


def _check(tally: Tally) -> None:
    """A SourceError where nothing came of any record."""
    from scanner.imports.source import SourceError  # noqa: PLC0415

    if not tally.written:
        raise SourceError(f"no observation could be made of any of {tally.read} records")


def _say(tally: Tally) -> None:
    """What became of the records, on standard error."""
    for fault in tally.faults[:_SHOWN]:
        click.echo(_printable(fault), err=True)
    if len(tally.faults) > _SHOWN:
        click.echo(f"... and {len(tally.faults) - _SHOWN} more", err=True)
    parts = [f"{tally.written} observations of {tally.read} records"]
    parts += [f"{len(tally.faults)} could not be used"] if tally.faults else []
    parts += [f"{tally.repeated} stood there before"] if tally.repeated else []
    parts += [f"{count} of kind {kind} passed over" for kind, count in sorted(tally.others.items())]
    parts += [f"{count} {what} left out" for what, count in sorted(tally.notes.items()) if count]
    click.echo(_printable("; ".join(parts)), err=True)


def _vantages(path: Path, probes: Path | None, seen: set[str]) -> None:
    """Write the vantages of the probes that were seen, or say which of them the file has not."""
    import yaml  # noqa: PLC0415

    from probes.document import DocumentError  # noqa: PLC0415
    from probes.vantages.vantage import load_vantages  # noqa: PLC0415
    from scanner.imports.probes import vantages  # noqa: PLC0415
    from scanner.imports.source import SourceError  # noqa: PLC0415

    try:
        if probes is not None:
            found, missing = vantages(probes, seen)
            document = yaml.safe_dump({"version": 1, "vantages": found}, sort_keys=False)
            with _stream(path) as stream:
                stream.write(document.encode())
            where = str(probes)
        else:
            missing, where = sorted(seen - {one.id for one in load_vantages(path)}), str(path)
    except (SourceError, DocumentError) as error:
        raise click.ClickException(_printable(str(error))) from error
    except OSError as error:
        raise click.ClickException(f"{path}: cannot be written: {error.strerror}") from error
    if missing:
        named = ", ".join(missing[:_SHOWN])
        click.echo(f"{where}: has no place of {len(missing)} of {len(seen)} probes: {named}", err=True)


def _printable(text: str) -> str:
    from scanner.report.text import printable  # noqa: PLC0415

    return printable(text)
