"""What is asked of the verdicts, exhibit by exhibit, and the numbers that answer it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scanner.truth import WEAKER
from tests.bench.claim import Claim, Facts, fact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tests.bench.verdicts.exhibit import Exhibit, Judged
    from tests.bench.verdicts.sources import Pings

_COUNT: Final = "{:,.0f}"
_PERCENT: Final = "{:.2%}"
# A rule that accuses one of these of a relay is right, or cannot know better.
_MAY_BE_ACCUSED: Final = frozenset({"relay-home", "scrubbed"})
# Kinds of hosts of which a vantage in their own metropolitan area can prove where they are.
_PLAIN: Final = frozenset({"honest", "foreign", "slow-page", "slow-errors", "slow-tls"})
FAR_KM: Final = 500.0
HOMES: Final = ("PK", "FR", "US")

PAKISTAN: Final = (Claim("verdicts that are neither right nor weaker", "=", 0, fact("wrong"), _COUNT),)
WORLDS: Final = (
    Claim("false inside", "=", 0, fact("false inside"), _COUNT),
    Claim("false inside, as proved", "=", 0, fact("false inside, proved"), _COUNT),
    Claim("false outside, as proved", "=", 0, fact("false outside, proved"), _COUNT),
    Claim("hosts with a vantage in their metro, proved", "≥", 0.95, fact("metro proved"), _PERCENT),
    Claim("of these, that the times can prove, proved", "≥", 0.95, fact("provable proved"), _PERCENT),
    Claim("relays 500 km or more behind their front, found", "≥", 0.95, fact("far relays found"), _PERCENT),
    Claim("honest hosts accused of being a relay", "≤", 0.01, fact("honest accused"), _PERCENT),
)
TRACEROUTES: Final = (
    Claim("foreign and edge sites called inside", "=", 0, fact("false inside"), _COUNT),
    Claim("home sites inside, or edge where scrubbed (of 8)", "≥", 7, fact("home found"), _COUNT),
    Claim("CDN sites that are not called edge", "=", 0, fact("edge missed"), _COUNT),
    Claim("foreign sites outside (of 12)", "≥", 10, fact("foreign found"), _COUNT),
)
PINGS: Final = (
    Claim("anything called inside PK", "=", 0, fact("inside"), _COUNT),
    Claim("anycast that honest vantages contradict, not edge", "=", 0, fact("contradicted missed"), _COUNT),
    Claim("unicast called edge", "=", 0, fact("unicast edge"), _COUNT),
    Claim("unicast called outside its own country, or inside another", "=", 0, fact("opposite"), _COUNT),
    Claim("an address of 300 vantages, judged", "≤", 50, fact("judge, ms"), "{:.1f} ms"),
)
SPEED: Final = (
    Claim("10,000 endpoints from 6 vantages, wall", "≤", 20, fact("wall, s"), "{:.1f} s"),
    Claim("10,000 endpoints from 6 vantages, memory", "≤", 1.0, fact("memory, GB"), "{:.2f} GB"),
    Claim("wall, of four times as many endpoints", "≤", 5.0, fact("more endpoints"), "{:.1f} times"),
    Claim("wall, of four times as many vantages", "≤", 5.0, fact("more vantages"), "{:.1f} times"),
)


def of_pakistan(exhibit: Exhibit) -> Facts:
    """The shipped world's numbers."""
    return {
        "wrong": sum(
            one.location != one.truth.location and one.location not in WEAKER for one in exhibit.judged
        )
    }


def of_worlds(exhibit: Exhibit) -> Facts:
    """The random worlds' numbers."""
    judged = exhibit.judged
    metro = [one for one in judged if one.truth.metro and one.truth.kind in _PLAIN]
    far = [
        one
        for one in judged
        if one.truth.kind.startswith(("relay4", "relay7")) and (one.truth.relay_km or 0) >= FAR_KM
    ]
    honest = [
        one
        for one in judged
        if one.truth.location in {"inside", "outside"} and one.truth.kind not in _MAY_BE_ACCUSED
    ]
    return {
        "false inside": _count(judged, lambda one: one.wrong and one.location == "inside"),
        "false inside, proved": _count(judged, lambda one: one.false_proof and one.location == "inside"),
        "false outside, proved": _count(judged, lambda one: one.false_proof and one.location == "outside"),
        **_share("metro proved", metro, _is_proof),
        **_share("provable proved", [one for one in metro if one.truth.provable], _is_proof),
        **_share("far relays found", far, lambda one: one.location == "edge"),
        **_share("honest accused", honest, lambda one: one.rule == "relay"),
    }


def of_traceroutes(exhibit: Exhibit) -> Facts:
    """The real traceroutes' numbers; none where they are missing."""
    if exhibit.missing:
        return {}
    judged = exhibit.judged
    return {
        "false inside": _count(judged, lambda one: one.wrong and one.location == "inside"),
        "home found": _count(
            judged, lambda one: one.truth.location == "inside" and one.location in {"inside", "edge"}
        ),
        "edge missed": _count(judged, lambda one: one.truth.location == "edge" and one.location != "edge"),
        "foreign found": _count(judged, lambda one: one.truth.location == one.location == "outside"),
    }


def of_pings(exhibit: Exhibit, found: Pings | None) -> Facts:
    """The real pings' numbers, with one country as home; none where they are missing.

    Nothing there is in Pakistan, so that of ``inside`` nothing may be where that is home.
    """
    if found is None:
        return {}
    judged = exhibit.judged
    unicast = [one for one in judged if one.truth.kind == "unicast"]
    return {
        "inside": _count(judged, lambda one: one.location == "inside" and found.country == "PK"),
        "contradicted missed": _count(
            judged, lambda one: one.endpoint in found.contradicted and one.location != "edge"
        ),
        "unicast edge": _count(unicast, lambda one: one.location == "edge"),
        "opposite": _count(unicast, lambda one: one.wrong),
        "judge, ms": found.judge_ms,
    }


def _is_proof(one: Judged) -> bool:
    return one.assurance == "proved" and one.location == one.truth.location


def _count(judged: Iterable[Judged], which: Callable[[Judged], bool]) -> int:
    return sum(which(one) for one in judged)


def _share(name: str, judged: Sequence[Judged], which: Callable[[Judged], bool]) -> dict[str, float]:
    """The share of those for which it holds; nothing where there are none."""
    return {name: _count(judged, which) / len(judged)} if judged else {}
