"""Honesty of vantages: whose declared place is contradicted by what was measured.

A vantage at a wrong place makes wrong proofs of everything near it, and 1.5 % of RIPE Atlas's probes are at
one ("Trust, But Verify, Operator-Reported Geolocation", arXiv 2409.19109). Two kinds of evidence speak
against a vantage:

- *Mutual round trips*: another vantage or a landmark and it answered each other sooner than light gets from
  one declared place to the other. Who is in most such pairs is the one at a wrong place.
- *Contradictions over addresses*: disks that do not meet are anycast, unless they all hang on one vantage.
  Then that vantage may be elsewhere, or it alone sees another site. Had it been elsewhere, every address
  near there would contradict it, and its times would go with the distances from there: where others do not
  contradict it, or its times go with the distances from its own place, it is cleared.

The second is no proof: whoever announces addresses of his own at two places makes an honest vantage look so.
So evidence from a few networks makes a vantage *doubtful* only: what is said of a place must hold with and
without it. Evidence from many, or of mutual round trips, *refutes* it: it constrains nothing.

One that lies, and near whose true place no honest one measured, contradicts nothing. It is doubtful where an
honest one is at the place that it claims (:mod:`scanner.stranger`); else only a landmark near its true place
finds it out.
"""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.disk import Disk, disjoint
from geodata.sphere import EARTH_RADIUS_KM, angle, unit
from scanner.anycast import EDGE_MEANINGS
from scanner.case import counted, of, up
from scanner.doubt import LINE_MS, MOST_STRETCH, Doubt, Seen
from scanner.stranger import strangers

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from geodata.sphere import Bools, Floats
    from geodata.territory import Territory
    from probes.vantages.vantage import Vantage
    from scanner.evidence import AddressEvidence, Constraint
    from scanner.policy import Thresholds

# Of the addresses that would contradict a vantage if it were elsewhere, so few may not do so.
SPARED_SHARE: Final = 0.25
# How long fibre usually is, and what an address in the same city takes; by addresses known to so many km.
STRETCH: Final = 1.6
METRO_MS: Final = 2.0
PINNED_KM: Final = 1000.0
# A place must explain times so much better; and none does what so large a share of the addresses contradicts.
BETTER: Final = 1.2
MANY_SHARE: Final = 0.25
REFUTED_SHARE: Final = 0.05  # of the addresses that answered it, so many must contradict one that is refuted
_LEFT: Final = 3  # vantages that must agree where two others are set aside


@dataclass(frozen=True, slots=True)
class _Mark:
    """A contradiction that goes away without one vantage, whose constraint is ``own``.

    ``pin`` is the tightest of the others, ``against`` those that it contradicts. Without one of ``rivals``
    instead the contradiction goes away as well. Not ``alone`` if another must be taken away together with
    it.
    """

    seen: Seen
    own: Constraint
    pin: Constraint
    against: frozenset[str]
    rivals: frozenset[str]
    alone: bool

    @property
    def reach(self) -> Disk:
        """Where the vantage would have to be."""
        radius_km = self.pin.radius_km + self.own.radius_km
        return Disk(self.pin.vantage.latitude, self.pin.vantage.longitude, radius_km)


@dataclass(slots=True)
class _Pairs:
    """Declared places that are farther apart than the time between them allows."""

    of: defaultdict[str, dict[str, Constraint]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, one: str, other: str, constraint: Constraint) -> None:
        self.of[one][other] = self.of[other][one] = constraint

    def remove(self, name: str) -> None:
        for other in self.of.pop(name, {}):
            del self.of[other][name]
            if not self.of[other]:
                del self.of[other]


def examine(
    evidence: Iterable[AddressEvidence],
    mutual: Iterable[AddressEvidence],
    vantages: Mapping[str, Vantage],
    territory: Territory,
    thresholds: Thresholds,
) -> dict[str, Doubt]:
    """The vantages that are refuted or doubtful, by id; landmarks that are refuted too.

    ``mutual`` is the evidence of the vantages' own addresses. ``evidence`` may have an address several times.
    """
    doubts = _mutual(mutual, vantages)
    seen = [_without(one, doubts.keys()) for one in _merged(evidence)]
    marks = [list(_marks(one, territory)) for one in seen]
    while found := _contradicted(seen, chain.from_iterable(marks), thresholds):
        doubts |= found
        for index, one in enumerate(seen):
            rest = _without(one, found.keys())
            if rest is not one:
                seen[index], marks[index] = rest, list(_marks(rest, territory))
    return doubts | strangers(seen, vantages, thresholds)


