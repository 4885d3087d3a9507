"""The path to an address, by probes that take one path (Paris traceroute).

They are ICMP echo requests; where this process may not send these, SYNs to the declared port, or else UDP
datagrams.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from probes.failure import MeasureError, PrivilegeError, refusal
from probes.observation import TraceObservation, TraceResult, now
from probes.tcp import port_of

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
        result = await _trace(target, target.address, session, settings)
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


async def _trace(target: Target, address: str, session: Session, settings: Settings) -> TraceResult:
    trace = functools.partial(
        session.engine.trace,
        address,
        max_ttl=settings.trace_max_ttl,
        wait_s=settings.trace_wait_s,
        attempts=settings.trace_attempts,
        deadline_s=settings.trace_deadline_s,
    )
    try:
        return await trace("icmp")
    except PrivilegeError:
        port = port_of(target)
        return await (trace("udp") if port is None else trace("tcp", port))


def why_short(result: TraceResult, version: int) -> ErrorCode | None:
    """Why a trace did not reach its destination, from the refusal that ended it; None if it did."""
    if result.reached:
        return None
    for reply in result.hops[-1].replies if result.hops else ():
        if reply.icmp is not None and reply.icmp[0] == _UNREACHABLE[version]:
            return refusal(version, reply.icmp[1])
    return "timeout"
