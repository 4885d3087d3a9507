"""The command line: messages for people, statuses for scripts."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from scanner.cli import main

SARHAD = Path(sys.executable).with_name("sarhad")
ROOT = Path(__file__).resolve().parents[2]
REGISTER = """\
version: 1
country: PK
providers:
  - id: indus
    name: Indus
    accreditation: {status: accredited, certificate: CO-1, issued: 2026-06-01, expires: 2029-05-31}
    services:
      - {id: web, deployment: government, data_class: restricted, endpoints: [{address: 203.0.113.7}]}
"""
VANTAGES = """\
vantages:
  - {id: khi, city: Karachi, latitude: 24.8607, longitude: 67.0011, kind: recorded}
"""


def sarhad(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SARHAD, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


def call(*arguments: str | Path, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """``sarhad`` in this process, by the same door: a new one takes longer to start than what is tested."""
    command = ["sarhad", *map(str, arguments)]
    with pytest.MonkeyPatch.context() as patch, CliRunner().isolation(text) as (output, errors, _):
        patch.setattr(sys, "argv", command)
        patch.setenv("OPENBLAS_NUM_THREADS", "1")  # main() sets it
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        sys.stdout.flush()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(
            command, ended.value.code, output.getvalue().decode(), errors.getvalue().decode()
        )


@pytest.fixture
def register(tmp_path: Path) -> Path:
    path = tmp_path / "register.yaml"
    path.write_text(REGISTER)
    return path


@pytest.fixture
def vantages(tmp_path: Path) -> Path:
    path = tmp_path / "vantages.yaml"
    path.write_text(VANTAGES)
    return path


def multipath(**parts: object) -> dict[str, object]:
    """A trace's record that has these of its paths."""
    paths = {"confidence": 0.95, "flows": 6, "probes": 6, **parts}
    return {"kind": "trace", "result": {"method": "icmp", "reached": False, "multipath": paths}}


