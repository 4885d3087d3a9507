"""What can be called, set, scraped and scripted against is documented in the README."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from geodata.sources.published import PUBLISHED
from scanner.cli import COMMANDS, cli, exits
from scanner.metrics import RunCollector
from scanner.report.formats import FORMATS
from scanner.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geodata.sources.parsed import Published

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What is looked up rather than read stands beside the code it explains.
DOCS = README + "".join(
    (ROOT / name).read_text(encoding="utf-8")
    for name in ("scanner/cli/README.md", "geodata/README.md", "config/README.md")
)


def commands() -> Iterator[click.Command]:
    context = click.Context(cli)
    left = [cli.get_command(context, name) for name in COMMANDS]
    while left:
        command = left.pop()
        assert command is not None
        yield command
        if isinstance(command, click.Group):
            left += command.commands.values()


def options() -> list[click.Option]:
    return [one for command in commands() for one in command.params if isinstance(one, click.Option)]


class TestReadme:
    """The README, and those beside the code, name everything that users depend on."""

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command(self, name: str) -> None:
        assert f"`sarhad {name}" in README

    def test_every_option_and_its_variable(self) -> None:
        for option in options():
            assert any(f"`{name}" in DOCS for name in option.opts), option.opts
            if option.envvar is not None:
                assert f"`{option.envvar}`" in DOCS

    @pytest.mark.parametrize("name", FORMATS)
    def test_every_format(self, name: str) -> None:
        assert f"`{name}`" in DOCS

    @pytest.mark.parametrize("name", [name for name in vars(exits) if name.isupper()])
    def test_every_exit_status(self, name: str) -> None:
        assert f"\n| {getattr(exits, name)} | " in README

    def test_every_metric_and_no_other(self) -> None:
        source = Path(RunCollector.collect.__code__.co_filename).read_text(encoding="utf-8")
        made = set(re.findall(r'"(residency_\w+)"', source))
        counters = {"residency_probe_failures"}
        documented = set(re.findall(r"`(residency_\w+)`", DOCS))
        assert documented == (made - counters) | {f"{name}_total" for name in counters}

    @pytest.mark.parametrize("published", PUBLISHED, ids=lambda one: one.source)
    def test_every_published_source(self, published: Published) -> None:
        assert f"`{published.source}`" in DOCS

    def test_every_rule(self) -> None:
        for rule in RULES:
            assert f"`{rule.__name__.replace('_', '-')}`" in README, rule

    def test_it_is_short_enough_to_be_read(self) -> None:
        assert len(README.splitlines()) < 300

    def test_every_file_that_it_names_exists(self) -> None:
        for name in re.findall(r"[`(]((?:config|probes|geodata|scanner|tests)/[\w./-]+)", DOCS):
            assert (ROOT / name).exists(), name


class TestHelp:
    """``--help`` lists the commands without importing them, and shows examples as they are typed."""

    def test_no_mark_of_layout_is_shown(self) -> None:
        for command in commands():
            shown = command.get_help(click.Context(command))
            assert "\\b" not in shown, command.name
            assert "Example: " not in shown, command.name

    def test_the_short_helps_are_those_of_the_commands(self) -> None:
        context = click.Context(cli)
        for name in COMMANDS:
            command = cli.get_command(context, name)
            assert command is not None
            assert command.name == name
