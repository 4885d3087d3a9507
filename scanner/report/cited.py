"""Observations as a report shows them: those that verdicts rest on, and what addresses say of themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from probes.observation import (
    DnsObservation,
    DnsResult,
    HttpObservation,
    HttpResult,
    PingResult,
    TcpResult,
    TlsObservation,
    TlsResult,
    TraceResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from probes.observation import Observation
    from scanner.run import EndpointResult, Run

_MOST: Final = 12  # hops, names and headers that are shown of each
# Headers in which servers and what stands before them name themselves.
_HEADERS: Final = ("server", "via", "x-served-by", "x-cache", "cf-ray", "x-amz-cf-pop", "x-azure-ref")
_TELLING: Final = (DnsObservation, TlsObservation, HttpObservation)  # in which an address says what it is


class Row(NamedTuple):
    """One observation: its id within its endpoint, and its result in a line."""

    id: str
    kind: str
    vantage: str
    time: str
    result: str


class Cited:
    """A run's observations by what shows them."""

    def __init__(self, run: Run) -> None:
        wanted = {
            id_
            for result in run.endpoints
            for id_ in (
                *result.verdict.evidence,
                *result.verdict.path_evidence,
                *(id_ for one in result.verdict.addresses for id_ in one.evidence),
            )
        }
        self._by_id: dict[str, Observation] = {}
        # A dict for a set that keeps its order.
        self._itself: defaultdict[tuple[str, str | None], dict[tuple[str, str], None]] = defaultdict(dict)
        for one in run.observations:
            if one.id in wanted:
                self._by_id[one.id] = one
            if not isinstance(one, _TELLING):
                continue
            owner = None if isinstance(one, DnsObservation) else one.endpoint
            for said in _itself(one):
                self._itself[one.address or "", owner][said] = None

    def rows(self, result: EndpointResult) -> Iterator[Row]:
        """What an endpoint's verdict rests on, in the order in which it is cited."""
        verdict = result.verdict
        ids = dict.fromkeys(
            (
                *verdict.evidence,
                *(id_ for one in verdict.addresses for id_ in one.evidence),
                *verdict.path_evidence,
            )
        )
        for id_ in ids:
            one = self._by_id.get(id_)
            short = id_.removeprefix(f"{result.endpoint}@")
            if one is None:
                yield Row(short, "", "", "", "not in this run")
            else:
                yield Row(short, _kind(one), one.vantage, one.time, summary(one))

    def itself(self, result: EndpointResult) -> Iterator[tuple[str, str, str]]:
        """What the addresses of an endpoint say of themselves: address, kind (``itself.…``), text."""
        for address in result.verdict.addresses:
            for owner in (None, result.endpoint):
                for kind, text in self._itself.get((address.address, owner), ()):
                    yield address.address, kind, text


def _kind(one: Observation) -> str:
    return type(one).__name__.removesuffix("Observation").lower()


def _itself(one: Observation) -> Iterator[tuple[str, str]]:
    if one.result is None:
        return
    if isinstance(one, DnsObservation) and one.address is not None:
        for record in one.result.chain[:_MOST]:
            if record.type == "PTR":
                yield "ptr", record.target
    elif isinstance(one, TlsObservation):
        yield "certificate", _certificate(one.result)
    elif isinstance(one, HttpObservation):
        headers = {name.lower(): value for name, value in one.result.headers.items()}
        for name in _HEADERS:
            if name in headers:
                yield "server", f"{name}: {headers[name]}"
        for redirect in one.result.redirects[:_MOST]:
            yield "redirect", f"{redirect.status} {redirect.location}"


def summary(one: Observation) -> str:
    """An observation's result in a line."""
    if one.result is None:
        return str(one.error or "no result")
    said = _SUMMARIES[type(one.result)](one.result)
    return f"{one.error}; {said}" if one.error else said


def _ping(result: PingResult) -> str:
    return f"{result.method}: {_times(result.rtts_ms, result.sent)}"


def _tcp(result: TcpResult) -> str:
    return f"port {result.port}: {_times(result.rtts_ms, result.sent)}"


def _dns(result: DnsResult) -> str:
    chain = (f"{record.type} {record.target}" for record in result.chain[:_MOST])
    found = ", ".join((*chain, *result.addresses[:_MOST])) or "no address"
    return f"{result.question} {result.rcode or ''}: {found}"


def _times(times_ms: Sequence[float], sent: int) -> str:
    least = f"at best {min(times_ms):.3f} ms, " if times_ms else ""
    return f"{least}{len(times_ms)} of {sent} answered"


def _trace(result: TraceResult) -> str:
    hops = []
    for hop in result.hops[:_MOST]:
        reply = hop.replies[0] if hop.replies else None
        timed = "" if reply is None or reply.rtt_ms is None else f" {reply.rtt_ms:.2f} ms"
        hops.append(f"{hop.ttl} {'*' if reply is None else reply.address}{timed}")
    more = " …" if len(result.hops) > _MOST else ""
    reached = "reached" if result.reached else "not reached"
    return f"{result.method}, {reached}: {' → '.join(hops)}{more}"


def _tls(result: TlsResult) -> str:
    parts = [result.version or "TLS"] + ([] if result.port is None else [f"port {result.port}"])
    if result.handshake_ms is not None:
        parts.append(f"key's holder answered in {result.handshake_ms:.3f} ms")
    if result.tcp_rtt_ms is not None:
        parts.append(f"TCP in {result.tcp_rtt_ms:.3f} ms")
    return f"{', '.join(parts)}, at best of {result.sent}"


def _certificate(result: TlsResult) -> str:
    names = ", ".join(result.sans[:_MOST]) or "no name"
    return f"{result.subject or 'no subject'}; issued by {result.issuer or 'nobody'}; for {names}"


def _http(result: HttpResult) -> str:
    parts = [f"{result.url or ''} status {result.status}"]
    for what, times_ms in (
        ("page", result.ttfb_ms),
        ("page that nobody has", result.probe_ttfb_ms),
        ("file", result.static_ttfb_ms),
    ):
        if times_ms:
            parts.append(f"first octet of a {what} in {min(times_ms):.2f} ms at best")
    return ", ".join(parts)


_SUMMARIES: Final[Mapping[type, Callable[[Any], str]]] = {
    PingResult: _ping,
    TcpResult: _tcp,
    TraceResult: _trace,
    TlsResult: _tls,
    HttpResult: _http,
    DnsResult: _dns,
}
