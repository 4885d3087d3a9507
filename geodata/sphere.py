"""Geometry on the sphere: unit vectors, disks, and where their intersection meets great-circle segments.

Angles are radians, vectors float64 arrays of shape (…, 3). A disk (spherical cap) of radius ``r`` around
``c`` is where ``p · c ≥ cos r``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from geodata.ranges import Indices

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

EARTH_RADIUS_KM: Final = 6371.0088  # mean radius, IUGG
_TINY: Final = 1e-12
_TOUCH: Final = 1e-6  # radians, 6 m: so far apart, circles are said to touch


def unit(latitude: npt.ArrayLike, longitude: npt.ArrayLike) -> Floats:
    """Unit vectors of coordinates in degrees."""
    phi, lam = np.radians(np.asarray(latitude, float)), np.radians(np.asarray(longitude, float))
    return np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=-1)


def angle(a: Floats, b: Floats) -> Floats:
    """The angle between unit vectors, exact also where it is tiny (by the chord, not the cosine)."""
    chord = np.linalg.norm(a - b, axis=-1)
    return np.asarray(2 * np.arcsin(np.clip(chord / 2, 0.0, 1.0)))


def distance_km(
    latitude: float, longitude: float, latitudes: npt.ArrayLike, longitudes: npt.ArrayLike
) -> Floats:
    """Great-circle distances from one point to others."""
    return np.asarray(EARTH_RADIUS_KM * angle(unit(latitude, longitude), unit(latitudes, longitudes)))


def segment_angles(point: Floats, start: Floats, end: Floats) -> Floats:
    """The angle from one point to the nearest of each great-circle segment (n segments)."""
    normal = np.cross(start, end)
    length = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(length, _TINY)[:, None]
    # The foot of the perpendicular lies within the segment when it is on the inner side of both ends.
    inside = (np.cross(normal, start) @ point >= 0) & (np.cross(end, normal) @ point >= 0) & (length > _TINY)
    across = np.abs(np.arcsin(np.clip(normal @ point, -1.0, 1.0)))
    ends = np.minimum(angle(start, point), angle(end, point))
    return np.where(inside, across, ends)


def segments_meet(centres: Floats, radii: Floats, start: Floats, end: Floats) -> Bools:
    """Which of n segments have a point that lies in all of k disks.

    A segment is ``u cos t + w sin t`` for t in [0, length]; a disk cuts an interval out of it, because
    ``c · u cos t + c · w sin t = m cos(t - f)``. The intervals of all disks must have a common point.
    """
    along = np.einsum("ij,ij->i", start, end)
    tangent = end - start * along[:, None]
    size = np.linalg.norm(tangent, axis=1)
    tangent = tangent / np.maximum(size, _TINY)[:, None]
    length = np.arctan2(size, along)
    low, high = np.zeros(len(start)), length.copy()
    for centre, radius in zip(centres, radii, strict=True):
        a, b = start @ centre, tangent @ centre
        reach, peak = np.hypot(a, b), np.arctan2(b, a)
        cosine = np.where(np.isinf(radius), -np.inf, np.cos(np.minimum(radius, np.pi)))
        ratio = cosine / np.maximum(reach, _TINY)
        half = np.where(ratio <= -1, np.pi, np.arccos(np.clip(ratio, -1.0, 1.0)))
        half = np.where(ratio > 1, -np.inf, half)
        low, high = np.maximum(low, peak - half), np.minimum(high, peak + half)
    return np.asarray(low <= high)


def tightest(centres: Floats, radii: Floats) -> Bools:
    """Which of k disks hold no other one whole (of equals: the first); the rest bound nothing."""
    holds = angle(centres[:, None, :], centres[None, :, :]) + radii[None, :] <= radii[:, None]
    holds &= ~(holds.T & np.triu(np.ones_like(holds)))  # of two that hold each other, one stays
    return np.asarray(~holds.any(axis=1))


def witnesses(centres: Floats, radii: Floats) -> Floats:
    """Points of the intersection of k disks: centres in all others, and crossings of two circles in all.

    The disks must be smaller than hemispheres. Their intersection is then empty exactly when there are none
    (each of its corners is a crossing, and without corners it is a whole disk). Boundaries count as inside,
    with a tolerance of a few metres.
    """
    points = np.concatenate([centres, _crossings(centres, radii)])
    inside = np.all(angle(points[:, None, :], centres[None, :, :]) <= radii + _TOUCH, axis=1)
    return points[inside]


def some_points(centres: Floats, radii: Floats, reach: Floats) -> tuple[Floats, Indices]:
    """Points, and for each of n intersections of k disks which of them is in it: -1 where it is empty.

    As :func:`witnesses` finds them, for disks around the same k centres; ``radii`` is (n, k), infinite where
    there is no disk or it is no less than a hemisphere, and not all of one row. ``reach`` is the same with
    the radii of hemispheres and more: one that does not meet another leaves nothing.
    """
    apart = angle(centres[:, None, :], centres[None, :, :])
    which = np.full(len(radii), -1)
    points = [centres]
    for place in range(len(centres)):
        inside = np.isfinite(radii[:, place]) & np.all(apart[place] <= radii + _TOUCH, axis=1)
        which[inside] = place
    pairs = [pair for pair in zip(*np.triu_indices(len(centres), 1), strict=True) if apart[pair] > _TINY]
    hopeless = np.zeros(len(radii), dtype=bool)
    for one, other in pairs:
        hopeless |= reach[:, one] + reach[:, other] + 2 * _TOUCH < apart[one, other]
    rest = np.flatnonzero((which < 0) & ~hopeless)
    for one, other in pairs:
        if len(rest):
            found, corners = _corners(centres, radii[rest], int(one), int(other))
            which[rest[found]] = np.arange(len(corners)) + sum(map(len, points))
            points.append(corners)
            rest = np.delete(rest, found)
    which[hopeless] = -1
    return np.concatenate(points), which


def _corners(centres: Floats, radii: Floats, one: int, other: int) -> tuple[Indices, Floats]:
    """Of which intersections a crossing of the circles around two centres is a corner, and a corner of each.

    In the directions of one centre, of the other at right angles to it, and of both, a crossing's coordinates
    are computed as in :func:`_crossings`.
    """
    apart = float(angle(centres[one], centres[other]))
    radius, second = radii[:, one], radii[:, other]
    with np.errstate(invalid="ignore"):
        cross = np.flatnonzero((np.abs(radius - second) <= apart + _TOUCH) & (radius + second < np.inf))
    radius, second = radius[cross], second[cross]
    towards = centres[other] - centres[one] * np.cos(apart)
    towards /= np.linalg.norm(towards)
    axes = np.stack([centres[one], towards, np.cross(centres[one], towards)])
    below = np.maximum(np.sin(radius) * np.sin(apart), _TINY)
    product = np.sin((second + radius - apart) / 2) * np.sin((second - radius + apart) / 2)
    haversine = np.clip(product / below, 0.0, 1.0)
    height, width = np.cos(radius), np.sin(radius)
    along, across = width * (1 - 2 * haversine), 2 * width * np.sqrt(haversine * (1 - haversine))
    limits = np.where(np.isinf(radii[cross]), -2.0, np.cos(np.minimum(radii[cross] + _TOUCH, np.pi)))
    middle = np.outer(height, axes[0] @ centres.T) + np.outer(along, axes[1] @ centres.T)
    side = np.outer(across, axes[2] @ centres.T)
    left, right = np.all(middle + side >= limits, axis=1), np.all(middle - side >= limits, axis=1)
    found = np.flatnonzero(left | right)
    across = np.where(left, across, -across)
    return cross[found], np.stack([height, along, across], axis=1)[found] @ axes


def _crossings(centres: Floats, radii: Floats) -> Floats:
    """The points where two circles cross, of every pair; of one that does not cross, any points.

    By the haversine of the bearing from one centre, which stays exact for centres that are close together.
    """
    one, other = np.triu_indices(len(centres), 1)
    apart = angle(centres[one], centres[other])
    distinct = apart > _TINY
    one, other, apart = one[distinct], other[distinct], apart[distinct]
    centre, radius = centres[one], radii[one]
    towards = centres[other] - centre * np.cos(apart)[:, None]
    towards /= np.linalg.norm(towards, axis=1)[:, None]
    sum_, difference = radii[other] + radius - apart, radii[other] - radius + apart
    below = np.maximum(np.sin(radius) * np.sin(apart), _TINY)
    haversine = np.clip(np.sin(sum_ / 2) * np.sin(difference / 2) / below, 0.0, 1.0)
    bearing = 2 * np.arcsin(np.sqrt(haversine))
    along = centre * np.cos(radius)[:, None] + towards * (np.sin(radius) * np.cos(bearing))[:, None]
    across = np.cross(centre, towards) * (np.sin(radius) * np.sin(bearing))[:, None]
    return np.concatenate([along + across, along - across])
