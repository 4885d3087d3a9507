"""``sarhad judge``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli import job, options
from scanner.files import Files

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.metrics import Detail


@click.command()
@click.argument("file", type=options.RECORDS)
@options.inputs
@options.outputs
def judge(
    file: Path,
    register: Path,
    vantages: Path,
    policy: Path | None,
    geodata: Path | None,
    territory: Path | None,
    format_: str,
    detail: Detail,
    outputs: tuple[str, ...],
    fail_on: str | None,
) -> int:
    """Judge the observation records in FILE (JSON Lines; - is standard input); no network is touched.

    Waivers and accreditations must hold on the day of the last record: to judge again changes nothing.

    \b
    Example:
      sarhad scan … --output jsonl=observations.jsonl
      sarhad judge observations.jsonl --register register.yaml --vantages vantages.yaml
    """  # noqa: D301  click wants the character, not the backslash
    targets = job.parse_outputs(format_, outputs, detail)
    files = Files(register, vantages, policy, geodata, territory)
    run, inputs = job.rejudge(files, job.read_records(file))
    return job.finish(run, targets, inputs, fail_on)
