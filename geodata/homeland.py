"""The world with other land for one country, from a file of that country's own.

The file and the shipped borders never agree to the metre. What the file takes from others is both's, and
so proves nothing. What it leaves out of the country's shipped land becomes nobody's land, and so foreign; but
only where it parts from the shipped border by more than two maps of the same border do: else every bay that
one map draws wider would be foreign land.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from geodata.borders import Land, Ring, bounds
from geodata.ring import densified
from geodata.sphere import EARTH_RADIUS_KM, unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from geodata.ring import Floats
    from geodata.sphere import Bools

SAME_BORDER_KM: Final = 2.0  # between one and twice so far (times the root of 3), two lines are one border
_STEP_DEGREES: Final = 0.009  # 1 km along a meridian


class Homeland(Land):
    """``land`` with the land of ``country`` replaced by ``rings``.

    The last feature, without a code, is what the new land leaves out.
    """

    def __init__(self, land: Land, country: str, rings: Sequence[Floats]) -> None:
        self._home = land.codes.index(country)
        self._left_out = len(land.codes)
        others = [ring for ring in land.rings if land.codes[ring.feature] != country]
        old = [ring for ring in land.rings if land.codes[ring.feature] == country]
        new = [Ring(self._home, ring[:, 0], ring[:, 1]) for ring in rings]
        self._home_bounds = bounds(new)
        lines = [
            *self._parted(old, new, within=False),
            *self._parted(new, old, within=True),
        ]
        super().__init__(
            [*land.codes, ""],
            [*land.names, f"left out of {land.names[self._home]}"],
            [*others, *new, *(Ring(self._left_out, ring.longitude, ring.latitude) for ring in old)],
            [*land.claimed, ""],
            [*others, *new, *lines],
        )

    def features_at(self, latitude: float, longitude: float) -> tuple[int, ...]:
        """The features whose land a point is on; what is left out within a map's error of home is home's."""
        inside = super().features_at(latitude, longitude)
        if self._left_out not in inside:
            return inside
        rest = tuple(feature for feature in inside if feature != self._left_out)
        if self._home in rest:
            return rest
        home = np.arange(len(self.codes)) == self._home
        if self.nearest(unit(latitude, longitude), home) * EARTH_RADIUS_KM <= SAME_BORDER_KM:
            return tuple(sorted((*rest, self._home)))
        return inside

    def features_of(self, points: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The same for many unit vectors."""
        number, feature = super().features_of(points)
        doubtful = np.unique(number[feature == self._left_out])
        sure = ~np.isin(number, doubtful)
        pairs = [(each, one) for each in doubtful for one in self.features_at_vector(points[each])]
        more = np.array(pairs, dtype=np.intp).reshape(-1, 2)
        return np.concatenate([number[sure], more[:, 0]]), np.concatenate([feature[sure], more[:, 1]])

    def may_be_home(self, latitude: float, longitude: float) -> bool:
        """A quick first look: whether a point is within the bounds of some ring of home."""
        west, east, south, north = self._home_bounds.T
        return bool(
            any(
                np.any((west <= x) & (x <= east) & (south <= latitude) & (latitude <= north))
                for x in (longitude - 360.0, longitude, longitude + 360.0)
            )
        )

    def _parted(self, lines: Sequence[Ring], others: Sequence[Ring], *, within: bool) -> Iterator[Ring]:
        """The parts of ``lines`` that are no border of ``others`` and lie within them, or outside."""
        cells = _Cells(_dense(others))
        for line in lines:
            points = densified(np.stack([line.longitude, line.latitude], axis=1), _STEP_DEGREES)
            apart = np.flatnonzero(~cells.near(unit(points[:, 1], points[:, 0])))
            for run in np.split(apart, np.flatnonzero(np.diff(apart) > 1) + 1):
                # A run that is nowhere near the others' border does not cross it: one point speaks for all.
                if len(run) and _inside(others, points[run[0]]) == within:
                    part = points[max(run[0] - 1, 0) : run[-1] + 2]
                    yield Ring(self._left_out, part[:, 0], part[:, 1])


class _Cells:
    """The cubes of a grid in space that some points are in, to ask quickly what is near them."""

    def __init__(self, points: Floats) -> None:
        self._taken = np.unique(self._key(self._cell(points)))

    @staticmethod
    def _cell(points: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return np.floor(points * (EARTH_RADIUS_KM / SAME_BORDER_KM)).astype(np.int64) + 2**14

    @staticmethod
    def _key(
        cell: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        return (cell[..., 0] << 32) + (cell[..., 1] << 16) + cell[..., 2]

    def near(self, points: Floats) -> Bools:
        """Whether each point has one of the others in its own cube or in one beside it."""
        around = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        keys = self._key(self._cell(points)[:, None, :] + around)
        return np.asarray(np.isin(keys, self._taken).any(axis=1))


def _dense(rings: Iterable[Ring]) -> Floats:
    lines = [densified(np.stack([one.longitude, one.latitude], axis=1), _STEP_DEGREES) for one in rings]
    points = np.concatenate(lines)
    return unit(points[:, 1], points[:, 0])


def _inside(rings: Sequence[Ring], point: Floats) -> bool:
    longitude, latitude = point
    count = sum(
        ring.crossings(latitude, x) for ring in rings for x in (longitude - 360, longitude, longitude + 360)
    )
    return count % 2 == 1
