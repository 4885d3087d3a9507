"""What kernels put in error queues is read with distrust, and becomes what a raw socket would have given."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.engine.flow import Flow
from probes.engine.ordinary import Told, answer_of, parse_error
from probes.engine.pacing import Bucket
from probes.engine.packets import UDP, Quote
from probes.engine.path import Path
from probes.engine.registry import Registry
from probes.engine.run import Heard
from probes.observation import MplsLabel

ROUTER = {4: socket.inet_aton("203.0.113.9"), 6: socket.inet_pton(socket.AF_INET6, "2001:db8:9::9")}
HERE, THERE = socket.inet_aton("192.0.2.1"), socket.inet_aton("198.51.100.7")
LEVEL = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}


def entry(
    version: int, kind: int, code: int, origin: int | None = None, length: int = 0, flags: int = 0
) -> tuple[int, int, bytes]:
    """A control message of an error queue (linux/errqueue.h)."""
    origin = (2 if version == 4 else 3) if origin is None else origin
    error = struct.pack("@IBBBBIHBB", 113, origin, kind, code, 0, 0, length, flags, 0)
    if version == 4:
        offender = struct.pack("=HH4s8x", socket.AF_INET, 0, ROUTER[4])
    else:
        offender = struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, ROUTER[6], 0)
    return (*LEVEL[version], error + offender)


class TestParse:
    """An entry tells who sent the error, of what kind, and what it quotes."""

    @pytest.mark.parametrize("version", [4, 6])
    def test_who_and_what(self, version: int) -> None:
        kind = 11 if version == 4 else 3
        assert parse_error(version, b"quoted", [entry(version, kind, 0)]) == Told(
            ROUTER[version], kind, 0, (), b"quoted"
        )

    @pytest.mark.parametrize("version", [4, 6])
    def test_labels(self, version: int) -> None:
        extension = struct.pack("!BBHHBBI", 0x20, 0, 0, 8, 1, 1, 29657 << 12 | 1 << 8 | 1)
        told = parse_error(version, b"q" * 108 + extension, [entry(version, 11, 0, length=108)])
        assert told is not None
        assert told.mpls == (MplsLabel(label=29657, tc=0, s=1, ttl=1),)
        assert told.payload == b"q" * 108
        told = parse_error(version, b"q" * 108 + extension, [entry(version, 11, 0, length=108, flags=1)])
        assert told is not None
        assert told.mpls == ()

    @pytest.mark.parametrize("origin", [0, 1, 4])
    def test_what_no_router_sent_is_left_alone(self, origin: int) -> None:
        assert parse_error(4, b"x", [entry(4, 3, 4, origin)]) is None

    @given(
        st.sampled_from([4, 6]),
        st.binary(max_size=200),
        st.lists(
            st.tuples(st.sampled_from([0, 1, 41]), st.sampled_from([11, 25, 35]), st.binary(max_size=60))
        ),
    )
    def test_any_octets(self, version: int, payload: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        told = parse_error(version, payload, ancillary)
        assert told is None or payload.startswith(told.payload)

    def test_errors_that_say_nothing_of_the_way(self) -> None:
        quote = Quote(UDP, THERE, None, bytes(8))
        assert answer_of(4, Told(ROUTER[4], 12, 0, (), b""), quote) is None
        assert answer_of(4, Told(ROUTER[4], 11, 1, (), b""), quote) is None
        assert answer_of(6, Told(ROUTER[6], 2, 0, (), b""), quote) is None


class TestShortQuotes:
    """A UDP socket is not told the header: of a quote without more, only a lone probe can be meant."""

    @staticmethod
    def heard(sent: list[int], answered: list[int]) -> Heard | None:
        registry = Registry()
        flow = Flow("udp", HERE, THERE, 4000, 33434, slot=registry.slot())
        trace = Path("198.51.100.7", flow, Bucket(1000), 30, 1.0, 2, 30.0)
        registry.add(trace)
        for ttl in sent:
            flow.packet(ttl, ttl)
            trace.sent(ttl, 10.0)
        for ttl in answered:
            trace.heard(Heard(ttl, ROUTER[4], 10.1, (11, 0), exceeded=True))
        header = struct.pack("!HHHH", 4000, 33434, 0, 0)
        answer = answer_of(4, Told(ROUTER[4], 11, 0, (), b""), Quote(UDP, THERE, None, header))
        assert answer is not None
        found = registry.icmp(answer, b"", 10.2)
        return None if found is None else found[1]

    def test_a_lone_probe_is_meant(self) -> None:
        heard = self.heard([1, 2, 3], [1, 2])
        assert heard is not None
        assert (heard.code, heard.source, heard.proved, heard.exceeded) == (3, ROUTER[4], False, True)

    @pytest.mark.parametrize(("sent", "answered"), [([1, 2], []), ([1, 2, 3], [2]), ([1], [1]), ([], [])])
    def test_else_nobody_knows(self, sent: list[int], answered: list[int]) -> None:
        assert self.heard(sent, answered) is None
