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
    from collections import Counter
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


def observations(octets: bytes, notes: Counter[str]) -> list[Observation]:
    """The observations of one result, one for each resolver that was asked.

    What of several is of no use is counted in ``notes``; where all are, :class:`BadRecordError` is raised.
    """
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
    found: list[Observation] = []
    for number, query in enumerate(queries, 1):
        try:
            found.append(_observation(result, query, "dns" if len(queries) == 1 else f"dns-{number}"))
        except BadRecordError:
            if number == len(queries) and not found:
                raise
            notes["answers of one of several resolvers"] += 1
    return found


def _observation(result: _Dns, query: _Query, kind: str) -> Observation:
    resolver = None if query.dst_addr is None else shape.seen(query.dst_addr, "dst_addr")
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
        nameservers=() if _is_referral(message) else tuple(_nameservers(message)),
        mail=tuple(_mail(message)),
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


def _mail(message: dns.message.Message) -> Iterator[str]:
    """The mail exchangers, the preferred first; the root says that there is no mail (RFC 7505)."""
    found = [each for rrset in message.answer if rrset.rdtype == dns.rdatatype.MX for each in rrset]
    for each in sorted(found, key=lambda one: (one.preference, one.exchange)):
        if each.exchange != dns.name.root:
            yield hostname.present(each.exchange)


def _is_referral(message: dns.message.Message) -> bool:
    """Whether it only says who else is to be asked, of some zone above the name (RFC 1034, 4.3.2)."""
    above = {rrset.rdtype for rrset in message.authority}
    return (
        not message.answer
        and message.rcode() == dns.rcode.NOERROR
        and not message.flags & dns.flags.AA
        and dns.rdatatype.NS in above
        and dns.rdatatype.SOA not in above
    )


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
    # What was cut off may have been there, and so may what others are to be asked for.
    return "protocol" if message.flags & dns.flags.TC or _is_referral(message) else "no-data"


def _words(error: dict[str, Any] | str) -> str:
    """An error in words; an object's keys are its kinds (``{"timeout": 5000}``)."""
    return error if isinstance(error, str) else " ".join(f"{key} {value}" for key, value in error.items())
