"""Names asked of the vantage's resolvers, as a client there would ask them.

The resolvers are asked in turn until one answers. The chain of aliases is kept in order, and followed where
a resolver gives only a part of it. Everything is bounded: an answer is written by whoever owns the name.
"""

from __future__ import annotations

import asyncio
import struct
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename

from probes import hostname
from probes.backend import Backend
from probes.failure import MeasureError
from probes.observation import DnsObservation, DnsRecord, DnsResult, now

if TYPE_CHECKING:
    from collections.abc import Iterable

    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target

MAX_CHAIN: Final = 16
MAX_ADDRESSES: Final = 64
MAX_NAMES: Final = 32
_ROUNDS: Final = 2
_EDNS_OCTETS: Final = 1232  # DNS Flag Day 2020: answers that no path fragments


async def probe(target: Target, session: Session, settings: Settings) -> list[DnsObservation]:
    """The addresses of the target's host, IPv4 and IPv6, and its zone's name servers and mail exchangers.

    One observation. Its error says why there is no address, or, beside addresses, that the answer for one
    of the families is missing.
    """
    return await _resolve(target, session, settings, zone=True)


async def addresses(target: Target, session: Session, settings: Settings) -> list[DnsObservation]:
    """The same of a host that only others depend on: its zone is not asked for."""
    return await _resolve(target, session, settings, zone=False)


async def _resolve(
    target: Target, session: Session, settings: Settings, *, zone: bool
) -> list[DnsObservation]:
    if target.host is None or hostname.is_address(target.host):
        return []
    time = now()
    asker = _Asker(session, settings)
    question, error = target.host, None
    answers: list[_Chain] = []
    nameservers: tuple[str, ...] = ()
    mail: tuple[str, ...] = ()
    try:
        name = hostname.parse(target.host)
        question = hostname.present(name)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(asker.follow(name, kind)) for kind in (dns.rdatatype.A, dns.rdatatype.AAAA)
            ]
        answers = [task.result() for task in tasks]
        if zone and any(answer.error != "timeout" for answer in answers):
            nameservers, mail = await asker.zone(name)
    except MeasureError as failure:
        error = failure.code
    chain = tuple(dict.fromkeys(record for answer in answers for record in answer.records))
    found = tuple(dict.fromkeys(value for answer in answers for value in answer.values))
    result = DnsResult(
        question=question,
        rcode=next((answer.rcode for answer in answers if answer.rcode), None),
        resolver=asker.resolver,
        chain=chain[: 2 * MAX_CHAIN],
        addresses=found,
        nameservers=nameservers,
        mail=mail,
    )
    return [_observe(target, session, "dns", question, time, error or _why(answers), result)]


async def reverse(target: Target, session: Session, settings: Settings) -> list[DnsObservation]:
    """The reverse names of the target's address: PTR records at the end of the result's chain."""
    if target.address is None:
        return []
    time = now()
    asker = _Asker(session, settings)
    name = dns.reversename.from_address(target.address)
    answer = await asker.follow(name, dns.rdatatype.PTR)
    result = DnsResult(
        question=hostname.present(name), rcode=answer.rcode, resolver=asker.resolver, chain=answer.records
    )
    return [_observe(target, session, "reverse", target.address, time, _why([answer]), result)]


def _observe(
    target: Target,
    session: Session,
    kind: str,
    subject: str,
    time: str,
    error: ErrorCode | None,
    result: DnsResult,
) -> DnsObservation:
    return DnsObservation(
        id=session.observation_id(target, kind, subject),
        vantage=session.id,
        endpoint=target.endpoint,
        address=target.address if kind == "reverse" else None,
        time=time,
        error=error,
        result=result,
    )


class _Chain:
    """What one question gave: the records followed, the addresses or names at the end, or why not."""

    def __init__(self) -> None:
        self.records: tuple[DnsRecord, ...] = ()
        self.values: tuple[str, ...] = ()
        self.rcode: str | None = None
        self.error: ErrorCode | None = None


def _why(answers: list[_Chain]) -> ErrorCode | None:
    """The error of an observation: a failure always, an absence only where nothing was found."""
    errors = [answer.error for answer in answers if answer.error is not None]
    for error in errors:
        if error not in {"no-data", "nxdomain"}:
            return error
    if any(answer.values for answer in answers):
        return None
    return next(iter(errors), None)


