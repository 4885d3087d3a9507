"""What goes out is what scapy reads, and what strangers send is read or left alone."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any, Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6TimeExceeded, IPv6

from probes.engine import packets
from probes.engine.capture import checked
from probes.engine.extensions import MAX_LABELS, checksum, labels, split
from probes.engine.flow import Flow, Match, Method
from probes.observation import MplsLabel

SOURCE = {4: ipaddress.ip_address("192.0.2.1"), 6: ipaddress.ip_address("2001:db8::1")}
TARGET = {4: ipaddress.ip_address("198.51.100.7"), 6: ipaddress.ip_address("2001:db8:7::7")}
ROUTER = {4: "203.0.113.9", 6: "2001:db8:9::9"}
METHODS: tuple[Method, ...] = ("icmp", "tcp", "udp")
Version = Literal[4, 6]


def flow(method: Method, version: int, remote: int = 443) -> Flow:
    remote = 0 if method == "icmp" else remote
    return Flow(method, SOURCE[version].packed, TARGET[version].packed, 0x1234, remote, b"sarhad contact")


def dissect(version: int, packet: bytes) -> Any:
    return IP(packet) if version == 4 else IPv6(packet)


def error4(quoted: bytes, kind: int = 11, code: int = 0, length: int = 0, rest: bytes = b"") -> bytes:
    """A router's ICMP error about a packet, as a raw IPv4 socket gives it."""
    message = struct.pack("!BBHBBH", kind, code, 0, 0, length, 0) + quoted + rest
    return bytes(IP(src=ROUTER[4], dst=str(SOURCE[4]), proto=1) / message)


def quote_of(packet: bytes) -> packets.Quote:
    answer = packets.parse_icmp4(error4(packet))
    assert answer is not None
    assert answer.quote is not None
    return answer.quote


class TestFlow:
    """The probes of a flow are valid packets that a load balancer cannot tell apart."""

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    def test_scapy_agrees(self, method: Method, version: int) -> None:
        probe = flow(method, version).packet(0x0203, 3)
        probe = checked(probe) if version == 4 else probe
        read = dissect(version, probe)
        assert (read.src, read.dst) == (str(SOURCE[version]), str(TARGET[version]))
        assert (read.ttl if version == 4 else read.hlim) == 3
        again = read.copy()
        for layer, field in ((IP, "chksum"), (ICMP, "chksum"), (TCP, "chksum"), (UDP, "chksum")):
            if layer in again:
                delattr(again[layer], field)
        if "cksum" in again.payload.fields:
            del again.payload.cksum
        assert bytes(again) == probe

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    @given(code=st.integers(0, 0xFFFF), slot=st.integers(0, 0xFFFFFFFF), mark=st.binary(max_size=70))
    def test_checksums_are_right(
        self, method: Method, version: Version, code: int, slot: int, mark: bytes
    ) -> None:
        remote = 0 if method == "icmp" else 443
        sent = Flow(method, SOURCE[version].packed, TARGET[version].packed, 0xFFFF, remote, mark, slot)
        probe = sent.packet(code, 255)
        length = len(probe) - sent.header
        pseudo = SOURCE[version].packed + TARGET[version].packed + struct.pack("!II", length, sent.protocol)
        covered = probe[sent.header :]
        if version == 6 or method != "icmp":
            covered += b"\0" * (len(covered) % 2) + pseudo
        assert checksum(covered) == 0

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    def test_flow_is_constant(self, method: Method, version: int) -> None:
        sent = flow(method, version)
        heads = set()
        for code in range(0x0101, 0x0120):
            probe = sent.packet(code, code & 0xFF)
            label = probe[:4] if version == 6 else b""
            heads.add(label + probe[sent.header : sent.header + 4])
        assert len(heads) == 1

    @pytest.mark.parametrize("version", [4, 6])
    @pytest.mark.parametrize("method", METHODS)
    @given(codes=st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=70, unique=True))
    def test_every_probe_is_found_again(self, method: Method, version: int, codes: list[int]) -> None:
        sent = flow(method, version)
        probes = [sent.packet(code, 9) for code in codes]
        for code, probe in zip(codes, probes, strict=True):
            identification = None if version == 6 else struct.unpack_from("!H", probe, 4)[0]
            quote = packets.Quote(sent.protocol, sent.destination, identification, probe[sent.header :])
            assert sent.match(quote) == Match(code, proved=True)

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("change", ["ports", "plus", "swap", "zero"])
    def test_rewritten_quote_is_found_by_its_other_copy(self, method: Method, change: str) -> None:
        sent = flow(method, 4)
        probe = bytearray([sent.packet(code, code) for code in range(1, 9)][4])
        identification = struct.unpack_from("!H", probe, 4)[0]
        if change == "ports":
            for at in {"icmp": (22, 24), "udp": (20, 26), "tcp": (20,)}[method]:
                probe[at : at + 2] = b"\xff\xff"
        else:
            swapped = (identification & 0xFF) << 8 | identification >> 8
            value = {"plus": identification + 1 & 0xFFFF, "swap": swapped, "zero": 0}[change]
            struct.pack_into("!H", probe, 4, value)
        match = sent.match(quote_of(bytes(probe[:28])))
        assert match is not None
        assert match.code == 5

    @pytest.mark.parametrize("method", METHODS)
    def test_quote_of_a_stranger_is_not_ours(self, method: Method) -> None:
        ours, other = flow(method, 4), flow(method, 4)
        ours.packet(1, 1)
        stranger = other.packet(9, 1)
        assert ours.match(quote_of(stranger)) is None

    @pytest.mark.parametrize("size", [28, 999])
    @pytest.mark.parametrize("method", METHODS)
    def test_nor_if_it_has_an_identification_of_ours(self, method: Method, size: int) -> None:
        """Another tracer's probes to the same target have some of our 16 bits soon enough."""
        ours, other = flow(method, 4), flow(method, 4)
        probes = [ours.packet(code, 1) for code in range(8)]
        stranger = bytearray(other.packet(9, 1))
        stranger[4:6] = probes[3][4:6]
        if method != "icmp":
            stranger[20:24] = b"\x12\x34\x56\x78"  # its ports
        assert ours.match(quote_of(bytes(stranger[:size]))) is None

    def test_short_quote_of_an_echo_proves_nothing(self) -> None:
        sent = flow("icmp", 4)
        probe = sent.packet(1, 1)
        assert sent.match(quote_of(probe[:28])) == Match(1, proved=False)

    def test_syn_is_proved_by_its_acknowledgement(self) -> None:
        sent = flow("tcp", 4)
        sequence = IP(sent.packet(7, 64))[TCP].seq
        assert sent.acknowledges((sequence + 1) & 0xFFFFFFFF) == 7
        assert sent.acknowledges(sequence) is None


