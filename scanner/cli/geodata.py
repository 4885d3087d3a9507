"""``sarhad geodata``."""

from __future__ import annotations

import datetime as dt
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from scanner.cli.rows import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.claim import Claim
    from geodata.snapshot import Snapshot

_WIDTH_OF_A_SENTENCE: Final = 110
# Of a source's row: the others are told below the table, which is too wide for a terminal with them.
_COLUMNS: Final = ("source", "version", "date", "age_days", "freshness", "records", "home4", "licence")
_DIRECTORY: Final = click.option(
    "--geodata",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SARHAD_GEODATA",
    help="Directory of a geodata snapshot.  [default: the embedded one]",
)
_FORMAT: Final = click.option(
    "--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.group()
def geodata() -> None:
    """Say what data sources are there and what they say of an address."""


@geodata.command()
@_DIRECTORY
@_FORMAT
def status(directory: Path | None, format_: str) -> None:
    """Every source of the snapshot: version, date, age, licence and the attribution that it asks for.

    Counted are its records, and the IPv4 addresses that it says are in Pakistan (home4). What was got by
    update was checked by what its publisher gives for that, and said is by what.
    Data is fresh up to 30 days, ageing up to 90, then stale.
    """
    with _open(directory) as snapshot:
        today = dt.datetime.now(dt.UTC).date()
        rows: list[dict[str, object]] = [
            {
                "source": one.source,
                "family": one.family,
                "meaning": one.meaning,
                "version": one.version,
                "date": one.date,
                "age_days": one.age_days(today),
                "freshness": one.freshness(today),
                "records": one.records,
                "home4": one.home4,
                "checked": one.checked,
                "licence": one.licence,
                "attribution": one.attribution,
            }
            for one in (*snapshot.sources, snapshot.networks)
        ]
    if format_ == "json":
        print_json(rows)
        return
    print_table({name: row[name] for name in _COLUMNS} for row in rows)
    for row in rows:
        said = "; ".join(str(row[name]) for name in ("attribution", "checked") if row[name] is not None)
        click.echo(_wrapped(safe(f"{row['source']}: {said or 'no attribution'}")))


@geodata.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@_DIRECTORY
@_FORMAT
@click.option("--rdap", is_flag=True, help="Also ask the address's registry, over the Internet.")
@click.option("--cymru", is_flag=True, help="Also ask Team Cymru who announces it, over DNS.")
@click.option(
    "--geofeed", is_flag=True, help="Also get the geofeed that its registration names (asks the registry)."
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SARHAD_CACHE",
    help="Directory for what registries and geofeeds answered.  [default: ~/.cache/sarhad]",
)
def lookup(
    addresses: Sequence[str],
    directory: Path | None,
    format_: str,
    cache: Path | None,
    *,
    rdap: bool,
    cymru: bool,
    geofeed: bool,
) -> None:
    """What every source says of each ADDRESS, and what that comes to.

    Nothing is sent anywhere but with the options that say so.

    Claims, not facts: sources contradict each other, and can be wrong together.
    """
    from geodata.explanation import explain  # noqa: PLC0415  --help does not need it
    from geodata.snapshot import GeodataError  # noqa: PLC0415
    from geodata.special import decode  # noqa: PLC0415

    with _open(directory) as snapshot:
        try:
            found = [(one, snapshot.special(one), snapshot.claims(one)) for one in addresses]
        except GeodataError as error:
            raise click.ClickException(safe(error)) from error
    if rdap or cymru or geofeed:
        from scanner.cli import online  # noqa: PLC0415  only where others are asked

        said = online.ask(
            [address for address, special, _ in found if special is None],
            online.Wanted(rdap=rdap, cymru=cymru, geofeed=geofeed),
            cache,
            snapshot.manifest.lab,
            lambda message: click.echo(safe(message), err=True),
        )
        found = [(address, special, (*claims, *said.get(address, ()))) for address, special, claims in found]
    today = dt.datetime.now(dt.UTC).date()
    answers: list[dict[str, Any]] = [
        {
            "address": address,
            "special": special,
            "claims": claims,
            "explanation": explain(address, decode(address), special, claims, today),
        }
        for address, special, claims in found
    ]
    if format_ == "json":
        print_json(answers)
        return
    for answer in answers:
        click.echo(answer["address"])
        if answer["claims"] and answer["special"] is None:
            print_table(_said(claim) for claim in answer["claims"])
        for sentence in answer["explanation"]:
            click.echo(_wrapped(safe(sentence)))
        click.echo()


def _open(directory: Path | None) -> Snapshot:
    from geodata.snapshot import GeodataError, Snapshot  # noqa: PLC0415  --help does not need it

    try:
        return Snapshot.open(directory)
    except GeodataError as error:
        raise click.ClickException(safe(error)) from error


def safe(error: object) -> str:
    """Text that cannot write on a terminal."""
    from scanner.report.text import printable  # noqa: PLC0415  only on the way out

    return printable(str(error))


def _said(claim: Claim) -> dict[str, object]:
    network = f"AS{claim.asn} {claim.network or ''}".rstrip() if claim.asn is not None else claim.network
    place = ", ".join(part for part in (claim.region, claim.city, claim.country) if part)
    says = "; ".join(part for part in (place, network, claim.rpki and f"RPKI {claim.rpki}") if part)
    return {
        "source": claim.source,
        "meaning": claim.meaning,
        "prefix": claim.prefix,
        "says": says or None,
        "date": claim.date,
    }


def _wrapped(sentence: str) -> str:
    return textwrap.fill(
        sentence, _WIDTH_OF_A_SENTENCE, initial_indent=" - ", subsequent_indent="   ", break_on_hyphens=False
    )
