"""``sarhad scan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from scanner.cli import job, options
from scanner.files import Files

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.metrics import Detail


@click.command()
@options.inputs
@options.measuring
@options.crawling
@options.keeping
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
    place: str | None,
    format_: str,
    detail: Detail,
    outputs: tuple[str, ...],
    fail_on: str | None,
    *,
    crawl: bool,
    resume: bool,
) -> int:
    """Measure every endpoint of a register from every vantage, and judge it.

    \b
    Example:
      sarhad scan --register register.yaml --vantages vantages.yaml --output json=run.json
    """  # noqa: D301  click wants the character, not the backslash
    targets = job.parse_outputs(format_, outputs, detail)
    inputs = job.load(Files(register, vantages, policy, geodata, territory))
    settings, rates = job.measuring(contact, rate, trust, crawl=crawl)
    if place is None:
        if resume:
            raise click.UsageError(
                "--resume finishes the scan that a store has begun; say which with --store"
            )
        run = job.scan(inputs, settings, rates, pcap)
        return job.finish(run, targets, inputs, fail_on)
    from scanner.cli import kept  # noqa: PLC0415  databases are slow to import

    with kept.opened(place, create=True) as store, kept.alone(store):
        run, fault = kept.scan(store, inputs, settings, rates, pcap, resume=resume)
        status = job.finish(run, targets, inputs, fail_on)
    if fault is not None:
        raise kept.message(fault)
    return status
