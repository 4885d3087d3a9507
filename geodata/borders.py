"""The land of every country as rings of points, prepared for questions about points and disks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geodata.errors import GeodataError
from geodata.sphere import Bools, Floats, angle, segment_angles, segments_meet, unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

_DATA: Final = Path(__file__).parent / "data"
_CHUNK: Final = 32  # segments in a row that are first looked at as one disk
_MAX_GEOJSON: Final = 64 * 2**20
_POLAR_LATITUDE: Final = -85.0  # the map ends there; south of it all is Antarctica


@dataclass(frozen=True, slots=True)
class Ring:
    """One closed line of a feature's border: degrees, the last point equal to the first."""

    feature: int
    longitude: Floats
    latitude: Floats

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Least and greatest longitude, least and greatest latitude."""
        x, y = self.longitude, self.latitude
        return x.min(), x.max(), y.min(), y.max()


class Land:
    """Features (countries, and land without a code) and their rings.

    ``codes`` holds ISO 3166-1 alpha-2 codes, empty for land without one; ``names`` English names.
    """

    def __init__(self, codes: Sequence[str], names: Sequence[str], rings: Sequence[Ring]) -> None:
        self.codes = tuple(codes)
        self.names = tuple(names)
        self.rings = tuple(rings)
        self._bounds = np.array([ring.bounds for ring in rings])
        self._ring_feature = np.array([ring.feature for ring in rings])
        self._chunks()

    def _chunks(self) -> None:
        """Cut the rings into runs of segments, each within a disk of its own, for quick first looks."""
        points = unit(
            np.concatenate([ring.latitude for ring in self.rings]),
            np.concatenate([ring.longitude for ring in self.rings]),
        )
        ends = np.cumsum([len(ring.longitude) for ring in self.rings])
        start, end = np.delete(points, ends - 1, axis=0), np.delete(points, [0, *ends[:-1]], axis=0)
        counts = [len(ring.longitude) - 1 for ring in self.rings]
        edges = [
            offset + step
            for offset, count in zip(np.cumsum([0, *counts[:-1]]), counts, strict=True)
            for step in range(0, count, _CHUNK)
        ]
        self._start, self._end = start, end
        self._first = np.array(edges)
        self._last = np.append(self._first[1:], len(start))
        sizes = self._last - self._first
        middle = np.add.reduceat(start, self._first) + np.add.reduceat(end, self._first)
        self._centre = middle / np.linalg.norm(middle, axis=1)[:, None]
        owner = np.repeat(np.arange(len(edges)), sizes)
        farthest = np.maximum(angle(start, self._centre[owner]), angle(end, self._centre[owner]))
        self._radius = np.maximum.reduceat(farthest, self._first)
        self.feature_of_chunk = np.repeat(self._ring_feature, [-(-count // _CHUNK) for count in counts])

    def feature_at(self, latitude: float, longitude: float) -> int | None:
        """The feature whose land a point is on, by the parity of borders crossed on the way south."""
        if latitude < _POLAR_LATITUDE:
            return self.codes.index("AQ") if "AQ" in self.codes else None
        longitude = (longitude + 180) % 360 - 180
        bounds = self._bounds
        near = (bounds[:, 0] <= longitude) & (longitude <= bounds[:, 1])
        near &= (bounds[:, 2] <= latitude) & (latitude <= bounds[:, 3])
        crossings: dict[int, int] = {}
        for index in np.flatnonzero(near):
            ring = self.rings[index]
            x, y = ring.longitude, ring.latitude
            spans = (x[:-1] > longitude) != (x[1:] > longitude)
            at = np.flatnonzero(spans)
            level = y[at] + (longitude - x[at]) / (x[at + 1] - x[at]) * (y[at + 1] - y[at])
            crossings[ring.feature] = crossings.get(ring.feature, 0) + int(np.sum(level < latitude))
        inside = [feature for feature, count in crossings.items() if count % 2]
        return min(inside, default=None)

    def feature_at_vector(self, point: Floats) -> int | None:
        """The same for a unit vector."""
        latitude = float(np.degrees(np.arcsin(np.clip(point[2], -1, 1))))
        return self.feature_at(latitude, float(np.degrees(np.arctan2(point[1], point[0]))))

    def covered(self, centres: Floats, radii: Floats) -> Bools:
        """Which features have a point of their border in all of the disks."""
        distance = angle(self._centre[:, None, :], centres[None, :, :])
        possible = np.all(distance <= radii + self._radius[:, None], axis=1)
        certain = possible & np.all(distance + self._radius[:, None] <= radii, axis=1)
        covered = np.zeros(len(self.codes), dtype=bool)
        covered[self.feature_of_chunk[certain]] = True
        unsure = np.flatnonzero(possible & ~covered[self.feature_of_chunk])
        if len(unsure):
            segments, chunk = self._segments(unsure)
            meet = segments_meet(centres, radii, self._start[segments], self._end[segments])
            covered[self.feature_of_chunk[chunk[meet]]] = True
        return covered

    def nearest(self, point: Floats, features: Bools) -> float:
        """The angle from a point to the nearest border of some features; infinite where they have none."""
        chunks = np.flatnonzero(features[self.feature_of_chunk])
        if not len(chunks):
            return float("inf")
        distance = angle(self._centre[chunks], point)
        bound = float(np.min(distance + self._radius[chunks]))
        segments, _ = self._segments(chunks[distance - self._radius[chunks] <= bound])
        return float(np.min(segment_angles(point, self._start[segments], self._end[segments])))

    def _segments(self, chunks: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The segments of some chunks, and the chunk of each."""
        sizes = self._last[chunks] - self._first[chunks]
        owner = np.repeat(chunks, sizes)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return self._first[owner] + within, owner

    def replaced(self, country: str, rings: Sequence[tuple[Floats, Floats]]) -> Land:
        """The same world with other land for one country.

        What the country had and the new land leaves out becomes nobody's (no code), so that it is foreign;
        what the new land takes from others is both, and so proves nothing.
        """
        home = self.codes.index(country)
        codes, names = list(self.codes), list(self.names)
        codes.append(country)
        names.append(names[home])
        codes[home] = ""
        new = [Ring(len(codes) - 1, longitude, latitude) for longitude, latitude in rings]
        return Land(codes, names, [*self.rings, *new])


