"""What an endpoint depends on beside its own addresses: name servers, mail, aliases, redirects, page hosts.

Their names are resolved, and that is all: only what a provider declared is probed. Where they are follows
from claims, but for an address that is an endpoint's too and was measured as that.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, get_args
from urllib.parse import urljoin, urlsplit

import msgspec

from probes.hostname import is_address
from probes.observation import DnsObservation, HttpObservation
from scanner.declared import Held
from scanner.endpoint import parse_address, parse_host
from scanner.evidence import AddressEvidence
from scanner.rules import judge_unprobed
from scanner.verdict import Dependency, Relation, worst_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from geodata.claim import Claim
    from geodata.territory import Territory
    from probes.observation import DnsResult, HttpResult, Observation
    from scanner.policy import ClassRule, Thresholds
    from scanner.register import Endpoint
    from scanner.verdict import AddressVerdict, EndpointVerdict

# What the observations of a dependency have in the place of an endpoint's id, before its name.
PREFIX: Final = "dependency/"
MAX_ASKED: Final = 30  # hosts of an endpoint; the rest is listed, and not asked for
_ORDER: Final[tuple[Relation, ...]] = get_args(Relation)
_NAMES: Final[dict[Relation, str]] = {
    "nameserver": "name server",
    "mail": "mail exchanger",
    "alias": "alias",
    "redirect": "redirect",
    "page": "host of its page",
}
_TOLD: Final = 5  # hosts in a sentence; the verdict lists all
# Of an address that was declared as an endpoint's, and of which that gave no more than its claims do.
_UNMEASURED: Final = frozenset({"unmeasured", "unreachable"})


class Link(NamedTuple):
    """One host that an endpoint depends on; ``addresses`` where the endpoint's own answers have them."""

    relation: Relation
    host: str
    addresses: tuple[str, ...] = ()


def links(endpoint: Endpoint, observations: Iterable[Observation]) -> tuple[Link, ...]:
    """What the observations of an endpoint say that it depends on beside itself.

    In an order that does not depend on theirs: by relation, then by name.
    """
    found: defaultdict[tuple[Relation, str], set[str]] = defaultdict(set)
    for one in observations:
        if isinstance(one, DnsObservation) and one.address is None and one.result is not None:
            named = _of_answer(one.result)
        elif isinstance(one, HttpObservation) and one.result is not None:
            named = _of_page(one.result)
        else:
            continue
        for relation, name, known in named:
            found[relation, _canonical(name)].update(known)
    return tuple(
        Link(relation, name, tuple(sorted(addresses)))
        for (relation, name), addresses in sorted(
            found.items(), key=lambda each: (_ORDER.index(each[0][0]), each[0][1])
        )
        if name not in {endpoint.host, endpoint.address}
    )


def _of_answer(result: DnsResult) -> Iterator[Link]:
    for name in result.nameservers:
        yield Link("nameserver", name)
    for name in result.mail:
        yield Link("mail", name)
    for record in result.chain:
        if record.type == "CNAME":
            yield Link("alias", record.target, result.addresses)


def _of_page(result: HttpResult) -> Iterator[Link]:
    for redirect in result.redirects:
        if (to := _redirected(redirect.url, redirect.location)) is not None:
            yield Link("redirect", to)
    for name in result.page_hosts or ():
        yield Link("page", name)


def hosts_to_ask(endpoints: Sequence[Endpoint], observations: Iterable[Observation]) -> tuple[str, ...]:
    """The names that endpoints depend on and that are nobody's endpoint, each once."""
    own: defaultdict[str, list[Observation]] = defaultdict(list)
    for one in observations:
        own[one.endpoint].append(one)
    known = {endpoint.host for endpoint in endpoints}
    asked: dict[str, None] = {}
    for endpoint in endpoints:
        names = [
            link.host
            for link in links(endpoint, own[endpoint.id])
            if not link.addresses and link.host not in known and _is_name(link.host)
        ]
        asked.update(dict.fromkeys(list(dict.fromkeys(names))[:MAX_ASKED]))
    return tuple(asked)


