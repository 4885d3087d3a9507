"""Round-trip times of an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.observation import PingObservation
    from probes.session import Session
    from probes.target import Settings, Target


async def probe(target: Target, session: Session, settings: Settings) -> list[PingObservation]:
    """Round-trip times of an address."""
    raise NotImplementedError
