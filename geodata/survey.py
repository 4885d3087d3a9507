"""Many hosts seen from the same vantages: whether home, and whether foreign land, is feasible for each.

Gives what :meth:`Territory.assess` gives, sooner: distances from the vantages to points of land are computed
once. What they settle is settled in bulk; what is left is assessed one by one, the same disks once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.disk import grown
from geodata.sphere import angle, unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from geodata.sphere import Bools, Floats
    from geodata.territory import Territory

_SLACK: Final = 2e-6  # radians, 13 m: nearer decisions are left to the exact assessment
_BLOCK: Final = 32  # points of land that are tried on all open hosts at once
_SPREAD: Final = 256  # points all over the land, tried first
_NEAR: Final = 1024  # points nearest to a host's nearest vantage, tried then


class Survey(NamedTuple):
    """For each host what :class:`geodata.territory.Feasibility` says under these names."""

    consistent: Bools
    home: Bools
    foreign: Bools


def survey(territory: Territory, vantages: Sequence[tuple[float, float]], radii_km: Floats) -> Survey:
    """Assess n hosts from k vantages (latitude, longitude); ``radii_km`` is (n, k), infinite if none."""
    reach = grown(np.asarray(radii_km, float).reshape(-1, len(vantages)))
    centres = unit(*np.array(vantages, float).reshape(-1, 2).T)
    apart = _apart(centres, reach)
    shown, excluded = [], []
    masks = (territory.home_features, territory.foreign_features)
    for features, anchors in zip(masks, territory.anchors, strict=True):
        near = [territory.nearest_angle(latitude, longitude, features) for latitude, longitude in vantages]
        excluded.append(apart | np.any(reach < np.array(near) - _SLACK, axis=1))
        shown.append(_shown(anchors, centres, reach, ~excluded[-1]))
    found = np.stack([~apart, *shown], axis=1)
    # Settled: disks apart, or each of home and foreign shown or excluded, with a point that is in all disks.
    settled = apart | ((shown[0] | excluded[0]) & (shown[1] | excluded[1]) & (shown[0] | shown[1]))
    rest = np.flatnonzero(~settled)
    if len(rest):
        rows, inverse = np.unique(reach[rest], axis=0, return_inverse=True)
        answers = np.array([_exact(territory, centres, row) for row in rows], dtype=bool)
        found[rest] = answers[inverse.reshape(-1)]
    return Survey(*found.T)


def _exact(territory: Territory, centres: Floats, reach: Floats) -> tuple[bool, bool, bool]:
    measured = np.isfinite(reach)
    if not measured.any():
        return True, True, True
    land = territory.land_in(centres[measured], reach[measured])
    if land is None:
        return False, False, False
    home, foreign = land & territory.home_features, land & territory.foreign_features
    return True, bool(home.any()), bool(foreign.any())


def _apart(centres: Floats, reach: Floats) -> Bools:
    """Which hosts have two disks that do not meet."""
    apart = np.zeros(len(reach), dtype=bool)
    for one, other in zip(*np.triu_indices(len(centres), 1), strict=True):
        distance = float(angle(centres[one], centres[other]))
        apart |= reach[:, one] + reach[:, other] < distance - _SLACK
    return apart


def _shown(anchors: Floats, centres: Floats, reach: Floats, wanted: Bools) -> Bools:
    """Which of the wanted hosts have an anchor in all their disks."""
    shown = np.zeros(len(reach), dtype=bool)
    if not len(anchors):
        return shown
    distances = angle(anchors[:, None, :], centres[None, :, :]).astype(np.float32)
    limits = (np.where(np.isinf(reach), 4.0, reach) - _SLACK).astype(np.float32)
    nearest = np.argmin(limits, axis=1)
    spread = np.arange(0, len(anchors), max(len(anchors) // _SPREAD, 1))
    _try(distances[spread], limits, np.flatnonzero(wanted), shown)
    for vantage in range(len(centres)):
        order = np.argsort(distances[:, vantage])[:_NEAR]
        hosts = np.flatnonzero(wanted & ~shown & (nearest == vantage))
        _try(distances[order], limits, hosts, shown)
    return shown


def _try(
    distances: npt.NDArray[np.float32],
    limits: npt.NDArray[np.float32],
    hosts: npt.NDArray[np.intp],
    shown: Bools,
) -> None:
    """Mark the hosts that have one of the points in all their disks."""
    for block in _blocks(distances):
        if not len(hosts):
            return
        within = np.ones((len(hosts), len(block)), dtype=bool)
        for vantage in range(limits.shape[1]):
            within &= block[:, vantage][None, :] <= limits[hosts, vantage][:, None]
        hit = within.any(axis=1)
        shown[hosts[hit]] = True
        hosts = hosts[~hit]


def _blocks(rows: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(rows), _BLOCK):
        yield rows[start : start + _BLOCK]
