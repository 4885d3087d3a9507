from __future__ import annotations

import functools
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.packet import Packet, Raw
from scapy.utils import checksum

from probes.simnet import packets
from probes.simnet.loading import load_world
from probes.simnet.router import Router
from probes.simnet.topology import Topology

WORLDS = Path(__file__).with_name("worlds")
HERE = {"basics": "v-lhe", "troubles": "v"}
SOURCE = {"basics": ("192.0.2.3", "2001:db8:a::3"), "troubles": ("192.0.2.1", "2001:db8:a::1")}
MS = 1_000_000


@functools.cache
def topology(name: str) -> Topology:
    return Topology(load_world(WORLDS / f"{name}.yaml"))


class Bench:
    """A router without devices: packets go in at a site, and come out with their time."""

    def __init__(self, name: str = "basics") -> None:
        self.topology = topology(name)
        self.router = Router(self.topology, list(self.topology.sites))
        self.sites = list(self.topology.sites)
        self.here = HERE[name]
        self.source4, self.source6 = SOURCE[name]

    def send(self, packet: Packet | bytes, site: str | None = None, now: int = 0) -> None:
        self.router.receive(self.sites.index(site or self.here), bytes(packet), now)

    def out(self) -> list[tuple[float, str, bytes]]:
        """What came out: milliseconds, site, octets; in order of time."""
        queue = sorted(self.router.queue)
        self.router.queue.clear()
        return [(due / MS, self.sites[site], bytes(packet)) for due, _, site, packet in queue]

    def one(self, packet: Packet | bytes, site: str | None = None, now: int = 0) -> tuple[float, str, bytes]:
        self.send(packet, site, now)
        (only,) = self.out()
        return only

    def v4(self, destination: str, ttl: int = 64, **more: Any) -> IP:
        return IP(src=self.source4, dst=destination, ttl=ttl, **more)

    def v6(self, destination: str, ttl: int = 64, label: int = 0) -> IPv6:
        return IPv6(src=self.source6, dst=destination, hlim=ttl, fl=label)


def dissected(octets: bytes) -> IP:
    """An IPv4 packet as scapy reads it, its checksums right as scapy computes them."""
    packet = IP(octets)
    assert checksum(octets[:20]) == 0
    if packet.proto == packets.ICMP:
        assert checksum(octets[20:]) == 0
    return packet


class TestDelivery:
    """A packet comes out at its destination, older by the path's routers and delay, otherwise the same."""

    @pytest.mark.parametrize("payload", [b"", b"odd", bytes(1400)])
    def test_v4(self, payload: bytes) -> None:
        bench = Bench()
        packet = bench.v4("203.0.113.2") / UDP(sport=1, dport=2) / payload
        due, site, octets = bench.one(packet)
        path = bench.topology.path("v-lhe", "f-fra", 4)
        assert site == "f-fra"
        assert due == pytest.approx(path.delay_ms)
        arrived = dissected(octets)
        assert arrived.ttl == 64 - len(path.hops)
        assert bytes(arrived[UDP]) == bytes(IP(bytes(packet))[UDP])

    def test_v6(self) -> None:
        bench = Bench()
        packet = bench.v6("2001:db8:f::2") / TCP(dport=443) / b"x"
        _, site, octets = bench.one(packet)
        expected = bytearray(bytes(packet))
        expected[7] -= 3
        assert (site, octets) == ("f-fra", bytes(expected))

    @pytest.mark.parametrize("routers", [1, 4, 60])
    def test_the_header_checksum_stays_right(self, routers: int) -> None:
        plain = bytearray(bytes(IP(src="192.0.2.1", dst="203.0.113.1", ttl=64) / UDP()))
        for identity in range(0, 0x10000, 7):  # every sum, so that the carry goes round too
            plain[4:6], plain[10:12] = identity.to_bytes(2, "big"), b"\0\0"
            plain[10:12] = checksum(bytes(plain[:20])).to_bytes(2, "big")
            older = packets.aged(bytes(plain), routers)
            assert checksum(bytes(older[:20])) == 0
            assert older[8] == 64 - routers

    def test_nobody_sends_from_an_address_that_is_not_his(self) -> None:
        bench = Bench()
        bench.send(IP(src="203.0.113.2", dst="203.0.113.1") / UDP())
        assert bench.out() == []

    def test_what_follows_the_stated_length_is_cut_off(self) -> None:
        bench = Bench()
        packet = bytes(bench.v4("203.0.113.2") / UDP())
        assert len(bench.one(packet + b"trailer")[2]) == len(packet)


