"""``sarhad scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli import job, options

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@options.inputs
@options.measuring
@options.outputs
def scan(
    register: Path,
    vantages: Path,
    policy: Path | None,
    geodata: Path | None,
    territory: Path | None,
    contact: str,
    rate: float,
    trust: Path | None,
    pcap: Path | None,
    format_: str,
    outputs: tuple[str, ...],
    fail_on: str | None,
) -> int:
    r"""Measure every endpoint of a register from every vantage, and judge it.

    \b
    Example:
      sarhad scan --register register.yaml --vantages vantages.yaml --output json=run.json
    """
    targets = job.parse_outputs(format_, outputs)
    inputs = job.load(job.Files(register, vantages, policy, geodata, territory))
    run = job.scan(inputs, *job.measuring(contact, rate, trust), pcap)
    return job.finish(run, targets, inputs.policy.fail, fail_on)
