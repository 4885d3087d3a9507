"""The path: whether packets from home to an endpoint stay at home on their way.

Looks at the traces from vantages at home. A hop is placed by physics first (the round-trip times of every
vantage that saw its address), then by what the families of sources say, as far as physics allows it; that a
router is at home is believed only where some vantage at home was answered as soon as that. Special-purpose
addresses place nowhere, nor does space that is squatted on, of which physics rules out all that is claimed:
like silent hops they are not counted either way. A round trip too short for any foreign land and back is
domestic whatever hops say; a way to an address that is abroad is not, whatever hops do not say.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from geodata.territory import Disk
from probes.observation import TraceObservation
from scanner.anycast import EDGE_MEANINGS
from scanner.claims import PLACE_MEANINGS, SELF_DECLARED
from scanner.evidence import LEAST_RTT_MS, from_destination, reach_km
from scanner.verdict import Border

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from geodata.claim import Claim
    from geodata.territory import Feasibility, Territory
    from probes.observation import Observation
    from probes.vantages.vantage import Vantage
    from scanner.evidence import AddressEvidence
    from scanner.policy import Thresholds
    from scanner.verdict import PathVerdict

HopPlace = Literal["home", "abroad", "unknown", "nowhere"]


@dataclass(frozen=True, slots=True)
class PlacedHop:
    """Where a hop's address is, and why in a few words; ``nowhere`` for addresses that mean no place.

    ``asn`` is the network that announces it. ``front`` is its name where it is known to stand before others:
    content networks and those that clean others' traffic.
    """

    place: HopPlace
    why: str
    countries: tuple[str, ...] = ()
    asn: int | None = None
    front: str | None = None


class Upstream(NamedTuple):
    """The last placed hop before an address on its way from home; ``beside`` if that is right before it.

    ``trace`` is the id of the observation that shows it.
    """

    hop: PlacedHop
    beside: bool
    trace: str


class Abroad(NamedTuple):
    """What answered a vantage at home soonest of all that is abroad, of so many ``addresses`` there."""

    rtt_ms: float
    vantage: str
    address: str
    addresses: int

    def __str__(self) -> str:
        return (
            f"of {self.addresses} addresses abroad none answered a vantage at home sooner than {self.address}"
            f" did {self.vantage}, in {self.rtt_ms:.2f} ms"
        )


class Front(NamedTuple):
    """A hop of a network that answers for others, or cleans their traffic, on the way from a vantage."""

    address: str
    network: str
    hop: PlacedHop
    vantage: str
    trace: str

    def __str__(self) -> str:
        where = f" ({', '.join(self.hop.countries[:4])})" if self.hop.countries else ""
        return (
            f"what is sent to it from {self.vantage} goes through {self.network} at {self.address}{where}, a"
            f" network that answers for others or cleans their traffic: {self.hop.why}."
        )


@dataclass(frozen=True, slots=True)
class Way:
    """What traces from home show of the way to an endpoint, in sentences and by ids of observations.

    ``border`` is where it leaves. ``scrubbed`` says through which network's hands abroad it is led, if it is.
    """

    kind: PathVerdict = "unknown"
    reason: str = "No trace from home."
    evidence: tuple[str, ...] = ()
    border: Border | None = None
    scrubbed: str | None = None


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


def hop_disks(
    minima: Mapping[str, float], vantages: Mapping[str, Vantage], thresholds: Thresholds
) -> list[Disk]:
    """Where a hop may be, from its least RTT by vantage."""
    return [
        Disk(
            vantages[name].latitude,
            vantages[name].longitude,
            reach_km(vantages[name], rtt_ms, thresholds),
        )
        for name, rtt_ms in sorted(minima.items())
        if name in vantages
    ]


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
        return PlacedHop("nowhere", f"special-purpose address ({special})")
    asn = next((one.asn for one in claims if one.meaning == "origin"), None)
    front = next((one.network or f"AS{one.asn}" for one in claims if one.meaning in EDGE_MEANINGS), None)
    disks = hop_disks(minima, vantages, thresholds)
    feasible = territory.assess(disks)
    if feasible.home != feasible.foreign:
        place: HopPlace = "home" if feasible.home else "abroad"
        why = "proved by its round-trip times"
        return PlacedHop(place, why, tuple(sorted(feasible.countries)), asn, front)
    votes, ruled_out = _votes(claims, feasible if disks else None, territory)
    countries = tuple(sorted({country for said in votes.values() for country in said}))
    said = f"{len(votes)} sources say {', '.join(countries)}"
    place = "unknown"
    if len(votes) < 2:
        said = "fewer than two sources place it"
        if ruled_out and not votes:
            place, said = "nowhere", "physics rules out all that is claimed of it"
    elif territory.country not in countries:
        place = "abroad"
    elif len(countries) == 1:
        near = any(
            rtt_ms <= thresholds.unsupported_rtt_ms and _at_home(vantages[name], territory)
            for name, rtt_ms in minima.items()
            if name in vantages
        )
        if near or not minima:
            place = "home"
        else:
            said += ", but no vantage there was answered soon"
    return PlacedHop(place, said, countries, asn, front)


def _votes(
    claims: Iterable[Claim], feasible: Feasibility | None, territory: Territory
) -> tuple[dict[str, set[str]], bool]:
    """The countries that each family claims and physics allows, and whether it rules out any."""
    votes: defaultdict[str, set[str]] = defaultdict(set)
    ruled_out = False
    for claim in claims:
        if claim.country is None or claim.meaning not in PLACE_MEANINGS or claim.asserted_by in SELF_DECLARED:
            continue
        if (
            feasible is None
            or not feasible.consistent
            or claim.country not in territory.countries
            or claim.country in feasible.countries
        ):
            votes[claim.family].add(claim.country)
        else:
            ruled_out = True
    return votes, ruled_out


def _at_home(vantage: Vantage, territory: Territory) -> bool:
    return territory.is_home(vantage.latitude, vantage.longitude)


def soonest_abroad(
    hops: Mapping[str, Mapping[str, float]],
    placed: Mapping[str, PlacedHop],
    landmarks: Iterable[AddressEvidence],
    vantages: Mapping[str, Vantage],
    territory: Territory,
) -> Abroad | None:
    """How far away in time what is abroad is from home, by every hop that is placed there, and by landmarks.

    Vantages that answer each other are landmarks too. Hops of networks that stand before others count not:
    their addresses are abroad by claims only.
    """
    home = {name for name, one in vantages.items() if _at_home(one, territory)}
    away = {address for name, one in vantages.items() if name not in home for address in one.addresses}
    times = [
        (rtt_ms, name, address)
        for address, minima in hops.items()
        if placed[address].place == "abroad" and placed[address].front is None
        for name, rtt_ms in minima.items()
        if name in home
    ]
    times += [
        (one.rtt_ms, one.vantage.id, landmark.address)
        for landmark in landmarks
        if landmark.address in away
        for one in landmark.transport
        if one.vantage.id in home
    ]
    return Abroad(*min(times), len({address for _, _, address in times})) if times else None


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
            and _at_home(vantages[one.vantage], territory)
        ),
        key=lambda one: one.id,
    )


def upstream(traces: Iterable[TraceObservation], hops: Mapping[str, PlacedHop]) -> dict[str, Upstream]:
    """The last placed hop before each address, as seen from home; abroad if it is in any of the traces.

    A host whose way from home goes abroad and is not seen to come back is not shown to be at home. Of those
    at home, one right before the address counts first.
    """
    last: dict[str, Upstream] = {}
    for one in traces:
        if one.result is None or one.address is None:
            continue
        ttls = {reply.address: hop.ttl for hop in one.result.hops for reply in hop.replies}
        placed = [
            (hop.ttl, hops[reply.address])
            for hop in one.result.hops
            for reply in hop.replies
            if reply.address != one.address and hops[reply.address].place in {"home", "abroad"}
        ]
        if placed:
            ttl, hop = max(placed, key=lambda each: (each[0], each[1].place == "abroad"))
            found = Upstream(hop, beside=ttls.get(one.address) == ttl + 1, trace=one.id)
            known = last.get(one.address, found)
            last[one.address] = max(known, found, key=lambda each: (each.hop.place == "abroad", each.beside))
    return last


def judge_path(
    traces: Sequence[TraceObservation],
    hops: Mapping[str, PlacedHop],
    vantages: Mapping[str, Vantage],
    territory: Territory,
    thresholds: Thresholds,
    abroad: Collection[str] = (),
) -> Way:
    """The way to one endpoint from ``traces``, which are those from home; ``hops`` are hops and targets.

    ``abroad`` are those of its addresses that are judged to be there.
    """
    if not traces:
        return Way()
    front = next(iter(sorted(fronts(traces, hops).items())), None)
    scrubbed = None if front is None else f"Of {front[0]}, {front[1]}"
    leaving = [(trace, border) for trace in traces if (border := _border(trace, hops)) is not None]
    if leaving:
        trace, border = leaving[0]
        place = hops[border.abroad]
        where = f" ({', '.join(place.countries[:4])})" if place.countries else ""
        city = vantages[trace.vantage].city or trace.vantage
        left = f", out of AS{border.from_asn}" if border.from_asn is not None else ""
        return Way(
            "leaves",
            f"From {city} to {trace.address} the way goes over {border.abroad}, abroad{where}{left}:"
            f" {place.why}.",
            tuple(one.id for one, _ in leaving),
            border,
            scrubbed,
        )
    for trace in traces:
        if trace.address in abroad:
            return Way(
                reason=f"No hop abroad answered before {trace.address}, which is abroad.", scrubbed=scrubbed
            )
    shown = [_stays(trace, hops, vantages[trace.vantage], territory, thresholds) for trace in traces]
    if True in shown and False not in shown:
        domestic = tuple(trace.id for trace, stays in zip(traces, shown, strict=True) if stays)
        return Way(
            "domestic",
            f"Every hop that answered is at home, in {len(domestic)} traces of {len(traces)}"
            f"{'; the others show none' if len(domestic) < len(traces) else ''}.",
            domestic,
            scrubbed=scrubbed,
        )
    return Way(reason="Not every hop that answered could be placed.", scrubbed=scrubbed)


def _before(trace: TraceObservation) -> list[str]:
    """The addresses on the way, in its order, without the target's."""
    hops = sorted(trace.result.hops, key=lambda hop: hop.ttl) if trace.result else ()
    return [reply.address for hop in hops for reply in hop.replies if reply.address != trace.address]


