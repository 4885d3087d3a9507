"""What a run recorded of claims, in the place of the snapshot that it asked: a judgement can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from geodata.special import SpecialPurpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geodata.claim import Claim
    from geodata.snapshot import SourceInfo
    from scanner.run import Run, SourceUsed


class Said(Protocol):
    """What a judgement asks of a snapshot."""

    @property
    def sources(self) -> Sequence[SourceInfo | SourceUsed]:
        """The sources, with the versions and dates of their data."""

    def claims(self, address: str) -> tuple[Claim, ...]:
        """What each source says of an address."""

    def special(self, address: str) -> SpecialPurpose | None:
        """The special-purpose block that an address is in, or None."""


class Recorded:
    """The claims of the first of some runs that has the address; nothing is said of any other."""

    def __init__(self, *runs: Run) -> None:
        self._runs = runs
        self.sources: Sequence[SourceUsed] = runs[0].sources

    def claims(self, address: str) -> tuple[Claim, ...]:
        """What was said of the address."""
        return next((run.claims[address] for run in self._runs if address in run.claims), ())

    def special(self, address: str) -> SpecialPurpose | None:
        """The block that the address was in, of which a run keeps the name."""
        name = next((run.special[address] for run in self._runs if address in run.special), None)
        return None if name is None else SpecialPurpose(name, address, "")
