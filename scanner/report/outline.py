"""A flat map of a part of the Earth: where places fall on it, and the land in as few strokes as it shows.

Equirectangular, with the scale of the middle latitude. Units are half pixels of a drawing 960 pixels wide,
whole numbers, so that a path of SVG stays short. Paths are marked as safe: nothing but numbers is in them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from markupsafe import Markup

from geodata.borders import bounds, shipped_land
from geodata.sphere import EARTH_RADIUS_KM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geodata.borders import Land, Ring
    from geodata.sphere import Floats

WIDTH: Final = 1920
MAX_HEIGHT: Final = 1920
_MARGIN: Final = 200  # land is drawn so far beyond the edge, which cuts it
_GRAIN: Final = 3  # points of land nearer than this are one
_SMALLEST: Final = 6  # rings smaller than this either way are left out
_DISK_POINTS: Final = 48


class Frame(NamedTuple):
    """The part that is shown, in degrees."""

    west: float
    south: float
    east: float
    north: float

    @property
    def scale(self) -> float:
        """Units a degree of latitude."""
        return min(WIDTH / ((self.east - self.west) * self._squeeze), MAX_HEIGHT / (self.north - self.south))

    @property
    def _squeeze(self) -> float:
        return max(math.cos(math.radians((self.north + self.south) / 2)), 0.2)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        width = (self.east - self.west) * self._squeeze * self.scale
        return math.ceil(width), math.ceil((self.north - self.south) * self.scale)

    def xy(self, longitude: Floats | float, latitude: Floats | float) -> tuple[Floats, Floats]:
        """Where places are."""
        x = (np.asarray(longitude) - self.west) * self._squeeze * self.scale
        y = (self.north - np.asarray(latitude)) * self.scale
        return x, y

    def point(self, latitude: float, longitude: float) -> tuple[int, int]:
        """Where a place is, in whole units."""
        x, y = self.xy(longitude, latitude)
        return round(float(x)), round(float(y))

    def holds(self, latitude: float, longitude: float) -> bool:
        """Whether a place is shown."""
        return self.west <= longitude <= self.east and self.south <= latitude <= self.north


def frame_around(places: Iterable[tuple[float, float]], margin: float = 0.12) -> Frame:
    """The frame of some places (latitude, longitude), at least one, with a margin; never beyond the world."""
    latitudes, longitudes = zip(*places, strict=True)
    west, east = min(longitudes), max(longitudes)
    south, north = min(latitudes), max(latitudes)
    across = max(east - west, north - south, 4.0) * margin
    return Frame(
        max(west - across, -180.0),
        max(south - across, -85.0),
        min(east + across, 180.0),
        min(north + across, 85.0),
    )


def home_frame(country: str) -> Frame | None:
    """The frame of a country; None where the shipped borders do not have it."""
    rings = list(_rings(shipped_land(), country))
    if not country or not rings:
        return None
    extent = bounds(rings)
    west, _, south, _ = extent.min(axis=0)
    _, east, _, north = extent.max(axis=0)
    return frame_around([(float(south), float(west)), (float(north), float(east))])


class Outlines(NamedTuple):
    """Paths of SVG: home, everybody else's land, and land that several countries claim."""

    home: Markup
    foreign: Markup
    claimed: Markup


@cache
def outlines(frame: Frame, country: str) -> Outlines:
    """The land in a frame."""
    land = shipped_land()
    home = [land.codes[feature] == country for feature in range(len(land.codes))]
    claimed = [bool(codes) for codes in land.claimed]
    return Outlines(
        _paths(frame, (ring for ring in land.rings if home[ring.feature])),
        _paths(frame, (ring for ring in land.rings if not (home[ring.feature] or claimed[ring.feature]))),
        _paths(frame, (ring for ring in land.rings if claimed[ring.feature])),
    )


def _rings(land: Land, country: str) -> Iterator[Ring]:
    return (ring for ring in land.rings if land.codes[ring.feature] == country)


def _paths(frame: Frame, rings: Iterable[Ring]) -> Markup:
    width, height = frame.size
    strokes: list[str] = []
    for ring in rings:
        for turn in (-360.0, 0.0, 360.0):  # rings across the antimeridian run on beyond 180 degrees
            x, y = frame.xy(ring.longitude + turn, ring.latitude)
            if x.max() < 0 or x.min() > width or y.max() < 0 or y.min() > height:
                continue
            if max(np.ptp(x), np.ptp(y)) < _SMALLEST:
                continue
            x = np.clip(x, -_MARGIN, width + _MARGIN)
            y = np.clip(y, -_MARGIN, height + _MARGIN)
            strokes.append(path(np.stack([x, y], axis=1)) + "z")
    return Markup("".join(strokes))  # noqa: S704  numbers


def path(points: Floats) -> str:
    """A line of SVG through points, shape (n, 2), without those that the grain does not tell apart."""
    whole = np.rint(points / _GRAIN).astype(int) * _GRAIN
    whole = whole[np.concatenate([[True], (np.diff(whole, axis=0) != 0).any(axis=1)])]
    steps = np.diff(whole, axis=0)
    # Where two steps go the same way, they are one.
    turns = steps[:-1, 0] * steps[1:, 1] != steps[:-1, 1] * steps[1:, 0]
    kept = whole[np.concatenate([[True], turns, [True]])] if len(whole) > 1 else whole
    first, rest = kept[0], np.diff(kept, axis=0).tolist()
    return f"M{first[0]} {first[1]}l" + " ".join(f"{x} {y}" for x, y in rest)


def disk_path(frame: Frame, latitude: float, longitude: float, radius_km: float) -> Markup:
    """The edge of a disk on the Earth, as a closed path of SVG."""
    bearing = np.linspace(0.0, 2 * np.pi, _DISK_POINTS, endpoint=False)
    angle = radius_km / EARTH_RADIUS_KM
    sine, cosine = math.sin(math.radians(latitude)), math.cos(math.radians(latitude))
    height = sine * math.cos(angle) + cosine * math.sin(angle) * np.cos(bearing)
    north = np.arcsin(np.clip(height, -1, 1))
    east = np.arctan2(np.sin(bearing) * math.sin(angle) * cosine, math.cos(angle) - sine * height)
    x, y = frame.xy(longitude + np.degrees(east), np.degrees(north))
    points = np.rint(np.stack([x, y], axis=1)).astype(int).tolist()
    return Markup("M" + " ".join(f"{a} {b}" for a, b in points) + "z")  # noqa: S704  numbers
