"""``sarhad doctor``."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.cli.exits import INCOMPLETE

if TYPE_CHECKING:
    from probes.doctor import Diagnosis
    from probes.vantages.local import Means


@click.command()
@click.option(
    "--vantages",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_VANTAGES",
    help="File of vantages, whose local ones are looked at.  [default: this machine]",
)
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def doctor(file: Path | None, format_: str) -> int:
    """Say what this user can measure here, by what means, and the command that would allow more.

    It is tried over the loopback interface; nothing leaves the machine. The exit status is 3 where some
    kind of probe cannot be made at all.
    """
    from probes import doctor as doctors  # noqa: PLC0415  --help does not need the engine

    found = [asyncio.run(doctors.examine(means)) for means in _vantages(file)]
    if format_ == "json":
        click.echo(json.dumps([dataclasses.asdict(each) | {"whole": each.whole} for each in found], indent=1))
    else:
        click.echo("\n\n".join(map(_page, found)))
    return 0 if all(each.whole for each in found) else INCOMPLETE


def _vantages(file: Path | None) -> list[Means]:
    from probes.document import DocumentError  # noqa: PLC0415
    from probes.vantages.local import Here  # noqa: PLC0415
    from probes.vantages.vantage import load_vantages  # noqa: PLC0415

    if file is None:
        return [Here()]
    try:
        vantages = [each for each in load_vantages(file) if each.kind == "local"]
    except DocumentError as error:
        raise click.ClickException(str(error)) from error
    if not vantages:
        raise click.ClickException(f"{file}: no vantage is local, so there is nothing here to look at")
    return list(vantages)


def _page(diagnosis: Diagnosis) -> str:
    width = max(len(finding.subject) for finding in diagnosis.findings)
    lines = [f"Vantage {diagnosis.vantage}, as user {os.geteuid()}"]
    for finding in diagnosis.findings:
        lines.append(f"  {'yes' if finding.works else 'no ':3} {finding.subject:{width}}  {finding.detail}")
        if finding.command is not None and not finding.works:
            lines.append(f"      {'':{width}}  this would allow it: {finding.command}")
    kinds = [f"{kind} ({', '.join(methods)})" for kind, methods in diagnosis.kinds.items() if methods]
    lines.append(f"Can be measured: {', '.join(kinds) or 'nothing'}")
    missing = [kind for kind, methods in diagnosis.kinds.items() if not methods]
    if missing:
        lines.append(f"Cannot be measured: {', '.join(missing)}")
    more = {finding.command for finding in diagnosis.findings if finding.works and finding.command}
    lines += [f"Raw sockets would do the same faster, more at a time: {command}" for command in sorted(more)]
    return "\n".join(lines)
