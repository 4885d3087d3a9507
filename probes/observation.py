"""An observation: one measured fact, immutable, and its record (``sarhad.observation/1``).

What was measured, from which vantage, when, and the raw result; never an opinion. One record is one JSON
object on one line (JSON Lines). Times are RFC 3339 in UTC, durations are milliseconds, and what did not
come is ``null``: a missing answer is unknown, it is not a zero.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

Balancing = Literal["none", "flow", "packet"]
SCHEMA: Final = "sarhad.observation/1"

ErrorCode = Literal[
    "timeout",  # no answer before the deadline
    "refused",  # the host answered that nothing listens there (TCP RST)
    "unreachable",  # a router or this machine's own table said that there is no way
    "prohibited",  # a router said that the way is forbidden, or this machine's own firewall did
    "nxdomain",  # the name does not exist
    "no-data",  # the name exists and has no address
    "servfail",  # the resolver failed
    "reset",  # the connection broke off after it was made
    "tls",  # the handshake failed
    "protocol",  # the answer was not what the protocol allows
    "loop",  # a chain of names or redirects did not end
    "unsupported",  # this vantage cannot measure that (address family, privilege)
    "cancelled",  # the scan was interrupted first
]


# gc=False: what is frozen and made of such values is in no cycle, and a run has hundreds of thousands of them
# that stay, which the collector would look through again and again.
class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=False):
    """Base of all values that are written: frozen, keyword-only, unknown fields of later versions ignored."""


class DnsRecord(Record, frozen=True, kw_only=True):
    """One resource record of a chain: owner, type (CNAME, PTR, …), target, TTL in seconds."""

    name: str
    type: str
    target: str
    ttl: int | None = None


class DnsResult(Record, frozen=True, kw_only=True):
    """What a resolver answered: the chain of names in order, then the addresses (IPv4 and IPv6).

    ``nameservers`` and ``mail`` (mail exchangers) are those of the zone that the name is in.
    """

    question: str
    rcode: str | None = None
    resolver: str | None = None
    chain: tuple[DnsRecord, ...] = ()
    addresses: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()


class PingResult(Record, frozen=True, kw_only=True):
    """Round-trip times of one address; ``rtts_ms`` holds the answered ones, in the order of sending."""

    method: Literal["icmp", "tcp", "udp"]
    port: int | None = None
    sent: int
    rtts_ms: tuple[float, ...] = ()


class MplsLabel(Record, frozen=True, kw_only=True):
    """One entry of an MPLS label stack (RFC 4950): label, traffic class, bottom of stack, TTL."""

    label: int
    tc: int
    s: int
    ttl: int


class Reply(Record, frozen=True, kw_only=True, gc=False):
    """One answer to a probe of a trace; ``icmp`` is ``[type, code]``, ``null`` for an answer by TCP."""

    address: str
    rtt_ms: float | None = None
    icmp: tuple[int, int] | None = None
    mpls: tuple[MplsLabel, ...] = ()


class Hop(Record, frozen=True, kw_only=True, gc=False):
    """What answered at one TTL; a silent hop has no replies."""

    ttl: int
    replies: tuple[Reply, ...] = ()


class MultipathHop(Record, frozen=True, kw_only=True):
    """The addresses at one TTL over all flows that went so far.

    ``balancing`` is by ``flow`` (a flow keeps to one) or by ``packet`` (it does not, so nothing links them).
    ``confidence`` is that of the router before it for which it is least: that it has no further next hop.
    """

    ttl: int
    addresses: tuple[str, ...] = ()
    balancing: Balancing = "none"
    confidence: float | None = None


class MultipathLink(Record, frozen=True, kw_only=True):
    """Two addresses that ``flows`` flows showed one after the other, the first of them at ``ttl``."""

    ttl: int
    source: str
    target: str
    flows: int


class Multipath(Record, frozen=True, kw_only=True):
    """The load-balanced paths to an address; ``confidence`` is what was asked for at each router."""

    confidence: float
    flows: int
    probes: int
    hops: tuple[MultipathHop, ...] = ()
    links: tuple[MultipathLink, ...] = ()


class TraceResult(Record, frozen=True, kw_only=True):
    """A path towards an address; ``reached`` only when the address itself answered.

    ``hops`` are one flow's; ``multipath`` is there where all paths were asked for.
    """

    method: Literal["icmp", "tcp", "udp"]
    port: int | None = None
    reached: bool
    hops: tuple[Hop, ...] = ()
    multipath: Multipath | None = None


class TcpResult(Record, frozen=True, kw_only=True):
    """TCP connects to one port: time from SYN to SYN-ACK (or RST, which is an answer too) of each try."""

    port: int
    sent: int
    rtts_ms: tuple[float, ...] = ()
    open: bool | None = None


class TlsResult(Record, frozen=True, kw_only=True):
    """A TLS handshake.

    ``handshake_ms`` runs from the client's last flight that the proof depends on to the server's signature
    over it (CertificateVerify, or ServerKeyExchange in TLS 1.2): it bounds how far away *the holder of the
    certificate's key* is, whoever answered TCP. ``hello_ms`` runs to the first octets of the server's answer
    (ServerHello), which nobody has signed, and ``certificate_ms`` from the ClientHello to the certificate,
    which anybody can have: neither bounds a key. Minima over ``sent`` tries; ``handshakes_ms`` holds each.
    ``resumed_ms`` holds those that resumed the session of the first: there is nothing to sign, and they bound
    how far away the holder of that session's keys is. ``key_sha256`` is of the SubjectPublicKeyInfo (RFC 7469
    section 2.4); ``other_keys_sha256`` are those of other tries, where machines behind one address differ.
    """

    port: int | None = None
    sent: int = 1
    tcp_rtt_ms: float | None = None
    hello_ms: float | None = None
    handshake_ms: float | None = None
    handshakes_ms: tuple[float, ...] = ()
    resumed_ms: tuple[float, ...] = ()
    version: str | None = None
    certificate_sha256: str | None = None
    key_sha256: str | None = None
    other_keys_sha256: tuple[str, ...] = ()
    subject: str | None = None
    issuer: str | None = None
    sans: tuple[str, ...] = ()
    verified: bool | None = None
    certificate_ms: float | None = None


class Redirect(Record, frozen=True, kw_only=True):
    """One redirect that a server asked for: from which URL, with which status, to which URL."""

    url: str
    status: int
    location: str


class HttpResult(Record, frozen=True, kw_only=True):
    """HTTP requests to one address.

    ``ttfb_ms`` are times from a request's last octet to the answer's first on a warm connection, of the
    declared resource; ``probe_ttfb_ms`` the same for a resource that no cache can hold and no application
    has (a random path), and ``static_ttfb_ms`` the same for the file at ``static_url``, which takes no work:
    they tell a slow page from a far server. ``page_hosts`` are the other hosts that the page turns a browser
    to; ``null`` where it was not read for them.
    """

    url: str | None = None
    status: int | None = None
    ttfb_ms: tuple[float, ...] = ()
    probe_ttfb_ms: tuple[float, ...] = ()
    static_url: str | None = None
    static_ttfb_ms: tuple[float, ...] = ()
    headers: dict[str, str] = {}
    redirects: tuple[Redirect, ...] = ()
    page_hosts: tuple[str, ...] | None = None


class _Observation(Record, frozen=True, kw_only=True, tag_field="kind"):
    """One measured fact (see the module). ``address`` is ``null`` where a name was asked."""

    schema: Literal["sarhad.observation/1"] = SCHEMA
    id: str
    vantage: str
    endpoint: str
    address: str | None = None
    time: str
    error: ErrorCode | None = None


class DnsObservation(_Observation, frozen=True, kw_only=True, tag="dns"):
    """A name asked of a resolver."""

    result: DnsResult | None = None


class PingObservation(_Observation, frozen=True, kw_only=True, tag="ping"):
    """Round-trip times of an address."""

    result: PingResult | None = None


class TraceObservation(_Observation, frozen=True, kw_only=True, tag="trace"):
    """The path to an address."""

    result: TraceResult | None = None


class TcpObservation(_Observation, frozen=True, kw_only=True, tag="tcp"):
    """Connects to a port of an address."""

    result: TcpResult | None = None


class TlsObservation(_Observation, frozen=True, kw_only=True, tag="tls"):
    """A TLS handshake with an address."""

    result: TlsResult | None = None


class HttpObservation(_Observation, frozen=True, kw_only=True, tag="http"):
    """HTTP requests to an address."""

    result: HttpResult | None = None


Observation = (
    DnsObservation | PingObservation | TraceObservation | TcpObservation | TlsObservation | HttpObservation
)


def kind_of(observation: Observation) -> str:
    """What was measured, as the record says it: ``dns``, ``ping``, …."""
    return str(observation.__struct_config__.tag)


def now() -> str:
    """The present time as a record carries it: RFC 3339, UTC, microseconds."""
    return written(datetime.now(UTC), "microseconds")


def written(moment: datetime, timespec: str = "auto") -> str:
    """A time (with a zone) as a record carries it, as fine as ``datetime.isoformat``'s ``timespec`` says."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