def _mutual(mutual: Iterable[AddressEvidence], vantages: Mapping[str, Vantage]) -> dict[str, Doubt]:
    """Who is refuted by round trips between vantages, and to landmarks."""
    owners = {address: vantage for vantage in vantages.values() for address in vantage.addresses}
    pairs = _Pairs()
    for one in mutual:
        owner = owners[one.address]
        place = Disk(owner.latitude, owner.longitude, owner.location_error_km)
        for constraint in one.transport:
            if constraint.vantage.id != owner.id and disjoint([constraint.disk, place])[0, 1]:
                pairs.add(constraint.vantage.id, owner.id, constraint)
    doubts: dict[str, Doubt] = {}
    while pairs.of:
        most = max(map(len, pairs.of.values()))
        worst = sorted(name for name, others in pairs.of.items() if len(others) == most)
        # A landmark's place is beyond doubt, unless more vantages than one say otherwise.
        blamed = [name for name in worst if vantages[name].probes] or worst
        alone = len(blamed) == 1
        for name in blamed:
            others = sorted(pairs.of[name])
            constraint = pairs.of[name][others[0]]
            doubts[name] = Doubt(
                vantage=name,
                refuted=alone,
                reason=f"between it and {', '.join(map(repr, others[:3]))} a round trip took"
                f" {constraint.rtt_ms:.2f} ms, which is less than light takes between the places that they"
                " are said to be at",
            )
        for name in blamed:
            pairs.remove(name)
    return doubts


def _merged(evidence: Iterable[AddressEvidence]) -> Iterable[Seen]:
    """Each address once, but for those that are known to answer from several places."""
    nearest: defaultdict[str, dict[str, Constraint]] = defaultdict(dict)
    networks: dict[str, str] = {}
    for one in evidence:
        if one.special is not None or any(claim.meaning in EDGE_MEANINGS for claim in one.claims):
            continue
        networks[one.address] = _network(one)
        least = nearest[one.address]
        for constraint in one.transport:
            known = least.get(constraint.vantage.id)
            if known is None or constraint.rtt_ms < known.rtt_ms:
                least[constraint.vantage.id] = constraint
    for address in sorted(nearest):
        constraints = sorted(nearest[address].values(), key=lambda each: (each.radius_km, each.vantage.id))
        yield Seen(address, networks[address], tuple(constraints))


def _network(one: AddressEvidence) -> str:
    """Whose an address is: who announces it, or its surroundings where that is not known."""
    for claim in one.claims:
        if claim.meaning == "origin" and claim.asn is not None:
            return f"AS{claim.asn}"
    length = 16 if ipaddress.ip_address(one.address).version == 4 else 32
    return str(ipaddress.ip_network(f"{one.address}/{length}", strict=False))


def _without(seen: Seen, vantages: Collection[str]) -> Seen:
    if seen.names.isdisjoint(vantages):
        return seen
    rest = tuple(one for one in seen.constraints if one.vantage.id not in vantages)
    return Seen(seen.address, seen.network, rest)


def _contradicted(seen: Sequence[Seen], every: Iterable[_Mark], thresholds: Thresholds) -> dict[str, Doubt]:
    """Those on which contradictions hang that nothing speaks for; of them those that contradict most others.

    Who contradicts one that is at a wrong place may be cleared without it.
    """
    marks: defaultdict[str, list[_Mark]] = defaultdict(list)
    for mark in every:
        marks[mark.own.vantage.id].append(mark)
    suspects = {
        name: found
        for name, found in sorted(marks.items())
        if _is_doubtful(found, thresholds) and not _cleared(name, found, seen, thresholds)
    }
    against = {
        name: len(frozenset().union(*(mark.against for mark in found))) for name, found in suspects.items()
    }
    most = max(against.values(), default=0)
    return {
        name: _doubt(name, found, sum(name in one.names for one in seen), suspects.keys(), thresholds)
        for name, found in suspects.items()
        if against[name] == most
    }


def _is_doubtful(marks: Sequence[_Mark], thresholds: Thresholds) -> bool:
    """Whether several networks' addresses contradict it, or one that many vantages agree on."""
    return len({mark.seen.network for mark in marks}) >= thresholds.doubt_networks or any(
        mark.alone and len(mark.against) > 1 and len(mark.seen.constraints) > thresholds.doubt_vantages
        for mark in marks
    )


def _doubt(
    name: str, marks: Sequence[_Mark], known: int, suspects: Collection[str], thresholds: Thresholds
) -> Doubt:
    networks = {mark.seen.network for mark in marks}
    certain = {mark.seen.network for mark in marks if mark.rivals.isdisjoint(suspects)}
    mark = max(marks, key=lambda each: (len(each.against), each.seen.address))
    return Doubt(
        vantage=name,
        refuted=len(certain) >= thresholds.refuted_networks and len(marks) >= REFUTED_SHARE * known,
        reason=f"{counted(len(marks), 'address', 'addresses')} in"
        f" {counted(len(networks), 'network', 'networks')} cannot be near its place and near those of"
        f" all others, as {mark.seen.address}: it was answered in {mark.own.rtt_ms:.2f} ms,"
        f" {of(mark.pin)}, at most {up(mark.pin.radius_km)} km away",
        reach=_closest(marks)[0].reach,
    )


