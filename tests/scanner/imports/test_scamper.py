"""scamper's records become observations of the vantage at which it ran."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import MplsLabel, PingObservation, Reply, TraceObservation
from scanner.imports.scamper import Importer
from scanner.imports.source import BadRecordError, OtherKindError

if TYPE_CHECKING:
    from pathlib import Path

    from probes.observation import Observation

START = {"sec": 1_780_000_000, "usec": 48_607, "ftime": "2026-05-28 20:26:40"}
TRACE: dict[str, Any] = {
    "type": "trace",
    "version": "0.1",
    "userid": 0,
    "method": "icmp-echo-paris",
    "src": "192.0.2.9",
    "dst": "203.0.113.7",
    "stop_reason": "COMPLETED",
    "stop_data": 0,
    "start": START,
    "hop_count": 4,
    "attempts": 2,
    "hops": [
        {"addr": "192.0.2.1", "probe_ttl": 1, "probe_id": 1, "rtt": 0.5, "icmp_type": 11, "icmp_code": 0},
        {
            "addr": "198.51.100.5",
            "probe_ttl": 3,
            "probe_id": 1,
            "rtt": 4.5,
            "icmp_type": 11,
            "icmp_code": 0,
            "icmpext": [
                {
                    "ie_cn": 1,
                    "ie_ct": 1,
                    "ie_dl": 4,
                    "mpls_labels": [{"mpls_ttl": 1, "mpls_s": 1, "mpls_exp": 2, "mpls_label": 24001}],
                }
            ],
        },
        {"addr": "198.51.100.6", "probe_ttl": 3, "probe_id": 2, "rtt": 4.75, "icmp_type": 11, "icmp_code": 0},
        {"addr": "203.0.113.7", "probe_ttl": 4, "probe_id": 1, "rtt": 9.25, "icmp_type": 0, "icmp_code": 0},
    ],
}
PING = {
    "type": "ping",
    "version": "0.4",
    "method": "icmp-echo",
    "src": "192.0.2.9",
    "dst": "203.0.113.7",
    "start": START,
    "ping_sent": 3,
    "responses": [
        {"from": "203.0.113.7", "seq": 0, "rtt": 2.5, "icmp_type": 0, "icmp_code": 0},
        {"from": "198.51.100.6", "seq": 1, "rtt": 1.0, "icmp_type": 3, "icmp_code": 1},
        {"from": "203.0.113.7", "seq": 2, "rtt": 2.25, "icmp_type": 0, "icmp_code": 0},
    ],
    "statistics": {"replies": 3, "loss": 0},
}


def made(record: object) -> list[Observation]:
    return Importer("khi").observations(json.dumps(record).encode(), Counter())


def only(record: object) -> Any:
    (one,) = made(record)
    return one


class TestTrace:
    """Hops are in the order of their TTL, and one that is silent has no replies."""

    def test_hops(self) -> None:
        trace = only(TRACE)
        assert isinstance(trace, TraceObservation)
        assert trace.result is not None
        assert (trace.vantage, trace.endpoint, trace.address) == ("khi", "203.0.113.7", "203.0.113.7")
        assert trace.time == "2026-05-28T20:26:40.048607Z"
        assert (trace.result.reached, trace.result.method, trace.error) == (True, "icmp", None)
        assert [hop.ttl for hop in trace.result.hops] == [1, 2, 3, 4]
        assert trace.result.hops[1].replies == ()
        assert trace.result.hops[2].replies == (
            Reply(
                address="198.51.100.5",
                rtt_ms=4.5,
                icmp=(11, 0),
                mpls=(MplsLabel(label=24001, tc=2, s=1, ttl=1),),
            ),
            Reply(address="198.51.100.6", rtt_ms=4.75, icmp=(11, 0)),
        )

    @pytest.mark.parametrize(("reason", "error"), [("GAPLIMIT", "timeout"), ("UNREACH", "unreachable")])
    def test_one_that_falls_short(self, reason: str, error: str) -> None:
        trace = only({**TRACE, "stop_reason": reason, "hops": TRACE["hops"][:2]})
        assert (trace.result.reached, trace.error) == (False, error)

    def test_tcp(self) -> None:
        hop = {"addr": "203.0.113.7", "probe_ttl": 1, "rtt": 3.5, "tcp_flags": 18}
        trace = only({**TRACE, "method": "tcp", "dport": 443, "hops": [hop]})
        assert (trace.result.method, trace.result.port) == ("tcp", 443)
        assert trace.result.hops[0].replies[0].icmp is None


class TestPing:
    """Only what the address itself answered is its time."""

    def test_times(self) -> None:
        notes: Counter[str] = Counter()
        (ping,) = Importer("khi").observations(json.dumps(PING).encode(), notes)
        assert isinstance(ping, PingObservation)
        assert ping.result is not None
        assert (ping.result.sent, ping.result.rtts_ms, ping.error) == (3, (2.5, 2.25), None)
        assert notes == Counter({"answers of others to a ping": 1})

    def test_duplicates_are_no_further_answers(self) -> None:
        notes: Counter[str] = Counter()
        answers = [(0, 5.0), (0, 6.0), (1, 5.5), (None, 4.0), (None, 4.5)]
        responses = [{"from": PING["dst"], "seq": seq, "rtt": rtt} for seq, rtt in answers]
        record = {**PING, "ping_sent": 4, "responses": responses}
        (ping,) = Importer("khi").observations(json.dumps(record).encode(), notes)
        assert isinstance(ping, PingObservation)
        assert ping.result is not None
        assert (ping.result.sent, ping.result.rtts_ms) == (4, (5.0, 5.5, 4.0, 4.5))
        assert notes["duplicate replies"] == 1

    def test_silence(self) -> None:
        assert only({**PING, "responses": []}).error == "timeout"


class TestRecords:
    """What frames a file is no record; what is no record is a fault."""

    def test_framing(self) -> None:
        assert made({"type": "cycle-start", "list_name": "default"}) == []

    def test_other_kinds(self) -> None:
        with pytest.raises(OtherKindError, match="tracelb"):
            made({"type": "tracelb"})

    @pytest.mark.parametrize(
        "change",
        [
            {"dst": "portal.indus.example"},
            {"method": "smoke"},
            {"start": {"sec": 1, "usec": 1_000_000}},
            {"start": {"sec": 2**40}},
            {"hops": [{"addr": "203.0.113.7", "probe_ttl": 0}]},
            {"hops": [{"addr": "203.0.113.7", "probe_ttl": 1, "rtt": -1}]},
            {"hops": [{"probe_ttl": 1}]},
        ],
    )
    def test_what_cannot_be(self, change: dict[str, object]) -> None:
        with pytest.raises((BadRecordError, msgspec.ValidationError)):
            made({**TRACE, **change})

    @given(
        st.dictionaries(
            st.sampled_from(list({**TRACE, **PING})),
            st.none() | st.integers() | st.text() | st.lists(st.text()),
        )
    )
    def test_any_value(self, change: dict[str, object]) -> None:
        for record in (TRACE, PING):
            try:
                made({**record, **change})
            except (BadRecordError, OtherKindError, msgspec.DecodeError):
                continue

    @pytest.mark.skipif(not shutil.which("sc_warts2json"), reason="scamper is not installed")
    def test_scamper_itself(self, tmp_path: Path) -> None:
        warts = tmp_path / "ping.warts"
        scamper = ["scamper", "-c", "ping -c 2 -i 0.1", "-O", "warts", "-o", str(warts), "-i", "127.0.0.1"]
        done = subprocess.run(scamper, capture_output=True, timeout=30, check=False)
        if done.returncode or not warts.exists():
            pytest.skip(f"scamper cannot probe here: {done.stderr.decode()[:100]}")
        text = subprocess.run(
            ["sc_warts2json", str(warts)], capture_output=True, timeout=30, check=True
        ).stdout
        found = [one for line in text.splitlines() for one in Importer("here").observations(line, Counter())]
        (ping,) = found
        assert isinstance(ping, PingObservation)
        assert ping.result is not None
        assert len(ping.result.rtts_ms) == 2
