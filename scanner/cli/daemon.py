"""``sarhad daemon``."""

from __future__ import annotations

from pathlib import Path

import click

from scanner.cli import job
from scanner.report.text import printable


@click.group(invoke_without_command=True)
@click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SARHAD_CONFIG",
    help="The daemon's file; config/daemon.example.yaml shows what can be in it.",
)
@click.pass_context
def daemon(context: click.Context, config_file: Path | None) -> None:
    """Scan by the clock, and serve metrics, an API and the page over HTTP.

    SIGHUP reads register, vantages, policy and geodata anew; SIGTERM ends it, and a scan that goes on is
    finished when it is started again.
    """
    if context.invoked_subcommand is not None:
        return
    if config_file is None:
        raise click.UsageError("Missing option '--config'.")
    import asyncio  # noqa: PLC0415  --help needs none of these

    from scanner.daemon.config import load_config  # noqa: PLC0415
    from scanner.daemon.log import begin  # noqa: PLC0415
    from scanner.daemon.notify import Notifier  # noqa: PLC0415
    from scanner.daemon.service import serve  # noqa: PLC0415
    from scanner.files import FilesError  # noqa: PLC0415
    from scanner.store import StoreError  # noqa: PLC0415

    config = job.told(load_config, config_file)
    begin()
    try:
        asyncio.run(serve(config, Notifier.of_environment()))
    except (FilesError, StoreError) as error:
        raise click.ClickException(printable(str(error), 20_000)) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot serve at {config.listen.address} port {config.listen.port}: {error.strerror}"
        ) from error


@daemon.command()
def token() -> None:
    """Print a new bearer token, and its hash for the daemon's file."""
    from scanner.daemon.tokens import hash_token, new_token  # noqa: PLC0415

    made = new_token()
    click.echo(f"token: {made}")
    click.echo(f"hash: {hash_token(made)}")
