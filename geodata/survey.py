"""Many hosts seen from the same vantages: what land and what cities are feasible for each.

Gives what :meth:`Territory.assess` gives, sooner, and asks what that asks: on whose land is some point of
what a host's disks have in common, and whose borders and cities are in all of them?
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from geodata.disk import CITY_RADIUS, grown, spans
from geodata.sphere import some_points, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.borders import Land
    from geodata.forest import Forest
    from geodata.ranges import Indices
    from geodata.sphere import Bools, Floats
    from geodata.territory import Territory


class Survey(NamedTuple):
    """For each host what :class:`geodata.territory.Feasibility` says under these names; if any city is."""

    consistent: Bools
    home: Bools
    foreign: Bools
    home_city: Bools
    foreign_city: Bools


class Countries(NamedTuple):
    """All codes (``??`` for land without one), and as (hosts, codes) which are feasible."""

    codes: tuple[str, ...]
    feasible: Bools


class _Regions(NamedTuple):
    """What disks around the same places have in common; points, and which of them is in which (-1: none)."""

    centres: Floats
    radii: Floats
    points: Floats
    which: Indices

    @property
    def consistent(self) -> Bools:
        return self.which >= 0

    def with_land(self, land: Land, borders: Forest, groups: Bools) -> Bools:
        """Which groups of features, given as (features, groups), have land in each region."""
        on = np.zeros((len(self.points) + 1, groups.shape[1]), dtype=bool)  # the last, or -1: of no point
        point, feature = land.features_of(self.points)
        np.logical_or.at(on, point, groups[feature])
        found = on[self.which]
        return found | borders.meets(self.centres, self.radii, ~found & self.consistent[:, None])

    def with_cities(self, cities: Forest) -> Bools:
        """Which groups of cities have one in each region, or near enough to it."""
        asked = np.repeat(self.consistent[:, None], 2, axis=1)
        return cities.meets(self.centres, self.radii + CITY_RADIUS, asked)


def survey(territory: Territory, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Survey:
    """Assess n hosts from k vantages (latitude, longitude); ``radii_km`` is (n, k), infinite if none."""
    measured, regions = _regions(vantages, radii_km)
    found = np.ones((len(measured), 5), dtype=bool)
    groups = np.stack([territory.home_features, territory.foreign_features], axis=1)
    found[measured] = np.column_stack(
        [
            regions.consistent,
            regions.with_land(territory.land, territory.borders, groups),
            regions.with_cities(territory.cities),
        ]
    )
    return Survey(*found.T)


def countries(territory: Territory, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Countries:
    """The countries that are feasible for each of n hosts, given as in :func:`survey`."""
    measured, regions = _regions(vantages, radii_km)
    codes, groups = territory.by_country
    found = np.ones((len(measured), len(codes)), dtype=bool)
    found[measured] = regions.with_land(territory.land, territory.country_borders, groups)
    return Countries(codes, found)


def _regions(vantages: Sequence[tuple[float, float]], radii_km: Floats) -> tuple[Bools, _Regions]:
    """Of which hosts anything was measured, and the regions of these."""
    radii_km = np.asarray(radii_km, float).reshape(-1, len(vantages))
    centres, radii = unit(*np.array(vantages, float).reshape(-1, 2).T), grown(radii_km)
    measured = np.asarray(np.isfinite(radii).any(axis=1))
    points = some_points(centres, radii[measured], spans(radii_km[measured]))
    return measured, _Regions(centres, radii[measured], *points)
