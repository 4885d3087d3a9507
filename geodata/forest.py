"""Segments of great circles in trees of disks, to ask which of them very many regions meet.

A region is what disks around k places have in common. A node of a tree stands for segments near each other,
all within some radius of a point of one of them. It is left out where it misses one of a region's disks, and
settles the matter where its point is in all of them; else the nodes below it are asked, and last of all the
segments themselves, exactly.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import numpy as np

from geodata.ranges import spread
from geodata.sphere import segments_meet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from geodata.ranges import Indices
    from geodata.sphere import Bools, Floats

    _Singles = npt.NDArray[np.float32]

_RUN: Final = 8  # segments of one line that make a node
_HALVINGS: Final = 2  # between a node and those below it, which are four
_SLACK: Final = np.float32(2e-6)  # radians, 13 m: the error of float32, several times
_EVERYWHERE: Final = np.float32(4.0)  # radians: leaves nothing out
_REGIONS: Final = 1 << 15  # that are looked at together
_PAIRS: Final = 1 << 17  # of a region and a node


class _Level(NamedTuple):
    """Nodes: their points, radii and groups, and where in the level below theirs start, and how many."""

    point: _Singles
    radius: _Singles
    group: Indices
    first: Indices
    size: Indices


class _Pairs(NamedTuple):
    """Regions and nodes that are still to be held against each other."""

    region: Indices
    node: Indices

    def only(self, which: Bools) -> _Pairs:
        return _Pairs(self.region.compress(which), self.node.compress(which))

    def parts(self) -> Iterator[_Pairs]:
        for begin in range(0, len(self.node), _PAIRS):
            yield _Pairs(self.region[begin : begin + _PAIRS], self.node[begin : begin + _PAIRS])


class Forest:
    """A tree for each of ``groups`` groups of the segments ``start`` to ``end``; ``group`` numbers theirs.

    Segments of a group follow one another, and so, at best, do those of a line.
    """

    def __init__(self, start: Floats, end: Floats, group: Indices, groups: int) -> None:
        self._start, self._end, self._groups = start, end, groups
        self._levels = _levels(start, end, group) if len(group) else []

    @classmethod
    def of_points(cls, groups: Sequence[Floats]) -> Self:
        """Points, which are segments of no length."""
        points = np.concatenate(groups)
        return cls(
            points, points, np.repeat(np.arange(len(groups)), [len(each) for each in groups]), len(groups)
        )

    def meets(self, centres: Floats, radii: Floats, asked: Bools) -> Bools:
        """Which groups have a point in all disks of which regions, as (n, groups); looked at where ``asked``.

        ``centres`` is (k, 3), ``radii`` (n, k) in radians: about a right angle at most, or infinite for none.
        """
        met = np.zeros((len(radii), self._groups), dtype=bool)
        for begin in range(0, len(radii) if self._levels else 0, _REGIONS):
            block = slice(begin, begin + _REGIONS)
            self._meet(centres, radii[block], asked[block], met[block])
        return met

    def _meet(self, centres: Floats, radii: Floats, asked: Bools, met: Bools) -> None:
        # Numbers of one place lie together: several times as fast as those of one region or node.
        limits = np.where(np.isinf(radii), _EVERYWHERE, radii).astype(np.float32).T.copy()
        places = centres.astype(np.float32)
        tightest = np.argmin(limits, axis=0)
        least = limits.min(axis=0)
        pairs = _roots(self._levels[0], places, limits, asked, met)
        for above, level in pairwise(self._levels):
            owner, node = spread(above.first.take(pairs.node), above.size.take(pairs.node))
            pairs = _Pairs(pairs.region.take(owner), node)
            column, distances = _distances(level.point, places, pairs.node)
            left = [_Pairs(tightest[:0], tightest[:0])]
            for each in pairs.parts():
                part = each.only(~self._answered(level, each, met))
                # The smallest disk leaves the fewest.
                at = tightest.take(part.region) * distances.shape[1] + column.take(part.node)
                apart = distances.take(at) - least.take(part.region)
                part = part.only(apart <= level.radius.take(part.node))
                outside = np.full(len(part.node), -_EVERYWHERE)
                at = column.take(part.node)
                for distance, limit in zip(distances, limits, strict=True):
                    np.maximum(outside, distance.take(at) - limit.take(part.region), out=outside)
                hit = outside <= -_SLACK
                met[part.region[hit], level.group[part.node[hit]]] = True
                left.append(part.only(~hit & (outside <= level.radius.take(part.node))))
            pairs = _Pairs(*(np.concatenate(each) for each in zip(*left, strict=True)))
            pairs = pairs.only(~self._answered(level, pairs, met))
        for part in pairs.parts():
            hit = segments_meet(centres, radii[part.region].T, self._start[part.node], self._end[part.node])
            met[part.region[hit], self._levels[-1].group[part.node[hit]]] = True

    def _answered(self, level: _Level, pairs: _Pairs, met: Bools) -> Bools:
        return met.take(pairs.region * self._groups + level.group.take(pairs.node))


def _roots(level: _Level, places: _Singles, limits: _Singles, asked: Bools, met: Bools) -> _Pairs:
    """The regions that each root may meet; where its point is in all disks, they have ``met``."""
    found = []
    for point, radius, group in zip(level.point, level.radius, level.group, strict=True):
        outside = np.full(len(asked), -_EVERYWHERE)
        for distance, limit in zip(_angle(places, point), limits, strict=True):
            np.maximum(outside, distance - limit, out=outside)
        met[:, group] = asked[:, group] & (outside <= -_SLACK)
        found.append(np.flatnonzero(asked[:, group] & (outside > -_SLACK) & (outside <= radius)))
    return _Pairs(np.concatenate(found), np.repeat(np.arange(len(found)), [len(each) for each in found]))


def _distances(points: _Singles, places: _Singles, nodes: Indices) -> tuple[Indices, _Singles]:
    """Angles of (places, points), only of the points that are ``nodes``; first, in which column each is."""
    needed = np.zeros(len(points), dtype=bool)
    needed[nodes] = True
    some = points[needed]
    return np.cumsum(needed) - 1, np.stack([_angle(some, place) for place in places])


def _angle(one: _Singles, other: _Singles) -> _Singles:
    """The angle between unit vectors in single precision: exact to 3e-7, but 1e-3 where nearly opposite."""
    chord = np.sqrt(np.square(one - other).sum(axis=-1))
    return np.asarray(2 * np.arcsin(np.minimum(chord / 2, np.float32(1))))


def _levels(start: Floats, end: Floats, group: Indices) -> list[_Level]:
    """The levels of nodes, from roots to segments."""
    one, other = start.astype(np.float32), end.astype(np.float32)
    segments = _level(one, _angle(one, other), group, group, group)
    ends = np.any(start[1:] != end[:-1], axis=1) | (group[1:] != group[:-1])
    line = np.flatnonzero(np.concatenate([[True], ends]))
    parts = -(-np.diff(line, append=len(one)) // _RUN)
    _, number = spread(np.zeros_like(parts), parts)
    first = np.repeat(line, parts) + number * _RUN
    size = np.diff(first, append=len(one))
    middle = _middle(one, first, size)
    around = np.repeat(one[middle], size, axis=0)
    radius = np.maximum.reduceat(np.maximum(_angle(around, one), _angle(around, other)), first)
    order, halves = _halved(one[middle], group[first])
    at = first[order]
    runs = _level(one[middle][order], radius[order], group[at], at, size[order])
    levels, below = [segments, runs], np.arange(len(order))
    for first in halves:  # of runs
        size = np.diff(first, append=len(order))
        middle = _middle(runs.point, first, size)
        around = np.repeat(runs.point[middle], size, axis=0)
        radius = np.maximum.reduceat(_angle(around, runs.point) + runs.radius, first)
        child = np.searchsorted(below, first)
        size = np.diff(child, append=len(below))
        levels.append(_level(runs.point[middle], radius, runs.group[first], child, size))
        below = first
    return levels[::-1]


def _level(point: _Singles, radius: _Singles, group: Indices, first: Indices, size: Indices) -> _Level:
    # Within a disk smaller than a hemisphere, a segment lies whole where its ends do.
    return _Level(point, np.where(radius < 1.5, radius + _SLACK, _EVERYWHERE), group, first, size)


def _middle(points: _Singles, first: Indices, size: Indices) -> Indices:
    """Of each run of points the one that is nearest to their mean."""
    mean = np.add.reduceat(points, first) / size[:, None].astype(np.float32)
    apart = np.square(points - np.repeat(mean, size, axis=0)).sum(axis=1)
    nearest = np.flatnonzero(apart == np.repeat(np.minimum.reduceat(apart, first), size))
    return np.asarray(nearest[np.searchsorted(nearest, first)])


def _halved(points: _Singles, group: Indices) -> tuple[Indices, list[Indices]]:
    """An order in which the points of each node follow one another; and where nodes start, finest first.

    A group is cut in half across the axis along which it is longest, and each half again (a k-d tree).
    """
    order = np.arange(len(points))
    first = np.flatnonzero(np.diff(group, prepend=-1))
    starts = [first]
    while np.diff(first, append=len(order)).max() > 1 << _HALVINGS:
        for _ in range(_HALVINGS):
            size = np.diff(first, append=len(order))
            there = points[order]
            extent = np.maximum.reduceat(there, first) - np.minimum.reduceat(there, first)
            node = np.repeat(np.arange(len(first)), size)
            along = there[np.arange(len(order)), np.argmax(extent, axis=1)[node]]
            # Sorted by node, then along: one integer for both sorts several times as fast.
            order = order[
                np.argsort(node << 32 | ((along.astype(np.float64) + 2) * (1 << 29)).astype(np.int64))
            ]
            first = np.unique(np.concatenate([first, first + size // 2]))
        starts.append(first)
    return order, starts[::-1]
