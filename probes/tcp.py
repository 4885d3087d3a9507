"""Connects to a port of an address: does somebody listen there, and how far away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from probes.failure import MeasureError
from probes.observation import TcpObservation, TcpResult, now
from probes.stream import Stream, connect

if TYPE_CHECKING:
    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target

DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def port_of(target: Target) -> int | None:
    """The port that was declared, or that the scheme implies."""
    return DEFAULT_PORTS.get(target.scheme or "") if target.port is None else target.port


async def probe(target: Target, session: Session, settings: Settings) -> list[TcpObservation]:
    """One observation of the target's address and port; nothing if no port was declared.

    A refusal (RST) is an answer of the host too: ``open`` is false, and its time counts.
    """
    port = port_of(target)
    if target.address is None or port is None:
        return []
    time = now()
    rtts: list[float] = []
    sent, is_open = 0, None
    error: ErrorCode | None = None
    for _ in range(settings.tcp_count):
        await session.pace.turn(target.address)
        sent += 1
        try:
            found = await connect(session.vantage, target.address, port, settings.tcp_timeout_s)
        except MeasureError as failure:
            error = error or failure.code
            if not rtts and (sent > 1 or failure.code != "timeout"):
                break  # nobody is there; more tries would only be a burden
            continue
        rtts.append(round(found.rtt_s * 1000, 4))
        is_open = isinstance(found, Stream) or bool(is_open)
        if isinstance(found, Stream):
            found.close()
    if rtts:
        error = None if is_open else "refused"
    return [
        TcpObservation(
            id=session.observation_id(target, "tcp", f"{target.address}:{port}"),
            vantage=session.id,
            endpoint=target.endpoint,
            address=target.address,
            time=time,
            error=error,
            result=TcpResult(port=port, sent=sent, rtts_ms=tuple(rtts), open=is_open),
        )
    ]
