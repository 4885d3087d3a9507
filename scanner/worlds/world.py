"""A random world: vantages, hosts, what databases say, and what a scan would have measured."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from probes.observation import PingObservation, TcpObservation
from probes.simnet.geography import great_circle_km
from scanner.worlds.census import HOSTS, HOSTS6, OBSERVERS, SQUATTED, Census, observers
from scanner.worlds.database import Databases, Network
from scanner.worlds.gazetteer import Gazetteer
from scanner.worlds.record import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.observation import Observation
    from scanner.worlds.gazetteer import Spot
    from scanner.worlds.host import Host, Observer, Server

DATE: Final = "2026-11-01"
MAX_ENDPOINTS: Final = 100_000
_STARTED: Final = datetime(2026, 11, 1, tzinfo=UTC)
_ROUTERS: Final = ipaddress.IPv4Network("245.0.0.0/8")  # reserved (RFC 1112); a /24 a city
_ROUTERS6: Final = ipaddress.IPv6Network("2001:db8:8000::/33")  # documentation (RFC 3849); a /64 a city
_ROUTERS_ASN: Final = 65000
_HOSTS_ASN: Final = 4_200_000_000  # of private use (RFC 6996)
# Disks that are said to contradict each other are apart by more than a sphere's and a border's error.
_MARGIN: Final = 1.01
_SLACK_KM: Final = 15.0


@dataclass(frozen=True)
class World:
    """Everything of a random world; ``observations`` makes them anew each time, one after the other."""

    seed: int
    country: str
    observers: tuple[Observer, ...]
    hosts: tuple[Host, ...]
    recorder: Recorder
    databases: dict[str, Any]

    def observations(self) -> Iterator[Observation]:
        """What a scan would have measured: of the vantages themselves first, then host after host."""
        yield from self.recorder.mutual()
        for host in self.hosts:
            yield from self.recorder.observations(host)


def generate(seed: int, endpoints: int, country: str = "PK", vantages: int | None = None) -> World:
    """The world of a seed; :class:`geodata.errors.GeodataError` where the country has no land.

    A world holds nothing that cannot be found out. A lie of a vantage that no measurement contradicts is not
    told; an anycast network of which the vantages see one site only is one that lists have.
    """
    gazetteer = Gazetteer.of(country)
    seen = observers(seed, gazetteer, vantages)
    routers = _Routers()
    census = Census(seed, gazetteer, seen)
    recorder = Recorder(seed, gazetteer, seen, routers.address, _STARTED)
    hosts = tuple(census.host(number) for number in range(endpoints))
    honest = _found_out(recorder, hosts)
    recorder = Recorder(seed, gazetteer, honest, routers.address, _STARTED)
    networks = [network for host in hosts for network in _networks(recorder, host)]
    networks.append(Network(f"{SQUATTED}0/24", _ROUTERS_ASN - 1, "FAR-AWAY", gazetteer.far[0].country))
    for host in hosts:  # routers get their addresses when the first way leads over their city
        for server in host.servers:
            for observer in honest:
                for spot in recorder.link(observer, server).way.stops:
                    routers.address(spot, 0, 4)
    networks += routers.networks()
    lab = [str(HOSTS), str(HOSTS6), str(_ROUTERS), str(_ROUTERS6), f"{SQUATTED}0/24", f"{OBSERVERS}0/24"]
    databases = Databases.of(seed, gazetteer, country).describe(f"random-{seed}", DATE, lab, networks)
    return World(seed, country, honest, hosts, recorder, databases)


class _Routers:
    """The addresses of the routers of each city."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}

    def address(self, spot: Spot, number: int, version: int) -> str:
        """The address of a router of a city, IPv4 or IPv6."""
        city = self._numbers.setdefault((spot.country, spot.city), len(self._numbers))
        if version == 4:
            return str(_ROUTERS.network_address + (city << 8) + 1 + number)
        return str(_ROUTERS6.network_address + (city << 64) + 1 + number)

    def networks(self) -> Iterator[Network]:
        """The networks of all cities that have been on a way."""
        for (country, city), number in self._numbers.items():
            for pool, shift, length in ((_ROUTERS, 8, 24), (_ROUTERS6, 64, 64)):
                prefix = f"{pool.network_address + (number << shift)}/{length}"
                yield Network(prefix, _ROUTERS_ASN, f"ROUTERS-{city}", country, router=True)


