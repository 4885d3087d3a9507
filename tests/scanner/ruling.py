"""A register of one endpoint, a verdict of it, and what the policy finds of that."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from probes.document import Document
from scanner.policy import Finding, judge
from scanner.register import Register, parse_register
from scanner.rulebook import load_policy
from scanner.verdict import Assurance, EndpointVerdict, Location

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.declared import Known

TODAY = date(2026, 11, 1)
POLICY = load_policy()
ENDPOINT = "indus/web/a.example"
ACCREDITED = "{status: accredited, expires: 2029-05-31}"


def register(
    data_class: str = "restricted",
    deployment: str = "government",
    accreditation: str = ACCREDITED,
    waivers: tuple[str, ...] = (),
    declared: str = "",
) -> Register:
    text = f"""
version: 1
providers:
  - id: indus
    name: Indus
    accreditation: {accreditation}
    {declared}
    services:
      - {{id: web, deployment: {deployment}, data_class: {data_class}, endpoints: [https://a.example]}}
waivers: [{", ".join(f"{{endpoint: {ENDPOINT}, {waiver}}}" for waiver in waivers)}]
"""
    return parse_register(Document.parse(text.encode(), "register.yaml"), TODAY)


def verdict(location: Location, assurance: Assurance | None = None, **more: Any) -> EndpointVerdict:
    return EndpointVerdict(
        endpoint=ENDPOINT, location=location, assurance=assurance, rule="rule", reason="It is so.", **more
    )


def findings(
    given: EndpointVerdict | None, held: Register, origins: Mapping[str, Known] | None = None, **more: Any
) -> dict[str, Finding]:
    found = judge(POLICY, held, [given] if given else [], TODAY, origins, **more)
    assert all(one.endpoint == ENDPOINT and one.reason.endswith((".", "?")) for one in found)
    assert all(one.clause == POLICY.controls[one.control].clause for one in found)
    return {one.control: one for one in found}
