"""The path to an address, by ICMP echo requests that take one path (Paris traceroute)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probes.failure import MeasureError, PrivilegeError, refusal
from probes.observation import TraceObservation, TraceResult, now

if TYPE_CHECKING:
    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target

_UNREACHABLE: Final = {4: 3, 6: 1}  # the type of "destination unreachable"


async def probe(target: Target, session: Session, settings: Settings) -> list[TraceObservation]:
    """One observation of the target's address; its error says why the trace ended short of it."""
    if target.address is None:
        return []
    time = now()
    error: ErrorCode | None = None
    result: TraceResult | None
    try:
        result = await session.engine.trace(
            target.address,
            max_ttl=settings.trace_max_ttl,
            wait_s=settings.trace_wait_s,
            attempts=settings.trace_attempts,
            deadline_s=settings.trace_deadline_s,
        )
    except PrivilegeError:
        result, error = None, "unsupported"
    except MeasureError as failure:
        result = failure.result if isinstance(failure.result, TraceResult) else None
        error = failure.code
    else:
        error = why_short(result, 6 if ":" in target.address else 4)
    return [
        TraceObservation(
            id=session.observation_id(target, "trace", target.address),
            vantage=session.id,
            endpoint=target.endpoint,
            address=target.address,
            time=time,
            error=error,
            result=result,
        )
    ]


def why_short(result: TraceResult, version: int) -> ErrorCode | None:
    """Why a trace did not reach its destination, from the refusal that ended it; None if it did."""
    if result.reached:
        return None
    for reply in result.hops[-1].replies if result.hops else ():
        if reply.icmp is not None and reply.icmp[0] == _UNREACHABLE[version]:
            return refusal(version, reply.icmp[1])
    return "timeout"
