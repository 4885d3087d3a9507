"""The path: whether packets from home to an endpoint stay at home on their way.

Looks at the traces from vantages at home. A hop is placed by physics first (the round-trip times of every
vantage that saw its address), then by what the families of sources say, as far as physics allows it.
Special-purpose and squatted addresses place nowhere. A silent hop is unknown and is not counted either way.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geodata.territory import Disk
from probes.observation import TraceObservation
from scanner.evidence import LEAST_RTT_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geodata.claim import Claim
    from geodata.territory import Territory
    from probes.observation import Observation
    from probes.vantages.vantage import Vantage
    from scanner.policy import Thresholds
    from scanner.verdict import PathVerdict

HopPlace = Literal["home", "abroad", "unknown"]


@dataclass(frozen=True, slots=True)
class PlacedHop:
    """Where a hop's address is, and why in a few words."""

    place: HopPlace
    why: str
    countries: tuple[str, ...] = ()


def hop_minima(observations: Iterable[Observation]) -> dict[str, dict[str, float]]:
    """The least RTT of each hop address by vantage, over all traces; empty where none was timed."""
    minima: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for observation in observations:
        if not isinstance(observation, TraceObservation) or observation.result is None:
            continue
        for hop in observation.result.hops:
            for reply in hop.replies:
                least = minima[reply.address]
                if reply.rtt_ms is not None and reply.rtt_ms >= LEAST_RTT_MS:
                    known = least.get(observation.vantage, reply.rtt_ms)
                    least[observation.vantage] = min(known, reply.rtt_ms)
    return dict(minima)


def place_hop(
    minima: Mapping[str, float],
    claims: Sequence[Claim],
    special: str | None,
    vantages: Mapping[str, Vantage],
    territory: Territory,
    thresholds: Thresholds,
) -> PlacedHop:
    """Where one hop is, from its least RTT by vantage and the claims of its address."""
    if special is not None:
        return PlacedHop("unknown", f"special-purpose address ({special})")
    disks = [
        Disk(
            vantages[name].latitude,
            vantages[name].longitude,
            rtt_ms * thresholds.speed_km_per_ms_rtt + vantages[name].location_error_km,
        )
        for name, rtt_ms in sorted(minima.items())
        if name in vantages
    ]
    feasible = territory.assess(disks)
    if feasible.home != feasible.foreign:
        place: HopPlace = "home" if feasible.home else "abroad"
        return PlacedHop(place, "proved by its round-trip times", tuple(sorted(feasible.countries)))
    votes: defaultdict[str, set[str]] = defaultdict(set)
    for claim in claims:
        allowed = (
            not disks
            or not feasible.consistent
            or claim.country not in territory.countries
            or claim.country in feasible.countries
        )
        if claim.country is not None and claim.meaning in {"server", "registrant", "origin"} and allowed:
            votes[claim.family].add(claim.country)
    countries = tuple(sorted({country for said in votes.values() for country in said}))
    said = f"{len(votes)} sources say {', '.join(countries)}"
    if len(votes) < 2:
        return PlacedHop("unknown", "fewer than two sources place it", countries)
    if territory.country not in countries:
        return PlacedHop("abroad", said, countries)
    return PlacedHop("home" if len(countries) == 1 else "unknown", said, countries)


def traces_from_home(
    observations: Iterable[Observation], vantages: Mapping[str, Vantage], territory: Territory
) -> list[TraceObservation]:
    """The traces that have a result and a vantage at home, in the order of their ids."""
    return sorted(
        (
            one
            for one in observations
            if isinstance(one, TraceObservation)
            and one.result is not None
            and one.vantage in vantages
            and territory.contains(vantages[one.vantage].latitude, vantages[one.vantage].longitude)
        ),
        key=lambda one: one.id,
    )


def upstream(traces: Iterable[TraceObservation], hops: Mapping[str, PlacedHop]) -> dict[str, PlacedHop]:
    """The last placed hop before each address, as seen from home; abroad if it is in any of the traces.

    A host whose way from home goes abroad and is not seen to come back is not shown to be at home.
    """
    last: dict[str, PlacedHop] = {}
    for one in traces:
        placed = [
            hops[reply.address]
            for hop in (one.result.hops if one.result else ())
            for reply in hop.replies
            if reply.address != one.address and hops[reply.address].place != "unknown"
        ]
        if placed and one.address is not None and (one.address not in last or placed[-1].place == "abroad"):
            last[one.address] = placed[-1]
    return last


def judge_path(
    traces: Sequence[TraceObservation], hops: Mapping[str, PlacedHop], vantages: Mapping[str, Vantage]
) -> tuple[PathVerdict, str, tuple[str, ...]]:
    """``domestic``, ``leaves`` or ``unknown``, with a sentence and the ids of the traces that show it.

    ``traces`` are those from home, of one endpoint.
    """
    domestic: list[TraceObservation] = []
    leaving: list[tuple[TraceObservation, str]] = []
    for trace in traces:
        if trace.result is None:
            continue
        on_way = [
            reply.address
            for hop in trace.result.hops
            for reply in hop.replies
            if reply.address != trace.address
        ]
        abroad = [address for address in on_way if hops[address].place == "abroad"]
        if abroad:
            leaving.append((trace, abroad[0]))
        elif trace.result.reached and all(hops[address].place == "home" for address in on_way):
            domestic.append(trace)
    if leaving:
        trace, address = leaving[0]
        place = hops[address]
        where = f" ({', '.join(place.countries[:4])})" if place.countries else ""
        city = vantages[trace.vantage].city or trace.vantage
        return (
            "leaves",
            f"From {city} to {trace.address} the way goes over {address}, abroad{where}: {place.why}.",
            tuple(one.id for one, _ in leaving),
        )
    if traces and len(domestic) == len(traces):
        return (
            "domestic",
            f"Every hop that answered is at home, in {len(traces)} traces.",
            tuple(one.id for one in domestic),
        )
    return "unknown", "Not every hop that answered could be placed." if traces else "No trace from home.", ()
