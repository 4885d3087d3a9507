"""Files of RIPE Atlas's results, and what its own parser says of them."""

from __future__ import annotations

import bz2
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import PingObservation
from scanner.imports.atlas import observations
from scanner.imports.source import SourceError, Tally, convert, records
from scanner.record import read_observations
from scanner.run import encode_observations
from tests.scanner.imports.results import PING, TRACE, made, only

if TYPE_CHECKING:
    from pathlib import Path


class TestFiles:
    """One array or one object a line, compressed or not; each bad record is said with its number."""

    @pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress])
    @pytest.mark.parametrize("form", ["array", "lines", "marked"])
    def test_forms(self, tmp_path: Path, packed: Any, form: str) -> None:
        lines = [json.dumps(PING), json.dumps(TRACE)]
        text = f"[{','.join(lines)}]" if form == "array" else "\n\n".join(lines)
        path = tmp_path / "results"
        path.write_bytes(packed((b"\xef\xbb\xbf \n" if form == "marked" else b"") + text.encode()))
        tally = Tally()
        found = list(convert([path], observations, tally))
        assert [type(one).__name__[:4] for one in found] == ["DnsO", "Ping", "Trac"]
        assert (tally.read, tally.written, tally.faults) == (2, 3, [])
        (tmp_path / "out.jsonl").write_bytes(encode_observations(found))
        assert read_observations(tmp_path / "out.jsonl") == found

    def test_bad_records_among_good_ones(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        bad = ["{", json.dumps({**PING, "dst_addr": "?"}), json.dumps({"type": "http"}), "[]", "nonsense\xff"]
        path.write_bytes("\n".join([json.dumps(TRACE), *bad, json.dumps(TRACE)]).encode("latin-1"))
        tally = Tally()
        assert len(list(convert([path], observations, tally))) == 1
        assert [fault.split(":")[1] for fault in tally.faults] == ["2", "3", "5", "6"]
        assert (tally.read, tally.repeated, tally.others) == (7, 1, {"http": 1})

    def test_lines_are_counted_from_the_beginning_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        path.write_text(f"\ufeff\n\n {{\n{json.dumps(TRACE)}\n\nnonsense\n")
        tally = Tally()
        assert len(list(convert([path], observations, tally))) == 1
        assert [fault.split(":")[1] for fault in tally.faults] == ["3", "6"]

    def test_another_result_with_the_same_id(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        path.write_text("\n".join([json.dumps(TRACE), json.dumps({**TRACE, "proto": "UDP"})]))
        tally = Tally()
        assert len(list(convert([path], observations, tally))) == 1
        assert "another result has its id" in tally.faults[0]

    @pytest.mark.parametrize(
        "octets",
        [b"[", b"[{}", b"[1,]", b"[" * 100_000, gzip.compress(b"[]")[:-4], b"\x1f\x8b\x00", b"BZh9nonsense"],
    )
    def test_a_bad_file_is_refused_whole(self, tmp_path: Path, octets: bytes) -> None:
        path = tmp_path / "results"
        path.write_bytes(octets)
        with pytest.raises(SourceError, match="results: "):
            list(records(path))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="cannot be read"):
            list(records(tmp_path / "nowhere"))


class TestPeer:
    """RIPE's own parser reads the same of what both understand."""

    @given(
        st.lists(
            st.one_of(
                st.builds(lambda rtt: {"rtt": rtt}, st.integers(1, 10**6).map(lambda n: n / 1000)),
                st.just({"x": "*"}),
                st.just({"rtt": 7.5, "dup": 1}),
            )
        ),
        st.sampled_from([4430, 4500, 4700, 5080]),
    )
    def test_pings(self, result: list[dict[str, Any]], firmware: int) -> None:
        sagan = pytest.importorskip("ripe.atlas.sagan")
        record = {
            **PING,
            "addr": "203.0.113.7",
            "name": "portal.indus.example",
            "fw": firmware,
            "result": result,
        }
        theirs = sagan.PingResult(record, on_error=1, on_malformation=1)
        (ours,) = [one for one in made(record) if isinstance(one, PingObservation)]
        assert ours.result is not None
        assert list(ours.result.rtts_ms) == [
            one.rtt for one in theirs.packets if one.rtt is not None and not one.dup
        ]
        assert (ours.address, ours.endpoint) == (theirs.destination_address, "portal.indus.example")

    def test_a_trace(self) -> None:
        sagan = pytest.importorskip("ripe.atlas.sagan")
        theirs = sagan.TracerouteResult(TRACE, on_error=1, on_malformation=1)
        ours = only(TRACE)
        said = [
            (hop.index, packet.origin, packet.rtt)
            for hop in theirs.hops
            for packet in hop.packets
            if packet.origin is not None and "dup" not in packet.raw_data
        ]
        assert said == [
            (hop.ttl, reply.address, reply.rtt_ms) for hop in ours.result.hops for reply in hop.replies
        ]
        assert theirs.destination_ip_responded == ours.result.reached
