"""``python -m tests.bench.verdicts``: verdicts held against what is true, as tables."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench import machine
from tests.bench.claim import Claim, Evidence, Facts
from tests.bench.table import placed
from tests.bench.verdicts import claims, sources, speed, tables

if TYPE_CHECKING:
    from tests.bench.verdicts.exhibit import Exhibit

_README: Final = sources.ROOT / "README.md"
_RESULTS: Final = Path(__file__).with_name("RESULTS.md")
_PARTS: Final = ("pakistan", "worlds", "traceroutes", "pings", "speed")


def main(arguments: list[str]) -> int:
    """Measure and print; 0 whatever was found, 2 for wrong usage, 130 interrupted."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.write_readme and (given.only or given.seeds != 20 or given.endpoints != 500):
        parser.error("README's tables are those of a whole run: --write-readme goes with no other option")
    try:
        with tempfile.TemporaryDirectory(prefix="sarhad-bench-") as directory:
            asked, seen = _measured(given, Path(directory))
    except KeyboardInterrupt:
        return 130
    described = machine.here()
    summary, details = tables.summary(described, asked, seen), tables.details(described, seen)
    sys.stdout.write(f"{summary}\n{details}")
    if given.write_readme:
        text = placed(_README.read_text(encoding="utf-8"), summary, "bench-verdict")
        _README.write_text(text, encoding="utf-8")
        _RESULTS.write_text(details, encoding="utf-8")
    return 0


def _measured(
    given: argparse.Namespace, directory: Path
) -> tuple[list[tuple[str, tuple[Claim, ...], Evidence]], list[Exhibit]]:
    wanted = given.only or _PARTS
    asked: list[tuple[str, tuple[Claim, ...], Evidence]] = []
    seen: list[Exhibit] = []

    def add(exhibit: Exhibit, claim: tuple[Claim, ...], facts: Facts) -> None:
        seen.append(exhibit)
        asked.append((exhibit.name, claim, Evidence({}, facts)))

    if "pakistan" in wanted:
        exhibit = sources.pakistan(directory)
        add(exhibit, claims.PAKISTAN, {} if exhibit.missing else claims.of_pakistan(exhibit))
    if "worlds" in wanted:
        seeds = range(given.first_seed, given.first_seed + given.seeds)
        exhibit = sources.worlds(seeds, given.endpoints, directory, given.country)
        add(exhibit, claims.WORLDS, claims.of_worlds(exhibit))
    if "traceroutes" in wanted:
        exhibit = sources.traceroutes()
        add(exhibit, claims.TRACEROUTES, claims.of_traceroutes(exhibit))
    if "pings" in wanted:
        facts: list[Facts] = []
        for country in claims.HOMES:
            exhibit, found = sources.pings(country, directory)
            seen.append(exhibit)
            facts.append(claims.of_pings(exhibit, found))
        worst = {name: max(each[name] for each in facts) for name in facts[0]}
        asked.append((f"pings 2023, {', '.join(claims.HOMES)}", claims.PINGS, Evidence({}, worst)))
    if "speed" in wanted:
        asked.append(("speed", claims.SPEED, Evidence({}, speed.measured(directory))))
    return asked, seen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench.verdicts", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="PART", choices=_PARTS, help=f"of {', '.join(_PARTS)}")
    parser.add_argument("--seeds", type=int, default=20, help="how many random worlds (%(default)s)")
    parser.add_argument("--first-seed", type=int, default=1, help="the first world's (%(default)s)")
    parser.add_argument("--endpoints", type=int, default=500, help="in each random world (%(default)s)")
    parser.add_argument("--country", default="PK", help="home of the random worlds (%(default)s)")
    parser.add_argument(
        "--write-readme",
        action="store_true",
        help="put what was asked into README.md, all else into RESULTS.md",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
