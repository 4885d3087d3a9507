"""Whose answer this is: the runs in progress, found by what an answer shows of the probe.

Never by who sent it: routers answer for other people's probes, and a destination may answer from another
of its addresses.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from probes.engine.packets import COOKIE, Answer, Segment
from probes.engine.run import Heard

if TYPE_CHECKING:
    from probes.engine.run import Run

_PAYLOAD_COOKIE = slice(COOKIE.start - 8, COOKIE.stop - 8)


class Registry:
    """The runs in progress, by destination and by the cookies of the probes that were sent."""

    def __init__(self) -> None:
        self.runs: set[Run] = set()
        self._by_destination: dict[bytes, list[Run]] = {}
        self._by_cookie: dict[bytes, Run] = {}

    def add(self, run: Run) -> None:
        self.runs.add(run)
        self._by_destination.setdefault(run.flow.destination, []).append(run)

    def note(self, run: Run, packet: bytes) -> None:
        """Remember a probe that is about to be sent."""
        if run.flow.method != "tcp":
            at = run.flow.header
            self._by_cookie[packet[at + COOKIE.start : at + COOKIE.stop]] = run

    def remove(self, run: Run) -> None:
        if run not in self.runs:
            return
        self.runs.discard(run)
        same = self._by_destination[run.flow.destination]
        same.remove(run)
        if not same:
            del self._by_destination[run.flow.destination]
        for cookie in run.flow.cookies:
            self._by_cookie.pop(cookie, None)

    def icmp(self, answer: Answer, source: str, at: float) -> tuple[Run, Heard] | None:
        """The probe that an ICMP message answers; ``source`` is the socket's word for IPv6."""
        sender = source if answer.source is None else socket.inet_ntop(socket.AF_INET, answer.source)
        kind = (answer.type, answer.code)
        if answer.quote is None:
            run = self._by_cookie.get(answer.payload[_PAYLOAD_COOKIE])
            if run is None or run.flow.method != "icmp":
                return None
            return run, Heard(run.flow.cookies[answer.payload[_PAYLOAD_COOKIE]], sender, at, kind)
        for run in self._by_destination.get(answer.quote.destination, ()):
            match = run.flow.match(answer.quote)
            if match is not None:
                break
        else:
            return None
        heard = Heard(
            match.code,
            sender,
            at,
            kind,
            error=answer.kind == "unreachable",
            exceeded=answer.kind == "exceeded",
            proved=match.proved,
            mpls=answer.mpls,
        )
        return run, heard

    def segment(self, segment: Segment, source: str, at: float) -> tuple[Run, Heard] | None:
        """The SYN that a SYN-ACK or RST answers."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        sender = segment.source or socket.inet_pton(family, source)
        for run in self._by_destination.get(sender, ()):
            flow = run.flow
            ports = (segment.destination_port, segment.source_port)
            if flow.method == "tcp" and ports == (flow.local, flow.remote):
                code = flow.acknowledges(segment.acknowledged)
                if code is not None:
                    return run, Heard(code, run.address, at, None)
        return None

    def datagram(self, payload: bytes, source: str, at: float) -> tuple[Run, Heard] | None:
        """The UDP probe that a datagram answers: only one that gives the cookie back is known to."""
        run = self._by_cookie.get(payload[_PAYLOAD_COOKIE])
        if run is None or run.flow.method != "udp":
            return None
        return run, Heard(run.flow.cookies[payload[_PAYLOAD_COOKIE]], source, at, None)
