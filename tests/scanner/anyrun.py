"""Runs to render: one with something of everything, and any that the schema allows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from geodata.claim import Claim
from probes.observation import (
    DnsObservation,
    DnsRecord,
    DnsResult,
    Hop,
    HttpObservation,
    HttpResult,
    PingObservation,
    PingResult,
    Redirect,
    Reply,
    TlsObservation,
    TlsResult,
    TraceObservation,
    TraceResult,
)
from scanner.policy import Finding
from scanner.run import EndpointResult, FileUsed, Run, SourceUsed, Tool, VantageUsed
from scanner.store import History, Period
from scanner.verdict import AddressVerdict, Dependency, EndpointVerdict, SetAside

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.policy import FindingStatus, Severity
    from scanner.verdict import Assurance, Location

HOSTILE: Final = (
    "</script></style></textarea><script>window.owned=1</script><img src=x onerror='window.owned=2'>"
    "\"'`>{{7*7}}{% x %}\u202eevil\u2066\x1b[2J\x00\u200b=cmd|' /C calc'!A0&lt;"
)
PAYLOADS: Final = (
    HOSTILE,
    "<svg/onload=window.owned=1>",
    "javascript:window.owned=1",
    "]]>",
    "=1+1",
    "@SUM(A1)",
    "-1",
    "+1",
    "\t=1",
    "\uff1d1",
    "__proto__",
    "![x](http://tracker.example/)",
    "\u2028\u0085\ufffe",
)
TIME: Final = "2026-11-01T00:00:00Z"


def sample(
    name: Callable[[str], str] = lambda text: text,
    status: FindingStatus = "violation",
    location: Location = "outside",
    assurance: Assurance | None = "proved",
    endpoints: int = 2,
) -> Run:
    """A run whose first endpoint is as asked for, and the others comply; ``name`` writes its texts."""
    results = [_endpoint(0, name, status, location, assurance)]
    results += [_endpoint(number, name, "compliant", "inside", "proved") for number in range(1, endpoints)]
    return Run(
        id="2026-11-01T000000Z-abc",
        started=TIME,
        finished="2026-11-01T00:01:30Z",
        complete=True,
        tool=Tool(version="0"),
        country="PK",
        vantages=(
            _vantage("khi", name("Karachi"), 24.8607, 67.0011),
            _vantage("lhe", name("Lahore"), 31.5204, 74.3587),
            _vantage("sin", name("Singapore"), 1.3521, 103.8198),
        ),
        sources=(SourceUsed(source=name("alpha"), family=name("alpha"), attribution=name("by alpha")),),
        files=(FileUsed(name=name("register"), sha256="0" * 64),),
        policy={
            "name": name("Policy"),
            "controls": {"PCFP-RES-1": {"title": name("title"), "clause": name("clause")}},
        },
        notices=(name("a notice"),),
        endpoints=tuple(results),
        observations=tuple(one for each in results for one in _observations(each.endpoint, name)),
        claims={"198.18.0.1": _claims(name)},
    )


def past(name: Callable[[str], str] = lambda text: text) -> History:
    """What runs judged of the first endpoint of :func:`sample`: abroad for three runs, inside before."""
    place: tuple[tuple[Location, FindingStatus, int], ...] = (
        ("outside", "violation", 3),
        ("inside", "compliant", 9),
    )
    return History(
        "2026-10-01T00:00:00.000000Z",
        {
            name("indus/web/0.indus.example"): tuple(
                Period(
                    first=f"run-{location}",
                    since="2026-10-01T00:00:00.000000Z",
                    last=f"run-{location}",
                    until="2026-10-31T00:00:00.000000Z",
                    runs=runs,
                    location=location,
                    assurance="proved",
                    path="domestic",
                    status=status,
                    addresses=("198.18.0.7", name("198.18.0.8")),
                    rule="territory",
                    reason=name(f"It was {location} then."),
                )
                for location, status, runs in place
            )
        },
    )


def _vantage(id_: str, city: str, latitude: float, longitude: float) -> VantageUsed:
    return VantageUsed(
        id=id_, city=city, latitude=latitude, longitude=longitude, location_error_km=5.0, kind="local"
    )


def _endpoint(
    number: int,
    name: Callable[[str], str],
    status: FindingStatus,
    location: Location,
    assurance: Assurance | None,
) -> EndpointResult:
    endpoint = name(f"indus/web/{number}.indus.example")
    severity: Severity = "high" if status == "violation" else "informational"
    address = AddressVerdict(
        address="198.18.0.1",
        location=location,
        assurance=assurance,
        rule="territory",
        reason=name("It answered Singapore in 0.20 ms."),
        evidence=(f"{endpoint}@sin:ping",),
        countries=(name("SG"),),
        rtts_ms={"sin": 0.2, "khi": 60.0},
        set_aside=(
            SetAside(source=name("alpha"), family=name("alpha"), country="PK", reason=name("Not PK.")),
        ),
    )
    return EndpointResult(
        endpoint=endpoint,
        provider=name("indus"),
        service=name("web"),
        data_class="restricted",
        deployment="government",
        declared=name("https://indus.example"),
        site=name("Karachi"),
        status=status,
        severity=severity,
        verdict=EndpointVerdict(
            endpoint=endpoint,
            location=location,
            assurance=assurance,
            rule="territory",
            reason=name("It answered Singapore in 0.20 ms."),
            evidence=(f"{endpoint}@sin:ping", f"{endpoint}@sin:tls"),
            path="leaves",
            path_reason=name("It leaves."),
            path_evidence=(f"{endpoint}@khi:trace",),
            addresses=(address,),
            dependencies=(
                Dependency(
                    relation="nameserver",
                    host=name("ns.indus.example"),
                    location="inside",
                    assurance="claimed",
                    rule="claims",
                    reason=name("198.18.0.53: One family says so."),
                    countries=("PK",),
                    addresses=("198.18.0.53",),
                ),
                Dependency(
                    relation="mail",
                    host=name("mx.example"),
                    location="outside",
                    assurance="corroborated",
                    rule="claims",
                    reason=name("198.18.0.25: Two families say so."),
                    countries=(name("SG"),),
                    addresses=("198.18.0.25", "198.18.0.26"),
                ),
            ),
        ),
        findings=(
            Finding(
                endpoint=endpoint,
                control="PCFP-RES-1",
                clause=name("It must be in the country."),
                status=status,
                severity=severity,
                data_class="restricted",
                reason=name("It is abroad."),
                waiver=name("NOC 7"),
            ),
        ),
    )


def _observations(endpoint: str, name: Callable[[str], str]) -> tuple[Any, ...]:
    common: dict[str, Any] = {"endpoint": endpoint, "address": "198.18.0.1", "time": TIME}
    return (
        PingObservation(
            id=f"{endpoint}@sin:ping",
            vantage="sin",
            result=PingResult(method="icmp", sent=5, rtts_ms=(0.2, 0.3)),
            **common,
        ),
        TlsObservation(
            id=f"{endpoint}@sin:tls",
            vantage="sin",
            result=TlsResult(
                port=443,
                handshake_ms=0.9,
                subject=name("CN=indus.example"),
                issuer=name("CN=authority"),
                sans=(name("indus.example"),),
            ),
            **common,
        ),
        TraceObservation(
            id=f"{endpoint}@khi:trace",
            vantage="khi",
            result=TraceResult(
                method="icmp",
                reached=True,
                hops=(
                    Hop(ttl=1, replies=(Reply(address="198.18.9.1", rtt_ms=0.1),)),
                    Hop(ttl=2),
                    Hop(ttl=3, replies=(Reply(address="198.18.0.1", rtt_ms=60.0),)),
                ),
            ),
            **common,
        ),
        HttpObservation(
            id=f"{endpoint}@sin:http",
            vantage="sin",
            result=HttpResult(
                url=name("https://indus.example/"),
                status=302,
                headers={"Server": name("nginx")},
                redirects=(Redirect(url=name("a"), status=302, location=name("https://b.example/")),),
            ),
            **common,
        ),
        DnsObservation(
            id=f"{endpoint}@sin:ptr",
            vantage="sin",
            result=DnsResult(
                question="1.0.18.198.in-addr.arpa",
                chain=(DnsRecord(name="1.0.18.198.in-addr.arpa", type="PTR", target=name("ptr.example")),),
            ),
            **common,
        ),
    )


def _claims(name: Callable[[str], str]) -> tuple[Claim, ...]:
    return (
        Claim(
            source=name("alpha"),
            family=name("alpha"),
            prefix="198.18.0.0/24",
            meaning="server",
            country="SG",
            city=name("Singapore"),
            latitude=1.3521,
            longitude=103.8198,
            network=name("Indus Net"),
            asn=64500,
        ),
    )


def runs(text: st.SearchStrategy[str]) -> st.SearchStrategy[Run]:
    """Any run that the schema allows, of two values of each list at most; only its times are times."""
    times = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()).map(  # noqa: DTZ001
        lambda time: time.isoformat()
    )
    return st.tuples(_of(inspect.type_info(Run), text), times, times).map(
        lambda each: msgspec.structs.replace(each[0], started=each[1], finished=each[2])
    )


def _of(  # noqa: C901, PLR0911, PLR0912  one case a type
    kind: inspect.Type, text: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    """Values of a type as msgspec sees it."""
    match kind:
        case inspect.StrType():
            return text
        case inspect.IntType():
            return st.integers(-(2**31), 2**31)
        case inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.VarTupleType():
            return st.lists(_of(kind.item_type, text), max_size=2).map(tuple)
        case inspect.TupleType():
            return st.tuples(*(_of(each, text) for each in kind.item_types))
        case inspect.DictType():
            return st.dictionaries(_of(kind.key_type, text), _of(kind.value_type, text), max_size=2)
        case inspect.UnionType():
            return st.one_of(*(_of(each, text) for each in kind.types))
        case inspect.StructType():
            cls = kind.cls
            fields = {one.name: _of(one.type, text) for one in kind.fields}
            return st.fixed_dictionaries(fields).map(lambda values: cls(**values))
        case inspect.AnyType():
            return st.one_of(st.none(), text, st.dictionaries(text, text, max_size=2))
        case _:
            raise AssertionError(kind)
