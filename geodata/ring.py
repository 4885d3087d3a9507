"""Closed lines of longitudes and latitudes: mended where a map cuts them, and with points close together.

A ring that crosses the antimeridian is written with a jump from 180 to -180 degrees. Here its longitudes run
on beyond 180 instead, so that no edge spans the world; one around a pole gets an edge along it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# A straight line of the map and the great circle between its ends part by d² · tan(latitude) / 8R: 14 m
# at 25 km and 45 degrees.
MAX_STEP_DEGREES: Final = 0.225


def mended(ring: Floats, step: float = MAX_STEP_DEGREES) -> Floats:
    """A closed ring, of shape (n, 2), with continuous longitudes and no step longer than ``step``."""
    longitude, latitude = np.unwrap(ring[:, 0], period=360.0), ring[:, 1]
    dense = densified(np.stack([longitude, latitude], axis=1), step)
    if abs(dense[-1, 0] - dense[0, 0]) < 180.0:
        return dense
    pole = np.copysign(90.0, latitude.mean())
    return np.concatenate([dense, [[dense[-1, 0], pole], [dense[0, 0], pole]], dense[:1]])


def densified(line: Floats, step: float) -> Floats:
    """The line with points added in long steps, so that straight on the map is straight on the sphere."""
    counts = np.ceil(np.abs(np.diff(line, axis=0)).max(axis=1) / step).astype(int).clip(1)
    owner = np.repeat(np.arange(len(counts)), counts)
    part = (np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[owner]
    between = line[owner] + (line[owner + 1] - line[owner]) * part[:, None]
    return np.concatenate([between, line[-1:]])