class TestAnswers:
    """Answers as scapy builds them are understood, IPv4 and IPv6."""

    def test_echo_reply(self) -> None:
        answer = packets.parse_icmp4(bytes(IP(src=ROUTER[4]) / ICMP(type=0, id=1, seq=2) / b"hello"))
        assert answer is not None
        assert (answer.kind, answer.payload[-5:], answer.quote) == ("echo", b"hello", None)
        six = packets.parse_icmp6(bytes(ICMPv6EchoReply(data=b"hello")))
        assert six is not None
        assert (six.kind, six.payload) == ("echo", b"hello")

    @pytest.mark.parametrize(("kind", "code", "name"), [(11, 0, "exceeded"), (3, 13, "unreachable")])
    def test_errors(self, kind: int, code: int, name: str) -> None:
        probe = flow("udp", 4).packet(1, 1)
        answer = packets.parse_icmp4(error4(probe, kind, code))
        assert answer is not None
        assert (answer.kind, answer.type, answer.code) == (name, kind, code)
        assert answer.source == ipaddress.ip_address(ROUTER[4]).packed

    def test_errors_of_version_6(self) -> None:
        probe = IPv6(flow("udp", 6).packet(1, 1))
        for built, name in ((ICMPv6TimeExceeded(), "exceeded"), (ICMPv6DestUnreach(code=4), "unreachable")):
            answer = packets.parse_icmp6(bytes(built / probe))
            assert answer is not None
            assert answer.kind == name
            assert answer.quote is not None
            assert answer.quote.destination == TARGET[6].packed

    @pytest.mark.parametrize(
        "octets",
        [
            error4(b""),
            error4(bytes(IP(src="192.0.2.1", dst="198.51.100.7", frag=5, proto=17) / (b"x" * 20))),
            error4(flow("udp", 4).packet(1, 1)[:27]),
            error4(flow("udp", 4).packet(1, 1), 11, 1),
            error4(flow("udp", 4).packet(1, 1), 5, 1),
            bytes(IP(src="192.0.2.1", proto=1, frag=9) / (b"\0" * 20)),
            bytes(IP(src="192.0.2.1", proto=1) / b"\0\0"),
        ],
    )
    def test_useless_ones_are_left_alone(self, octets: bytes) -> None:
        assert packets.parse_icmp4(octets) is None

    @pytest.mark.parametrize(
        ("flags", "syn"), [("SA", True), ("RA", False), ("S", None), ("R", None), ("A", None)]
    )
    def test_segments(self, flags: str, syn: bool | None) -> None:
        segment = TCP(sport=443, dport=5000, ack=77, flags=flags)
        four = packets.parse_tcp4(bytes(IP(src=ROUTER[4]) / segment))
        six = packets.parse_tcp6(bytes(segment))
        if syn is None:
            assert four is six is None
        else:
            assert four is not None
            assert six is not None
            assert (four.source_port, four.destination_port, four.acknowledged, four.syn) == (
                443,
                5000,
                77,
                syn,
            )
            assert six == four._replace(source=None)


