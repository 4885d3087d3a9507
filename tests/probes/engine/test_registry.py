"""An answer belongs to the probe that it shows, whoever sent it; only the destination answers for itself."""

from __future__ import annotations

import ipaddress
import itertools
import struct
from collections import deque
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP

from probes.engine import packets
from probes.engine.flow import Flow, Method
from probes.engine.pacing import Bucket
from probes.engine.registry import Registry
from probes.engine.run import Heard, Ping, Run
from probes.failure import MeasureError

HERE, THERE, ROUTER = "192.0.2.1", "198.51.100.7", "203.0.113.9"


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


class Bench:
    """A ping whose probes all left at time 10.0, and the registry that knows them."""

    def __init__(self, method: Method, count: int = 3) -> None:
        self.registry = Registry()
        remote, slot = 0 if method == "icmp" else 443, self.registry.slot()
        flow = Flow(method, packed(HERE), packed(THERE), 0x4321, remote, b"", slot)
        self.ping = Ping(THERE, flow, Bucket(1000), count, 0.0, 1.0)
        self.registry.add(self.ping)
        self.probes = []
        for code in range(count):
            self.probes.append(flow.packet(code, 64))
            self.ping.sent(code, 10.0)

    def icmp(self, octets: bytes, at: float = 10.5) -> Heard | None:
        answer = packets.parse_icmp4(octets)
        assert answer is not None
        return self._hand(self.registry.icmp(answer, b"", at))

    def segment(self, octets: bytes) -> Heard | None:
        segment = packets.parse_tcp4(octets)
        assert segment is not None
        return self._hand(self.registry.segment(segment, b"", 10.5))

    def error(self, sender: str, kind: int, code: int, probe: int = 0, size: int = 999) -> Heard | None:
        return self.icmp(
            bytes(IP(src=sender, dst=HERE) / ICMP(type=kind, code=code) / self.probes[probe][:size])
        )

    def echo(self, sender: str, payload: bytes, seq: int = 0) -> Heard | None:
        return self.icmp(bytes(IP(src=sender, dst=HERE) / ICMP(type=0, id=0x4321, seq=seq) / payload))

    def _hand(self, found: tuple[Any, Heard] | None) -> Heard | None:
        if found is None:
            return None
        assert found[0] is self.ping
        self.ping.heard(found[1])
        return found[1]

    def rtts(self) -> tuple[float, ...]:
        return self.ping.result().rtts_ms


class TestEcho:
    """An echo reply counts by the cookie that it gives back."""

    @pytest.mark.parametrize("sender", [THERE, ROUTER])
    def test_counts_from_any_address(self, sender: str) -> None:
        bench = Bench("icmp")
        assert bench.echo(sender, bench.probes[1][28:], 1) is not None
        assert bench.rtts() == (500.0,)

    def test_guess_ahead_does_not_count(self) -> None:
        """A far host that answers the next probe before it came knows its number, not its cookie."""
        bench = Bench("icmp")
        first = bench.probes[0][28:]
        assert bench.echo(THERE, bytes(18), 1) is None
        heard = bench.echo(THERE, first, 1)
        assert heard is not None
        assert heard.code == 0

    def test_duplicate_keeps_the_first_time(self) -> None:
        bench = Bench("icmp")
        reply = bytes(IP(src=THERE) / ICMP(type=0) / bench.probes[0][28:])
        bench.icmp(reply, 10.1)
        bench.icmp(reply, 10.2)
        assert bench.rtts() == (100.0,)
        assert bench.ping.duplicates == 1

    def test_forgotten_after_the_end(self) -> None:
        bench = Bench("icmp")
        bench.registry.remove(bench.ping)
        assert bench.echo(THERE, bench.probes[0][28:]) is None
        assert (bench.registry.runs, bench.registry._by_destination) == ({}, {})


class TestErrors:
    """An error tells of the router that sent it, and of the destination only if that sent it itself."""

    def test_port_unreachable_from_the_destination_is_an_answer(self) -> None:
        bench = Bench("udp")
        bench.error(THERE, 3, 3)
        assert bench.rtts() == (500.0,)

    @pytest.mark.parametrize(
        ("sender", "kind", "code"), [(ROUTER, 3, 3), (ROUTER, 3, 1), (THERE, 11, 0), (THERE, 3, 1)]
    )
    def test_others_are_not(self, sender: str, kind: int, code: int) -> None:
        bench = Bench("udp")
        assert bench.error(sender, kind, code) is not None
        with pytest.raises(MeasureError, match="unreachable") as caught:
            bench.rtts()
        assert caught.value.code == "unreachable"

    def test_prohibited(self) -> None:
        bench = Bench("tcp")
        bench.error(ROUTER, 3, 13)
        with pytest.raises(MeasureError, match="prohibited"):
            bench.rtts()

    def test_short_quote_without_proof_is_no_answer(self) -> None:
        """28 octets of an echo request hold nothing that a liar could not guess."""
        bench = Bench("icmp")
        heard = bench.error(THERE, 3, 3, size=28)
        assert heard is not None
        assert not heard.proved
        with pytest.raises(MeasureError):
            bench.rtts()

    def test_errors_about_others_are_left_alone(self) -> None:
        bench, other = Bench("udp"), Bench("udp")
        assert bench.icmp(bytes(IP(src=THERE) / ICMP(type=3, code=3) / other.probes[0])) is None


