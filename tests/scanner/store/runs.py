"""Runs to store: small ones that say what they differ in, and any at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from geodata.claim import Claim
from probes.observation import DnsObservation, HttpObservation, HttpResult, PingObservation, PingResult
from scanner.run import EndpointResult, Run, Tool, VantageUsed
from scanner.verdict import ASSURANCES, LOCATIONS, AddressVerdict, EndpointVerdict

if TYPE_CHECKING:
    from scanner.policy import FindingStatus

START = datetime(2026, 11, 1, tzinfo=UTC)
ENDPOINT = "indus/web/portal.example"


def time(day: float) -> str:
    """The time so many days after the first run, as records carry it."""
    return (START + timedelta(days=day)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def result(endpoint: str = ENDPOINT, *addresses: str, **verdict: Any) -> EndpointResult:
    status: FindingStatus = verdict.pop("status", "compliant")
    fields = {
        "location": "inside",
        "assurance": "proved",
        "rule": "territory",
        "reason": "It is so.",
        **verdict,
    }
    each = (AddressVerdict(address=one, **fields) for one in addresses or ("198.18.1.1",))
    return EndpointResult(
        endpoint=endpoint,
        provider="indus",
        service="web",
        data_class="restricted",
        deployment="government",
        declared="portal",
        status=status,
        severity="informational",
        verdict=EndpointVerdict(endpoint=endpoint, addresses=tuple(each), **fields),
    )


def ping(number: int, endpoint: str = ENDPOINT) -> PingObservation:
    return PingObservation(
        id=f"{endpoint}@khi:ping:{number}",
        vantage="khi",
        endpoint=endpoint,
        address="198.18.1.1",
        time=time(0),
        result=PingResult(method="icmp", sent=1, rtts_ms=(number / 8,)),
    )


def run(day: float = 0, *results: EndpointResult, pings: int = 3, **more: Any) -> Run:
    fields: dict[str, Any] = {
        "id": f"{time(day)[:19].replace(':', '')}Z-{int(day * 1000):012x}",
        "started": time(day),
        "finished": time(day + 0.01),
        "complete": True,
        "tool": Tool(version="1"),
        "country": "PK",
        "vantages": (
            VantageUsed(id="khi", latitude=24.9, longitude=67.0, location_error_km=5.0, kind="local"),
        ),
        "sources": (),
        "endpoints": results or (result(),),
        "observations": tuple(ping(number) for number in range(pings)),
        **more,
    }
    return Run(**fields)


_TEXT = st.text(max_size=6)  # NUL, line ends and what is not assigned among it
# PostgreSQL's text holds no NUL, and neither does the name of an endpoint or an address.
_NAME = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
_NUMBER = st.floats(allow_nan=False, allow_infinity=False)
_NUMBERS = st.lists(_NUMBER, max_size=3).map(tuple)
_WORDS = st.dictionaries(_TEXT, _TEXT, max_size=2)
_RECORD = {"id": _TEXT, "vantage": _TEXT, "endpoint": _TEXT, "address": st.none() | _TEXT, "time": _TEXT}
_OBSERVATION = st.one_of(
    st.builds(DnsObservation, **_RECORD, error=st.sampled_from([None, "timeout"])),
    st.builds(
        PingObservation,
        **_RECORD,
        result=st.builds(PingResult, method=st.just("icmp"), sent=st.integers(0, 9), rtts_ms=_NUMBERS),
    ),
    st.builds(
        HttpObservation, **_RECORD, result=st.none() | st.builds(HttpResult, headers=_WORDS, ttfb_ms=_NUMBERS)
    ),
)
_RESULT = st.builds(
    result,
    _NAME,
    _NAME,
    location=st.sampled_from(LOCATIONS),
    assurance=st.sampled_from([None, *ASSURANCES]),
    status=st.sampled_from(["violation", "waived", "indeterminate"]),
    reason=_TEXT,
    evidence=st.lists(_TEXT, max_size=2).map(tuple),
)
_TIME = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001  hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
).map(datetime.isoformat)
RUNS = st.builds(
    lambda results, **fields: run(0, *results, **fields),
    st.lists(_RESULT, max_size=3),
    started=_TIME,
    finished=_TIME,
    complete=st.booleans(),
    country=_TEXT,
    policy=st.dictionaries(_TEXT, st.booleans() | _NUMBER | _WORDS, max_size=2),
    notices=st.lists(_TEXT, max_size=2).map(tuple),
    observations=st.lists(_OBSERVATION, max_size=4).map(tuple),
    claims=st.dictionaries(
        _TEXT,
        st.builds(Claim, source=_TEXT, family=_TEXT, prefix=_TEXT, meaning=st.just("server")).map(
            lambda one: (one,)
        ),
        max_size=2,
    ),
    special=_WORDS,
)
