"""Recorded observations: what others may leave out, and one address, however it is written."""

from __future__ import annotations

import json
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


# What the published interface says that each kind's result holds, and nothing beside.
LEAST = {
    "dns": {
        "question": "e.example",
        "rcode": "NOERROR",
        "resolver": "192.0.2.53",
        "chain": [],
        "addresses": ["198.18.0.1"],
        "nameservers": ["ns.e.example"],
    },
    "ping": {"method": "icmp", "port": None, "sent": 2, "rtts_ms": [0.5, 0.6]},
    "trace": {
        "method": "icmp",
        "port": None,
        "reached": True,
        "hops": [
            {"ttl": 1, "replies": []},
            {"ttl": 2, "replies": [{"address": "198.18.0.1", "rtt_ms": 0.5, "icmp": [0, 0], "mpls": []}]},
        ],
    },
    "tls": {
        "tcp_rtt_ms": 0.5,
        "handshake_ms": 60.5,
        "version": "TLSv1.3",
        "certificate_sha256": "ab" * 32,
        "subject": "CN=e.example",
        "issuer": "CN=An issuer",
        "sans": ["e.example"],
    },
    "http": {"status": 200, "ttfb_ms": [61.0], "headers": {"server": "nginx"}, "redirects": []},
}


class TestLeast:
    """A record that holds what the interface asks for, and nothing more, is read."""

    @pytest.mark.parametrize("kind", LEAST)
    def test_of_each_kind(self, tmp_path: Path, kind: str) -> None:
        record = {
            "schema": "sarhad.observation/1",
            "id": "o1",
            "kind": kind,
            "vantage": "khi",
            "endpoint": "e",
            "address": None if kind == "dns" else "198.18.0.1",
            "time": TIME,
            "result": LEAST[kind],
            "error": None,
        }
        path = tmp_path / "o.jsonl"
        path.write_text(json.dumps(record) + "\n", encoding="utf-8")
        (found,) = read_observations(path)
        assert found.result is not None
