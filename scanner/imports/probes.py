"""RIPE Atlas's list of probes (its API's JSON) as a file of vantages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from scanner.imports.source import SourceError, Text

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MAX_FILE: Final = 2**28  # octets
# Where a probe's host put it on a map, which RIPE Atlas moves by up to a kilometre.
_ERROR_KM: Final = 10.0

_Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
_Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]


class _Geometry(msgspec.Struct):
    coordinates: tuple[_Longitude, _Latitude]


class _Probe(msgspec.Struct):
    """A probe, as of the API (``geometry``) or of the daily archive (``latitude``, ``longitude``)."""

    id: Annotated[int, msgspec.Meta(ge=0)]
    geometry: _Geometry | None = None
    latitude: _Latitude | None = None
    longitude: _Longitude | None = None
    asn_v4: int | None = None
    asn_v6: int | None = None
    description: Text | None = None

    @property
    def place(self) -> tuple[float, float] | None:
        """Latitude and longitude, where they are known."""
        if self.geometry is not None:
            longitude, latitude = self.geometry.coordinates
            return latitude, longitude
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude


class _Page(msgspec.Struct):
    results: tuple[_Probe, ...] = ()
    objects: tuple[_Probe, ...] = ()


def vantages(path: Path, wanted: Collection[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """The vantages with the ids ``wanted``, as they stand in ``vantages.yaml``, and the ids without a place.

    Raises :class:`SourceError`, also where none has a place.
    """
    try:
        with path.open("rb") as stream:
            octets = stream.read(MAX_FILE + 1)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if len(octets) > MAX_FILE:
        raise SourceError(f"{path}: is larger than {MAX_FILE} octets")
    try:
        read = msgspec.json.decode(octets, type=_Page | tuple[_Probe, ...])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"{path}: is no list of probes: {error}") from error
    probes = (*read.results, *read.objects) if isinstance(read, _Page) else read
    placed = {f"atlas-{one.id}": one for one in probes if one.place is not None}
    found = [_vantage(name, placed[name]) for name in sorted(wanted) if name in placed]
    if not found:
        raise SourceError(f"{path}: has the place of none of the {len(wanted)} probes")
    return found, sorted(set(wanted) - set(placed))


def _vantage(name: str, probe: _Probe) -> dict[str, Any]:
    latitude, longitude = probe.place or (0.0, 0.0)
    asn = probe.asn_v4 or probe.asn_v6
    return {
        "id": name,
        "latitude": latitude,
        "longitude": longitude,
        "location_error_km": _ERROR_KM,
        **({"network": f"AS{asn}"} if asn else {}),
        "kind": "recorded",
    }
