"""``sarhad geodata update``, ``add``, ``rollback``, ``export`` and ``import``: what changes a snapshot."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from scanner.cli.exits import INCOMPLETE, INTERRUPTED
from scanner.cli.geodata import geodata, safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geodata.sources.parsed import Published
    from geodata.update import Updated

_HOME: Final = click.option(
    "--geodata",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SARHAD_GEODATA",
    required=True,
    help="Directory of the snapshot; made if it is not there.",
)
_FORCE: Final = click.option("--force", is_flag=True, help="Take the data even if very much of it changed.")


@geodata.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@_HOME
@_FORCE
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    envvar="SARHAD_GEODATA_MIRROR",
    metavar="URL=URL",
    help="Where to get what begins with the first URL; repeatable.",
)
@click.option(
    "--keyring",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_KEYRING",
    help="OpenPGP public keys that must have signed what is published with a signature.",
)
@click.option("--contact", default="", envvar="SARHAD_CONTACT", help="Who asks; goes into the User-Agent.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds for a file.",
)
def update(
    sources: Sequence[str],
    directory: Path,
    mirrors: Sequence[str],
    keyring: Path | None,
    contact: str,
    deadline: float,
    *,
    force: bool,
) -> int:
    """Get what is published anew, check it, and use it from now on.

    All sources that can be had without an account, or the ones named. What cannot be had, or does not pass
    the checks, stays as it was. Proxies are taken from the environment (HTTPS_PROXY). Some registries sign
    their files: that is verified where --keyring has their keys, and said where it was not.
    """
    from geodata.catalog import Catalog  # noqa: PLC0415  --help does not need it
    from geodata.sources.published import PUBLISHED  # noqa: PLC0415
    from geodata.update import Options, update  # noqa: PLC0415

    wanted = _wanted(sources, [each for each in PUBLISHED if each.urls])
    options = Options(
        mirrors=_mirrors(mirrors), contact=contact, force=force, keyring=keyring, deadline_s=deadline
    )
    with _faults():
        with _bar() as progress:
            found = asyncio.run(update(Catalog(directory), wanted, options, progress))
        return _report(found, directory)


@geodata.command()
@click.argument("source")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@_HOME
@_FORCE
def add(source: str, files: Sequence[Path], directory: Path, *, force: bool) -> int:
    """Use FILES that you got yourself as the data of SOURCE, checked as any update is.

    For what needs an account (GeoLite2, IPinfo), has a name that changes (Azure), or is your own choice (a
    routing table).
    """
    from geodata.catalog import Catalog  # noqa: PLC0415
    from geodata.sources.published import PUBLISHED  # noqa: PLC0415
    from geodata.update import Options, add  # noqa: PLC0415

    (published,) = _wanted([source], PUBLISHED)
    with _faults():
        return _report(add(Catalog(directory), published, files, Options(force=force)), directory)


@geodata.command()
@_HOME
def rollback(directory: Path) -> int:
    """Go back to the generation before the current one; three are kept."""
    with _faults():
        from geodata.catalog import Catalog  # noqa: PLC0415

        catalog = Catalog(directory)
        with catalog.writing():
            manifest = catalog.roll_back()
    click.echo(f"{directory}: generation {manifest.generation} of {manifest.date} is current", err=True)
    return 0


@geodata.command()
@click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--geodata",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SARHAD_GEODATA",
    help="Directory of a geodata snapshot.  [default: the embedded one]",
)
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_GEODATA_KEY",
    help="PEM file of the Ed25519 private key to sign with.",
)
def export(archive: Path, directory: Path | None, key: Path | None) -> int:
    """Write the snapshot to one file, for an office that no network reaches.

    Mind the licences: GeoLite2 and IPinfo are not yours to pass on.
    """
    with _faults():
        from geodata.archive import export  # noqa: PLC0415

        manifest = export(directory, archive, key)
    signed = "signed" if key is not None else "not signed: --key"
    click.echo(f"{archive}: {len(manifest.sources)} sources, {signed}", err=True)
    return 0


@geodata.command(name="import")
@click.argument("archive", type=click.Path(dir_okay=False, path_type=Path))
@_HOME
@_FORCE
@click.option(
    "--trusted",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_GEODATA_TRUSTED",
    help="PEM file of the Ed25519 public key that must have signed it.",
)
@click.option("--unsigned", is_flag=True, help="Take it from whoever made it.")
def import_(archive: Path, directory: Path, trusted: Path | None, *, force: bool, unsigned: bool) -> int:
    """Use the snapshot in a file that ``export`` wrote."""
    if (trusted is None) != unsigned:
        raise click.UsageError(
            "say who must have signed it with --trusted, or --unsigned that nobody need have"
        )
    with _faults():
        from geodata.archive import import_  # noqa: PLC0415
        from geodata.catalog import Catalog  # noqa: PLC0415

        manifest = import_(Catalog(directory), archive, trusted, force=force)
    click.echo(f"{directory}: generation {manifest.generation} of {manifest.date} is current", err=True)
    return 0


def _wanted(names: Sequence[str], known: Sequence[Published]) -> list[Published]:
    by_name = {each.source: each for each in known}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise click.UsageError(f"{', '.join(unknown)}: no such source; there are {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(names)] if names else list(known)


def _mirrors(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        beginning, equals, place = each.partition("=")
        if not equals or "://" not in beginning or "://" not in place:
            raise click.UsageError(f"--mirror: {each!r} is not URL=URL")
        found[beginning] = place
    return found


def _report(updated: Updated, directory: Path) -> int:
    """Say what became of each source; the status is that of an incomplete run if any failed."""
    for each in updated.outcomes:
        line = f"{each.source}: {each.outcome}"
        if each.records:
            line += f", {each.records} records"
        if each.checked:
            line += f", {each.checked}"
        if each.reason:
            line += f": {each.reason}"
        click.echo(safe(line))
        for skipped in each.skipped:
            click.echo(safe(f"{each.source}: skipped {skipped}"), err=True)
    if updated.manifest is not None:
        click.echo(f"{directory}: generation {updated.manifest.generation} is current", err=True)
    return INCOMPLETE if any(each.outcome == "failed" for each in updated.outcomes) else 0


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    from geodata.errors import GeodataError  # noqa: PLC0415

    try:
        yield
    except GeodataError as error:
        raise click.ClickException(safe(error)) from error
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[str, int, int | None], None] | None]:
    """A progress bar for each source, where there is a terminal."""
    from rich.console import Console  # noqa: PLC0415  rich is slow to import

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn  # noqa: PLC0415

    columns: tuple[Any, ...] = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(source: str, have: int, total: int | None) -> None:
            if source not in tasks:
                tasks[source] = bars.add_task(source)
            bars.update(tasks[source], completed=have, total=total)

        yield show