class TestTimeExceeded:
    """A router says where a packet's time ended, in the octets that RFCs 792, 4443, 4884 and 4950 ask for."""

    @pytest.mark.parametrize("ttl", [1, 2, 3])
    def test_v4(self, ttl: int) -> None:
        bench = Bench()
        packet = bench.v4("203.0.113.2", ttl, id=7) / UDP(sport=1000, dport=33434) / b"probe"
        due, site, octets = bench.one(packet)
        path = bench.topology.path("v-lhe", "f-fra", 4)
        reply = dissected(octets)
        assert site == "v-lhe"
        assert due == pytest.approx(2 * path.hops[ttl - 1].delay_ms)
        assert reply.src in path.hops[ttl - 1].addresses
        assert (reply.dst, reply.ttl, reply[ICMP].type, reply[ICMP].code) == ("192.0.2.3", 256 - ttl, 11, 0)
        quoted = octets[28:]
        assert quoted[8] == 1
        assert checksum(quoted[:20]) == 0
        assert quoted[12:].startswith(bytes(packet)[12:])

    @pytest.mark.parametrize("ttl", [1, 2, 3])
    def test_v6(self, ttl: int) -> None:
        bench = Bench()
        packet = bench.v6("2001:db8:f::2", ttl) / UDP(sport=1000, dport=33434) / b"probe"
        _, _, octets = bench.one(packet)
        reply = IPv6(octets)
        assert reply.haslayer(ICMPv6TimeExceeded)
        pseudo = octets[8:40] + struct.pack("!II", len(octets) - 40, 58)
        assert checksum(pseudo + octets[40:]) == 0
        assert octets[48 : 48 + 7] == bytes(packet)[:7]
        assert octets[48 + 7] == 1

    def test_labels_stand_after_128_octets(self) -> None:
        bench = Bench()
        _, _, octets = bench.one(bench.v4("203.0.113.2", 2) / UDP() / b"probe")
        assert octets[20 + 5] == 128 // 4
        extension = octets[28 + 128 :]
        assert checksum(extension) == 0
        assert extension[:2] == b"\x20\x00"
        assert extension[4:8] == struct.pack("!HBB", 12, 1, 1)
        assert struct.unpack("!II", extension[8:]) == (16001 << 12 | 3 << 9 | 1, 24005 << 12 | 1 << 8 | 1)
        _, _, six = bench.one(bench.v6("2001:db8:f::2", 2) / UDP() / b"probe")
        assert six[40 + 4] == 128 // 8

    def test_a_large_packet_is_not_quoted_whole(self) -> None:
        bench = Bench()
        assert len(bench.one(bench.v4("203.0.113.2", 1) / UDP() / bytes(1400))[2]) == 576
        assert len(bench.one(bench.v6("2001:db8:f::2", 1) / UDP() / bytes(1400))[2]) == 1280

    def test_errors_are_not_answered(self) -> None:
        bench = Bench()
        bench.send(bench.v4("203.0.113.2", 1) / ICMP(type=3) / bytes(28))
        bench.send(bench.v4("203.0.113.2", 1, frag=10) / bytes(28))
        bench.send(bench.v6("2001:db8:f::2", 1) / ICMPv6DestUnreach() / bytes(48))
        assert bench.out() == []


class TestRouters:
    """Routers themselves answer pings and UDP; what nobody announces is unreachable, multicast is dropped."""

    def test_pings(self) -> None:
        bench = Bench()
        due, _, octets = bench.one(bench.v4("198.18.3.1") / ICMP(id=5, seq=6) / b"payload")
        reply = dissected(octets)
        assert (reply.src, reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq) == ("198.18.3.1", 0, 5, 6)
        assert reply[Raw].load == b"payload"
        assert due == pytest.approx(2 * bench.topology.path("v-lhe", "f-fra", 4).hops[1].delay_ms)
        _, _, octets = bench.one(bench.v6("2001:db8:3::1") / ICMPv6EchoRequest(id=5, seq=6, data=b"payload"))
        assert IPv6(octets)[ICMPv6EchoReply].data == b"payload"

    def test_udp(self) -> None:
        bench = Bench()
        assert dissected(bench.one(bench.v4("198.18.3.1") / UDP())[2])[ICMP].code == 3
        assert IPv6(bench.one(bench.v6("2001:db8:3::1") / UDP())[2])[ICMPv6DestUnreach].code == 4

    def test_no_route(self) -> None:
        bench = Bench()
        assert dissected(bench.one(bench.v4("10.9.9.9") / UDP())[2])[ICMP].type == 3
        assert IPv6(bench.one(bench.v6("fd00:9::9") / UDP())[2])[ICMPv6DestUnreach].code == 0

    @pytest.mark.parametrize("destination", ["224.0.0.1", "255.255.255.255", "203.0.113.66", "203.0.113.200"])
    def test_silence(self, destination: str) -> None:
        bench = Bench()
        bench.send(bench.v4(destination) / ICMP())
        assert bench.out() == []


