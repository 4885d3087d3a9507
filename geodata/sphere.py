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


def witnesses(centres: Floats, radii: Floats) -> Floats:
    """Points of the intersection of k disks: centres in all others, and crossings of two circles in all.

    The intersection is empty exactly when there are none (each of its corners is a crossing, and without
    corners it is a whole disk). Boundaries count as inside, with a tolerance of a few metres.
    """
    candidates = [centres]
    for index in range(len(centres)):
        candidates.extend(
            _crossings(centres[index], radii[index], centres[other], radii[other]) for other in range(index)
        )
    points = np.concatenate(candidates)
    inside = np.all(points @ centres.T >= np.cos(np.minimum(radii + 1e-6, np.pi)), axis=1)
    return points[inside]


def _crossings(a: Floats, radius_a: float, b: Floats, radius_b: float) -> Floats:
    """The two points where two circles cross, or none."""
    dot = float(a @ b)
    normal = np.cross(a, b)
    square = float(normal @ normal)
    if square < _TINY:
        return np.empty((0, 3))
    x = (np.cos(radius_a) - dot * np.cos(radius_b)) / square
    y = (np.cos(radius_b) - dot * np.cos(radius_a)) / square
    base = x * a + y * b
    rest = (1 - float(base @ base)) / square
    if rest < 0:
        if rest * square < -1e-9:
            return np.empty((0, 3))
        rest = 0.0  # they touch
    return np.stack([base + np.sqrt(rest) * normal, base - np.sqrt(rest) * normal])
