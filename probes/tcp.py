"""Connects to a port."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.observation import TcpObservation
    from probes.session import Session
    from probes.target import Settings, Target


async def probe(target: Target, session: Session, settings: Settings) -> list[TcpObservation]:
    """Connects to a port."""
    raise NotImplementedError
