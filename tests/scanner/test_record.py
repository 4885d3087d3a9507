"""Recorded observations: one address is one, however it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from probes.observation import (
    DnsObservation,
    DnsResult,
    Hop,
    Observation,
    Reply,
    TraceObservation,
    TraceResult,
)
from scanner.record import read_observations
from scanner.run import encode_observations
from tests.scanner.scene import TIME, http, ping

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = ("2001:db8::1", "2001:DB8:0:0::1", "2001:0db8:0000:0000:0000:0000:0000:0001")


def observed(address: str) -> list[Observation]:
    """What probes saw of an address, and headers, which no address is read in."""
    hops = (Hop(ttl=1, replies=(Reply(address=address, rtt_ms=1.0),)),)
    traced = TraceResult(method="icmp", reached=True, hops=hops)
    answered = DnsResult(question="e.example", addresses=(address,))
    return [
        ping("khi", 0.6, address=address),
        DnsObservation(id="d", vantage="khi", endpoint="e", time=TIME, result=answered),
        TraceObservation(id="t", vantage="khi", endpoint="e", address=address, time=TIME, result=traced),
        http("khi", 1, 1, {"address": "2001:DB8::2"}),
    ]


def read(path: Path, observations: list[Observation]) -> list[Observation]:
    path.write_bytes(encode_observations(observations))
    return read_observations(path)


class TestAddresses:
    """They are read in one form, wherever they stand."""

    @pytest.mark.parametrize("written", WRITTEN)
    def test_one_address_is_one(self, tmp_path: Path, written: str) -> None:
        found = read(tmp_path / "o.jsonl", observed(written))
        assert found[0].address == WRITTEN[0]
        assert found[1:] == observed(WRITTEN[0])[1:]

    @pytest.mark.parametrize("written", ["::ffff:198.18.0.1", "::FFFF:C612:1"])
    def test_a_mapped_one_stays_one(self, tmp_path: Path, written: str) -> None:
        assert read(tmp_path / "o.jsonl", observed(written))[0].address == "::ffff:198.18.0.1"
