"""Write the rules: ``python -m scanner.monitoring config``."""

from __future__ import annotations

import sys
from pathlib import Path

from scanner.monitoring import rules

FILES = {
    "prometheus/rules.yaml": rules.prometheus,
    "grafana/provisioning/alerting/rules.yaml": rules.grafana,
}

if __name__ == "__main__":
    for name, make in FILES.items():
        (Path(sys.argv[1]) / name).write_text(make(), encoding="utf-8")
