"""Doubts of vantages, and what they are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from geodata.disk import Disk, disjoint

if TYPE_CHECKING:
    from scanner.evidence import AddressEvidence, Constraint

# How much later than light an address is expected to answer at most: fibre is seldom three times as long as
# the great circle, and lines add some.
MOST_STRETCH: Final = 3.0
LINE_MS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a vantage is not relied on: ``refuted``, its declared place is infeasible; else it may be.

    ``reach`` is where it would be then, if contradictions tell.
    """

    vantage: str
    refuted: bool
    reason: str
    reach: Disk | None = None

    def explains(self, evidence: AddressEvidence) -> bool:
        """Whether an address's contradictions with the vantage are gone if it is where it would be.

        If not, the address is at several places all the same, or the vantage at yet another.
        """
        own = next((one for one in evidence.transport if one.vantage.id == self.vantage), None)
        if own is None or self.reach is None:
            return True
        others = [one.disk for one in evidence.transport if one.vantage.id != self.vantage]
        moved = self.reach._replace(radius_km=self.reach.radius_km + own.radius_km)
        return not disjoint([moved, *others])[0].any()


@dataclass(frozen=True, slots=True)
class Seen:
    """One address and who is how near to it, nearest first."""

    address: str
    network: str
    constraints: tuple[Constraint, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(one.vantage.id for one in self.constraints)
