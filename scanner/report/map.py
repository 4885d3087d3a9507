"""What of a run is drawn on a map: vantages, the areas that their answers bound, sites and ways.

A picture for people: nothing is judged by it. An address is placed at the vantage that it answered from
nearby, or else where a source claims it to be, if its round-trip times allow that; otherwise it is not drawn.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from geodata.sphere import distance_km
from probes.observation import TraceObservation
from scanner.path import hop_minima
from scanner.report.outline import disk_path, frame_around, home_frame, outlines
from scanner.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from markupsafe import Markup

    from scanner.report.outline import Frame, Outlines
    from scanner.run import Run, VantageUsed

_NEAR_KM: Final = 200.0  # what answers from within this is drawn at the vantage
_LARGEST_KM: Final = 400.0  # areas larger than this say little, and would hide the rest
_ROUND_KM: Final = 25.0  # areas around a vantage that differ by less are drawn once
# The least radius in units of each kind of area, so that all are seen around their vantage.
_LEAST: Final = {"inside": 24, "outside": 31, "edge": 38, "other": 45}
_KM_PER_DEGREE: Final = 111.2
_MAX_LABELS: Final = 40
_LETTER: Final = 22  # units, about, of a label's letter
_LINE: Final = 44


class Place(NamedTuple):
    """Degrees, rounded to a tenth so that machines of one city are at one place."""

    latitude: float
    longitude: float


class Pin(NamedTuple):
    """A vantage: where it is drawn, and its name beside it if there is room (``anchor`` is SVG's)."""

    x: int
    y: int
    name: str
    trusted: bool
    label: tuple[int, int, str] | None


class Area(NamedTuple):
    """An area that ``addresses`` are within, as the path of its edge; ``kind`` is that of its colour."""

    path: Markup
    kind: str
    addresses: int
    radius_km: int
    vantage: str


class Site(NamedTuple):
    """One of several sites of an address."""

    x: int
    y: int
    name: str


class Way(NamedTuple):
    """A stretch between two places that ``traces`` went; it ``leaves`` if any of these left the country."""

    x1: int
    y1: int
    x2: int
    y2: int
    traces: int
    kind: str


class Map(NamedTuple):
    """One map, with everything on it."""

    name: str
    width: int
    height: int
    land: Outlines
    pins: tuple[Pin, ...]
    areas: tuple[Area, ...]
    sites: tuple[Site, ...]
    ways: tuple[Way, ...]


def maps(run: Run) -> tuple[Map, ...]:
    """A map of home, and one of everything if there is anything elsewhere."""
    vantages = {one.id: one for one in run.vantages if _on_earth(one.latitude, one.longitude)}
    ways = _ways(run, vantages)
    shown = [(one.latitude, one.longitude) for one in vantages.values()]
    shown += [(one.latitude, one.longitude) for ends in ways for one in ends]
    shown += [(site.latitude, site.longitude) for site in _sites(run)]
    home = home_frame(run.country)
    frames = [] if home is None else [("home", home)]
    if home is not None:
        shown += [(home.south, home.west), (home.north, home.east)]
    if shown and (home is None or not all(home.holds(*place) for place in shown)):
        frames.append(("region", frame_around(shown)))
    disks = _disks(run, vantages)
    return tuple(_map(name, frame, run, vantages, disks, ways) for name, frame in frames)


def _map(
    name: str,
    frame: Frame,
    run: Run,
    vantages: Mapping[str, VantageUsed],
    disks: Mapping[_Disk, int],
    ways: Mapping[tuple[Place, Place], Counter[str]],
) -> Map:
    width, height = frame.size
    return Map(
        name=name,
        width=width,
        height=height,
        land=outlines(frame, run.country),
        pins=tuple(_pins(frame, vantages.values())),
        areas=tuple(_areas(frame, disks, vantages)),
        sites=tuple(
            Site(*frame.point(one.latitude, one.longitude), one.city or one.vantage)
            for one in _sites(run)
            if frame.holds(one.latitude, one.longitude)
        ),
        ways=tuple(
            Way(*frame.point(*a), *frame.point(*b), kinds.total(), _worst(kinds))
            for (a, b), kinds in sorted(ways.items())
            if frame.holds(*a) or frame.holds(*b)
        ),
    )


def _pins(frame: Frame, vantages: Iterable[VantageUsed]) -> Iterator[Pin]:
    """Pins with as many names as do not cover each other."""
    shown = [one for one in vantages if frame.holds(one.latitude, one.longitude)]
    taken: list[tuple[float, float, float, float]] = []
    for one in shown:
        x, y = frame.point(one.latitude, one.longitude)
        taken.append((x - 18, y - 18, x + 18, y + 18))
    for index, one in enumerate(shown):
        x, y = frame.point(one.latitude, one.longitude)
        name = one.city or one.id
        label = None
        if index < _MAX_LABELS:
            label = _label(frame, x, y, len(printable(name)) * _LETTER, taken)
        yield Pin(x, y, name, one.location_ok, label)


def _label(
    frame: Frame, x: int, y: int, length: int, taken: list[tuple[float, float, float, float]]
) -> tuple[int, int, str] | None:
    """Where a name has room: to the right of its pin, to the left, above or below; kept in ``taken``."""
    for left, base, anchor, at in (
        (x + 24, y + 14, "start", x + 24),
        (x - 24 - length, y + 14, "end", x - 24),
        (x - length / 2, y - 30, "middle", x),
        (x - length / 2, y + 58, "middle", x),
    ):
        box = (left, base - _LINE + 12, left + length, base + 8)
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= frame.size[0] and box[3] <= frame.size[1]
        if inside and not any(_meet(box, other) for other in taken):
            taken.append(box)
            return at, base, anchor
    return None


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


class _Disk(NamedTuple):
    vantage: str
    kind: str
    radius_km: int


def _disks(run: Run, vantages: Mapping[str, VantageUsed]) -> Counter[_Disk]:
    """The smallest disk of each address; how many of them are alike."""
    counts: Counter[_Disk] = Counter()
    for result in run.endpoints:
        for one in result.verdict.addresses:
            disks = [
                (_radius_km(run, vantages[name], rtt_ms), name)
                for name, rtt_ms in one.rtts_ms.items()
                if name in vantages and math.isfinite(rtt_ms)
            ]
            if disks and 0 <= (least := min(disks))[0] <= _LARGEST_KM:
                kind: str = one.location if one.location in {"inside", "outside", "edge"} else "other"
                counts[_Disk(least[1], kind, math.ceil(least[0] / _ROUND_KM) * round(_ROUND_KM))] += 1
    return counts


def _areas(frame: Frame, disks: Mapping[_Disk, int], vantages: Mapping[str, VantageUsed]) -> Iterator[Area]:
    """An area for disks that are alike; the largest first, as lowest."""
    for (name, kind, radius_km), count in sorted(
        disks.items(), key=lambda each: (-each[0].radius_km, each[0])
    ):
        vantage = vantages[name]
        if frame.holds(vantage.latitude, vantage.longitude):
            drawn_km = max(radius_km, _LEAST[kind] / frame.scale * _KM_PER_DEGREE)
            outline = disk_path(frame, vantage.latitude, vantage.longitude, drawn_km)
            yield Area(outline, kind, count, radius_km, vantage.city or name)


class _Spot(NamedTuple):
    city: str | None
    latitude: float
    longitude: float
    vantage: str


def _sites(run: Run) -> list[_Spot]:
    """The sites of addresses that are at several, each once."""
    found = {
        _Spot(site.city, site.latitude, site.longitude, site.vantage)
        for result in run.endpoints
        for one in result.verdict.addresses
        for site in one.sites
        if _on_earth(site.latitude, site.longitude)
    }
    return sorted(found, key=lambda one: (one.latitude, one.longitude, one.city or "", one.vantage))


def _ways(run: Run, vantages: Mapping[str, VantageUsed]) -> dict[tuple[Place, Place], Counter[str]]:
    """How many of the traces that verdicts on paths rest on went between two places, by those verdicts."""
    kinds = {id_: one.verdict.path for one in run.endpoints for id_ in one.verdict.path_evidence}
    minima = hop_minima(run.observations)
    places: dict[str, Place | None] = {}
    ways: defaultdict[tuple[Place, Place], Counter[str]] = defaultdict(Counter)
    for trace in run.observations:
        if not isinstance(trace, TraceObservation) or trace.result is None or trace.id not in kinds:
            continue
        if trace.vantage not in vantages:
            continue
        at = _rounded(vantages[trace.vantage].latitude, vantages[trace.vantage].longitude)
        for address in (reply.address for hop in trace.result.hops for reply in hop.replies[:1]):
            if address not in places:
                places[address] = _place(run, address, minima.get(address, {}), vantages)
            there = places[address]
            if there is not None and there != at:
                ways[min(at, there), max(at, there)][kinds[trace.id]] += 1
                at = there
    return dict(ways)


def _place(
    run: Run, address: str, minima: Mapping[str, float], vantages: Mapping[str, VantageUsed]
) -> Place | None:
    disks = sorted(
        (_radius_km(run, vantages[name], rtt_ms), name)
        for name, rtt_ms in minima.items()
        if name in vantages and math.isfinite(rtt_ms)
    )
    if disks and disks[0][0] <= _NEAR_KM:
        nearest = vantages[disks[0][1]]
        return _rounded(nearest.latitude, nearest.longitude)
    for claim in run.claims.get(address, ()):
        if claim.meaning != "server" or claim.latitude is None or claim.longitude is None:
            continue
        if not _on_earth(claim.latitude, claim.longitude):
            continue
        if all(
            distance_km(claim.latitude, claim.longitude, vantages[name].latitude, vantages[name].longitude)
            <= radius_km
            for radius_km, name in disks
        ):
            return _rounded(claim.latitude, claim.longitude)
    return None


def _radius_km(run: Run, vantage: VantageUsed, rtt_ms: float) -> float:
    thresholds = run.policy.get("thresholds")
    speed = thresholds.get("speed_km_per_ms_rtt") if isinstance(thresholds, dict) else None
    return rtt_ms * (speed if isinstance(speed, float) else 100.0) + vantage.location_error_km


def _worst(kinds: Counter[str]) -> str:
    return "leaves" if kinds["leaves"] else "domestic"


def _rounded(latitude: float, longitude: float) -> Place:
    return Place(round(latitude, 1), round(longitude, 1))


def _on_earth(latitude: float, longitude: float) -> bool:
    return abs(latitude) <= 90 and abs(longitude) <= 180
