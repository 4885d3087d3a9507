"""Which networks announce an address, and the registry's country of its prefix, from Team Cymru over DNS.

Official: https://www.team-cymru.com/ip-asn-mapping, free, no key, renewed every four hours; one TXT question
an address to ``origin.asn.cymru.com`` or ``origin6.asn.cymru.com``, answered by ``"64500 64501 | 192.0.2.0/24
| PK | apnic | 2010-01-02"``, and one a network to ``asn.cymru.com``, answered by ``"64500 | PK | apnic |
2010-01-02 | NAME, PK"``. Team Cymru asks not to use it as geolocation: the country is what the registry wrote
beside the holder, so it is the registries' claim and has no vote of its own beside them.

It tells Team Cymru, and the resolvers on the way, which address is of interest: only for who asks for it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
import dns.reversename

from geodata.claim import Claim
from geodata.errors import GeodataError
from geodata.sources.source import asn, country, text
from geodata.special import decode, special_purpose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geodata.special import Address

_LICENCE: Final = "free"
SOURCE: Final = "cymru"
CONCURRENT: Final = 8
MAX_MESSAGE: Final = 500  # characters; dnspython's tell of every try
MAX_RECORDS: Final = 64  # of an answer
MAX_ORIGINS: Final = 16  # of a prefix
MAX_NAMES: Final = 4096  # that are remembered
_ZONES: Final = {
    4: dns.name.from_text("origin.asn.cymru.com."),
    6: dns.name.from_text("origin6.asn.cymru.com."),
}
_NETWORKS: Final = dns.name.from_text("asn.cymru.com.")
_WIDEST: Final = {4: 8, 6: 16}  # nothing wider is announced but default routes


class Origin(NamedTuple):
    """A TXT record of an origin zone."""

    asns: tuple[int, ...]
    prefix: ipaddress.IPv4Network | ipaddress.IPv6Network
    country: str | None


class Cymru:
    """A client; ``resolver`` is the system's where none is given. Any number of look-ups may run at once."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._given = resolver
        self._gate = asyncio.Semaphore(CONCURRENT)
        self._names: dict[int, str | None] = {}

    async def lookup(self, address: str, *, deadline_s: float) -> tuple[Claim, ...]:
        """A claim for each origin of ``address``, and one of the registry; none where nobody announces it.

        Raises :class:`GeodataError` with the code ``address``, ``special``, ``timeout``, ``unreachable`` or
        ``malformed``. That a network's name cannot be had is no error.
        """
        try:
            decoded, special = decode(address), special_purpose(address)
        except ValueError as error:
            raise GeodataError(f"{address!r} is not an IP address", "address") from error
        if special is not None:
            raise GeodataError(f"{_about(decoded)}: {special.prefix} is {special.name}", "special")
        until = time.monotonic() + deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await self._look_up(decoded, until)
        except TimeoutError as error:
            raise GeodataError(f"{_about(decoded)}: no answer within {deadline_s:g} s", "timeout") from error

    async def _look_up(self, address: Address, until: float) -> tuple[Claim, ...]:
        about = _about(address)
        question = dns.reversename.from_address(str(address), _ZONES[4], _ZONES[6])
        found = origins(await self._ask(question, about, until), address, about)
        # Sorted, as servers shuffle what they answer.
        numbers = sorted({number for each in found for number in each.asns})[:MAX_ORIGINS]
        names = await asyncio.gather(*(self._name(number, until) for number in numbers))
        return _claims(found, dict(zip(numbers, names, strict=True)), dt.datetime.now(dt.UTC).date())

    async def _name(self, number: int, until: float) -> str | None:
        """What a network is called, where that can be had."""
        if number not in self._names:
            question = dns.name.from_text(f"AS{number}", _NETWORKS)
            try:
                texts = await self._ask(question, f"Team Cymru on AS{number}", until)
            except GeodataError:
                return None
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            self._names[number] = next(filter(None, (network_name(each, number) for each in texts)), None)
        return self._names[number]

    async def _ask(self, question: dns.name.Name, about: str, until: float) -> list[bytes]:
        """The texts of an answer; none where there is no such name."""
        async with self._gate:
            try:
                # What does not answer is asked again, and over TCP where the answer was truncated.
                answer = await self._resolver().resolve(
                    question,
                    dns.rdatatype.TXT,
                    lifetime=until - time.monotonic(),
                    search=False,
                    raise_on_no_answer=False,
                )
            except dns.resolver.NXDOMAIN:
                return []
            except dns.exception.Timeout as error:
                raise GeodataError(f"{about}: no answer from the resolvers in time", "timeout") from error
            except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                raise GeodataError(f"{about}: {error}"[:MAX_MESSAGE], "unreachable") from error
        return [b"".join(each.strings) for each in list(answer.rrset or ())[:MAX_RECORDS]]

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._given is None:
            self._given = dns.asyncresolver.Resolver()
        return self._given


def origins(texts: Sequence[bytes], address: Address, about: str) -> tuple[Origin, ...]:
    """The records of the narrowest prefix around ``address``: the route that is taken, with all its origins.

    Raises :class:`GeodataError` (``malformed``) where there are records and none of them makes sense.
    """
    found: list[Origin] = []
    why = ""
    for each in texts:
        try:
            found.append(_origin(each, address))
        except ValueError as error:
            why = str(error)
    if texts and not found:
        raise GeodataError(f"{about}: {why}"[:MAX_MESSAGE], "malformed")
    narrowest = max((each.prefix.prefixlen for each in found), default=0)
    return tuple(each for each in found if each.prefix.prefixlen == narrowest)


def _origin(record: bytes, address: Address) -> Origin:
    """One record; ValueError where it makes no sense."""
    fields = [each.strip() for each in record.decode("ascii").split("|")]
    if len(fields) != 5:
        raise ValueError(f"{len(fields)} fields in a record where 5 should be")
    numbers = [asn(each) for each in fields[0].split()[:MAX_ORIGINS]]
    if not numbers or None in numbers:
        raise ValueError(f"{fields[0][:60]!r} are no autonomous systems")
    prefix = ipaddress.ip_network(fields[1])
    if address not in prefix or prefix.prefixlen < _WIDEST[prefix.version]:
        raise ValueError(f"the answer is of {prefix}")
    return Origin(tuple(number for number in numbers if number is not None), prefix, country(fields[2]))


def network_name(record: bytes, number: int) -> str | None:
    """The name in a record of network ``number``; ``None`` for a record of another, or nonsense."""
    fields = [each.strip() for each in record.decode("utf-8", "replace").split("|", 4)]
    return text(fields[4]) if len(fields) == 5 and asn(fields[0]) == number else None


def _claims(found: Sequence[Origin], names: Mapping[int, str | None], today: dt.date) -> tuple[Claim, ...]:
    claims = [
        Claim(
            source=SOURCE,
            family="bgp",
            prefix=str(found[0].prefix),
            meaning="origin",
            asn=number,
            network=name,
            version=today.isoformat(),
            date=today.isoformat(),
            licence=_LICENCE,
        )
        for number, name in names.items()
    ]
    claims += [
        Claim(
            source=SOURCE,
            family="registry",
            prefix=str(found[0].prefix),
            meaning="registrant",
            country=code,
            asserted_by="registry",
            version=today.isoformat(),
            date=today.isoformat(),
            licence=_LICENCE,
        )
        for code in sorted({each.country for each in found if each.country is not None})
    ]
    return tuple(claims)


def _about(address: Address) -> str:
    return f"Team Cymru on {address}"
