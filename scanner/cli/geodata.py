"""``sarhad geodata``."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geodata.claim import Claim
    from geodata.snapshot import Snapshot

_RDAP_SECONDS: Final = 20.0
_WIDTH_OF_A_PIPE: Final = 200  # a pipe has no width
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
                "licence": one.licence,
                "attribution": one.attribution,
            }
            for one in snapshot.sources
        ]
    if format_ == "json":
        _print_json(rows)
    else:
        _print_table(rows)


@geodata.command()
@click.argument("addresses", nargs=-1, required=True, metavar="ADDRESS...")
@_DIRECTORY
@_FORMAT
@click.option("--rdap", is_flag=True, help="Also ask the address's registry, over the Internet.")
def lookup(addresses: Sequence[str], directory: Path | None, format_: str, *, rdap: bool) -> None:
    """What every source says of each ADDRESS; nothing is sent anywhere but with --rdap.

    Claims, not facts: sources contradict each other, and can be wrong together.
    """
    from geodata.snapshot import GeodataError  # noqa: PLC0415  --help does not need it

    with _open(directory) as snapshot:
        try:
            found = [(one, snapshot.special(one), snapshot.claims(one)) for one in addresses]
        except GeodataError as error:
            raise click.ClickException(safe(error)) from error
    if rdap:
        said = _registries([address for address, special, _ in found if special is None])
        found = [(address, special, (*claims, *said.get(address, ()))) for address, special, claims in found]
    if format_ == "json":
        _print_json(
            [{"address": address, "special": special, "claims": claims} for address, special, claims in found]
        )
        return
    rows = []
    for address, special, claims in found:
        if special is not None:
            note = f"{special.name} ({special.rfc})"
            rows.append(_row(address, {"source": "IANA", "prefix": special.prefix, "says": note}))
        elif not claims:
            rows.append(_row(address, {"says": "nothing is known"}))
        else:
            rows.extend(_row(address, _said(claim)) for claim in claims)
    _print_table(rows)


def _registries(addresses: Sequence[str]) -> dict[str, tuple[Claim, ...]]:
    """The claim of each address's registry, one address after the other; a failure is said and gives none."""
    import asyncio  # noqa: PLC0415  only for --rdap

    from geodata.snapshot import GeodataError  # noqa: PLC0415
    from geodata.sources.rdap import Rdap  # noqa: PLC0415

    async def ask() -> dict[str, tuple[Claim, ...]]:
        answers: dict[str, tuple[Claim, ...]] = {}
        with Rdap() as client:
            for address in addresses:
                try:
                    answers[address] = (await client.lookup(address, deadline_s=_RDAP_SECONDS),)
                except GeodataError as error:
                    click.echo(safe(error), err=True)
        return answers

    return asyncio.run(ask())


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
    says = "; ".join(part for part in (place, network) if part)
    return {
        "source": claim.source,
        "meaning": claim.meaning,
        "prefix": claim.prefix,
        "says": says or None,
        "date": claim.date,
    }


def _row(address: str, values: dict[str, object]) -> dict[str, object]:
    columns = ("source", "meaning", "prefix", "says", "date")
    return {"address": address} | {column: values.get(column) for column in columns}


def _print_json(value: object) -> None:
    import msgspec  # noqa: PLC0415  --help does not need it

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=1))


def _print_table(rows: Iterable[dict[str, object]]) -> None:
    """Write rows of the same keys as a table; what is not known is a dash."""
    from rich import box  # noqa: PLC0415  rich is slow to import
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from scanner.report.text import printable  # noqa: PLC0415

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_PIPE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    styles = {"stale": "bold red", "ageing": "yellow", "undated": "yellow", "fresh": "green"}
    for number, row in enumerate(rows):
        if number == 0:
            for name in row:
                table.add_column(name.replace("_", " ").capitalize(), overflow="fold")
        table.add_row(
            *(
                Text("-" if value is None else printable(str(value)), style=styles.get(str(value), ""))
                for value in row.values()
            )
        )
    console.print(table)
