"""What was observed, held against what the provider declared: prefixes, networks, the site, keys.

Pure functions; what is known of an address beside its verdict comes as :class:`Known`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from geodata.disk import CITY_RADIUS, Disk, disjoint
from geodata.gazetteer import cities_named, plain
from geodata.sphere import EARTH_RADIUS_KM, distance_km
from scanner.case import down, of, up

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from geodata.claim import Claim
    from scanner.endpoint import Endpoint
    from scanner.evidence import AddressEvidence
    from scanner.policy import ControlId, FindingStatus, Severity
    from scanner.verdict import AddressVerdict, EndpointVerdict

_CITY_KM: Final = CITY_RADIUS * EARTH_RADIUS_KM
_TOLD: Final = 5  # of what a reason lists


class Known(NamedTuple):
    """What declarations are held against, of one address.

    ``origins`` are all the networks that announce it, as far as any source says; ``invalid`` those of them
    whose announcement the holder's signed word forbids (RFC 6811).
    """

    origins: frozenset[int] = frozenset()
    invalid: frozenset[int] = frozenset()


class Held(NamedTuple):
    """What a finding is made of."""

    control: ControlId
    status: FindingStatus
    reason: str
    severity: Severity


def known(claims: Mapping[str, Iterable[Claim]]) -> dict[str, Known]:
    """What claims say of who announces each address."""
    found: dict[str, Known] = {}
    for address, said in claims.items():
        origins = [claim for claim in said if claim.meaning == "origin" and claim.asn is not None]
        if origins:
            found[address] = Known(
                frozenset(claim.asn for claim in origins if claim.asn is not None),
                frozenset(
                    claim.asn for claim in origins if claim.asn is not None and claim.rpki == "invalid"
                ),
            )
    return found


def site_fault(
    endpoint: Endpoint,
    country: str,
    verdict: EndpointVerdict,
    evidence: Mapping[str, AddressEvidence],
    doubtful: Collection[str],
) -> str | None:
    """Why the endpoint is not at its declared site, by its transport's round-trip times; None if it may be.

    A site is a city by its name, one of ``country`` where there is such a one; of several the nearest counts,
    and nothing is said of a name that is not known. An address at several places (rule ``anycast``) may be
    there too, and ``doubtful`` vantages rule out nothing.
    """
    if endpoint.site is None:
        return None
    name = plain(endpoint.site)
    cities = cities_named(name, country) or cities_named(name)
    if not cities:
        return None
    places = [Disk(city.latitude, city.longitude, _CITY_KM) for city in cities]
    for one in (
        evidence[each.address].without(doubtful) for each in verdict.addresses if each.rule != "anycast"
    ):
        count = len(one.transport)
        apart = disjoint([*(each.disk for each in one.transport), *places])[:count, count:]
        for index in np.flatnonzero(apart.all(axis=1)):
            constraint = one.transport[index]
            where = constraint.vantage
            away_km = distance_km(
                where.latitude, where.longitude, *np.transpose([place[:2] for place in places])
            )
            return (
                f"{one.address} answered {of(constraint)}: at most {up(constraint.radius_km)} km away, and"
                f" {endpoint.site} is {down(float(away_km.min()))} km from there."
            )
    return None


def declaration(
    endpoint: Endpoint,
    provider: str,
    verdict: EndpointVerdict,
    known: Mapping[str, Known],
    site_fault: str | None,
) -> Iterator[Held]:
    """An endpoint's verdict held against what ``provider`` (by name) declared."""
    if verdict.addresses and (endpoint.asns or endpoint.prefixes):
        yield _addresses(endpoint, provider, verdict, known)
    if site_fault is not None:
        reason = f"{provider} declared that it is in {endpoint.site}, and it is not there: {site_fault}"
        yield Held("PCFP-REG-4", "violation", reason, "low")
    forbidden = [
        f"{one.address} by {_networks(said.invalid)}"
        for one in verdict.addresses
        if (said := known.get(one.address, Known())).invalid
    ]
    if forbidden:
        reason = (
            f"Announced against the signed word of who holds the addresses: {', '.join(forbidden)}. Whoever"
            " announces them so may have taken them; this says nothing of a place."
        )
        yield Held("PCFP-REG-5", "violation", reason, "medium")
    if endpoint.keys:
        yield _keys(endpoint, provider, verdict)


def _addresses(
    endpoint: Endpoint, provider: str, verdict: EndpointVerdict, known: Mapping[str, Known]
) -> Held:
    """Each address is in a declared prefix, or all that announce it are declared networks."""
    prefixes = [ipaddress.ip_network(prefix) for prefix in endpoint.prefixes]
    declared = frozenset(endpoint.asns)
    drifted: list[str] = []
    unknown: list[str] = []
    shared: list[str] = []
    for one in verdict.addresses:
        if any(ipaddress.ip_address(one.address) in prefix for prefix in prefixes):
            continue
        origins = known.get(one.address, Known()).origins
        if declared and not origins:
            unknown.append(one.address)
        elif not origins & declared:
            drifted.append(one.address)
        elif rest := origins - declared:
            shared.append(f"{one.address} is announced by {_networks(rest)} too")
    if drifted:
        reason = f"{', '.join(drifted)} lies in no prefix and no AS that {provider} declared."
        return Held("PCFP-REG-2", "violation", reason, "low")
    if unknown:
        reason = (
            f"Who announces {', '.join(unknown)} is not known, and {provider} declared no prefix with it."
        )
        return Held("PCFP-REG-2", "indeterminate", reason, "low")
    if shared:
        reason = f"{'; '.join(shared)}, which {provider} did not declare."
        return Held("PCFP-REG-2", "indeterminate", reason, "low")
    return Held("PCFP-REG-2", "compliant", f"Every address is one that {provider} declared.", "low")


def _keys(endpoint: Endpoint, provider: str, verdict: EndpointVerdict) -> Held:
    """Every key that was shown is a declared one, and every address showed one."""
    declared = frozenset(endpoint.keys)
    strange = [said for one in verdict.addresses for said in _strange(one, declared)]
    if strange:
        reason = (
            f"{_some(strange, '; ')}. {provider} declared no such key: whoever answers so is not who was"
            " declared, or has a new key that was not. This says nothing of a place."
        )
        return Held("PCFP-REG-6", "violation", reason, "low")
    silent = [one.address for one in verdict.addresses if not one.keys]
    if silent or not verdict.addresses:
        whose = f"of {_some(silent)} " if silent else ""
        reason = f"No key {whose}was seen, so whether it is one that {provider} declared is not shown."
        return Held("PCFP-REG-6", "indeterminate", reason, "low")
    return Held(
        "PCFP-REG-6", "compliant", f"Every key that was shown is one that {provider} declared.", "low"
    )


def _strange(one: AddressVerdict, declared: Collection[str]) -> Iterator[str]:
    """Who was shown a key that is not declared, and who beside them one that is."""
    proper = sorted({name for key, names in one.keys.items() if key in declared for name in names})
    beside = f", and {_some(proper)} a declared one" if proper else ""
    for key, names in one.keys.items():
        if key not in declared:
            yield f"{one.address} showed {_some(names)} the key {key}{beside}"


def _some(items: Sequence[str], separator: str = ", ") -> str:
    """Some of them in words: who answers may show another key each time."""
    more = len(items) - _TOLD
    return separator.join(items[:_TOLD]) + (f" and {more} more" if more > 0 else "")


def _networks(numbers: Iterable[int]) -> str:
    return " and ".join(f"AS{number}" for number in sorted(numbers))
