"""``sarhad register``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from probes.document import DocumentError


@click.group()
def register() -> None:
    """Check a register of providers."""


@register.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Say everything that is wrong with FILE, with line and field, and what is worth noticing."""
    from scanner.register import load_register  # noqa: PLC0415  --help does not need it

    try:
        loaded = load_register(file, datetime.now(UTC).date())
    except DocumentError as error:
        raise click.ClickException(str(error)) from error
    for notice in loaded.notices:
        click.echo(f"notice: {notice}", err=True)
    providers = len({endpoint.provider for endpoint in loaded.endpoints})
    click.echo(f"{file}: {len(loaded.endpoints)} endpoints of {providers} providers, no faults")