@cache
def shipped_land() -> Land:
    """The land of Natural Earth 1:10m (see data/make_borders.py)."""
    with np.load(_DATA / "borders.npz") as file:
        codes, names = file["codes"].tolist(), file["names"].tolist()
        ring_feature, starts = file["ring_feature"], file["ring_start"]
        steps_longitude, steps_latitude = file["longitude"], file["latitude"]
    longitude = _accumulate(steps_longitude, starts)
    latitude = _accumulate(steps_latitude, starts)
    rings = [
        Ring(int(feature), longitude[first:last], latitude[first:last])
        for feature, first, last in zip(ring_feature, starts[:-1], starts[1:], strict=True)
    ]
    return Land(codes, names, rings)


def _accumulate(steps: npt.NDArray[np.int32], starts: npt.NDArray[np.int32]) -> Floats:
    """Degrees from micro-degree differences that begin anew with each ring."""
    total = np.cumsum(steps, dtype=np.int64)
    before = np.where(starts[:-1] > 0, total[starts[:-1] - 1], 0)
    return np.asarray((total - np.repeat(before, np.diff(starts))) / 1e6)


def read_geojson(path: Path) -> list[tuple[Floats, Floats]]:
    """The rings (longitudes, latitudes) of every polygon in a GeoJSON file (RFC 7946)."""
    try:
        with path.open("rb") as stream:
            octets = stream.read(_MAX_GEOJSON + 1)
    except OSError as error:
        raise GeodataError(f"{path}: cannot be read: {error.strerror}") from error
    if len(octets) > _MAX_GEOJSON:
        raise GeodataError(f"{path}: is larger than {_MAX_GEOJSON // 2**20} MiB")
    try:
        document = json.loads(octets)
        rings = [_ring(ring) for polygon in _polygons(document) for ring in polygon]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise GeodataError(f"{path}: is no GeoJSON of polygons ({type(error).__name__}: {error})") from error
    if not rings:
        raise GeodataError(f"{path}: has no polygon")
    return rings


def _polygons(document: Any) -> Iterator[Any]:
    kind = document["type"]
    if kind == "FeatureCollection":
        for feature in document["features"]:
            yield from _polygons(feature)
    elif kind == "Feature":
        yield from _polygons(document["geometry"])
    elif kind == "GeometryCollection":
        for geometry in document["geometries"]:
            yield from _polygons(geometry)
    elif kind == "MultiPolygon":
        yield from document["coordinates"]
    elif kind == "Polygon":
        yield document["coordinates"]


def _ring(points: Any) -> tuple[Floats, Floats]:
    array = np.array([point[:2] for point in points], dtype=float)
    if len(array) < 4 or not np.isfinite(array).all() or not (array[0] == array[-1]).all():
        raise ValueError("a ring has at least four points, all finite, and ends where it begins")
    if (np.abs(array) > (180, 90)).any():
        raise ValueError("a point is not longitude, latitude in degrees")
    return array[:, 0], array[:, 1]
