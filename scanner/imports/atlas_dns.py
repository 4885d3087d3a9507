"""DNS results of RIPE Atlas: the answers' octets (abuf), read as any DNS message is."""

from __future__ import annotations

import base64
import binascii
import struct
from typing import TYPE_CHECKING, Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import msgspec

from probes import hostname
from probes.observation import DnsObservation, DnsRecord, DnsResult
from scanner.imports import atlas, shape
from scanner.imports.source import BadRecordError, Text, decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.observation import ErrorCode, Observation

_MAX_MESSAGE: Final = 2**16  # octets
_ADDRESSES: Final = frozenset({dns.rdatatype.A, dns.rdatatype.AAAA})
_FOLLOWED: Final = frozenset({dns.rdatatype.CNAME, dns.rdatatype.DNAME, dns.rdatatype.PTR})


class _Answer(msgspec.Struct):
    abuf: str | None = None


class _Query(msgspec.Struct, kw_only=True):
    """One question to one resolver; ``error`` is what went wrong, as an object or in words."""

    dst_addr: Text | None = None
    dst_name: Text | None = None
    qbuf: str | None = None
    result: _Answer | None = None
    error: dict[str, Any] | Text | None = None


class _Dns(atlas.Result, kw_only=True):
    qbuf: str | None = None
    result: _Answer | None = None
    resultset: tuple[_Query, ...] = ()
    error: dict[str, Any] | Text | None = None


def observations(octets: bytes) -> list[Observation]:
    """The observations of one result, one for each resolver that was asked."""
    result = decoded(octets, _Dns)
    queries = result.resultset or (
        _Query(
            dst_addr=result.dst_addr or result.addr,
            dst_name=result.dst_name,
            qbuf=result.qbuf,
            result=result.result,
            error=result.error or result.err or result.dnserr,
        ),
    )
    return [
        _observation(result, query, "dns" if len(queries) == 1 else f"dns-{number}")
        for number, query in enumerate(queries, 1)
    ]


def _observation(result: _Dns, query: _Query, kind: str) -> Observation:
    resolver = None if query.dst_addr is None else shape.address(query.dst_addr, "dst_addr")
    message = None
    if query.result is not None and query.result.abuf is not None:
        message = _message(query.result.abuf, "abuf")
    asked = message
    if (asked is None or not asked.question) and (qbuf := query.qbuf or result.qbuf) is not None:
        asked = _message(qbuf, "qbuf")
    if asked is None or not asked.question:
        raise BadRecordError("qbuf: no question can be read, nor in abuf: what was asked is not known")
    question = asked.question[0]
    name = hostname.present(question.name)
    at = None
    if question.rdtype == dns.rdatatype.PTR:
        at = _reversed(question.name)
    frame = result.frame(kind, at, at or name)
    if message is None:
        why = shape.error(_words(query.error)) if query.error is not None else "timeout"
        return DnsObservation(**frame, result=DnsResult(question=name, resolver=resolver), error=why)
    made = DnsResult(
        question=name,
        rcode=dns.rcode.to_text(message.rcode()),
        resolver=resolver,
        chain=tuple(_chain(message)),
        addresses=tuple(_addresses(message)),
        nameservers=tuple(_nameservers(message)),
    )
    return DnsObservation(**frame, result=made, error=_absence(message, made, question.rdtype))


def _message(text: str, field: str) -> dns.message.Message:
    """A message from base64; what is cut short is used as far as it goes."""
    try:
        octets = base64.b64decode(text, validate=True)
        if len(octets) > _MAX_MESSAGE:
            raise BadRecordError(f"{field}: is longer than any DNS message")
        return dns.message.from_wire(octets, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, binascii.Error, ValueError, EOFError, struct.error) as error:
        raise BadRecordError(f"{field}: holds no DNS message: {type(error).__name__}") from None


def _reversed(name: dns.name.Name) -> str | None:
    """The address that a reverse name stands for; None where it is none."""
    try:
        return dns.reversename.to_address(name)
    except (dns.exception.DNSException, ValueError):
        return None


def _chain(message: dns.message.Message) -> Iterator[DnsRecord]:
    for rrset in message.answer:
        if rrset.rdtype in _FOLLOWED:
            for each in rrset:
                yield DnsRecord(
                    name=hostname.present(rrset.name),
                    type=dns.rdatatype.to_text(rrset.rdtype),
                    target=hostname.present(each.target),
                    ttl=rrset.ttl,
                )


def _addresses(message: dns.message.Message) -> Iterator[str]:
    for rrset in message.answer:
        if rrset.rdtype in _ADDRESSES:
            yield from (shape.address(each.address, "abuf") for each in rrset)


def _nameservers(message: dns.message.Message) -> Iterator[str]:
    for rrset in (*message.answer, *message.authority):
        if rrset.rdtype == dns.rdatatype.NS:
            yield from (hostname.present(each.target) for each in rrset)


def _absence(
    message: dns.message.Message, made: DnsResult, asked: dns.rdatatype.RdataType
) -> ErrorCode | None:
    code = message.rcode()
    if code == dns.rcode.NXDOMAIN:
        return "nxdomain"
    if code != dns.rcode.NOERROR:
        return "servfail"
    if asked not in _ADDRESSES or made.addresses:
        return None
    return "protocol" if message.flags & dns.flags.TC else "no-data"  # what was cut off may have been there


def _words(error: dict[str, Any] | str) -> str:
    """An error in words; an object's keys are its kinds (``{"timeout": 5000}``)."""
    return error if isinstance(error, str) else " ".join(f"{key} {value}" for key, value in error.items())