def _marks(seen: Seen, territory: Territory) -> Iterable[_Mark]:
    """The vantages without which an address's contradictions are gone, if one or two are enough."""
    if len(seen.constraints) < 2:
        return
    apart = disjoint([one.disk for one in seen.constraints])
    if not apart.any():
        return
    covers = [
        cover
        for cover in _covers(apart)
        if territory.assess([one.disk for one in _rest(seen.constraints, cover)]).consistent
    ]
    names = frozenset(seen.constraints[number].vantage.id for cover in covers for number in cover)
    for cover in covers:
        rest = _rest(seen.constraints, cover)
        for index in cover:
            others = [number for number in range(len(apart)) if number not in cover]
            yield _Mark(
                seen=seen,
                own=seen.constraints[index],
                pin=rest[0],
                against=frozenset(
                    seen.constraints[number].vantage.id for number in others if apart[index, number]
                ),
                rivals=names - {seen.constraints[number].vantage.id for number in cover},
                alone=len(cover) == 1,
            )


def _rest(constraints: Sequence[Constraint], cover: Collection[int]) -> list[Constraint]:
    return [one for number, one in enumerate(constraints) if number not in cover]


def _covers(apart: Bools) -> list[tuple[int, ...]]:
    """The vantages, by index, of which all contradictions have one: single ones, or else twos.

    Two only where each of them contradicts two others and three others are left.
    """
    degrees = apart.sum(axis=1)
    pairs = degrees.sum() // 2
    if len(single := np.flatnonzero(degrees == pairs)):
        return [(int(one),) for one in single]
    found: set[tuple[int, ...]] = set()
    if len(apart) - 2 < _LEFT:
        return []
    for one in np.argsort(-degrees, kind="stable")[:_LEFT]:
        rest = apart.copy()
        rest[one, :] = rest[:, one] = False
        left = rest.sum(axis=1)
        for other in np.flatnonzero(left == left.sum() // 2):
            both = degrees[[one, other]] - apart[one, other]
            if both.min() > 1:
                found.add((min(int(one), int(other)), max(int(one), int(other))))
    return sorted(found)


def _cleared(name: str, marks: Sequence[_Mark], seen: Iterable[Seen], thresholds: Thresholds) -> bool:
    """Whether the other addresses speak for a vantage."""
    pins: list[Constraint] = []
    owns: list[Constraint] = []
    for one in seen:
        own = next((each for each in one.constraints if each.vantage.id == name), None)
        pin = next((each for each in one.constraints if each.vantage.id != name), None)
        if own is not None and pin is not None:
            owns.append(own)
            pins.append(pin)
    if _spared(marks, pins, owns, thresholds) > SPARED_SHARE * len(marks):
        return True
    known = [index for index, pin in enumerate(pins) if pin.radius_km <= PINNED_KM]
    if len(marks) > MANY_SHARE * len(known):
        return False
    where = _vectors([pins[index].vantage for index in known])
    times_ms = np.array([owns[index].rtt_ms for index in known])
    elsewhere = {mark.pin.vantage.id: mark.pin.vantage for mark in marks}
    here, *there = (
        _misfit(_vectors([place])[0], where, times_ms, thresholds)
        for place in (marks[0].own.vantage, *elsewhere.values())
    )
    return here < BETTER * min(there)


def _spared(
    marks: Sequence[_Mark], pins: Sequence[Constraint], owns: Sequence[Constraint], thresholds: Thresholds
) -> int:
    """How many addresses do not contradict a vantage, and would if it were elsewhere.

    It would be where the contradictions of all addresses have it: the disk that meets most of the others is
    taken. There count those that do not meet it, and the addresses that are known to be near there.
    """
    closest, elsewhere = _closest(marks)
    where = _vectors([pin.vantage for pin in pins])
    pinned_km = np.array([pin.radius_km for pin in pins])
    reached_km = np.array([own.radius_km for own in owns])
    there, here = closest.pin.vantage, closest.own.vantage
    from_there_km = EARTH_RADIUS_KM * angle(_vectors([there]), where)
    from_here_km = EARTH_RADIUS_KM * angle(_vectors([here]), where)
    line_km = LINE_MS * thresholds.speed_km_per_ms_rtt
    expected_km = MOST_STRETCH * (from_there_km + closest.reach.radius_km + pinned_km) + line_km
    telling = expected_km + here.location_error_km + pinned_km < from_here_km
    return int(elsewhere) + int(np.sum(telling & (reached_km + pinned_km >= from_here_km)))


def _closest(marks: Sequence[_Mark]) -> tuple[_Mark, int]:
    """The mark whose reach meets most of the others', the smallest of such, and how many it does not meet."""
    apart = disjoint([mark.reach for mark in marks]).sum(axis=1).tolist()
    return min(
        zip(marks, apart, strict=True),
        key=lambda each: (each[1], each[0].reach.radius_km, each[0].seen.address),
    )


def _misfit(place: Floats, where: Floats, times_ms: Floats, thresholds: Thresholds) -> float:
    """How badly times go with the distances from a place, as a mean factor (its logarithm)."""
    distance_km = EARTH_RADIUS_KM * angle(place, where)
    usual_ms = STRETCH * distance_km / thresholds.speed_km_per_ms_rtt
    return float(np.mean(np.abs(np.log((times_ms + METRO_MS) / (usual_ms + METRO_MS)))))


def _vectors(places: Sequence[Vantage]) -> Floats:
    return unit([place.latitude for place in places], [place.longitude for place in places])
