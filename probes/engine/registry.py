"""Whose answer this is: the runs in progress, found by what an answer shows of the probe.

Never by who sent it: routers answer for other people's probes, and a destination may answer from another
of its addresses.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING, Final

from probes.engine.extensions import UNEXTENDED
from probes.engine.packets import ICMP, TAG, TAG_AT, TAGGED, UDP, Answer, Quote, Segment, parse_icmp4
from probes.engine.run import Heard

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from probes.engine.run import Run

_HEADER: Final = 8
_PAYLOAD_AT: Final = TAG_AT - 8  # where the tag is in a payload
# Of IPv4 packets with ICMP as they mostly are: version and header length; fragment offset, TTL and protocol;
# source; type and code; then of an error four octets, of the quoted header offset, TTL and protocol, and the
# tag; of an echo reply the tag. The four octets are the length of what is quoted, two that are not used, and
# the quoted version and header length.
_ERROR: Final = struct.Struct("!B5xI2x4s4xH3xI5xI20xIHQ")
_ECHO: Final = struct.Struct("!B5xI2x4s4xH8xIHQ")
_LEAST_ERROR: Final = 48 + TAGGED
_MOST_ERROR: Final = 28 + UNEXTENDED  # a longer one may have extensions
_LEAST_ECHO: Final = _ECHO.size
_PLAIN: Final = 0x45  # without options
# Offset and protocol, in offset, TTL and protocol: what has no offset is whole, or a first fragment.
_WHOLE: Final = 0x1FFF00FF
_EXCEEDED: Final = 11 << 8


class Registry:
    """The runs in progress, by slot and by destination."""

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}
        self._by_destination: dict[bytes, tuple[Run, ...]] = {}
        self._slots = itertools.count(1)

    def slot(self) -> int:
        """A slot for a new run, which its flow is to be made with."""
        return next(self._slots) & 0xFFFFFFFF

    def add(self, run: Run) -> None:
        """Know a run; another one's slot must not be taken."""
        if self.runs.setdefault(run.flow.slot, run) is not run:
            raise ValueError(f"slot {run.flow.slot} is taken")
        others = self._by_destination.get(run.flow.destination, ())
        self._by_destination[run.flow.destination] = (*others, run)

    def taken(self, destination: bytes, remote: int, local: int) -> bool:
        """Whether a TCP run in progress has these ends and ports."""
        return any(
            (flow.method, flow.remote, flow.local) == ("tcp", remote, local)
            for run in self._by_destination.get(destination, ())
            for flow in run.flows
        )

    def remove(self, run: Run) -> None:
        if self.runs.get(run.flow.slot) is not run:
            return
        del self.runs[run.flow.slot]
        others = self._by_destination.pop(run.flow.destination)
        if len(others) > 1:
            self._by_destination[run.flow.destination] = tuple(each for each in others if each is not run)

    def batch4(  # noqa: C901  (calls would cost)
        self, octets: bytearray, places: Iterable[tuple[int, int, float]], ready: deque[Run]
    ) -> list[int]:
        """Tell runs what IPv4 packets with ICMP answer, where these are of the usual shape.

        ``places`` are the start, length and time of each in ``octets``. Who was told is put into ``ready``.
        Gives the numbers of the packets that are to be looked at more closely: by :meth:`packet4`, which
        would have made the same of those that were told.
        """
        others: list[int] = []
        get, unpack_error = self.runs.get, _ERROR.unpack_from
        # This is done for nearly every packet, so nothing is called here that can be written here.
        for number, (start, size, at) in enumerate(places):
            if _LEAST_ERROR <= size <= _MOST_ERROR:
                version, part, source, kind, quoted, inner, slot, code, cookie = unpack_error(octets, start)
                if kind == _EXCEEDED and version == _PLAIN and quoted == _PLAIN and part & _WHOLE == ICMP:
                    run = get(slot)
                    if run is not None:
                        flow = run.flow
                        cookies = flow.cookies
                        if (
                            code < len(cookies)
                            and cookies[code] == cookie
                            and inner & _WHOLE == flow.protocol
                        ):
                            run.passed(code, source, at)
                            if not run.ready:
                                run.ready = True
                                ready.append(run)
                            continue
            elif size >= _LEAST_ECHO:
                version, part, source, kind, slot, code, cookie = _ECHO.unpack_from(octets, start)
                if not kind >> 8 and version == _PLAIN and part & _WHOLE == ICMP:
                    run = get(slot)
                    if run is not None and run.flow.method == "icmp" and run.flow.knows(code, cookie):
                        run.heard(Heard(code, source, at, (0, kind)))
                        if not run.ready:
                            run.ready = True
                            ready.append(run)
                        continue
            others.append(number)
        return others

    def packet4(self, packet: bytes, _source: bytes, at: float) -> tuple[Run, Heard] | None:
        """The probe that an IPv4 packet with ICMP answers."""
        answer = parse_icmp4(packet)
        return None if answer is None else self.icmp(answer, b"", at)

    def icmp(self, answer: Answer, source: bytes, at: float) -> tuple[Run, Heard] | None:
        """The probe that an ICMP message answers; ``source`` is the socket's word for IPv6."""
        sender = answer.source or source
        kind = (answer.type, answer.code)
        quote = answer.quote
        if quote is None:
            found = self._tagged(answer.payload, _PAYLOAD_AT)
            if found is None or found[0].flow.method != "icmp":
                return None
            return found[0], Heard(found[1], sender, at, kind)
        found = self._tagged(quote.transport, TAG_AT)
        if found is not None and found[0].flow.protocol == quote.protocol:
            run, code, proved = *found, True
        else:
            matches = {
                (run, match)
                for run in self._by_destination.get(quote.destination, ())
                for flow in run.flows
                if (match := flow.match(quote)) is not None
            }
            matches = {each for each in matches if each[1].exact} or matches
            if len(matches) != 1:
                return None if matches else self._only(answer, quote, sender, at)
            run, (code, proved, _) = matches.pop()
        exceeded = answer.kind == "exceeded"
        return run, Heard(code, sender, at, kind, not exceeded, exceeded, proved, answer.mpls)

    def _only(self, answer: Answer, quote: Quote, sender: bytes, at: float) -> tuple[Run, Heard] | None:
        """The one probe that a quote can be of where only its UDP ports are known; None if it is not one.

        So much only has a datagram socket of a router that quotes no more than the header (RFC 792).
        """
        if quote.protocol != UDP or len(quote.transport) != _HEADER or quote.transport[6:] != b"\0\0":
            return None
        ports = struct.unpack_from("!HH", quote.transport)
        flows = [
            (run, flow)
            for run in self._by_destination.get(quote.destination, ())
            for flow in run.flows
            if flow.method == "udp" and (flow.local, flow.remote) == ports
        ]
        if len(flows) != 1:
            return None
        run, flow = flows[0]
        code = run.only(flow)
        if code is None:
            return None
        exceeded = answer.kind == "exceeded"
        kind = (answer.type, answer.code)
        return run, Heard(code, sender, at, kind, not exceeded, exceeded, proved=False, mpls=answer.mpls)

    def segment(self, segment: Segment, source: bytes, at: float) -> tuple[Run, Heard] | None:
        """The SYN that a SYN-ACK or RST answers."""
        sender = segment.source or source
        ports = (segment.destination_port, segment.source_port)
        for run in self._by_destination.get(sender, ()):
            for flow in run.flows:
                if flow.method == "tcp" and ports == (flow.local, flow.remote):
                    code = flow.acknowledges(segment.acknowledged)
                    if code is not None:
                        return run, Heard(code, sender, at, None)
        return None

    def datagram(self, payload: bytes, source: bytes, at: float) -> tuple[Run, Heard] | None:
        """The UDP probe that a datagram answers: only one that gives the cookie back is known to."""
        found = self._tagged(payload, _PAYLOAD_AT)
        if found is None or found[0].flow.method != "udp":
            return None
        return found[0], Heard(found[1], source, at, None)

    def _tagged(self, octets: bytes, at: int) -> tuple[Run, int] | None:
        """The run and code of the probe whose tag the octets hold."""
        if len(octets) < at + TAG.size:
            return None
        slot, code, cookie = TAG.unpack_from(octets, at)
        run = self.runs.get(slot)
        return (run, code) if run is not None and run.flow.knows(code, cookie) else None
