"""Closed lines cut into strips of longitude, to ask for very many points inside which of them they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.ranges import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.borders import Ring
    from geodata.ranges import Indices
    from geodata.sphere import Floats

_WIDTH: Final = 0.02  # degrees
_COUNT: Final = 18_000
_POINTS: Final = 4096  # that are looked at together


class Strips:
    """The edges of rings (degrees, longitudes continuous), by the strips of longitude that they are in."""

    def __init__(self, rings: Sequence[Ring]) -> None:
        x, y = (
            np.concatenate(each)
            for each in zip(*((one.longitude, one.latitude) for one in rings), strict=True)
        )
        lengths = np.array([len(ring.longitude) for ring in rings])
        edges = np.delete(np.arange(len(x)), np.cumsum(lengths) - 1)  # a ring's last point begins none
        low, high = np.minimum(x[edges], x[edges + 1]), np.maximum(x[edges], x[edges + 1])
        first, last = (np.floor(end / _WIDTH).astype(np.int32) for end in (low, high))
        counts = np.where(low < high, last - first + 1, 0)  # along a meridian, nothing is crossed
        owner, strip = spread(first, counts)
        turn, strip = np.divmod(strip + _COUNT // 2, _COUNT)
        order = np.argsort(strip.astype(np.int16), kind="stable")
        edge, shift = edges[owner[order]], 360.0 * turn[order]
        self._begin = np.searchsorted(strip[order], np.arange(_COUNT + 1))
        self._x, self._next_x = x[edge] - shift, x[edge + 1] - shift
        self._y, self._next_y = y[edge], y[edge + 1]
        self._feature = np.repeat([ring.feature for ring in rings], lengths)[edge]

    def inside(self, latitude: Floats, longitude: Floats) -> tuple[Indices, Indices]:
        """Pairs of a point and a feature that it is in: by the parity of edges crossed on the way south."""
        longitude = (longitude + 180.0) % 360.0 - 180.0
        found = [
            self._inside(begin, latitude[begin : begin + _POINTS], longitude[begin : begin + _POINTS])
            for begin in range(0, len(latitude), _POINTS)
        ]
        points, features = zip(*found, strict=True) if found else ((), ())
        return np.concatenate([np.empty(0, np.intp), *points]), np.concatenate(
            [np.empty(0, np.intp), *features]
        )

    def _inside(self, number: int, latitude: Floats, longitude: Floats) -> tuple[Indices, Indices]:
        strip = np.minimum(np.floor(longitude / _WIDTH).astype(np.intp) + _COUNT // 2, _COUNT - 1)
        counts = self._begin[strip + 1] - self._begin[strip]
        point, edge = spread(self._begin[strip], counts)
        along = longitude[point]
        crossed = np.flatnonzero((self._x[edge] > along) != (self._next_x[edge] > along))
        point, edge, along = point[crossed], edge[crossed], along[crossed]
        x, y = self._x[edge], self._y[edge]
        level = y + (along - x) / (self._next_x[edge] - x) * (self._next_y[edge] - y)
        south = level < latitude[point]
        width = int(self._feature.max(initial=0)) + 1
        pairs, count = np.unique(point[south] * width + self._feature[edge[south]], return_counts=True)
        points, features = np.divmod(pairs[count % 2 == 1], width)
        return points + number, features