def _networks(recorder: Recorder, host: Host) -> Iterator[Network]:
    for server in host.servers:
        length = 24 if server.version == 4 else 64
        prefix = str(ipaddress.ip_network(f"{server.address}/{length}", strict=False))
        countries = {site.country for site in server.sites}
        number = host.number // 10
        asn, known_as = _HOSTS_ASN + number, None
        if host.kind in {"anycast", "cdn"} and _is_listed(recorder, host, server):
            asn = _HOSTS_ASN + 50_000 + host.number
            known_as = host.kind
        yield Network(
            prefix=prefix,
            asn=asn,
            name=f"{host.provider.upper()}-{known_as or 'AS'}",
            country=countries.pop() if len(countries) == 1 else None,
            known_as=known_as,
        )


def _is_listed(recorder: Recorder, host: Host, server: Server) -> bool:
    """Whether lists have an edge's network: half of them, and all that nothing else gives away."""
    if host.number % 2:
        return True
    if host.kind == "anycast":
        return not _contradicted(
            recorder, host, server, {one.id for one in recorder.observers if not one.lies}
        )
    return server.errors_in_front or not any(
        recorder.link(observer, server).reached for observer in recorder.observers
    )


def _contradicted(recorder: Recorder, host: Host, server: Server, among: set[str]) -> bool:
    """Whether two of some vantages measured times that no one place is near enough to give."""
    reach_km: dict[str, float] = {}
    seen = {one.id: one for one in recorder.observers if one.id in among}
    for made in recorder.observations(host):
        if (
            isinstance(made, PingObservation | TcpObservation)
            and made.address == server.address
            and made.vantage in seen
            and made.result is not None
            and made.result.rtts_ms
        ):
            far_km = 100 * min(made.result.rtts_ms) * _MARGIN + seen[made.vantage].error_km + _SLACK_KM
            reach_km[made.vantage] = min(far_km, reach_km.get(made.vantage, far_km))
    return any(
        great_circle_km(seen[one].declared, seen[other].declared) > reach_km[one] + reach_km[other]
        for one, other in combinations(reach_km, 2)
    )


def _found_out(recorder: Recorder, hosts: tuple[Host, ...]) -> tuple[Observer, ...]:
    """The vantages, of which only those lie whose lie a unicast host or another vantage contradicts."""
    honest = {one.id for one in recorder.observers if not one.lies}
    unicast = [(host, server) for host in hosts for server in host.servers if len(server.sites) == 1]
    return tuple(
        one
        if not one.lies
        or _is_refuted(recorder, one, honest)
        or any(_contradicted(recorder, *each, honest | {one.id}) for each in unicast)
        else replace(one, declared=one.spot, lies=False)
        for one in recorder.observers
    )


def _is_refuted(recorder: Recorder, one: Observer, honest: set[str]) -> bool:
    """Whether it and an honest vantage answer each other sooner than light gets from its false place."""
    seen = {each.id: each for each in recorder.observers}
    for made in recorder.mutual():
        pair = {made.vantage, made.endpoint.removeprefix("vantage/")}
        if one.id not in pair or not pair - {one.id} <= honest or not made.result or not made.result.rtts_ms:
            continue
        (other,) = (seen[name] for name in pair - {one.id})
        reach_km = 100 * min(made.result.rtts_ms) * _MARGIN + one.error_km + other.error_km + _SLACK_KM
        if great_circle_km(one.declared, other.declared) > reach_km:
            return True
    return False
