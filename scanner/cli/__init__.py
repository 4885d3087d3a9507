"""The command ``sarhad``; each subcommand is one module, imported only when it is called.

Standard output is data; progress (only on a terminal) and messages go to standard error.
"""

from __future__ import annotations

import importlib
import keyword
import os
import sys
from typing import Final

import click

from scanner.cli.exits import CONFIGURATION, INTERNAL, INTERRUPTED

# name -> (module that holds a click command of that name, with _ behind it where Python has the word; its
# short help: kept here so that `sarhad --help` imports none of them)
COMMANDS: Final = {
    "scan": ("scanner.cli.scan", "Measure and judge every endpoint of a register."),
    "demo": ("scanner.cli.demo", "Run the main job on a simulated Internet."),
    "daemon": ("scanner.cli.daemon", "Scan by the clock; serve metrics, an API and the page."),
    "judge": ("scanner.cli.judge", "Judge recorded observations; the network is never touched."),
    "report": ("scanner.cli.report", "Write a finished run in another format: a page, OSCAL, CSV, …"),
    "history": ("scanner.cli.history", "Say what was judged of an endpoint, and when that changed."),
    "store": ("scanner.cli.store", "List, show and prune the runs of a store."),
    "diff": ("scanner.cli.diff", "Say what changed between two runs, and why."),
    "advise": ("scanner.cli.advise", "Say where one more vantage would prove most."),
    "import": ("scanner.cli.imports", "Turn what other programs measured into observation records."),
    "probe": ("scanner.cli.probe", "Ping or trace addresses, as a scan does; no register, no verdict."),
    "doctor": ("scanner.cli.doctor", "Say what this user can measure here, and what would allow more."),
    "register": ("scanner.cli.register", "Check a register, or print its JSON Schema."),
    "geodata": (
        "scanner.cli.catalog",
        "Say what data sources say, and keep them up to date.",
    ),
    "schema": ("scanner.cli.schema", "Print the JSON Schema of a run or of an observation record."),
    "world": ("scanner.cli.generate", "Make random worlds to hold verdicts against."),
    "simnet": ("scanner.cli.simnet", "Run a command inside a simulated Internet."),
}
_HELP: Final = """Sarhad verifies, with evidence that can be re-checked, that what cloud providers declare
to be in a country is there.

\b
Exit status:
  0    clean
  1    a violation at or above --fail-on
  2    wrong usage or configuration; the message says where
  3    incomplete: a vantage got no answer at all, or too much stays undecided;
       or not begun, as another scan holds the store
  4    internal error
  130  interrupted; what was measured so far was judged and written
"""


class _Lazy(click.Group):
    """A group that imports a command's module when the command is called, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=_Lazy, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="sarhad", prog_name="sarhad")
def cli() -> None:
    """All commands (see ``_HELP``)."""


def main() -> None:
    """Run the command line; whatever goes wrong ends in a message and an exit status, never a traceback."""
    # numpy's linear algebra would start threads when imported; it has nothing here that is worth them, and
    # a process with threads cannot enter a user namespace (unshare(2)).
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if os.environ.get("SARHAD_DEBUG"):
        import logging  # noqa: PLC0415  seldom needed

        logging.basicConfig(stream=sys.stderr, level=logging.INFO)
        logging.getLogger("sarhad").setLevel(logging.DEBUG)
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Exit as error:
        status = error.exit_code
    except click.Abort:
        status = INTERRUPTED
    except KeyboardInterrupt:
        status = INTERRUPTED
    except click.ClickException as error:
        error.show()
        status = CONFIGURATION
    except BrokenPipeError:
        # Whoever read our output has gone (`| head`); silence the flush at exit too.
        sys.stderr.close()
        status = INTERNAL
    except Exception as error:  # noqa: BLE001  the last resort: a message instead of a traceback
        click.echo(f"sarhad: internal error: {type(error).__name__}: {error}", err=True)
        click.echo("This is a fault of sarhad. Run again with SARHAD_DEBUG=1 for its traceback.", err=True)
        status = INTERNAL
        _debug()
    sys.exit(status if isinstance(status, int) else 0)


def _debug() -> None:
    import traceback  # noqa: PLC0415

    if os.environ.get("SARHAD_DEBUG"):
        traceback.print_exc()
