"""The land of every country as rings of points, prepared for questions about points and disks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.forest import Forest
from geodata.ranges import spread
from geodata.sphere import Bools, Floats, angle, segment_angles, segments_meet, unit
from geodata.strips import Strips

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_DATA: Final = Path(__file__).parent / "data"
_CHUNK: Final = 32  # segments in a row that are first looked at as one disk
_MAX_KNOWN: Final = 64  # vantages whose distances are kept; 150 kB each
_MAX_FORESTS: Final = 2  # those of one home country; 48 MB each
_NEAR_POLE: Final = 89.9999  # degrees; nearer, longitudes mean nothing


@dataclass(frozen=True, slots=True)
class Ring:
    """One closed line of a feature's border: degrees, the last point equal to the first.

    Longitudes are continuous, so that those of a ring across the antimeridian run on beyond 180.
    """

    feature: int
    longitude: Floats
    latitude: Floats

    def crossings(self, latitude: float, longitude: float) -> int:
        """How often the ring is crossed from a point southwards along its meridian."""
        x, y = self.longitude, self.latitude
        at = np.flatnonzero((x[:-1] > longitude) != (x[1:] > longitude))
        level = y[at] + (longitude - x[at]) / (x[at + 1] - x[at]) * (y[at + 1] - y[at])
        return int(np.sum(level < latitude))


class Land:
    """Features (countries, and land without a code) and their rings.

    ``codes`` holds ISO 3166-1 alpha-2 codes, empty for land without one; ``names`` English names;
    ``claimed`` for land of several countries their codes, between blanks. ``borders`` are the lines where
    features end, if these are not their rings.
    """

    def __init__(
        self,
        codes: Sequence[str],
        names: Sequence[str],
        rings: Sequence[Ring],
        claimed: Sequence[str],
        borders: Sequence[Ring] | None = None,
    ) -> None:
        self.codes = tuple(codes)
        self.names = tuple(names)
        self.rings = tuple(rings)
        self.claimed = tuple(claimed)
        self._bounds = bounds(self.rings)
        self._chunks(self.rings if borders is None else borders)

    def _chunks(self, lines: Sequence[Ring]) -> None:
        """Cut the borders into runs of segments, each within a disk of its own, for quick first looks."""
        self._points = unit(
            np.concatenate([line.latitude for line in lines]),
            np.concatenate([line.longitude for line in lines]),
        )
        lengths = np.array([len(line.longitude) for line in lines])
        counts = -(-(lengths - 1) // _CHUNK)  # runs of a line, whose last point begins no segment
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        self._first = np.repeat(np.cumsum(lengths) - lengths, counts) + within * _CHUNK
        self._size = np.minimum(np.repeat(lengths - 1, counts) - within * _CHUNK, _CHUNK)
        self.feature_of_chunk = np.repeat([line.feature for line in lines], counts)
        middle = np.add.reduceat(self._points, self._first)
        self._centre = middle / np.linalg.norm(middle, axis=1)[:, None]
        owner = np.repeat(np.arange(len(middle)), np.diff(self._first, append=len(self._points)))
        cosine = np.minimum.reduceat(np.einsum("ij,ij->i", self._points, self._centre[owner]), self._first)
        last = np.einsum("ij,ij->i", self._points[self._first + self._size], self._centre)
        # The cosine is exact to 1e-16, so the angle to 2e-8.
        self._radius = np.arccos(np.clip(np.minimum(cosine, last), -1.0, 1.0)) + 1e-7
        self._known: dict[bytes, Floats] = {}
        self._forests: dict[bytes, Forest] = {}

    def features_at(self, latitude: float, longitude: float) -> tuple[int, ...]:
        """The features whose land a point is on, by the parity of borders crossed on the way south."""
        latitude = min(max(latitude, -_NEAR_POLE), _NEAR_POLE)
        crossings: dict[int, int] = {}
        west, east, south, north = self._bounds.T
        level = (south <= latitude) & (latitude <= north)
        for x in (longitude - 360.0, longitude, longitude + 360.0):
            for index in np.flatnonzero(level & (west <= x) & (x <= east)):
                ring = self.rings[index]
                crossings[ring.feature] = crossings.get(ring.feature, 0) + ring.crossings(latitude, x)
        return tuple(sorted(feature for feature, count in crossings.items() if count % 2))

    def features_at_vector(self, point: Floats) -> tuple[int, ...]:
        """The same for a unit vector."""
        latitude = float(np.degrees(np.arcsin(np.clip(point[2], -1, 1))))
        return self.features_at(latitude, float(np.degrees(np.arctan2(point[1], point[0]))))

    def features_of(self, points: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The same for many, as pairs of a point's number and a feature."""
        latitude = np.degrees(np.arcsin(np.clip(points[:, 2], -1, 1))).clip(-_NEAR_POLE, _NEAR_POLE)
        return self._strips.inside(latitude, np.degrees(np.arctan2(points[:, 1], points[:, 0])))

    @cached_property
    def _strips(self) -> Strips:
        return Strips(self.rings)

    def covered(self, centres: Floats, radii: Floats) -> Bools:
        """Which features have a point of their border in all of the disks."""
        possible = np.arange(len(self._radius))
        margin = np.full(len(possible), np.inf)  # how far a run's centre is inside all disks
        for index in np.argsort(radii):  # the smallest disk leaves the fewest
            inside = radii[index] - self._distances(centres[index])[possible]
            kept = inside >= -self._radius[possible]
            possible, margin = possible[kept], np.minimum(margin[kept], inside[kept])
        covered = np.zeros(len(self.codes), dtype=bool)
        covered[self.feature_of_chunk[possible[margin >= self._radius[possible]]]] = True
        unsure = possible[~covered[self.feature_of_chunk[possible]]]
        if len(unsure):
            segments, chunk = self._segments(unsure)
            meet = segments_meet(centres, radii, self._points[segments], self._points[segments + 1])
            covered[self.feature_of_chunk[chunk[meet]]] = True
        return covered

    def _distances(self, centre: Floats) -> Floats:
        """The angle from a place to the middle of every run; of the places asked for last, kept."""
        key = centre.tobytes()
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = angle(self._centre, centre)
        return known

    def nearest(self, point: Floats, features: Bools) -> float:
        """The angle from a point to the nearest border of some features; infinite where they have none."""
        chunks = np.flatnonzero(features[self.feature_of_chunk])
        if not len(chunks):
            return float("inf")
        distance = angle(self._centre[chunks], point)
        bound = float(np.min(distance + self._radius[chunks]))
        segments, _ = self._segments(chunks[distance - self._radius[chunks] <= bound])
        return float(np.min(segment_angles(point, self._points[segments], self._points[segments + 1])))

    def forest(self, groups: Bools) -> Forest:
        """The borders of groups of features, which are (groups, features), for very many regions at once.

        Those asked for last are kept: they take half a second to make, and are the same for every run.
        """
        key = groups.tobytes()
        made = self._forests.pop(key, None)
        if made is None:
            if len(self._forests) >= _MAX_FORESTS:
                del self._forests[next(iter(self._forests))]
            made = self._forest(groups)
        self._forests[key] = made  # the last of them
        return made

    def _forest(self, groups: Bools) -> Forest:
        members = [self._segments(np.flatnonzero(group[self.feature_of_chunk]))[0] for group in groups]
        starts = np.concatenate(members)
        group = np.repeat(np.arange(len(groups)), [len(each) for each in members])
        return Forest(self._points[starts], self._points[starts + 1], group, len(groups))

    def _segments(self, chunks: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The segments of some runs, each as the index of the point that begins it, and the run of each."""
        owner, segments = spread(self._first[chunks], self._size[chunks])
        return segments, chunks[owner]


def bounds(rings: Sequence[Ring]) -> Floats:
    """Of each ring the least and greatest longitude, and the least and greatest latitude."""
    first = np.cumsum([0, *(len(ring.longitude) for ring in rings[:-1])])
    x, y = (np.concatenate([getattr(ring, axis) for ring in rings]) for axis in ("longitude", "latitude"))
    return np.stack(
        [each.reduceat(values, first) for values in (x, y) for each in (np.minimum, np.maximum)], axis=1
    )


@cache
def shipped_land() -> Land:
    """The land of Natural Earth 1:10m (see data/make_borders.py)."""
    with np.load(_DATA / "borders.npz") as file:
        codes, names, claimed = (file[column].tolist() for column in ("codes", "names", "claimed"))
        ring_feature, starts = file["ring_feature"], file["ring_start"]
        steps_longitude, steps_latitude = file["longitude"], file["latitude"]
    longitude = _accumulate(steps_longitude, starts)
    latitude = _accumulate(steps_latitude, starts)
    rings = [
        Ring(int(feature), longitude[first:last], latitude[first:last])
        for feature, first, last in zip(ring_feature, starts[:-1], starts[1:], strict=True)
    ]
    return Land(codes, names, rings, claimed)


def _accumulate(steps: npt.NDArray[np.int32], starts: npt.NDArray[np.int32]) -> Floats:
    """Degrees from micro-degree differences that begin anew with each ring."""
    total = np.cumsum(steps, dtype=np.int64)
    before = np.where(starts[:-1] > 0, total[starts[:-1] - 1], 0)
    return np.asarray((total - np.repeat(before, np.diff(starts))) / 1e6)
