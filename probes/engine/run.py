"""What the engine works on: a ping in progress, or a trace (``path``, ``multitrace``). No I/O, no clock."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from probes.failure import MeasureError, refusal
from probes.observation import PingResult

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from probes.engine.flow import Flow
    from probes.engine.pacing import Bucket
    from probes.observation import ErrorCode, MplsLabel

_PING_TTL: Final = 64
NEVER: Final = float("inf")
EXCEEDED: Final = (11, 0)  # type and code of "time exceeded in transit" over IPv4 (RFC 792)
# ICMP codes of "destination unreachable" by which a host speaks of itself: protocol and port unreachable, and
# its own firewall's refusals (RFC 792, RFC 1812 5.2.7.1; RFC 4443, 3.1).
_OF_ITSELF: Final = {4: frozenset({2, 3, 9, 10, 13}), 6: frozenset({1, 4, 5, 6})}


class Heard(NamedTuple):
    """An answer that was matched to a probe: ``icmp`` is None for an answer by TCP or UDP.

    ``proved`` where the answer shows that its sender saw the probe; ``at`` is monotonic seconds.
    """

    code: int
    source: bytes
    at: float
    icmp: tuple[int, int] | None
    error: bool = False  # destination unreachable
    exceeded: bool = False
    proved: bool = True
    mpls: tuple[MplsLabel, ...] = ()


class Run(ABC):
    """A ping or trace, on its way from the registry's entry to the call of ``ended``.

    ``peer`` is the destination as sockets take it, ``send`` sends a packet there (OSError as of sendto(2)).
    ``held`` are sockets that keep source ports for us.
    """

    __slots__ = (
        "bucket",
        "busy",
        "due",
        "ended",
        "failure",
        "flow",
        "held",
        "most",
        "over",
        "peer",
        "ready",
        "send",
    )
    by_ttl: ClassVar = False  # whether all probes are of one flow, and a code's low octet is its TTL

    def __init__(self, address: str, flow: Flow, bucket: Bucket | None) -> None:
        self.peer = (address, 0)
        self.flow = flow
        self.bucket = bucket
        self.due = NEVER  # when the earliest of the engine's timers for this run rings
        self.ready = False  # whether it stands in the engine's queue
        self.most = 255  # probes that may be waited for at once
        self.over = False  # whether the registry knows it no more
        self.busy = 0  # how often the machine had no room for a packet
        self.failure: ErrorCode | None = None
        self.held: tuple[socket.socket, ...] = ()
        self.ended: Callable[[Run], None] = _nobody
        self.send: Callable[[bytes, tuple[str, int]], object] = _nowhere

    @property
    def address(self) -> str:
        return self.peer[0]

    @property
    def flows(self) -> Sequence[Flow]:
        """All whose answers are for this run; they have one slot, and no code twice."""
        return (self.flow,)

    @abstractmethod
    def poll(self, now: float, window: int) -> int | None:
        """The code of the probe to send now; not with ``window`` waited for already, nor with ``most``."""

    def way(self, code: int) -> tuple[Flow, int]:
        """By which flow and with which TTL the probe goes that :meth:`poll` named last."""
        return self.flow, code & 0xFF

    @abstractmethod
    def sent(self, code: int, now: float) -> float:
        """Note that :meth:`poll`'s probe left; when to poll again, if nothing is answered before.

        ``now`` or the past if there may be another to send at once.
        """

    @abstractmethod
    def heard(self, heard: Heard) -> None: ...

    def passed(self, code: int, source: bytes, at: float) -> None:
        """:meth:`heard` of a router by which an IPv4 probe's TTL ended, with proof: what is heard most."""
        self.heard(Heard(code, source, at, EXCEEDED, exceeded=True))

    @abstractmethod
    def wake(self) -> float:
        """When to look again, if nothing is answered before; the past if it may be over."""

    @abstractmethod
    def closed(self, now: float) -> bool:
        """Whether no further probe will be sent and no answer is waited for."""

    @abstractmethod
    def only(self, flow: Flow) -> int | None:
        """The code of the flow's one probe that was not answered; None if there are more or none."""

    def fail(self, code: ErrorCode) -> None:
        """Send no more: the machine itself refuses to."""
        self.failure = code

    def by_destination(self, heard: Heard) -> bool:
        """Whether the destination itself answered, and not a router or a box in between."""
        if heard.exceeded or not heard.proved:
            return False  # time exceeded from the destination's own address is a box in front of it
        if not heard.error:
            return True  # who can echo the cookie has the packet, whatever address it answers from
        assert heard.icmp is not None
        return heard.source == self.flow.destination and heard.icmp[1] in _OF_ITSELF[self.flow.version]


