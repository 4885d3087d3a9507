"""``sarhad scan`` on a register of one's own, inside a simulated Internet."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.net, pytest.mark.e2e, pytest.mark.timeout(120)]
SARHAD = Path(sys.executable).with_name("sarhad")
WORLD = files("probes").joinpath("simnet", "worlds", "pakistan.yaml")
REGISTER = """\
version: 1
country: PK
providers:
  - id: mine
    name: My Own Cloud
    accreditation: {status: accredited, certificate: CO-2026-009, issued: 2026-01-01, expires: 2099-12-31}
    services:
      - id: web
        deployment: government
        data_class: restricted
        endpoints:
          - {host: db.indus-cloud.example, port: 5432}
          - {host: no-such-name.indus-cloud.example}
          - {address: 10.1.2.3}
"""


def scan(tmp_path: Path, register: str, *more: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "register.yaml"
    path.write_text(register)
    inside = (
        f"exec {SARHAD} scan --register {path} --vantages $SARHAD_WORLD/vantages.yaml"
        f" --geodata $SARHAD_WORLD/geodata --trust $SARHAD_WORLD/ca.pem --format json {' '.join(more)}"
    )
    return subprocess.run(
        [SARHAD, "simnet", str(WORLD), "--", "sh", "-c", inside],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.usefixtures("simulates")
class TestScan:
    """A register of one's own, scanned from the vantages of a file."""

    def test_each_endpoint_gets_its_verdict(self, tmp_path: Path) -> None:
        done = scan(tmp_path, REGISTER, f"--output=prometheus={tmp_path / 'r.prom'}")
        run: dict[str, Any] = json.loads(done.stdout)
        found = {one["endpoint"]: one["verdict"] for one in run["endpoints"]}
        assert found["mine/web/db.indus-cloud.example:5432"]["location"] == "inside"
        assert found["mine/web/no-such-name.indus-cloud.example"]["rule"] == "no-address"
        assert found["mine/web/10.1.2.3"]["rule"] == "bogon"
        assert done.returncode == 3, "two of three stay undecided, and none is a violation"
        assert done.stderr == ""
        assert "residency_endpoint_location" in (tmp_path / "r.prom").read_text()

    def test_a_violation_ends_with_status_1_unless_told_otherwise(self, tmp_path: Path) -> None:
        abroad = REGISTER.replace("db.indus-cloud.example", "db.bolan-compute.example")
        done = scan(tmp_path, abroad)
        (violation,) = [one for one in json.loads(done.stdout)["endpoints"] if one["status"] == "violation"]
        assert violation["verdict"]["location"] == "outside"
        assert done.returncode == 1
        assert scan(tmp_path, abroad, "--fail-on=never").returncode == 3
