"""``sarhad schema``."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("name", type=click.Choice(["run", "observation", "register"]))
def schema(name: str) -> None:
    """Print the JSON Schema of a run, an observation record or a register."""
    from scanner import register, run  # noqa: PLC0415  --help does not need them

    made = {"run": run.json_schema, "observation": run.observation_schema, "register": register.json_schema}
    click.echo(json.dumps(made[name](), indent=2, sort_keys=True, ensure_ascii=False))