def _nobody(_: Run) -> None:
    """Who waits for a run that nobody waits for."""


def _nowhere(_packet: bytes, _peer: tuple[str, int]) -> None:
    """Where the packets go of a run that no link was given to."""


class Ping(Run):
    """``count`` probes, one every ``interval`` seconds, each waited for ``timeout`` seconds."""

    __slots__ = ("_count", "_interval", "_refused", "_rtts", "_sent", "_timeout", "duplicates")

    def __init__(
        self,
        address: str,
        flow: Flow,
        bucket: Bucket | None,
        count: int,
        interval_s: float,
        timeout_s: float,
    ) -> None:
        super().__init__(address, flow, bucket)
        self._count = count
        self._interval = interval_s
        self._timeout = timeout_s
        self._sent: list[float] = []
        self._rtts: dict[int, float] = {}
        self._refused: set[int] = set()
        self.duplicates = 0

    def poll(self, now: float, window: int) -> int | None:  # noqa: ARG002  (traces have one)
        if self.failure is not None or len(self._sent) >= self._count or now < self._due():
            return None
        return len(self._sent)

    def way(self, code: int) -> tuple[Flow, int]:  # noqa: ARG002  (all go the same)
        return self.flow, _PING_TTL

    def sent(self, code: int, now: float) -> float:
        assert code == len(self._sent)
        self._sent.append(now)
        return self.wake()

    def heard(self, heard: Heard) -> None:
        if heard.code in self._rtts:
            self.duplicates += 1
        elif heard.code < len(self._sent) and self.by_destination(heard):
            self._rtts[heard.code] = max(0.0, heard.at - self._sent[heard.code])
        elif heard.icmp is not None:
            self._refused.add(heard.code)
            self.failure = self.failure or (
                "unreachable" if heard.exceeded else refusal(self.flow.version, heard.icmp[1])
            )

    def wake(self) -> float:
        if self.failure is None and len(self._sent) < self._count:
            return self._due()
        if all(code in self._rtts or code in self._refused for code in range(len(self._sent))):
            return -NEVER
        return self._sent[-1] + self._timeout

    def closed(self, now: float) -> bool:
        if self.failure is None and len(self._sent) < self._count:
            return False
        return now >= self.wake()

    def only(self, flow: Flow) -> int | None:  # noqa: ARG002  (it has but one)
        left = [
            code for code in range(len(self._sent)) if code not in self._rtts and code not in self._refused
        ]
        return left[0] if len(left) == 1 else None

    def result(self) -> PingResult:
        """The result; :class:`MeasureError` if nothing answered and it is known why."""
        result = PingResult(
            method=self.flow.method,
            port=self.flow.remote or None,
            sent=len(self._sent),
            rtts_ms=tuple(round(self._rtts[code] * 1000, 4) for code in sorted(self._rtts)),
        )
        if self.failure is not None and (not self._rtts or self.failure == "cancelled"):
            raise MeasureError(self.failure, f"ping {self.address}: {self.failure}", result)
        return result

    def _due(self) -> float:
        """When the next probe may go."""
        if not self._sent:
            return -NEVER
        last = len(self._sent) - 1
        due = self._sent[last] + self._interval
        if self.flow.method == "tcp" and last not in self._rtts:
            # A second SYN on the same ports is only a new one to the host after our kernel's reset of the
            # first, which follows its answer.
            return max(due, self._sent[last] + self._timeout)
        return due