class Dependencies:
    """What every endpoint depends on, with addresses; judged once the endpoints are.

    ``own`` are the observations of each endpoint, ``answers`` the addresses of its name, ``asked`` the
    observations of dependencies.
    """

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        own: Mapping[str, Iterable[Observation]],
        answers: Mapping[str, tuple[str, ...]],
        asked: Iterable[Observation],
    ) -> None:
        endpoints = tuple(endpoints)
        found: defaultdict[str, set[str]] = defaultdict(set)
        self._errors: defaultdict[str, set[str]] = defaultdict(set)
        for endpoint in endpoints:
            if endpoint.host is not None and endpoint.id in answers:
                found[endpoint.host].update(answers[endpoint.id])
        for one in asked:
            if isinstance(one, DnsObservation):
                name = one.endpoint.removeprefix(PREFIX)
                found[name].update(() if one.result is None else one.result.addresses)
                self._errors[name].add(one.error or "no-data")
        self._links = {
            endpoint.id: tuple(
                link._replace(addresses=link.addresses or _addresses(link.host, found))
                for link in links(endpoint, own[endpoint.id])
            )
            for endpoint in endpoints
        }
        self.addresses = frozenset(
            address for each in self._links.values() for link in each for address in link.addresses
        )

    def judged(
        self,
        verdicts: Sequence[EndpointVerdict],
        claims: Mapping[str, tuple[Claim, ...]],
        special: Mapping[str, str],
        land: Territory,
        thresholds: Thresholds,
    ) -> list[EndpointVerdict]:
        """The verdicts, each with those on what it depends on."""
        if not any(self._links.values()):
            return list(verdicts)
        measured: defaultdict[str, list[AddressVerdict]] = defaultdict(list)
        for verdict in verdicts:
            for one in verdict.addresses:
                if one.address in self.addresses and one.rule not in _UNMEASURED:
                    measured[one.address].append(one)
        places = {
            address: worst_of(measured[address])
            if measured[address]
            else judge_unprobed(
                _unprobed(address, special.get(address), claims.get(address, ())), land, thresholds
            )
            for address in self.addresses
        }
        return [
            msgspec.structs.replace(
                verdict,
                dependencies=tuple(self._judge(link, places) for link in self._links[verdict.endpoint]),
            )
            for verdict in verdicts
        ]

    def _judge(self, link: Link, places: Mapping[str, AddressVerdict]) -> Dependency:
        each = [places[address] for address in link.addresses]
        if not each:
            return Dependency(
                relation=link.relation,
                host=link.host,
                location="undetermined",
                rule="no-address",
                reason=self._why_nowhere(link.host),
            )
        worst = worst_of(each)
        same = [one for one in each if one.location == worst.location]
        share = f" ({len(same)} of {len(each)} addresses)" if len(each) > 1 else ""
        return Dependency(
            relation=link.relation,
            host=link.host,
            location=worst.location,
            assurance=worst.assurance,
            rule=worst.rule,
            reason=f"{worst.address}{share}: {worst.reason}",
            countries=tuple(sorted({country for one in same for country in one.countries})),
            addresses=link.addresses,
        )

    def _why_nowhere(self, host: str) -> str:
        if not _is_name(host):
            return "This is not a name that a host can have, so it was not asked for."
        if host not in self._errors:
            return "It was not asked for."
        return f"No address was found for it ({', '.join(sorted(self._errors[host]))})."


def dependence(dependencies: Sequence[Dependency], rule: ClassRule) -> Held | None:
    """What an endpoint depends on held against what its class asks; nothing where there is nothing to say.

    An edge, or what is shown to be nowhere, leaves open where it is.
    """
    outside = abroad(dependencies)
    if rule.dependencies == "any":
        if not outside:
            return None
        return Held(
            "PCFP-RES-3", "not_applicable", f"Reported only: it depends on {listed(outside)} abroad.", "low"
        )
    if outside:
        reason = f"What it depends on must be at home, and {listed(outside)} is abroad."
        return Held("PCFP-RES-3", "violation", reason, rule.edge_severity)
    rest = [one for one in dependencies if one.location != "inside"]
    if rest:
        reason = f"What it depends on must be at home; where {listed(rest)} is, is not shown."
        return Held("PCFP-RES-3", "indeterminate", reason, rule.edge_severity)
    if not dependencies:
        return None
    reason = f"All {len(dependencies)} hosts that it depends on are at home, as far as sources say."
    return Held("PCFP-RES-3", "compliant", reason, rule.edge_severity)


def abroad(dependencies: Iterable[Dependency]) -> tuple[Dependency, ...]:
    """Those that are abroad."""
    return tuple(one for one in dependencies if one.location == "outside")


def listed(dependencies: Sequence[Dependency]) -> str:
    """Some of them in words: what each is, its name and the countries that it may be in."""
    some = [
        f"{_NAMES[one.relation]} {one.host}" + (f" ({', '.join(one.countries[:4])})" if one.countries else "")
        for one in dependencies[:_TOLD]
    ]
    more = len(dependencies) - len(some)
    return ", ".join(some) + (f" and {more} more" if more else "")


def _unprobed(address: str, special: str | None, claims: tuple[Claim, ...]) -> AddressEvidence:
    return AddressEvidence(
        address=address,
        special=special,
        transport=(),
        key=(),
        excesses=(),
        claims=tuple(sorted(claims, key=lambda claim: (claim.family, claim.source))),
        asked=(),
        probed=False,
    )


def _addresses(host: str, found: Mapping[str, set[str]]) -> tuple[str, ...]:
    if is_address(host):
        return (host,)
    return tuple(sorted(found.get(host, ())))


def _redirected(url: str, location: str) -> str | None:
    """The host that a redirect leads to; None where it is no HTTP URL."""
    try:
        parts = urlsplit(urljoin(url, location))
        host = parts.hostname
    except ValueError:
        return None
    return host if parts.scheme in {"http", "https"} else None


@lru_cache(maxsize=65_536)
def _canonical(text: str) -> str:
    """A host as a register has it; as it came, where it is none."""
    for parse in (parse_address, parse_host):
        try:
            return parse(text)
        except ValueError:
            continue
    return text[:255]


def _is_name(host: str) -> bool:
    try:
        return parse_host(host) == host
    except ValueError:
        return False
