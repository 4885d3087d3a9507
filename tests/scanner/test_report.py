"""What a run is shown as: safe on a terminal, complete in metrics, whole on disk."""

from __future__ import annotations

import io
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from geodata.claim import Claim
from probes.observation import PingObservation, PingResult
from scanner import metrics
from scanner.cli import job
from scanner.report import table
from scanner.report.text import printable
from scanner.run import EndpointResult, Run, SourceUsed, Tool, VantageUsed
from scanner.truth import compare
from scanner.verdict import AddressVerdict, EndpointVerdict

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]<script>alert(1)</script>[/]\u202efdp.exe\u200b\x9b31m"


def run(reason: str = "It answered Karachi in 0.61 ms.", endpoint: str = "a/b/c") -> Run:
    address = AddressVerdict(
        address="198.18.0.1",
        location="inside",
        assurance="proved",
        rule="territory",
        reason=reason,
        rtts_ms={"khi": 0.61},
    )
    verdict = EndpointVerdict(
        endpoint=endpoint,
        location="inside",
        assurance="proved",
        rule="territory",
        reason=reason,
        addresses=(address,),
    )
    result = EndpointResult(
        endpoint=endpoint,
        provider="a",
        service="b",
        data_class="restricted",
        deployment="government",
        declared="c",
        status="compliant",
        severity="informational",
        verdict=verdict,
    )
    return Run(
        id="r",
        started="2026-11-01T00:00:00Z",
        finished="2026-11-01T00:01:30Z",
        complete=True,
        tool=Tool(version="0"),
        country="PK",
        vantages=(VantageUsed(id="khi", latitude=1, longitude=1, location_error_km=5, kind="local"),),
        sources=(SourceUsed(source="alpha", family="alpha", date="2026-10-01"),),
        endpoints=(result,),
        observations=(
            PingObservation(
                id="1",
                vantage="khi",
                endpoint=endpoint,
                address="198.18.0.1",
                time="2026-11-01T00:00:00Z",
                result=PingResult(method="icmp", sent=1),
                error="timeout",
            ),
        ),
    )


class TestPrintable:
    """Text from the network cannot drive what shows it."""

    @given(st.text())
    def test_nothing_that_is_left_controls_anything(self, text: str) -> None:
        shown = printable(text)
        assert not {unicodedata.category(one) for one in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

    @given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"]), max_size=50))
    def test_what_is_harmless_stays(self, text: str) -> None:
        assert printable(text) == "".join(
            one if one.isprintable() else f"\\x{ord(one):02x}" if ord(one) < 256 else f"\\u{ord(one):04x}"
            for one in text
        )

    def test_it_is_bounded(self) -> None:
        assert len(printable("\x1b" * 10_000)) <= 2000


class TestTable:
    """The table shows hostile text as text."""

    def test_escapes_and_markup_are_shown_and_not_obeyed(self) -> None:
        stream = io.StringIO()
        table.write(run(HOSTILE), stream)
        text = stream.getvalue()
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[bold red]<script>" in text
        assert "\\x1b[2J" in text

    def test_an_incomplete_run_says_so(self) -> None:
        stream = io.StringIO()
        table.write(
            Run(**{**{f: getattr(run(), f) for f in run().__struct_fields__}, "complete": False}), stream
        )
        assert "INCOMPLETE" in stream.getvalue()


class TestMetrics:
    """Metrics are a run's, bounded by the register, and replaced at once."""

    def test_series(self) -> None:
        families = {one.name: one for one in text_string_to_metric_families(metrics.render(run()).decode())}
        on = [one.labels for one in families["residency_endpoint_location"].samples if one.value == 1]
        assert on == [
            {
                "provider": "a",
                "service": "b",
                "endpoint": "a/b/c",
                "data_class": "restricted",
                "location": "inside",
            }
        ]
        assert families["residency_probe_rtt_seconds"].samples[0].value == 0.61 / 1000
        assert families["residency_scan_duration_seconds"].samples[0].value == 90
        assert families["residency_probe_failures"].samples[0].labels == {
            "vantage": "khi",
            "kind": "ping",
            "reason": "timeout",
        }

    @pytest.mark.parametrize(
        ("said", "label"), [(("SG",), "SG"), (("SG", "MY"), "unknown"), (("PK",), "unknown"), ((), "unknown")]
    )
    def test_of_several_countries_that_are_left_the_one_that_is_claimed(
        self, said: tuple[str, ...], label: str
    ) -> None:
        scanned = run()
        (result,) = scanned.endpoints
        (address,) = result.verdict.addresses
        near = replace(address, countries=("ID", "MY", "SG"))
        result = replace(result, verdict=replace(result.verdict, addresses=(near,)))
        claims = tuple(
            Claim(source=one, family=one, prefix="x", meaning="server", country=one) for one in said
        )
        text = metrics.render(replace(scanned, endpoints=(result,), claims={near.address: claims})).decode()
        (line,) = [one for one in text.splitlines() if one.startswith("residency_endpoint_addresses{")]
        assert f'country="{label}"' in line

    def test_no_reason_and_no_address_in_labels(self) -> None:
        text = metrics.render(run(HOSTILE)).decode()
        assert "198.18.0.1" not in text
        assert "script" not in text

    def test_hostile_labels_are_escaped(self) -> None:
        text = metrics.render(run(endpoint='a"} 1\nfake 2 #')).decode()
        names = {one.name for one in text_string_to_metric_families(text)}
        assert "fake" not in names

    def test_the_file_is_replaced_and_nothing_is_left_beside_it(self, tmp_path: Path) -> None:
        target = tmp_path / "r.prom"
        target.write_text("old")
        job.write(run(), job.Output("prometheus", target))
        assert "residency_build_info" in target.read_text()
        assert list(tmp_path.iterdir()) == [target]


class TestTruth:
    """A comparison that forgives honesty and nothing else."""

    def test_equal_weaker_wrong(self) -> None:
        results = run().endpoints
        assert compare(results, {"a/b/c": "inside"}).equal == ("a/b/c",)
        assert compare(results, {"a/b/c": "outside"}).wrong == ("a/b/c",)
        assert compare(results, {"a/b/c": "unreachable"}).wrong == ("a/b/c",)
        assert compare(results, {"missing": "inside"}).wrong == ("missing",)
