"""What tests of verdicts are made of: vantages at real places, observations and claims."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from geodata.claim import Claim
from geodata.territory import Territory
from probes.observation import (
    HttpObservation,
    HttpResult,
    Observation,
    PingObservation,
    PingResult,
    TcpObservation,
    TcpResult,
    TlsObservation,
    TlsResult,
)
from probes.vantages.vantage import Vantage
from scanner.gathering import gather
from scanner.policy import Thresholds
from scanner.rules import judge_address

if TYPE_CHECKING:
    from scanner.path import Upstream
    from scanner.verdict import AddressVerdict

ADDRESS = "198.18.0.1"
TIME = "2026-11-01T00:00:00Z"
PLACES = {
    "khi": ("Karachi", 24.8607, 67.0011),
    "lhe": ("Lahore", 31.5204, 74.3587),
    "isb": ("Islamabad", 33.6844, 73.0479),
    "dxb": ("Dubai", 25.2048, 55.2708),
    "sin": ("Singapore", 1.3521, 103.8198),
    "fra": ("Frankfurt", 50.1109, 8.6821),
}
VANTAGES = {
    name: Vantage(id=name, city=city, latitude=latitude, longitude=longitude, location_error_km=5)
    for name, (city, latitude, longitude) in PLACES.items()
}
THRESHOLDS = Thresholds()


@cache
def pakistan() -> Territory:
    return Territory.load("PK")


def ping(vantage: str, *rtts_ms: float, address: str = ADDRESS, number: int = 0) -> Observation:
    return PingObservation(
        id=f"ping-{vantage}-{number}" + (f"-{address}" if address != ADDRESS else ""),
        vantage=vantage,
        endpoint=address,
        address=address,
        time=TIME,
        result=PingResult(method="icmp", sent=max(1, len(rtts_ms)), rtts_ms=rtts_ms),
        error=None if rtts_ms else "timeout",
    )


def tcp(vantage: str, *rtts_ms: float, number: int = 0, open_: bool = True) -> Observation:
    return TcpObservation(
        id=f"tcp-{vantage}-{number}",
        vantage=vantage,
        endpoint="e",
        address=ADDRESS,
        time=TIME,
        result=TcpResult(port=5432, sent=max(1, len(rtts_ms)), rtts_ms=rtts_ms, open=open_),
    )


def tls(
    vantage: str,
    tcp_ms: float,
    handshake_ms: float,
    tries: int = 5,
    number: int = 0,
    resumed_ms: tuple[float, ...] = (),
) -> Observation:
    return TlsObservation(
        id=f"tls-{vantage}-{number}",
        vantage=vantage,
        endpoint="e",
        address=ADDRESS,
        time=TIME,
        result=TlsResult(
            port=443, sent=tries, tcp_rtt_ms=tcp_ms, handshake_ms=handshake_ms, resumed_ms=resumed_ms
        ),
    )


def http(
    vantage: str,
    page_ms: float,
    nothing_ms: float,
    headers: dict[str, str] | None = None,
    number: int = 0,
    file_ms: float | None = None,
    tries: int = 5,
) -> HttpObservation:
    return HttpObservation(
        id=f"http-{vantage}-{number}",
        vantage=vantage,
        endpoint="e",
        address=ADDRESS,
        time=TIME,
        result=HttpResult(
            url="https://e.example/",
            ttfb_ms=(page_ms,) * tries,
            probe_ttfb_ms=(nothing_ms,) * tries,
            static_url=None if file_ms is None else "https://e.example/favicon.ico",
            static_ttfb_ms=() if file_ms is None else (file_ms,) * tries,
            headers=headers or {},
        ),
    )


def claim(family: str, country: str | None, **more: object) -> Claim:
    fields = {"source": f"{family}.x", "family": family, "prefix": "198.18.0.0/24", "meaning": "server"}
    return Claim(**{**fields, "country": country, **more})  # type: ignore[arg-type]  # fields of many types


def judge(
    observations: list[Observation],
    claims: tuple[Claim, ...] = (),
    special: str | None = None,
    upstream: Upstream | None = None,
) -> AddressVerdict:
    (evidence,) = gather(
        [ADDRESS], observations, {ADDRESS: claims}, {ADDRESS: special}, VANTAGES, THRESHOLDS
    ).values()
    return judge_address(replace(evidence, upstream=upstream), pakistan(), THRESHOLDS)


ALL_PK = (claim("registry", "PK", meaning="registrant"), claim("alpha", "PK"), claim("beta", "PK"))
NEAR = (
    ping("lhe", 0.6),
    ping("khi", 21),
)  # few cities abroad are so near, many at home, and no proof
ALL_SG = (claim("registry", "SG", meaning="registrant"), claim("alpha", "SG"), claim("beta", "SG"))