class TestEqualPaths:
    """A flow keeps to its router; flows are shared evenly, and differently at each hop."""

    def choice(self, bench: Bench, packet: Packet) -> str:
        return str(dissected(bench.one(packet)[2]).src)

    def test_a_flow_keeps_to_its_router(self) -> None:
        bench = Bench("troubles")
        for flow in range(5):
            seen = {
                self.choice(bench, bench.v4("203.0.113.8", 2, id=n) / UDP(sport=flow, dport=9) / bytes(n))
                for n in range(20)
            }
            assert len(seen) == 1

    def test_flows_are_shared_evenly(self) -> None:
        bench = Bench("troubles")
        seen = [self.choice(bench, bench.v4("203.0.113.8", 2) / UDP(sport=n, dport=9)) for n in range(900)]
        for address in ("10.0.1.1", "10.0.1.2", "10.0.1.3"):
            assert 240 < seen.count(address) < 360  # 300, and 4 standard deviations of 14

    def test_the_icmp_checksum_is_part_of_the_flow_and_the_sequence_is_not(self) -> None:
        bench = Bench("troubles")
        same = {
            self.choice(bench, bench.v4("203.0.113.8", 2) / ICMP(seq=n, chksum=0x1234)) for n in range(20)
        }
        other = {self.choice(bench, bench.v4("203.0.113.8", 2) / ICMP(seq=n, chksum=n)) for n in range(1, 40)}
        assert (len(same), len(other)) == (1, 3)

    def test_the_ipv6_flow_label_is_part_of_the_flow(self) -> None:
        bench = Bench("troubles")
        seen = {
            IPv6(bench.one(bench.v6("2001:db8:f::8", 2, label) / UDP(sport=1))[2]).src for label in range(40)
        }
        assert seen == {"fd00::1:1", "fd00::1:2"}


class TestTroubles:
    """What a world says of a path happens, as often as it says, and the same in each run of a seed."""

    def lost(self) -> list[bool]:
        bench = Bench("troubles")
        packet = bytes(bench.v4("203.0.113.1") / UDP())
        found = []
        for _ in range(10_000):
            bench.send(packet)
            found.append(not bench.out())
        return found

    def test_loss_is_the_share_stated_and_repeats(self) -> None:
        first = self.lost()
        assert 0.088 < sum(first) / len(first) < 0.112
        assert first == self.lost()

    def test_jitter_is_added_to_the_share_stated(self) -> None:
        bench = Bench("troubles")
        base = bench.topology.path("v", "jittery", 4).delay_ms
        packet = bytes(bench.v4("203.0.113.2") / UDP())
        extra = [bench.one(packet)[0] - base for _ in range(4000)]
        late = [each for each in extra if each > 0.001]
        assert min(extra) >= -0.001
        assert max(extra) <= 10
        assert 0.46 < len(late) / len(extra) < 0.54
        assert 4.5 < sum(late) / len(late) < 5.5

    def test_hops_before_the_longest_step_lose_nothing(self) -> None:
        bench = Bench("troubles")
        packet = bytes(bench.v4("203.0.113.1", 1) / UDP())
        for _ in range(300):
            bench.one(packet)

    def test_a_rate_limit_fills_up_again(self) -> None:
        bench = Bench("troubles")
        packet = bytes(bench.v4("203.0.113.6", 2) / UDP())

        def answers(now: int) -> int:
            for _ in range(5):
                bench.send(packet, now=now)
            return len(bench.out())

        assert [answers(second * 1000 * MS) for second in (10, 11, 12)] == [2, 2, 2]
        assert answers(12_500 * MS) == 1

    def test_a_black_hole_ends_the_way(self) -> None:
        bench = Bench("troubles")
        for ttl in (1, 2, 3, 4, 64):
            bench.send(bench.v4("203.0.113.4", ttl) / UDP())
        assert len(bench.out()) == 2
        bench.send(IP(src="203.0.113.4", dst="192.0.2.1") / UDP(), "holed")
        assert bench.out() == []

    def test_filtered_icmp_passes_nothing_and_tcp_passes(self) -> None:
        bench = Bench("troubles")
        bench.send(bench.v4("203.0.113.5") / ICMP())
        bench.send(bench.v4("203.0.113.5", 1) / TCP())
        bench.send(bench.v6("2001:db8:f::5") / ICMPv6EchoRequest())
        assert bench.out() == []
        assert bench.one(bench.v4("203.0.113.5") / TCP())[1] == "shut"


