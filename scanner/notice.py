"""Notices: what whoever reads a run should know of how it came about, in sentences."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.judge import Inputs, Judgement


def noticed(inputs: Inputs, judgement: Judgement) -> Iterator[str]:
    """What the vantages, the sources and the observations themselves give rise to."""
    yield from _blind(inputs)
    yield from _doubtful(judgement)
    yield from _stale(inputs)
    yield from _strange(judgement)


def _strange(judgement: Judgement) -> Iterator[str]:
    if judgement.strange:
        yield f"{judgement.strange} observations are of endpoints that the register does not have"
    if judgement.ghosts:
        yield (
            f"what {', '.join(judgement.ghosts[:5])} observed was left out:"
            f" {len(judgement.ghosts)} vantages are not in the file of vantages"
        )


def _doubtful(judgement: Judgement) -> Iterator[str]:
    for name, doubt in sorted(judgement.doubts.items()):
        how = "is not used" if doubt.refuted else "is doubtful, and nothing rests on it alone"
        yield f"vantage {name} {how}: {doubt.reason}"


def _blind(inputs: Inputs) -> Iterator[str]:
    """What the places of the vantages keep a run from seeing."""
    at_home = [inputs.territory.is_home(one.latitude, one.longitude) for one in inputs.vantages if one.probes]
    if all(at_home):
        yield (
            "no vantage is abroad: an address that is at several places at once, and a name that is answered"
            " differently abroad, cannot be noticed"
        )
    if not any(at_home):
        yield "no vantage is at home: claims of home cannot be supported, and no path from home is seen"


def _stale(inputs: Inputs) -> Iterator[str]:
    limit = inputs.policy.thresholds.stale_days
    for source in inputs.snapshot.sources:
        age = (inputs.today - date.fromisoformat(source.date)).days if source.date else None
        if age is not None and age > limit:
            yield f"the data of {source.source} is {age} days old; over {limit} days it counts as stale"
