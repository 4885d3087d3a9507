"""Round-trip times of an address, by ICMP echo, or by UDP where this process may not send that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.failure import MeasureError, PrivilegeError
from probes.observation import PingObservation, PingResult, now

if TYPE_CHECKING:
    from probes.engine.flow import Method
    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target


async def probe(target: Target, session: Session, settings: Settings) -> list[PingObservation]:
    """One observation of the target's address; ``timeout`` where nothing answered."""
    if target.address is None:
        return []
    time = now()
    error: ErrorCode | None = None
    result: PingResult | None
    try:
        try:
            result = await _ping(target.address, "icmp", session, settings)
        except PrivilegeError:
            result = await _ping(target.address, "udp", session, settings)
    except PrivilegeError:
        result, error = None, "unsupported"
    except MeasureError as failure:
        result = failure.result if isinstance(failure.result, PingResult) else None
        error = failure.code
    if error is None and result is not None and not result.rtts_ms:
        error = "timeout"
    return [
        PingObservation(
            id=session.observation_id(target, "ping", target.address),
            vantage=session.id,
            endpoint=target.endpoint,
            address=target.address,
            time=time,
            error=error,
            result=result,
        )
    ]


async def _ping(address: str, method: Method, session: Session, settings: Settings) -> PingResult:
    return await session.engine.ping(
        address,
        method,
        count=settings.ping_count,
        interval_s=settings.ping_interval_s,
        timeout_s=settings.ping_timeout_s,
    )
