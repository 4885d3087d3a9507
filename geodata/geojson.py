"""Land from a GeoJSON file (RFC 7946), in place of the shipped borders of home."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from geodata.errors import GeodataError
from geodata.file import read_file
from geodata.ring import Floats, mended

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_OCTETS: Final = 64 * 2**20
_MAX_DEPTH: Final = 16  # collections within collections


def read_rings(path: Path) -> list[Floats]:
    """The rings of every polygon in the file, each (n, 2): longitude, latitude, closed, no step long.

    Raises :class:`GeodataError`, which names the file, for what is no GeoJSON of polygons.
    """
    octets = read_file(path, MAX_OCTETS)
    try:
        rings = [_ring(ring) for polygon in _polygons(json.loads(octets), 0) for ring in polygon]
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        why = f"{type(error).__name__}: {str(error)[:200]}"
        raise GeodataError(f"{path}: is no GeoJSON of polygons ({why})", "corrupt") from error
    if not rings:
        raise GeodataError(f"{path}: has no polygon", "corrupt")
    return rings


def _polygons(document: Any, depth: int) -> Iterator[Any]:
    if depth > _MAX_DEPTH:
        raise ValueError("collections are nested too deep")
    kind = document["type"]
    if kind == "FeatureCollection":
        for feature in document["features"]:
            yield from _polygons(feature, depth + 1)
    elif kind == "Feature":
        if document["geometry"] is not None:
            yield from _polygons(document["geometry"], depth + 1)
    elif kind == "GeometryCollection":
        for geometry in document["geometries"]:
            yield from _polygons(geometry, depth + 1)
    elif kind == "MultiPolygon":
        yield from document["coordinates"]
    elif kind == "Polygon":
        yield document["coordinates"]


def _ring(points: Any) -> Floats:
    array = np.array([point[:2] for point in points], dtype=float)
    if array.ndim != 2 or array.shape[0] < 4 or array.shape[1] != 2 or not np.isfinite(array).all():
        raise ValueError("a ring has at least four points, each longitude and latitude, all finite")
    if not (array[0] == array[-1]).all():
        raise ValueError("a ring ends where it begins")
    if (np.abs(array) > (180, 90)).any():
        raise ValueError("a point is not longitude, latitude in degrees")
    return mended(array)
