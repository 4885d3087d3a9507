"""A portal in a register, what is observed of it and of what it depends on, and the run of that."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from geodata.special import SpecialPurpose
from probes.document import Document
from probes.observation import DnsObservation, DnsResult, HttpObservation, HttpResult, Redirect
from scanner.judge import Inputs, compose
from scanner.register import parse_register
from scanner.rulebook import load_policy
from tests.scanner.scene import TIME, VANTAGES, claim, pakistan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geodata.claim import Claim
    from probes.observation import Observation
    from scanner.policy import Finding
    from scanner.register import Register
    from scanner.run import Run

TODAY = date(2026, 11, 1)
PORTAL = "indus/web/portal.indus.example"
HOME, ABROAD, EDGE, OTHER = "198.18.0.10", "198.18.9.1", "198.18.9.2", "198.18.9.3"
SAID = {
    HOME: (claim("alpha", "PK"), claim("beta", "PK")),
    ABROAD: (claim("alpha", "SG"), claim("beta", "SG")),
    EDGE: (claim("edges", None, meaning="anycast", network="Badban"), claim("alpha", "PK")),
    OTHER: (claim("alpha", "PK"), claim("beta", "PK")),
}


@dataclass(frozen=True)
class Said:
    """A snapshot of a few claims."""

    said: Mapping[str, tuple[Claim, ...]] = field(default_factory=lambda: SAID)
    sources: tuple[()] = ()

    def claims(self, address: str) -> tuple[Claim, ...]:
        return self.said.get(address, ())

    def special(self, address: str) -> SpecialPurpose | None:
        return SpecialPurpose("Private-Use", "10.0.0.0/8", "") if address.startswith("10.") else None


def register(declared: str = "", endpoints: str = "https://portal.indus.example") -> Register:
    text = f"""
version: 1
country: PK
providers:
  - id: indus
    name: Indus
    accreditation: {{status: accredited}}
    {declared}
    services:
      - {{id: web, deployment: government, data_class: restricted, endpoints: [{endpoints}]}}
"""
    return parse_register(Document.parse(text.encode(), "register.yaml"), TODAY)


def dns(
    endpoint: str = PORTAL, *addresses: str, vantage: str = "khi", error: Any = None, **result: Any
) -> Observation:
    return DnsObservation(
        id=f"{endpoint}@{vantage}:dns",
        vantage=vantage,
        endpoint=endpoint,
        time=TIME,
        error=error,
        result=DnsResult(question="q", addresses=addresses, **result),
    )


def page(*hosts: str, to: str | None = None, vantage: str = "khi") -> Observation:
    url = "https://portal.indus.example/"
    return HttpObservation(
        id=f"{PORTAL}@{vantage}:http",
        vantage=vantage,
        endpoint=PORTAL,
        address=HOME,
        time=TIME,
        result=HttpResult(
            url=url,
            page_hosts=hosts,
            redirects=() if to is None else (Redirect(url=url, status=302, location=to),),
        ),
    )


def run(*observations: Observation, held: Register | None = None, **more: Any) -> Run:
    inputs = Inputs(
        **{
            "register": held or register(),
            "vantages": tuple(VANTAGES.values()),
            "policy": load_policy(),
            "snapshot": Said(),
            "territory": pakistan(),
            "today": TODAY,
            **more,
        }
    )
    return compose(inputs, observations, TIME, complete=True)


def finding(found: Run, control: str, endpoint: int = 0) -> Finding | None:
    return next((one for one in found.endpoints[endpoint].findings if one.control == control), None)
