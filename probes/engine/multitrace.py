"""What the engine works on when all load-balanced paths to an address are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from probes.engine.path import WINDOW
from probes.engine.run import NEVER, Run
from probes.failure import MeasureError, error_code
from probes.observation import TraceResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.engine.flow import Flow
    from probes.engine.multipath import Paths, Probe
    from probes.engine.pacing import Bucket
    from probes.engine.run import Heard


class MultiTrace(Run):
    """:class:`~probes.engine.multipath.Paths` and their flows; a probe's code is its number.

    ``more`` makes the next flow, or raises OSError; it is told how many there are.
    """

    __slots__ = ("_flows", "_more", "_paths", "_probes")

    def __init__(
        self, address: str, flow: Flow, bucket: Bucket | None, paths: Paths, more: Callable[[int], Flow]
    ) -> None:
        super().__init__(address, flow, bucket)
        self._paths = paths
        self._more = more
        self._flows = [flow]
        self._probes: list[Probe] = []  # by code; the last may not have left yet

    @property
    def flows(self) -> Sequence[Flow]:
        return self._flows

    def poll(self, now: float, window: int = WINDOW) -> int | None:
        if self.failure is not None:
            return None
        probe = self._paths.next(now, min(window, self.most))
        if probe is None:
            return None
        if probe.flow == len(self._flows):
            try:
                self._flows.append(self._more(probe.flow))
            except OSError as error:
                self.fail(error_code(error))
                return None
        del self._probes[self._paths.probes :]
        self._probes.append(probe)
        return self._paths.probes

    def way(self, code: int) -> tuple[Flow, int]:
        probe = self._probes[code]
        return self._flows[probe.flow], probe.ttl

    def sent(self, code: int, now: float) -> float:
        self._paths.sent(self._probes[code], now)
        return now

    def heard(self, heard: Heard) -> None:
        if heard.code < self._paths.probes:
            reached = self.by_destination(heard)
            self._paths.answer(
                self._probes[heard.code],
                heard.source,
                heard.at,
                heard.icmp,
                heard.mpls,
                reached=reached,
                stopped=heard.error and not reached,
            )

    def wake(self) -> float:
        return self._paths.wake() if self.failure is None else -NEVER

    def closed(self, now: float) -> bool:
        return self.failure is not None or self._paths.closed(now)

    def only(self, flow: Flow) -> int | None:
        probe = self._paths.only(self._flows.index(flow))
        return None if probe is None else self._probes.index(probe)

    def result(self) -> TraceResult:
        """The result; :class:`MeasureError` if the machine itself did not send."""
        result = TraceResult(
            method=self.flow.method,
            port=self.flow.remote or None,
            reached=self._paths.reached,
            hops=self._paths.hops(),
            multipath=self._paths.result(),
        )
        if self.failure is not None:
            raise MeasureError(self.failure, f"trace {self.address}: {self.failure}", result)
        return result