class TestSegments:
    """SYN-ACK and RST answer the SYN that they acknowledge."""

    @pytest.mark.parametrize("flags", ["SA", "RA"])
    def test_answers(self, flags: str) -> None:
        bench = Bench("tcp")
        sequence = struct.unpack_from("!I", bench.probes[2], 24)[0]
        reply = TCP(sport=443, dport=0x4321, ack=(sequence + 1) & 0xFFFFFFFF, flags=flags)
        heard = bench.segment(bytes(IP(src=THERE) / reply))
        assert heard is not None
        assert heard.code == 2

    def test_guess_does_not_count(self) -> None:
        bench = Bench("tcp")
        sequence = struct.unpack_from("!I", bench.probes[0], 24)[0]
        assert (
            bench.segment(bytes(IP(src=THERE) / TCP(sport=443, dport=0x4321, ack=sequence, flags="SA")))
            is None
        )
        good = TCP(sport=443, dport=0x4321, ack=(sequence + 1) & 0xFFFFFFFF, flags="SA")
        assert bench.segment(bytes(IP(src=ROUTER) / good)) is None


class Ear(Ping):
    """A ping that keeps what it is told."""

    def __init__(self, method: Method, registry: Registry) -> None:
        flow = Flow(method, packed(HERE), packed(THERE), 0x4321, 443, b"", registry.slot())
        super().__init__(THERE, flow, None, 1, 0.0, 1.0)
        self.told: list[Heard] = []
        registry.add(self)

    def heard(self, heard: Heard) -> None:
        self.told.append(heard)


class TestBatch:
    """What is matched by the batch is matched as one packet at a time would be."""

    @given(
        method=st.sampled_from(["icmp", "udp"]),
        quoted=st.sampled_from([28, 44, 48, 128, 160]),
        kind=st.sampled_from([0, 3, 8, 11, 11]),
        code=st.sampled_from([0, 0, 1, 3]),
        changes=st.lists(st.tuples(st.integers(0, 79), st.integers(0, 255)), max_size=2),
        cut=st.integers(0, 40),
    )
    @example(method="icmp", quoted=48, kind=11, code=0, changes=[(25, 4)], cut=0)
    @example(method="icmp", quoted=48, kind=11, code=0, changes=[(34, 1)], cut=0)
    @example(method="icmp", quoted=48, kind=11, code=0, changes=[(37, 17)], cut=0)
    @example(method="udp", quoted=48, kind=0, code=0, changes=[], cut=0)
    def test_agrees(
        self, method: Method, quoted: int, kind: int, code: int, changes: list[tuple[int, int]], cut: int
    ) -> None:
        registry = Registry()
        ear = Ear(method, registry)
        probe = ear.flow.packet(0, 1) + bytes(150)
        body = probe[28:72] if kind == 0 else probe[:quoted]
        packet = bytearray(bytes(IP(src=ROUTER, dst=HERE) / ICMP(type=kind, code=code, id=0, seq=0) / body))
        for at, value in changes:
            packet[at % len(packet)] = value
        size = len(packet) - cut % len(packet)
        # What an earlier packet left behind this one in the buffer is no part of it.
        told: deque[Run] = deque()
        others = registry.batch4(bytearray(5) + packet + bytes(200), [(5, size, 7.5)], told)
        quickly, ear.told = ear.told, []
        found = registry.packet4(bytes(packet[:size]), b"", 7.5)
        if told:
            assert (list(told), others) == ([ear], [])
            assert found is not None
            assert (found[0], [found[1]]) == (ear, quickly)
        else:
            assert (others, quickly) == ([0], [])

    @pytest.mark.parametrize("method", ["icmp", "udp"])
    def test_the_usual_needs_no_closer_look(self, method: Method) -> None:
        registry = Registry()
        ear = Ear(method, registry)
        probe = ear.flow.packet(0, 1)
        packets = [bytes(IP(src=ROUTER, dst=HERE) / ICMP(type=11) / probe)]
        if method == "icmp":
            packets.append(bytes(IP(src=THERE, dst=HERE) / ICMP(type=0) / probe[28:]))
        starts = itertools.accumulate(map(len, packets), initial=0)
        places = [(start, len(each), 7.5) for start, each in zip(starts, packets, strict=False)]
        told: deque[Run] = deque()
        assert registry.batch4(bytearray(b"".join(packets) + bytes(99)), places, told) == []
        assert list(told) == [ear]
        assert [heard.source for heard in ear.told] == [packed(ROUTER), packed(THERE)][: len(packets)]

    @pytest.mark.parametrize("kind", [0, 11])
    def test_a_guessed_cookie_is_left_for_a_closer_look(self, kind: int) -> None:
        registry = Registry()
        ear = Ear("icmp", registry)
        probe = bytearray(ear.flow.packet(0, 1))
        probe[-1] ^= 1
        body = bytes(probe[28:] if kind == 0 else probe)
        packet = bytearray(bytes(IP(src=ROUTER, dst=HERE) / ICMP(type=kind) / body))
        told: deque[Run] = deque()
        assert registry.batch4(packet, [(0, len(packet), 7.5)], told) == [0]
        assert not told
        assert registry.packet4(bytes(packet), b"", 7.5) is None
