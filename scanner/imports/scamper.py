"""What scamper measured (its JSON, as of ``sc_warts2json``) as observations: ping and trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from probes.observation import (
    Hop,
    MplsLabel,
    PingObservation,
    PingResult,
    Reply,
    TraceObservation,
    TraceResult,
)
from scanner.imports import shape
from scanner.imports.source import (
    BadRecordError,
    Milliseconds,
    Number,
    OtherKindError,
    Port,
    Seconds,
    Text,
    Ttl,
    decoded,
)

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable

    from probes.observation import ErrorCode, Observation

_FRAMING: Final = frozenset({"cycle-start", "cycle-stop"})  # of a file, no measurements
_WHY: Final[dict[str, ErrorCode]] = {"UNREACH": "unreachable", "ICMP": "unreachable"}


class _Kind(msgspec.Struct):
    type: Text


class _Start(msgspec.Struct):
    sec: Seconds
    usec: Number = 0


class _Label(msgspec.Struct):
    mpls_label: Number
    mpls_exp: Number = 0
    mpls_s: Number = 0
    mpls_ttl: Number = 0


class _Extension(msgspec.Struct):
    mpls_labels: tuple[_Label, ...] = ()


class _Hop(msgspec.Struct):
    addr: Text
    probe_ttl: Ttl
    rtt: Milliseconds | None = None
    icmp_type: Number | None = None
    icmp_code: Number | None = None
    icmpext: tuple[_Extension, ...] = ()


class _Response(msgspec.Struct, rename={"source": "from"}):
    source: Text
    seq: Number | None = None
    rtt: Milliseconds | None = None


class _Measured(msgspec.Struct, kw_only=True):
    dst: Text
    start: _Start
    method: Text
    dport: Port | None = None
    userid: Number = 0


class _Trace(_Measured, kw_only=True):
    stop_reason: Text = "NONE"
    hops: tuple[_Hop, ...] = ()


class _Ping(_Measured, kw_only=True):
    ping_sent: Number | None = None
    probe_count: Number | None = None
    probe_dport: Port | None = None
    responses: tuple[_Response, ...] = ()


class Importer:
    """Makes the observations of one vantage, which scamper's records do not name."""

    def __init__(self, vantage: str) -> None:
        self._vantage = vantage

    def observations(self, octets: bytes, notes: Counter[str]) -> list[Observation]:
        """Those of one record; raises as :func:`scanner.imports.source.convert` says."""
        kind = decoded(octets, _Kind).type
        if kind == "trace":
            return [self._trace(decoded(octets, _Trace))]
        if kind == "ping":
            return [self._ping(decoded(octets, _Ping), notes)]
        if kind in _FRAMING:
            return []
        raise OtherKindError(kind[:60])

    def _trace(self, record: _Trace) -> Observation:
        at = shape.address(record.dst, "dst")
        steps: dict[int, list[Reply]] = {}
        for hop in record.hops:
            icmp = None if hop.icmp_type is None else (hop.icmp_type & 0xFF, (hop.icmp_code or 0) & 0xFF)
            reply = Reply(address=shape.seen(hop.addr, "addr"), rtt_ms=hop.rtt, icmp=icmp, mpls=_labels(hop))
            steps.setdefault(hop.probe_ttl, []).append(reply)
        last = max(steps, default=0)
        hops = tuple(Hop(ttl=ttl, replies=tuple(steps.get(ttl, ()))) for ttl in range(1, last + 1))
        reached = any(reply.address == at for hop in hops for reply in hop.replies)
        method = _method(record.method)
        return TraceObservation(
            **self._frame(record, "trace", at),
            result=TraceResult(
                method=method, port=None if method == "icmp" else record.dport, reached=reached, hops=hops
            ),
            error=None if reached else _WHY.get(record.stop_reason, "timeout"),
        )

    def _ping(self, record: _Ping, notes: Counter[str]) -> Observation:
        at = shape.address(record.dst, "dst")
        own = [one for one in record.responses if shape.seen(one.source, "from") == at]
        notes["answers of others to a ping"] += len(record.responses) - len(own)
        first = _first(own)
        notes["duplicate replies"] += len(own) - len(first)
        rtts = tuple(one.rtt for one in first if one.rtt is not None)
        method = _method(record.method)
        port = None if method == "icmp" else record.probe_dport or record.dport
        sent = max(record.ping_sent or 0, len(rtts))
        return PingObservation(
            **self._frame(record, "ping", at),
            result=PingResult(method=method, port=port, sent=sent, rtts_ms=rtts),
            error=None if rtts else "timeout",
        )

    def _frame(self, record: _Measured, kind: str, at: str) -> dict[str, Any]:
        start = record.start
        if start.usec >= 1_000_000:
            raise BadRecordError(f"start.usec: {start.usec} is a second or more")
        name = f"{self._vantage}-{kind}-{at}-{record.method}-{start.sec}.{start.usec:06}"
        return {
            "id": f"scamper-{name}-{record.userid}",
            "vantage": self._vantage,
            "endpoint": at,
            "address": at,
            "time": shape.time(start.sec, start.usec),
        }


def _first(responses: Iterable[_Response]) -> list[_Response]:
    """The first response to each probe; those that do not say to which are kept."""
    seen: set[int] = set()
    kept: list[_Response] = []
    for one in responses:
        if one.seq is None or one.seq not in seen:
            kept.append(one)
        if one.seq is not None:
            seen.add(one.seq)
    return kept


def _labels(hop: _Hop) -> tuple[MplsLabel, ...]:
    return tuple(
        MplsLabel(label=one.mpls_label, tc=one.mpls_exp, s=one.mpls_s, ttl=one.mpls_ttl)
        for extension in hop.icmpext
        for one in extension.mpls_labels
    )


def _method(text: str) -> Literal["icmp", "udp", "tcp"]:
    for method in ("icmp", "udp", "tcp"):
        if text.lower().startswith(method):
            return method
    raise BadRecordError(f"method: {text[:20]!r} is none of icmp, udp and tcp")
