"""``python -m tests.bench``: the probe engine and its peers in the same simulated worlds, as tables."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from probes.simnet import sandbox
from probes.simnet.simnet import SimnetError
from tests.bench import machine, table
from tests.bench.arena import ArenaError
from tests.bench.claim import Evidence
from tests.bench.scenario import Options
from tests.bench.scenarios import SCENARIOS

_README: Final = Path(__file__).parents[2] / "README.md"
_RESULTS: Final = Path(__file__).with_name("RESULTS.md")


def main(arguments: list[str]) -> int:
    """Measure and print; 0 whatever was found, 2 for wrong usage or machine, 130 interrupted."""
    parser = _parser()
    given = parser.parse_args(arguments)
    partial = given.only or given.runs != Options.runs or given.targets or given.seed is not None
    if given.write_readme and partial:
        parser.error("README's tables are those of a whole run: --write-readme goes with none but --scamper")
    options = Options(given.runs, given.targets, given.seed, given.scamper)
    described = machine.described(machine.PACKAGES, machine.LIBRARIES)
    played = []
    try:
        sandbox.enter()
        for scenario in SCENARIOS:
            if given.only and scenario.name not in given.only:
                continue
            with tempfile.TemporaryDirectory(prefix="sarhad-bench-") as directory:
                try:
                    evidence = scenario.play(options, Path(directory))
                except ArenaError as error:
                    sys.stderr.write(f"{scenario.name}: {error}\n")
                    evidence = Evidence({}, {})
            played.append((scenario.name, scenario.about, scenario.claims, evidence))
    except (sandbox.SandboxError, SimnetError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    summary, details = table.summary(described, played), table.details(described, played)
    sys.stdout.write(f"{summary}\n{details}")
    if given.write_readme:
        document = table.placed(_README.read_text(encoding="utf-8"), summary, table.PROBES)
        _README.write_text(document, encoding="utf-8")
        _RESULTS.write_text(details, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=names, help=f"scenarios: {', '.join(names)}"
    )
    parser.add_argument(
        "--runs", type=_positive, default=Options.runs, help="of each tool at most (%(default)s)"
    )
    parser.add_argument("--targets", type=_positive, help="at most in each scenario")
    parser.add_argument("--seed", type=int, help="of the tree: another world of the same kind")
    parser.add_argument(
        "--scamper", metavar="PATH", help="another scamper, measured beside the installed one"
    )
    parser.add_argument(
        "--write-readme",
        action="store_true",
        help="put what was met into README.md, all else into RESULTS.md",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number above zero")
    return number


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