class TestUsage:
    """Wrong usage is named, with status 2, and is never a traceback."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["scam"], "No such command 'scam'"),
            (["scan"], "Missing option '--register'"),
            (["scan", "--registr=x"], "did you mean"),
            (["scan", "--register=nowhere.yaml", "--vantages=nowhere.yaml"], "nowhere.yaml: cannot be read"),
            (["demo", "--output=pdf=x"], "is not of the form fmt=path"),
            (["demo", "--output=json"], "is not of the form fmt=path"),
            (["demo", "--fail-on=sometimes"], "'sometimes' is not one of"),
            (["demo", "--world=nowhere.yaml"], "nowhere.yaml: cannot be read"),
            (["register", "check", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
            (["schema", "walk"], "'walk' is not one of"),
            (["simnet"], "Missing argument 'WORLD'"),
        ],
    )
    def test_it_is_named(self, arguments: list[str], words: str) -> None:
        done = call(*arguments)
        assert done.returncode == 2, done.stderr
        assert words.lower() in done.stderr.lower()
        assert "Traceback" not in done.stderr
        assert done.stdout == ""

    def test_all_faults_of_all_files_are_said_at_once(self, tmp_path: Path) -> None:
        register, vantages = tmp_path / "register.yaml", tmp_path / "vantages.yaml"
        register.write_text(REGISTER.replace("restricted", "restricted-ish"))
        vantages.write_text(VANTAGES.replace("24.8607", "124.8607"))
        done = call("scan", "--register", register, "--vantages", vantages)
        assert done.returncode == 2
        assert f"{register}:8: providers[0].services[0].data_class: " in done.stderr
        assert f"{vantages}:2: vantages[0].latitude: " in done.stderr

    def test_every_malformed_register_ends_a_scan_with_status_2(self, vantages: Path) -> None:
        registers = sorted((ROOT / "tests/scanner/registers").glob("*.yaml"))
        assert len(registers) >= 20
        for register in registers[:: max(1, len(registers) // 8)]:
            done = call("scan", "--register", register, "--vantages", vantages)
            assert done.returncode == 2, register
            assert done.stderr.startswith(f"Error: {register}"), done.stderr
            assert "Traceback" not in done.stderr

    def test_a_recorded_vantage_cannot_scan(self, register: Path, vantages: Path) -> None:
        done = call("scan", "--register", register, "--vantages", vantages)
        assert done.returncode == 2
        assert "'khi' is recorded" in done.stderr


class TestJudge:
    """Recorded observations are judged without a network."""

    @staticmethod
    def _record(rtt_ms: float, **more: object) -> dict[str, object]:
        return {
            "schema": "sarhad.observation/1",
            "id": "1",
            "kind": "ping",
            "vantage": "khi",
            "endpoint": "203.0.113.7",
            "address": "203.0.113.7",
            "time": "2026-11-01T00:00:00Z",
            "result": {"method": "icmp", "port": None, "sent": 1, "rtts_ms": [rtt_ms]},
            "error": None,
            **more,
        }

    def _judge(self, tmp_path: Path, register: Path, vantages: Path, *lines: str, **environment: str):  # type: ignore[no-untyped-def]  # noqa: ANN202  a completed process
        file = tmp_path / "observations.jsonl"
        file.write_text("\n".join(lines))
        command = ("judge", file, "--register", register, "--vantages", vantages, "--format=json")
        return sarhad(*command, **environment) if environment else call(*command)

    def test_the_same_file_gives_the_same_octets(
        self, tmp_path: Path, register: Path, vantages: Path
    ) -> None:
        line = json.dumps(self._record(0.5))
        first = self._judge(tmp_path, register, vantages, line)
        second = self._judge(tmp_path, register, vantages, line, TZ="Asia/Karachi", PYTHONHASHSEED="7")
        assert first.stdout == second.stdout
        assert json.loads(first.stdout)["schema"] == "sarhad.run/1"

    @pytest.mark.parametrize(
        ("time", "status"),
        [
            ("2026-05-31T23:59:59Z", "violation"),
            ("2026-06-01T00:00:00Z", "compliant"),
            ("2026-06-01T04:59:59+05:00", "violation"),
            ("2029-05-31T23:59:59Z", "compliant"),
            ("2029-06-01T00:00:00Z", "violation"),
        ],
    )
    def test_what_is_granted_must_hold_when_it_was_measured(
        self, tmp_path: Path, register: Path, vantages: Path, time: str, status: str
    ) -> None:
        done = self._judge(tmp_path, register, vantages, json.dumps(self._record(0.5, time=time)))
        run = json.loads(done.stdout)
        (accreditation,) = [one for one in run["endpoints"][0]["findings"] if one["control"] == "PCFP-REG-1"]
        assert accreditation["status"] == status

    def test_the_times_of_a_run_are_of_one_zone(self, tmp_path: Path, register: Path, vantages: Path) -> None:
        lines = [
            json.dumps(self._record(0.5, id=f"{number}", time=time))
            for number, time in enumerate(("2026-11-01T02:00:00+05:00", "2026-10-31T20:00:00Z"))
        ]
        run = json.loads(self._judge(tmp_path, register, vantages, *lines).stdout)
        assert (run["started"], run["finished"]) == ("2026-10-31T20:00:00Z", "2026-10-31T21:00:00Z")

    @pytest.mark.parametrize("environment", [{}, {"SARHAD_METRICS_DETAIL": "low"}])
    def test_metrics_of_little_detail(
        self, tmp_path: Path, register: Path, vantages: Path, environment: dict[str, str]
    ) -> None:
        file, output = tmp_path / "observations.jsonl", tmp_path / "sarhad.prom"
        file.write_text(json.dumps(self._record(0.5)) + "\n")
        common = ("judge", file, f"--register={register}", f"--vantages={vantages}", "--format=prometheus")
        done = call(*common, f"--output=prometheus={output}", **environment)
        named = set(re.findall(r"^residency_\w+", done.stdout, re.MULTILINE))
        assert ("residency_endpoint_assurance" in named) == (not environment)
        assert ("residency_probe_rtt_seconds" in named) == (not environment)
        assert "residency_endpoint_policy_status" in named
        assert "residency_provider_accreditation_expiry_timestamp_seconds" in named
        assert output.read_text() == done.stdout
        assert environment or done.stdout != call(*common, "--metrics-detail=low").stdout

    def test_a_documentation_address_is_special(self, tmp_path: Path, register: Path, vantages: Path) -> None:
        done = self._judge(tmp_path, register, vantages, json.dumps(self._record(0.5)))
        (endpoint,) = json.loads(done.stdout)["endpoints"]
        assert endpoint["verdict"]["rule"] == "bogon"
        assert done.returncode == 3, "all of one endpoint stays undecided"

    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("{", "2: "),
            ('{"kind":"ping"}', "2: "),
            ('{"kind":"walk"}', "Invalid value 'walk'"),
            ("[]", "Expected `object`"),
            ("\x00\xff", "2: "),
            (json.dumps({"kind": "ping", "rtts_ms": "\ud800"}), "2: "),
        ],
    )
    def test_a_wrong_line_is_named(
        self, tmp_path: Path, register: Path, vantages: Path, line: str, words: str
    ) -> None:
        done = self._judge(tmp_path, register, vantages, json.dumps(self._record(0.5)), line)
        assert done.returncode == 2, done.stderr
        assert "observations.jsonl:2: " in done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            ({"address": "zzz"}, "address: 'zzz' is not an IP address"),
            ({"address": "fe80::1%eth0"}, "is not an IP address"),
            ({"address": None}, "address: is missing"),
            ({"time": "yesterday\x1b[2J"}, "is not a time as in RFC 3339"),
            ({"time": "2026-01-01T00:00:00"}, "does not say its zone"),
            ({"time": "2026-W23-1T00:00:00Z"}, "is not a time as in RFC 3339"),
            ({"time": "20260601T000000Z"}, "is not a time as in RFC 3339"),
            ({"time": "0001-01-01T00:00:00+14:00"}, "is not a time as in RFC 3339"),
            ({"time": "9999-12-31T23:59:59-23:00"}, "is not a time as in RFC 3339"),
            ({"kind": "dns", "result": {"question": "x", "addresses": [""]}}, "result.addresses: ''"),
            (
                {
                    "kind": "trace",
                    "result": {
                        "method": "icmp",
                        "reached": False,
                        "hops": [{"ttl": 1, "replies": [{"address": "999.1.1.1"}]}],
                    },
                },
                "result.hops: address: '999.1.1.1'",
            ),
            (
                {"kind": "trace", "result": {"method": "icmp", "reached": False, "hops": [{"ttl": 0}]}},
                "ttl: 0 is not 1 to 255",
            ),
            (
                multipath(hops=[{"ttl": 1, "addresses": ["10.0.0.1", "10.0.0.256"]}]),
                "result.multipath.hops: addresses: '10.0.0.256'",
            ),
            (
                multipath(links=[{"ttl": 1, "source": "10.0.0.1", "target": "x", "flows": 1}]),
                "result.multipath.links: target: 'x'",
            ),
            (multipath(hops=[{"ttl": 300}]), "result.multipath.hops: ttl: 300 is not 1 to 255"),
        ],
    )
    def test_what_no_probe_would_write_is_refused(
        self, tmp_path: Path, register: Path, vantages: Path, more: dict[str, object], words: str
    ) -> None:
        done = self._judge(tmp_path, register, vantages, json.dumps(self._record(0.5, **more)))
        assert done.returncode == 2, done.stderr
        assert "observations.jsonl:1: " in done.stderr
        assert words in done.stderr
        assert "\x1b" not in done.stderr

    def test_a_vantage_that_nobody_knows_is_noticed(
        self, tmp_path: Path, register: Path, vantages: Path
    ) -> None:
        done = self._judge(tmp_path, register, vantages, json.dumps(self._record(0.5, vantage="ghost")))
        assert any("ghost" in one for one in json.loads(done.stdout)["notices"])

    def test_an_id_that_stands_twice_is_named(self, tmp_path: Path, register: Path, vantages: Path) -> None:
        line = json.dumps(self._record(0.5))
        done = self._judge(tmp_path, register, vantages, line, line)
        assert done.returncode == 2
        assert "'1' stands twice; first on line 1" in done.stderr

    def test_an_endpoint_that_is_not_registered_is_noticed(
        self, tmp_path: Path, register: Path, vantages: Path
    ) -> None:
        done = self._judge(tmp_path, register, vantages, json.dumps(self._record(0.5, endpoint="who")))
        assert any("1 observations are of endpoints" in one for one in json.loads(done.stdout)["notices"])

    def test_an_output_that_cannot_be_written_is_named(
        self, tmp_path: Path, register: Path, vantages: Path
    ) -> None:
        file = tmp_path / "o.jsonl"
        file.write_text(json.dumps(self._record(0.5)))
        done = call(
            "judge", file, "--register", register, "--vantages", vantages, "--output=json=/nowhere/run.json"
        )
        assert done.returncode == 2
        assert "/nowhere/run.json: cannot be written" in done.stderr

    def test_one_output_that_cannot_be_written_takes_no_other_away(
        self, tmp_path: Path, register: Path, vantages: Path
    ) -> None:
        file, kept = tmp_path / "o.jsonl", tmp_path / "run.json"
        file.write_text(json.dumps(self._record(0.5)))
        command = (SARHAD, "judge", file, f"--register={register}", f"--vantages={vantages}")
        for bad in ("--output=json=/nowhere/run.json", "--format=table"):
            with Path("/dev/full").open("wb") as full:
                done = subprocess.run(
                    [*command, bad, f"--output=json={kept}"],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    timeout=60,
                    check=False,
                )
            assert done.returncode == 2
            assert b"standard output: cannot be written: No space left" in done.stderr
            assert json.loads(kept.read_bytes())["schema"] == "sarhad.run/1"
            kept.unlink()


class TestSchemas:
    """The published schemas are those of the code."""

    @pytest.mark.parametrize("name", ["run", "observation", "register"])
    def test_the_committed_file_is_current(self, name: str) -> None:
        committed = ROOT / "config" / "schema" / f"{name}.schema.json"
        assert committed.read_text(encoding="utf-8") == call("schema", name).stdout, "run `make schema`"


class TestRegisterCheck:
    """``register check`` says what is wrong, or that nothing is."""

    def test_a_good_one(self, register: Path) -> None:
        done = call("register", "check", register)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 endpoints of 1 providers, no faults" in done.stdout

    def test_what_has_run_out_is_a_notice(self, tmp_path: Path) -> None:
        path = tmp_path / "register.yaml"
        path.write_text(REGISTER.replace("2029", "2026").replace("2026-05-31", "2026-06-02"))
        done = call("register", "check", path)
        assert done.returncode == 0
        assert "notice: " in done.stderr


class TestNotices:
    """A run says what its vantages keep it from seeing."""

    def test_without_a_vantage_abroad(self, tmp_path: Path, register: Path, vantages: Path) -> None:
        file = tmp_path / "observations.jsonl"
        file.write_text("")
        done = call(
            "judge", file, "--register", register, "--vantages", vantages, "--format=json", "--fail-on=never"
        )
        assert any("no vantage is abroad" in one for one in json.loads(done.stdout)["notices"])
