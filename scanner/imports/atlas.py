"""Results of RIPE Atlas as observations: ping, traceroute and sslcert here, dns in :mod:`atlas_dns`.

The format is RIPE Atlas's "measurement result format" of firmware 4460 and later; what older firmware calls
otherwise is read too. Times are the probes' own. What is not in our records is left out, and said:

- A reply that came *late* answered an earlier probe, so it belongs to another hop. A *duplicate*'s time is
  not that of the first answer.
- ``sslcert`` stops when it has the certificate, before the server has signed anything. So its time bounds
  where somebody is who *has the certificate*, never where the key is; it becomes no ``handshake_ms``.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from probes import certificate, hostname
from probes.observation import (
    DnsObservation,
    DnsResult,
    Hop,
    MplsLabel,
    PingObservation,
    PingResult,
    Reply,
    TlsObservation,
    TlsResult,
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

_METHODS: Final[dict[str, Literal["icmp", "udp", "tcp"]]] = {
    "ICMP": "icmp",
    "I": "icmp",
    "UDP": "udp",
    "U": "udp",
    "TCP": "tcp",
    "T": "tcp",
}
# How a reply other than "time exceeded" is marked, with its ICMP type and code for IPv4 and IPv6.
_MARKS: Final[dict[str, tuple[tuple[int, int], tuple[int, int]]]] = {
    "N": ((3, 0), (1, 0)),
    "H": ((3, 1), (1, 3)),
    "A": ((3, 13), (1, 1)),
    "P": ((3, 2), (4, 1)),
    "p": ((3, 3), (1, 4)),
    "h": ((3, 1), (1, 2)),  # beyond the scope of the source address
}
_UNREACHABLE: Final = {4: 3, 6: 1}
_EXCEEDED: Final = {4: (11, 0), 6: (3, 0)}
_UNRESOLVED: Final = frozenset({"servfail", "nxdomain", "no-data"})
_MAX_CERTIFICATE: Final = 2**16  # characters


class Kind(msgspec.Struct):
    """What every result has that tells its kind."""

    type: Text


class Result(msgspec.Struct, kw_only=True):
    """What results of all kinds have in common; ``addr`` and ``name`` are what old firmware says."""

    prb_id: Number
    msm_id: Number
    timestamp: Seconds
    dst_addr: Text | None = None
    dst_name: Text | None = None
    addr: Text | None = None
    name: Text | None = None
    dnserr: Text | None = None
    err: Text | None = None

    @property
    def id(self) -> str:
        """What identifies the result: measurement, probe and time."""
        return f"atlas-{self.msm_id}-{self.prb_id}-{self.timestamp}"

    @property
    def target(self) -> str | None:
        """The name or address that was asked for, as it was given."""
        return self.dst_name or self.name or self.dst_addr or self.addr

    @property
    def unresolved(self) -> str | None:
        """Why the probe found no address for the name, in its words; None where it did not fail at that."""
        return self.dnserr

    def frame(self, kind: str, at: str | None, endpoint: str | None = None) -> dict[str, Any]:
        """The fields that every observation has; ``at`` is the address that it is of."""
        endpoint = endpoint or self.target
        if endpoint is None:
            raise BadRecordError("dst_name: is missing, and so is dst_addr")
        return {
            "id": f"{self.id}-{kind}",
            "vantage": f"atlas-{self.prb_id}",
            "endpoint": endpoint,
            "address": at,
            "time": shape.time(self.timestamp),
        }


class _Extension(msgspec.Struct, rename={"kind": "class"}):
    kind: int | None = None
    mpls: tuple[dict[str, Number], ...] = ()


class _Extensions(msgspec.Struct):
    obj: tuple[_Extension, ...] = ()


class _Packet(msgspec.Struct, rename={"source": "from"}):
    """One reply, or the lack of it (``x``); ``error`` is one of sending."""

    source: Text | None = None
    rtt: Milliseconds | None = None
    error: Text | None = None
    err: Text | int | None = None
    late: Number | None = None
    dup: Number | bool | None = None
    icmpext: _Extensions | None = None


class _Ping(Result, kw_only=True):
    proto: Text = "ICMP"
    sent: Number | None = None
    result: tuple[_Packet, ...] = ()


class _Step(msgspec.Struct):
    hop: Ttl | None = None
    error: Text | None = None
    result: tuple[_Packet, ...] = ()


class _Trace(Result, kw_only=True):
    proto: Text = "UDP"
    dst_port: Text | Port | None = None
    result: tuple[_Step, ...] = ()

    @property
    def unresolved(self) -> str | None:
        """The same; a traceroute says so in the place of its hops."""
        if self.dnserr is not None or self.dst_addr is not None or self.addr is not None:
            return self.dnserr
        failed = (step.error for step in self.result if step.hop is None and step.error is not None)
        return next((why for why in failed if shape.error(why) in _UNRESOLVED), None)


class _Alert(msgspec.Struct):
    level: int | None = None
    description: int | None = None


class _Sslcert(Result, kw_only=True):
    dst_port: Text | Port | None = None
    ver: Text | None = None
    rt: Milliseconds | None = None
    ttc: Milliseconds | None = None
    cert: tuple[str, ...] = ()
    alert: _Alert | None = None
    error: Text | None = None


def observations(octets: bytes, notes: Counter[str]) -> list[Observation]:
    """The observations of one result; raises as :func:`scanner.imports.source.convert` says."""
    kind = decoded(octets, Kind).type
    if kind == "ping":
        return _named(_ping, decoded(octets, _Ping), notes)
    if kind == "traceroute":
        return _named(_trace, decoded(octets, _Trace), notes)
    if kind == "sslcert":
        return _named(_sslcert, decoded(octets, _Sslcert), notes)
    if kind == "dns":
        from scanner.imports import atlas_dns  # noqa: PLC0415  dnspython is slow to import

        return atlas_dns.observations(octets, notes)
    raise OtherKindError(kind[:60])


def _named(make: Any, result: Result, notes: Counter[str]) -> list[Observation]:
    """The observation of a result, and that of the name which the probe looked up for it."""
    name = result.dst_name or result.name
    if (why := result.unresolved) is not None:
        if name is None:
            raise BadRecordError(f"dst_name: is missing; {why}")
        code = shape.error(why)
        return [
            DnsObservation(
                **result.frame("dns", None),
                error=code if code in _UNRESOLVED else "servfail",
                result=DnsResult(question=name),
            )
        ]
    named = name if name is not None and hostname.is_address(name) else None
    at = shape.address(result.dst_addr or result.addr or named, "dst_addr")
    found: list[Observation] = [make(result, at, notes)]
    if name is not None and not hostname.is_address(name):
        looked_up = DnsResult(question=name, rcode="NOERROR", addresses=(at,))
        found.insert(0, DnsObservation(**result.frame("dns", None), result=looked_up))
    return found


def _ping(result: _Ping, at: str, notes: Counter[str]) -> Observation:
    packets = [one for one in result.result if not one.dup]
    notes["duplicate replies"] += len(result.result) - len(packets)
    rtts = tuple(one.rtt for one in packets if one.rtt is not None)
    sent = max(result.sent or 0, len(packets))
    return PingObservation(
        **result.frame("ping", at),
        result=PingResult(method=_method(result.proto), sent=sent, rtts_ms=rtts),
        error=None if rtts else _why(packets),
    )


def _trace(result: _Trace, at: str, notes: Counter[str]) -> Observation:
    version = 6 if ":" in at else 4
    hops = tuple(
        Hop(ttl=step.hop, replies=tuple(_replies(step.result, at, version, notes)))
        for step in result.result
        if step.hop is not None
    )
    method = _method(result.proto)
    refused = [
        reply.icmp
        for hop in hops
        for reply in hop.replies
        if reply.icmp is not None and reply.icmp[0] == _UNREACHABLE[version] and reply.address != at
    ]
    reached = any(reply.address == at for hop in hops for reply in hop.replies)
    failed = [step.error for step in result.result if step.error is not None]
    why: ErrorCode = "timeout"
    if failed:
        why = shape.error(failed[-1])
    elif refused:
        why = "prohibited" if refused[-1] in {(3, 13), (1, 1)} else "unreachable"
    else:
        why = _why([one for step in result.result for one in step.result])
    return TraceObservation(
        **result.frame("trace", at),
        result=TraceResult(
            method=method,
            port=None if method == "icmp" else _port(result.dst_port),
            reached=reached,
            hops=hops,
        ),
        error=None if reached else why,
    )


def _replies(packets: Iterable[_Packet], at: str, version: int, notes: Counter[str]) -> Iterable[Reply]:
    for one in packets:
        if one.source is None:
            continue
        if one.late is not None:
            notes["late replies"] += 1
            continue
        if one.dup:
            notes["duplicate replies"] += 1
            continue
        source = shape.seen(one.source, "from")
        yield Reply(address=source, rtt_ms=one.rtt, icmp=_icmp(one, source == at, version), mpls=_labels(one))


def _icmp(packet: _Packet, at_end: bool, version: int) -> tuple[int, int] | None:
    """Type and code of a reply. What the destination itself answers without a mark is not told."""
    if isinstance(packet.err, int):
        return (_UNREACHABLE[version], packet.err & 0xFF)
    if packet.err is not None:
        marks = _MARKS.get(packet.err)
        return (_UNREACHABLE[version], 1) if marks is None else marks[version == 6]
    return None if at_end else _EXCEEDED[version]


def _labels(packet: _Packet) -> tuple[MplsLabel, ...]:
    extensions = packet.icmpext.obj if packet.icmpext is not None else ()
    return tuple(
        MplsLabel(label=one["label"], tc=one.get("exp", 0), s=one.get("s", 0), ttl=one.get("ttl", 0))
        for extension in extensions
        for one in extension.mpls
        if "label" in one
    )


def _sslcert(result: _Sslcert, at: str, notes: Counter[str]) -> Observation:
    del notes
    failure = result.err or result.error or (None if result.cert and result.alert is None else "alert")
    read = None
    if result.cert:
        try:
            read = certificate.read(ssl.PEM_cert_to_DER_cert(result.cert[0][:_MAX_CERTIFICATE]))
        except ValueError:
            raise BadRecordError("cert: the first is no certificate in PEM") from None
    after_ms = None
    if read is not None and result.rt is not None and result.ttc is not None and result.rt >= result.ttc:
        after_ms = round(result.rt - result.ttc, 6)
    return TlsObservation(
        **result.frame("tls", at),
        result=TlsResult(
            port=_port(result.dst_port) or 443,
            tcp_rtt_ms=result.ttc,
            certificate_ms=after_ms,
            version=None if result.ver is None else f"TLSv{result.ver}",
            certificate_sha256=None if read is None else read.sha256,
            key_sha256=None if read is None else read.key_sha256,
            subject=None if read is None else read.subject,
            issuer=None if read is None else read.issuer,
            sans=() if read is None else read.sans,
        ),
        error=None if failure is None else shape.error(failure),
    )


def _method(proto: str) -> Literal["icmp", "udp", "tcp"]:
    method = _METHODS.get(proto.upper())
    if method is None:
        raise BadRecordError(f"proto: {proto[:20]!r} is none of ICMP, UDP and TCP")
    return method


def _port(value: str | int | None) -> int | None:
    if value is None or isinstance(value, int):
        return value
    if value == "https":  # as old firmware has it
        return 443
    if not value.isascii() or not value.isdigit() or not 0 < int(value[:6]) < 65536 or len(value) > 5:
        raise BadRecordError(f"dst_port: {value[:20]!r} is not a port")
    return int(value)


def _why(packets: Iterable[_Packet]) -> ErrorCode:
    """Why nothing came: what the last error of sending says, or no answer in time."""
    failed = [one.error for one in packets if one.error is not None]
    return shape.error(failed[-1]) if failed else "timeout"
