"""A disk on the Earth, and how much larger than measured it is taken, so that a proof stays one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.sphere import EARTH_RADIUS_KM, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.sphere import Bools, Floats

# A great circle on the mean sphere is longer than the geodesic on WGS 84 by at most 0.5615 % (on a meridian
# at the equator, whose radius of curvature is 6335.439 km) and shorter by at most 0.447 % (at a pole).
SPHERE_MARGIN: Final = 0.0057
# What a map of 1:10,000,000 gets wrong. Of the shipped cities none is farther outside its country's land, but
# where the land is disputed: 1.8 km at land borders, 2.7 km on reclaimed coast (a test holds this).
BORDER_ERROR_KM: Final = 3.0
# Disks of a hemisphere or more, margins included, may meet others in two pieces. They are left out of what
# disks have in common, which can only make more land feasible; not of what is apart.
MAX_RADIUS_KM: Final = (EARTH_RADIUS_KM * np.pi / 2 - BORDER_ERROR_KM) / (1 + SPHERE_MARGIN)

# A city is not a point: its machines may stand so far from its centre.
CITY_RADIUS: Final = 15.0 / EARTH_RADIUS_KM  # radians


class Disk(NamedTuple):
    """Everything within ``radius_km`` of a point (degrees)."""

    latitude: float
    longitude: float
    radius_km: float


def disjoint(disks: Sequence[Disk]) -> Bools:
    """Which of k disks have no common point with which others, as a symmetric (k, k) matrix."""
    if not disks:
        return np.zeros((0, 0), dtype=bool)
    latitudes, longitudes, radii_km = np.array(disks).T
    centres, radii = unit(latitudes, longitudes), spans(radii_km)
    # By cosines, which is sooner: they tell small angles apart to centimetres only, and such disks meet.
    reach = np.minimum(radii[:, None] + radii[None, :], np.pi)
    return np.asarray(centres @ centres.T < np.cos(reach))


def grown(radius_km: Floats | float) -> Floats:
    """Radii as angles (radians) that are never too small: with the sphere's and the borders' error.

    Infinite for what bounds nothing: hemispheres and more, and no number.
    """
    return np.where(np.asarray(radius_km) < MAX_RADIUS_KM, spans(radius_km), np.inf)


def spans(radius_km: Floats | float) -> Floats:
    """The same, but that of hemispheres and more too: infinite only where there is no number."""
    radius = np.asarray(radius_km, float)
    angles = (np.maximum(radius, 0.0) * (1 + SPHERE_MARGIN) + BORDER_ERROR_KM) / EARTH_RADIUS_KM
    return np.where(np.isnan(radius), np.inf, angles)