def extension(*objects: bytes, version: int = 2, total: int | None = None) -> bytes:
    body = struct.pack("!BBH", version << 4, 0, 0) + b"".join(objects)
    return body[:2] + struct.pack("!H", checksum(body) if total is None else total) + body[4:]


def mpls(*stack: tuple[int, int, int, int]) -> bytes:
    entries = b"".join(bytes(MPLS(label=a, cos=b, s=c, ttl=d))[:4] for a, b, c, d in stack)
    return struct.pack("!HBB", 4 + len(entries), 1, 1) + entries


STACK = mpls((29657, 0, 0, 1), (25437, 5, 1, 254))
LABELS = (MplsLabel(label=29657, tc=0, s=0, ttl=1), MplsLabel(label=25437, tc=5, s=1, ttl=254))
PADDED = flow("icmp", 4).packet(1, 1).ljust(128, b"\0")


class TestExtensions:
    """Label stacks are read from compliant and old routers; a broken extension never costs the quote."""

    @pytest.mark.parametrize("length", [32, 0])
    def test_labels(self, length: int) -> None:
        answer = packets.parse_icmp4(error4(PADDED, length=length, rest=extension(STACK)))
        assert answer is not None
        assert answer.mpls == LABELS

    def test_labels_of_version_6(self) -> None:
        quoted = flow("udp", 6).packet(1, 1).ljust(128, b"\0")
        message = struct.pack("!BBHBBH", 3, 0, 0, 16, 0, 0) + quoted + extension(STACK)
        answer = packets.parse_icmp6(message)
        assert answer is not None
        assert answer.mpls == LABELS

    @pytest.mark.parametrize(
        ("rest", "found"),
        [
            (extension(b"\0\x08\x63\x07data", STACK), LABELS),  # an unknown class before it
            (extension(STACK, total=0), LABELS),  # no checksum was made
            (extension(STACK, total=0x1234), ()),
            (extension(STACK, version=1), ()),
            (extension(STACK)[:3], ()),
            (extension(b"\0\0\1\1", STACK), ()),  # an object of no length
            (extension(b"\xff\xff\1\1", STACK), ()),  # an object beyond the end
            (b"", ()),
        ],
    )
    def test_corner_cases(self, rest: bytes, found: tuple[MplsLabel, ...]) -> None:
        answer = packets.parse_icmp4(error4(PADDED, length=32, rest=rest))
        assert answer is not None
        assert answer.quote is not None
        assert answer.mpls == found

    def test_length_beyond_the_end_keeps_the_quote(self) -> None:
        answer = packets.parse_icmp4(error4(PADDED, length=255))
        assert answer is not None
        assert answer.quote is not None

    def test_without_length_a_checksum_is_asked_for(self) -> None:
        assert split(PADDED + extension(STACK, total=0), 0)[1] == ()

    def test_stack_is_bounded(self) -> None:
        assert len(labels(extension(mpls(*[(1, 0, 0, 1)] * 500)), checked=True)) == MAX_LABELS


class TestStrangers:
    """No octets make a parser raise, or give more than they hold."""

    @given(octets=st.binary(max_size=600))
    @example(octets=b"\x4f" + b"\0" * 70)
    def test_any_octets(self, octets: bytes) -> None:
        packets.parse_icmp4_message(octets)
        packets.parse_tcp4(octets)
        packets.parse_tcp6(octets)
        for answer in (packets.parse_icmp4(octets), packets.parse_icmp6(octets)):
            assert answer is None or len(answer.mpls) <= MAX_LABELS

    @given(data=st.data(), method=st.sampled_from(METHODS), rest=st.binary(max_size=100))
    def test_damaged_errors(self, data: st.DataObject, method: Method, rest: bytes) -> None:
        sent = flow(method, 4)
        octets = bytearray(
            error4(sent.packet(1, 1).ljust(128, b"\0"), length=32, rest=extension(STACK) + rest)
        )
        for _ in range(data.draw(st.integers(0, 6))):
            octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
        answer = packets.parse_icmp4(bytes(octets[: data.draw(st.integers(0, len(octets)))]))
        if answer is not None and answer.quote is not None:
            match = sent.match(answer.quote)
            assert match is None or match.code == 1

    @given(octets=st.binary(max_size=80), method=st.sampled_from(METHODS))
    def test_any_quote(self, octets: bytes, method: Method) -> None:
        sent = flow(method, 4)
        sent.packet(1, 1)
        sent.match(packets.Quote(sent.protocol, sent.destination, 0, octets))
