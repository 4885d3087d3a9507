"""``sarhad import`` as a user sees it."""

from __future__ import annotations

import gzip
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from probes.vantages.vantage import load_vantages
from scanner.record import read_observations
from tests.scanner.test_cli import SARHAD, call

if TYPE_CHECKING:
    from pathlib import Path

RESULT = {
    "type": "ping",
    "fw": 5080,
    "msm_id": 7,
    "prb_id": 1234,
    "timestamp": 1_780_000_000,
    "proto": "ICMP",
    "dst_name": "203.0.113.7",
    "dst_addr": "203.0.113.7",
    "sent": 1,
    "result": [{"rtt": 0.5}],
}
PROBES = {
    "count": 2,
    "results": [
        {"id": 1234, "asn_v4": 64500, "geometry": {"type": "Point", "coordinates": [67.0011, 24.8607]}},
        {"id": 5, "asn_v4": None, "geometry": None},
    ],
}
REGISTER = """\
version: 1
country: PK
providers:
  - id: indus
    name: Indus
    accreditation: {status: accredited, certificate: CO-1, issued: 2026-01-01, expires: 2029-05-31}
    services:
      - {id: web, deployment: government, data_class: restricted, endpoints: [{address: 203.0.113.7}]}
"""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([RESULT, {**RESULT, "prb_id": 5}]))
    return path


class TestAtlas:
    """Results become records and vantages, which ``sarhad judge`` takes."""

    def test_from_results_to_verdicts(self, tmp_path: Path, results: Path) -> None:
        (tmp_path / "probes.json").write_text(json.dumps(PROBES))
        (tmp_path / "register.yaml").write_text(REGISTER)
        files = tmp_path / "o.jsonl", tmp_path / "vantages.yaml"
        done = call(
            "import",
            "atlas",
            results,
            "--output",
            files[0],
            "--vantages",
            files[1],
            "--probes",
            tmp_path / "probes.json",
        )
        assert (done.returncode, done.stdout) == (0, "")
        assert "2 observations of 2 records" in done.stderr
        assert "has no place of 1 of 2 probes: atlas-5" in done.stderr
        assert [one.vantage for one in read_observations(files[0])] == ["atlas-1234", "atlas-5"]
        (vantage,) = load_vantages(files[1])
        assert (vantage.id, vantage.latitude, vantage.longitude) == ("atlas-1234", 24.8607, 67.0011)
        assert (vantage.network, vantage.kind) == ("AS64500", "recorded")
        judged = call(
            "judge",
            files[0],
            "--register",
            tmp_path / "register.yaml",
            "--vantages",
            files[1],
            "--format=json",
        )
        assert judged.returncode in {0, 1, 3}
        assert "203.0.113.7" in judged.stdout

    def test_to_standard_output(self, results: Path) -> None:
        done = call("import", "atlas", results)
        assert done.returncode == 0
        assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["ping", "ping"]

    def test_from_standard_input(self, results: Path) -> None:
        with results.open("rb") as stream:
            done = subprocess.run(
                [SARHAD, "import", "atlas", "-"], stdin=stream, capture_output=True, timeout=60, check=True
            )
        assert len(done.stdout.splitlines()) == 2

    def test_bad_records_are_said(self, tmp_path: Path, results: Path) -> None:
        bad = tmp_path / "bad.json"
        bad.write_text("\n".join(["{\x1b[31m"] * 7))
        done = call("import", "atlas", results, bad)
        assert done.returncode == 3
        assert len(done.stdout.splitlines()) == 2
        assert f"{bad}:1: JSON is malformed" in done.stderr
        assert "... and 2 more" in done.stderr
        assert "7 could not be used" in done.stderr
        assert "\x1b" not in done.stderr

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "no observation could be made of any of 0 records"),
            ('{"type": "http"}', "no observation could be made of any of 1 records"),
            ("[1,", "is no array of JSON"),
        ],
    )
    def test_nothing_of_use(self, tmp_path: Path, text: str, words: str) -> None:
        path, output = tmp_path / "r.json", tmp_path / "o.jsonl"
        path.write_text(text)
        output.write_text("what was there before")
        done = call("import", "atlas", path, "--output", output)
        assert done.returncode == 2
        assert words in done.stderr
        assert output.read_text() == "what was there before"
        assert sorted(tmp_path.iterdir()) == [output, path]

    def test_vantages_that_are_missing(self, tmp_path: Path, results: Path) -> None:
        vantages = tmp_path / "vantages.yaml"
        vantages.write_text("vantages:\n  - {id: atlas-5, latitude: 1, longitude: 2, kind: recorded}\n")
        done = call("import", "atlas", results, "--vantages", vantages)
        assert done.returncode == 0
        assert "has no place of 1 of 2 probes: atlas-1234" in done.stderr

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{}", "has the place of none of the 2 probes"),
            ("[{", "is no list of probes"),
            (None, "cannot be read"),
        ],
    )
    def test_probes_of_no_use(self, tmp_path: Path, results: Path, text: str | None, words: str) -> None:
        probes = tmp_path / "probes.json"
        if text is not None:
            probes.write_text(text)
        done = call("import", "atlas", results, "--probes", probes, "--vantages", tmp_path / "v.yaml")
        assert done.returncode == 2
        assert words in done.stderr
        assert not (tmp_path / "v.yaml").exists()

    def test_where_to_write_the_vantages(self, tmp_path: Path, results: Path) -> None:
        done = call("import", "atlas", results, "--probes", tmp_path / "p.json", SARHAD_VANTAGES="")
        assert done.returncode == 2
        assert "say where with --vantages" in done.stderr


class TestScamper:
    """scamper's records need to be told their vantage."""

    def test_records(self, tmp_path: Path) -> None:
        path = tmp_path / "khi.json"
        record = {
            "type": "ping",
            "method": "icmp-echo",
            "dst": "203.0.113.7",
            "start": {"sec": 1_780_000_000},
        }
        path.write_text(json.dumps(record))
        done = call("import", "scamper", path, "--vantage", "khi")
        assert done.returncode == 0
        assert json.loads(done.stdout)["vantage"] == "khi"

    @pytest.mark.parametrize("packed", [bytes, gzip.compress])
    def test_its_own_format_is_refused_by_its_name(self, tmp_path: Path, packed: Any) -> None:
        path = tmp_path / "khi.warts"
        path.write_bytes(packed(bytes.fromhex("12050001000000120000000100000001ff000764656661756c7400")))
        done = call("import", "scamper", path, "--vantage", "khi")
        assert done.returncode == 2
        assert f"{path}: is warts" in done.stderr
        assert "sc_warts2json" in done.stderr

    def test_no_vantage(self, tmp_path: Path) -> None:
        done = call("import", "scamper", tmp_path / "khi.json")
        assert done.returncode == 2
        assert "--vantage" in done.stderr
