"""Stores as the command line uses them: scans that are kept, and messages for what goes wrong."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from scanner.cli import exits, job
from scanner.report.text import printable
from scanner.store import Circumstances, Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from probes.engine.pacing import Rates
    from probes.target import Settings
    from scanner.judge import Inputs
    from scanner.retention import Retention
    from scanner.run import Run


@contextlib.contextmanager
def opened(place: str, *, create: bool = False) -> Iterator[Store]:
    """The store; what is wrong with it, then or later, becomes a message."""
    try:
        with Store.open(place, create=create) as store:
            yield store
    except StoreError as error:
        raise message(error) from error


@contextlib.contextmanager
def alone(store: Store) -> Iterator[None]:
    """Hold the store's lock; where another scan has it, say so and end as an incomplete scan does."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(store.lock())
        except StoreError as error:
            if error.code != "busy":
                raise
            click.echo(printable(str(error)), err=True)
            raise click.exceptions.Exit(exits.INCOMPLETE) from error
        yield


def message(error: StoreError) -> click.ClickException:
    """What is said of a store, safe for a terminal."""
    return click.ClickException(printable(str(error)))


def scan(
    store: Store, inputs: Inputs, settings: Settings, rates: Rates, pcap: Path | None, *, resume: bool
) -> tuple[Run, StoreError | None]:
    """Measure and judge, and keep the run and what retention leaves of older ones.

    Measured is measured: why a run could not be kept is returned beside it, so that it is written first.
    A scan that was interrupted stays in the journal instead, to be resumed.
    """
    journal = store.journal(Circumstances.of(inputs, settings), resume=resume)
    if journal.given_up:
        click.echo(
            f"The scan that was broken off before is given up, with {journal.given_up} observations;"
            " --resume would have finished it.",
            err=True,
        )
    run = job.scan(inputs, settings, rates, pcap, journal)
    if not run.complete:
        click.echo(
            f"{store.name}: {journal.kept} observations are kept; --resume finishes this scan.", err=True
        )
        return run, journal.failure
    try:
        store.add(run, journal)
        prune(store, inputs.policy.retention)
    except StoreError as error:
        return run, error
    return run, None


def prune(store: Store, retention: Retention) -> None:
    """Remove what the policy's retention does not keep, and say what that was."""
    removed = store.prune(retention, datetime.now(UTC))
    if removed.runs:
        click.echo(f"Removed {removed.runs} runs older than {retention.runs_days} days.", err=True)
    if removed.observations:
        click.echo(
            f"Removed the raw observations of {removed.observations} runs older than"
            f" {retention.observations_days} days; their verdicts stay.",
            err=True,
        )
