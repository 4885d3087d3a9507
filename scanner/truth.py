"""Verdicts held against the truth of a simulated world: how right, how weak, how wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scanner.run import EndpointResult
    from scanner.verdict import Location

# Honest where the evidence does not suffice: they claim no place.
WEAKER: Final = frozenset({"undetermined", "conflicting", "edge", "unreachable"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Endpoint ids by how their verdict compares: ``equal``, ``weaker`` (claims no place), ``wrong``."""

    equal: tuple[str, ...]
    weaker: tuple[str, ...]
    wrong: tuple[str, ...]

    def __str__(self) -> str:
        total = len(self.equal) + len(self.weaker) + len(self.wrong)
        text = (
            f"Against the world's truth: {len(self.equal)} of {total} verdicts equal,"
            f" {len(self.weaker)} weaker, {len(self.wrong)} wrong"
        )
        for name, endpoints in (("weaker", self.weaker), ("wrong", self.wrong)):
            if endpoints:
                text += f"\n  {name}: {', '.join(endpoints)}"
        return text


def compare(results: Iterable[EndpointResult], truth: Mapping[str, Location]) -> Comparison:
    """Compare each endpoint that the truth names; one that it names and that has no result is wrong."""
    locations = {result.endpoint: result.verdict.location for result in results}
    equal, weaker, wrong = [], [], []
    for endpoint, true in truth.items():
        found = locations.get(endpoint)
        if found == true:
            equal.append(endpoint)
        elif found in WEAKER:
            weaker.append(endpoint)
        else:
            wrong.append(endpoint)
    return Comparison(tuple(equal), tuple(weaker), tuple(wrong))