class TestFilters:
    """A filter before a host passes what it allows, and the answers to what the host itself sends."""

    @pytest.mark.parametrize(
        ("layer", "passes"),
        [
            (TCP(dport=443), True),
            (TCP(dport=80), False),
            (UDP(dport=443), False),
            (ICMP(), False),
            (ICMP(type=3) / bytes(28), True),
        ],
    )
    def test_from_outside(self, layer: Packet, *, passes: bool) -> None:
        bench = Bench("troubles")
        bench.send(bench.v4("203.0.113.9") / layer)
        assert bool(bench.out()) is passes

    def test_behind_extension_headers(self) -> None:
        bench = Bench("troubles")
        bench.send(bench.v6("2001:db8:f::9") / IPv6ExtHdrDestOpt() / TCP(dport=80))
        assert bench.out() == []
        bench.send(bench.v6("2001:db8:f::9") / IPv6ExtHdrDestOpt() / IPv6ExtHdrFragment() / TCP(dport=443))
        assert len(bench.out()) == 1

    def test_answers_to_the_host(self) -> None:
        bench = Bench("troubles")
        answer = bench.v4("203.0.113.9") / TCP(sport=80, dport=5000, flags="SA")
        bench.send(answer)
        assert bench.out() == []
        bench.one(IP(src="203.0.113.9", dst=bench.source4) / TCP(sport=5000, dport=80, flags="S"), "walled")
        assert bench.one(answer)[1] == "walled"

    def test_pongs_to_the_host(self) -> None:
        bench = Bench("troubles")
        bench.one(IP(src="203.0.113.9", dst=bench.source4) / ICMP(id=9), "walled")
        assert bench.one(bench.v4("203.0.113.9") / ICMP(type=0, id=9))[1] == "walled"
        bench.send(bench.v4("203.0.113.9") / ICMP(type=0, id=8))
        assert bench.out() == []


class TestHostility:
    """Whatever octets a device hands over, nothing is raised and nothing comes out that is no packet."""

    @settings(max_examples=300)
    @given(octets=st.binary(max_size=200))
    def test_any_octets(self, octets: bytes) -> None:
        bench = Bench("troubles")
        bench.send(octets)
        self.sound(bench)

    @settings(max_examples=500)
    @given(data=st.data(), name=st.sampled_from(["basics", "troubles"]), version=st.sampled_from([4, 6]))
    def test_spoilt_packets(self, data: st.DataObject, name: str, version: int) -> None:
        bench = Bench(name)
        host = data.draw(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 66, 200]))
        rest = data.draw(st.binary(max_size=64))
        protocol = data.draw(st.sampled_from([0, 1, 6, 17, 43, 44, 58, 60, 255]))
        ttl = data.draw(st.integers(0, 255))
        if version == 4:
            packet = bytearray(bytes(bench.v4(f"203.0.113.{host}", ttl, proto=protocol) / Raw(rest)))
        else:
            packet = bytearray(bytes(bench.v6(f"2001:db8:f::{host}", ttl) / Raw(rest)))
            packet[6] = protocol
        for _ in range(data.draw(st.integers(0, 3))):
            packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
        bench.send(bytes(packet)[: data.draw(st.integers(0, len(packet)))])
        bench.send(bytes(packet))
        self.sound(bench)

    def sound(self, bench: Bench) -> None:
        for _, _, octets in bench.out():
            assert packets.whole(octets) == octets
