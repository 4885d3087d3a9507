"""The packet engine of one vantage: ping and Paris traceroute over raw sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from probes.engine.pacing import Pace
    from probes.observation import PingResult, TraceResult
    from probes.vantages.local import LocalVantage

Method = Literal["icmp", "tcp", "udp"]


class Engine:
    """Pings and traces of one vantage; an async context manager."""

    def __init__(self, vantage: LocalVantage, pace: Pace) -> None:
        self.vantage = vantage
        self.pace = pace

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def ping(
        self,
        address: str,
        method: Method = "icmp",
        port: int | None = None,
        *,
        count: int = 5,
        interval_s: float = 0.05,
        timeout_s: float = 1.0,
    ) -> PingResult:
        """Round-trip times of ``address``; raises ``PrivilegeError`` or ``MeasureError``."""
        raise NotImplementedError

    async def trace(
        self,
        address: str,
        method: Method = "icmp",
        port: int | None = None,
        *,
        max_ttl: int = 30,
        wait_s: float = 1.0,
        attempts: int = 2,
        deadline_s: float = 30.0,
    ) -> TraceResult:
        """The path to ``address``; raises ``PrivilegeError`` or ``MeasureError``."""
        raise NotImplementedError
