"""Geometry on the sphere: unit vectors, disks, and where their intersection meets great-circle segments.

Angles are radians, vectors float64 arrays of shape (…, 3). A disk (spherical cap) of radius ``r`` around
``c`` is where ``p · c ≥ cos r``.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

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
        ratio = np.cos(radius) / np.maximum(reach, _TINY)
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
