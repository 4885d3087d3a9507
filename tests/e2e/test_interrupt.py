"""A scan that is interrupted ends at once, and what it had measured is judged and written."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scanner.run import decode

pytestmark = [pytest.mark.net, pytest.mark.e2e, pytest.mark.timeout(120)]
SARHAD = Path(sys.executable).with_name("sarhad")


class TestInterrupt:
    """Ctrl-C gives exit status 130 and what was measured so far."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_ctrl_c_keeps_what_was_measured(
        self, number: signal.Signals, tmp_path: Path, simulates: None
    ) -> None:
        target = tmp_path / "run.json"
        process = subprocess.Popen(
            [SARHAD, "demo", f"--output=json={target}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(8)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert "Traceback" not in stderr
        assert "INCOMPLETE" in stdout
        run = decode(target.read_bytes())
        assert not run.complete
        assert run.observations
