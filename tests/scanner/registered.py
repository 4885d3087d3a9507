"""A register of endpoints as they are written, and the example that is shipped."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from probes.document import Document
from scanner.register import Register, parse_register

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = CONFIG / "register.example.yaml"
TODAY = date(2026, 11, 1)


def register(*endpoints: str, waivers: str = "[]", today: date = TODAY, accreditation: str = "") -> Register:
    text = f"""
version: 1
providers:
  - id: indus
    name: Indus
    accreditation: {accreditation or "{status: accredited}"}
    asns: [64500, AS64501, "64502"]
    prefixes: [203.0.113.0/24]
    services:
      - id: web
        deployment: government
        data_class: sensitive
        endpoints: [{", ".join(endpoints)}]
waivers: {waivers}
"""
    return parse_register(Document.parse(text.encode(), "register.yaml"), today)