def _border(trace: TraceObservation, hops: Mapping[str, PlacedHop]) -> Border | None:
    """The first hop abroad, and the last one before it that is at home."""
    home: str | None = None
    for address in _before(trace):
        if hops[address].place == "home":
            home = address
        elif hops[address].place == "abroad":
            return Border(
                home=home,
                from_asn=None if home is None else hops[home].asn,
                abroad=address,
                to_asn=hops[address].asn,
            )
    return None


def _stays(
    trace: TraceObservation,
    hops: Mapping[str, PlacedHop],
    vantage: Vantage,
    territory: Territory,
    thresholds: Thresholds,
) -> bool | None:
    """Whether a way is seen to stay at home; None where nothing on it is seen."""
    if trace.result is None or not trace.result.reached:
        return False
    times_ms = [
        reply.rtt_ms
        for hop in trace.result.hops
        for reply in hop.replies
        if reply.address == trace.address
        and from_destination(reply.icmp)
        and reply.rtt_ms is not None
        and reply.rtt_ms >= LEAST_RTT_MS
    ]
    if times_ms:
        # Light covers twice the radius there and back: less than to the nearest foreign land and back.
        radius_km = reach_km(vantage, min(times_ms), thresholds)
        if radius_km < territory.nearest_foreign_km(vantage.latitude, vantage.longitude):
            return True
    counted = [hops[address].place for address in _before(trace) if hops[address].place != "nowhere"]
    return all(place == "home" for place in counted) if counted else None


def fronts(traces: Iterable[TraceObservation], hops: Mapping[str, PlacedHop]) -> dict[str, Front]:
    """By whom the traffic to each address is handled abroad before it gets to another network."""
    found: dict[str, Front] = {}
    for trace in traces:
        target = hops.get(trace.address or "")
        if target is None or target.front is not None:
            continue
        for address in _before(trace):
            hop = hops[address]
            if hop.front is not None and hop.place == "abroad" and hop.asn != target.asn:
                found.setdefault(str(trace.address), Front(address, hop.front, hop, trace.vantage, trace.id))
    return found