class _Asker:
    """Asks a vantage's resolvers; stays with the one that answered."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session = session
        self._settings = settings
        self._backend = Backend(session.vantage)
        self._resolvers = list(session.vantage.resolvers)
        self.resolver: str | None = None

    async def follow(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> _Chain:
        """Ask for ``kind``, following aliases; never raises."""
        found = _Chain()
        records: list[DnsRecord] = []
        try:
            async with asyncio.timeout(self._settings.dns_deadline_s) as limit:
                await self._follow(name, kind, records, found, limit)
        except TimeoutError:
            found.error = "timeout"
        except MeasureError as failure:
            found.error = failure.code
        found.records = tuple(records)
        return found

    async def zone(self, name: dns.name.Name) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The name servers and mail exchangers of the zone that holds ``name``.

        None where that cannot be found out. The exchangers are in the order of their preference; one that is
        the root says that there is no mail (RFC 7505).
        """
        nameservers: tuple[str, ...] = ()
        mail: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(self._settings.dns_deadline_s) as limit:
                while not nameservers and len(name.labels) > 1:
                    try:
                        message = await self._ask(name, dns.rdatatype.NS, limit)
                    except MeasureError as failure:
                        if failure.code != "servfail":
                            raise
                        name = name.parent()  # a broken name is still somebody's
                        continue
                    nameservers = _names([each.target for each, _ in _rdata(message, name, dns.rdatatype.NS)])
                    if not nameservers:
                        name = _enclosing(message, name)
                if nameservers:
                    message = await self._ask(name, dns.rdatatype.MX, limit)
                    answers = [each for each, _ in _rdata(message, name, dns.rdatatype.MX)]
                    answers.sort(key=lambda one: (one.preference, one.exchange))
                    mail = _names([one.exchange for one in answers if one.exchange != dns.name.root])
        except (TimeoutError, MeasureError):
            pass
        return nameservers, mail

    async def _follow(
        self,
        name: dns.name.Name,
        kind: dns.rdatatype.RdataType,
        records: list[DnsRecord],
        found: _Chain,
        limit: asyncio.Timeout,
    ) -> None:
        seen = {name}
        while True:
            asked = name
            message = await self._ask(name, kind, limit)
            found.rcode = dns.rcode.to_text(message.rcode())
            while alias := _rdata(message, name, dns.rdatatype.CNAME):
                target, ttl = alias[0][0].target, alias[0][1]
                records.append(_record(name, "CNAME", hostname.present(target), ttl))
                name = target
                if name in seen or len(seen) >= MAX_CHAIN:
                    raise MeasureError("loop")
                seen.add(name)
            answers = _rdata(message, name, kind)[:MAX_ADDRESSES]
            if answers:
                if kind == dns.rdatatype.PTR:
                    answers = answers[:MAX_NAMES]
                    found.values = tuple(hostname.present(each.target) for each, _ in answers)
                    records += [
                        _record(name, "PTR", hostname.present(each.target), ttl) for each, ttl in answers
                    ]
                else:
                    found.values = tuple(each.address for each, _ in answers)
                return
            if message.rcode() == dns.rcode.NXDOMAIN:
                raise MeasureError("nxdomain")
            if name == asked:
                raise MeasureError("no-data")

    async def _ask(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, limit: asyncio.Timeout
    ) -> dns.message.Message:
        """One question, of each resolver until one answers; twice, because datagrams get lost.

        ``limit`` is put off by the time that the question waits for its turn: a busy scan is no slow name.
        """
        query = dns.message.make_query(name, kind, use_edns=0, payload=_EDNS_OCTETS)
        error = MeasureError("unsupported", "no resolver is configured")
        for resolver in self._resolvers * _ROUNDS:
            left = (limit.when() or 0.0) - asyncio.get_running_loop().time()
            limit.reschedule(None)
            await self._session.pace.question(resolver)
            limit.reschedule(asyncio.get_running_loop().time() + left)
            try:
                message, _ = await dns.asyncquery.udp_with_fallback(
                    query,
                    resolver,
                    self._settings.dns_timeout_s,
                    self._session.vantage.resolver_port,
                    ignore_unexpected=True,
                    ignore_errors=True,
                    backend=self._backend,
                )
            except dns.exception.Timeout:
                error = MeasureError("timeout")
            except OSError as failure:
                error = MeasureError("timeout" if isinstance(failure, TimeoutError) else "unreachable")
            except (dns.exception.DNSException, EOFError, ValueError, struct.error) as failure:
                error = MeasureError("protocol", str(failure))
            else:
                if message.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
                    self.resolver = resolver
                    self._resolvers.remove(resolver)
                    self._resolvers.insert(0, resolver)
                    return message
                self.resolver = self.resolver or resolver
                error = MeasureError("servfail", dns.rcode.to_text(message.rcode()))
        raise error


def _rdata(
    message: dns.message.Message, name: dns.name.Name, kind: dns.rdatatype.RdataType
) -> list[tuple[Any, int]]:
    """The records of one owner and type in the answer section, each with its TTL."""
    return [
        (each, rrset.ttl)
        for rrset in message.answer
        if rrset.rdtype == kind and rrset.name == name
        for each in rrset
    ]


def _names(names: Iterable[dns.name.Name]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(hostname.present, islice(names, MAX_NAMES))))


def _record(name: dns.name.Name, kind: str, target: str, ttl: int) -> DnsRecord:
    return DnsRecord(name=hostname.present(name), type=kind, target=target, ttl=ttl)


def _enclosing(message: dns.message.Message, name: dns.name.Name) -> dns.name.Name:
    """The next name upwards that may be a zone's: the answer's SOA tells, else it is the parent."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA and name.is_subdomain(rrset.name) and name != rrset.name:
            return rrset.name
    return name.parent()
