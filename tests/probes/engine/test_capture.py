"""Packets kept as evidence, and packets that nobody can explain."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6
from scapy.utils import rdpcap

from probes.engine.capture import Capture, explain
from probes.engine.engine import Engine
from probes.engine.pacing import Pace

if TYPE_CHECKING:
    from pathlib import Path

    from tests.probes.conftest import Chain


class TestCapture:
    """A pcap file holds every probe and its answer, whole, and nothing of others."""

    @pytest.mark.net
    async def test_a_ping_and_a_trace_of_both_versions(self, chain: Chain, tmp_path: Path) -> None:
        path = tmp_path / "here.pcap"
        with chain.vantage() as vantage, Capture(path) as capture:
            async with Engine(vantage, Pace(), "who@x.example", capture) as engine:
                for address in (chain.host4, chain.host6):
                    assert (await engine.ping(address, count=2)).rtts_ms
                    assert (await engine.trace(address)).reached
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = rdpcap(str(path))
        icmp4 = [one for one in found if IP in one and ICMP in one]
        assert {one[ICMP].type for one in icmp4} >= {0, 8, 11}
        assert {one[IP].src for one in icmp4 if one[ICMP].type == 0} == {chain.host4}
        for kind in (ICMPv6EchoRequest, ICMPv6EchoReply, ICMPv6TimeExceeded):
            assert any(kind in one for one in found)
        assert {one[IPv6].src for one in found if ICMPv6EchoReply in one} == {chain.host6}
        assert any(b"who@x.example" in bytes(one) for one in found)
        times = [float(one.time) for one in found]
        assert max(times) - min(times) < 60

    def test_it_is_bounded(self, tmp_path: Path) -> None:
        with Capture(tmp_path / "x.pcap", limit=100) as capture:
            for _ in range(3):
                capture.write(bytes(IP() / ICMP() / (b"x" * 20)))
        assert capture.left_out == 1
        assert len(rdpcap(str(tmp_path / "x.pcap"))) == 2


class TestExplain:
    """Any octets are explained in one printable line."""

    @given(st.binary(max_size=200), st.sampled_from([4, 6]))
    def test_any_octets(self, octets: bytes, version: int) -> None:
        text = explain(octets, version)
        assert text.isprintable()
        assert len(text) <= 500

    def test_a_known_one(self) -> None:
        assert "ICMP" in explain(bytes(IP(src="198.18.0.1") / ICMP(type=11)), 4)
