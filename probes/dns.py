"""Names asked of the vantage's resolvers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.observation import DnsObservation
    from probes.session import Session
    from probes.target import Settings, Target


async def probe(target: Target, session: Session, settings: Settings) -> list[DnsObservation]:
    """Names asked of the vantage's resolvers."""
    raise NotImplementedError


async def reverse(target: Target, session: Session, settings: Settings) -> list[DnsObservation]:
    """The reverse names of the target's address (PTR records in the result's chain)."""
    raise NotImplementedError
