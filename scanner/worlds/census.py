"""Who lives in a random world: vantages, and hosts of every kind, honest and not."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from probes.simnet.geography import great_circle_km
from scanner.worlds.chance import Chance
from scanner.worlds.host import Host, Kind, Observer, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scanner.worlds.gazetteer import Gazetteer, Spot

HOSTS: Final = ipaddress.IPv4Network("240.0.0.0/6")  # reserved (RFC 1112), and so nobody's; a /24 a server
HOSTS6: Final = ipaddress.IPv6Network("2001:db8::/33")  # documentation (RFC 3849); a /64 a server
SERVERS: Final = 4  # of a host, at most
OBSERVERS: Final = "246.0.0."  # reserved too, as the next
SQUATTED: Final = "244.7.0."  # somebody's, far away, and used inside by operators of vantages
# Of a hundred endpoints; of relays and other cheats there are more than in reality, so that few are enough.
_KINDS: Final[Mapping[Kind, float]] = {
    "honest": 32,
    "foreign": 18,
    "relay4": 6,
    "relay7": 4,
    "relay7-cached": 4,
    "relay7-errors": 1,
    "relay-home": 2,
    "anycast": 5,
    "cdn": 5,
    "slow-page": 4,
    "slow-errors": 2,
    "slow-tls": 3,
    "delayed": 2,
    "scrubbed": 2,
    "split": 3,
    "dual": 2,
    "geo": 2,
    "dead": 2,
    "private": 1,
}
_LEAST_LIE_KM: Final = 500.0
_RESUMES: Final = 0.8  # share of servers that let a TLS session be resumed
_WITH_FILES: Final = 0.85  # share of web servers that have what browsers and crawlers ask for by themselves
# Of these, how many have files kept by the front, and served by an application that is slow.
_FILES_IN_FRONT: Final[Mapping[Kind, float]] = {"cdn": 0.9, "relay7-cached": 0.7, "relay7-errors": 0.25}
_FILES_MADE: Final[Mapping[Kind, float]] = {"slow-errors": 0.3, "slow-page": 0.1}


def observers(seed: int, gazetteer: Gazetteer, count: int | None = None) -> tuple[Observer, ...]:
    """The vantages of a world: sometimes few, sometimes none at home or none abroad."""
    chance = Chance(seed, "vantages")
    at_home = chance.weighted({0: 2, 1: 8, 2: 20, 3: 35, 4: 20, 5: 15})
    abroad = chance.weighted({0: 5, 1: 10, 2: 20, 3: 25, 4: 20, 6: 15, 8: 5})
    if count is not None:
        at_home = (count + 1) // 2
        abroad = count - at_home
    cities = [gazetteer.at_home(chance) for _ in range(at_home)]
    cities += [gazetteer.abroad(chance, 0.3) for _ in range(max(abroad, 2 - at_home))]
    found = [_observer(index, city, gazetteer, chance) for index, city in enumerate(cities)]
    found[0] = replace(found[0], ipv6=True)
    liars = chance.weighted({0: 55, 1: 35, 2: 10}) if len(found) > 5 and count is None else 0
    for index in sorted(chance.some(range(len(found)), liars)):
        claimed = gazetteer.at_home(chance) if chance.happens(0.5) else gazetteer.abroad(chance)
        if great_circle_km(found[index].spot, claimed) > _LEAST_LIE_KM:
            found[index] = replace(found[index], declared=claimed, error_km=5.0, lies=True)
    return tuple(found)


def _observer(index: int, city: Spot, gazetteer: Gazetteer, chance: Chance) -> Observer:
    error_km = chance.weighted({5.0: 75, 15.0: 15, 40.0: 8, 300.0: 2})
    spot = gazetteer.beside(city, chance, 0.95 * min(error_km, 12.0))
    in_hall = chance.happens(0.8)  # or at the end of somebody's line
    return Observer(
        id=f"v{index + 1:02}",
        declared=city,
        spot=spot,
        error_km=error_km,
        asn=64496 + index,
        access_ms=chance.between(0.02, 0.3) if in_hall else chance.between(0.8, 8.0),
        ipv6=chance.happens(0.6),
        squatted=SQUATTED if chance.happens(0.2) else None,
        address=f"{OBSERVERS}{index + 1}" if index < 254 and chance.happens(0.7) else None,
    )


@dataclass(frozen=True, slots=True)
class Census:
    """Makes the hosts of a world, each from its number alone."""

    seed: int
    gazetteer: Gazetteer
    observers: tuple[Observer, ...]

    def host(self, number: int) -> Host:
        """The endpoint with that number, from 0."""
        chance = Chance(self.seed, "host", number)
        kind = chance.weighted(_KINDS)
        return _Making(self, number, kind, chance).host()

    def seen_from_home(self, observer: Observer) -> bool:
        """Whether names are answered to a vantage as to those at home."""
        return self.gazetteer.is_home(observer.spot)


class _Making:
    """The making of one host."""

    def __init__(self, census: Census, number: int, kind: Kind, chance: Chance) -> None:
        self.census, self.number, self.kind, self.chance = census, number, kind, chance
        self.gazetteer = census.gazetteer
        self.provider = f"p{number // 10 + 1:04}"
        self.name = f"e{number + 1:05}.{self.provider}.example"
        self.used = 0

    def host(self) -> Host:
        """The host of the kind that was drawn."""
        return _MAKERS[self.kind](self)

    # What is at home.

    def honest(self) -> Host:
        return self._plain("inside", [self._server(self._home())])

    def slow(self) -> Host:
        chance = self.chance
        work: dict[str, Any] = {}
        if self.kind == "slow-tls":
            work = {"sign_ms": chance.between(8, 60)}
        else:
            work = {"page_ms": chance.between(15, 400)}
            if self.kind == "slow-errors":
                work["error_ms"] = chance.between(15, 400)
        return self._site("inside", [self._server(self._home(), **work)])

    def delayed(self) -> Host:
        return self._plain("inside", [self._server(self._home(), added_ms=self.chance.between(15, 150))])

    def scrubbed(self) -> Host:
        centre = self.gazetteer.abroad(self.chance, 0.2)
        return self._plain("inside", [self._server(self._home(), via=centre)], accept=("edge",))

    def geo(self) -> Host:
        servers = [self._server(self._home()), self._server(self._home())]
        return self._site("inside", servers, answers=self._answers(*servers))

    # What is abroad.

    def foreign(self) -> Host:
        return self._plain("outside", [self._server(self._abroad())])

    def dual(self) -> Host:
        servers = [self._server(self._home()), self._server(self._abroad(), version=6)]
        return self._site("outside", servers)

    def split(self) -> Host:
        servers = [self._server(self._home()), self._server(self._abroad())]
        return self._site("outside", servers, answers=self._answers(*servers))

    # What is in front of something.

    def anycast(self) -> Host:
        chance = self.chance
        spots = [self._abroad() for _ in range(chance.whole(2, 10))]
        with_home = chance.happens(0.75)
        if with_home:
            spots.append(self._home())
        reached: dict[str, int] = {}
        for observer in self.census.observers:
            away = sorted((great_circle_km(observer.spot, spot), index) for index, spot in enumerate(spots))
            reached[observer.id] = away[0][1] if chance.happens(0.75) else chance.pick(away[:3])[1]
        server = self._server(*spots, reached=reached)
        return self._plain("edge", [server], accept=() if with_home else ("outside",))

    def cdn(self) -> Host:
        chance = self.chance
        front, origin = self._home(), self._abroad()
        parts: dict[str, Any] = {
            "origin": origin,
            "page_in_front": chance.happens(0.8),
            "headers": {"Via": "1.1 varnish", "X-Cache": chance.pick(("HIT", "MISS", "HIT, MISS"))},
        }
        servers = [self._server(front, **parts)]
        if chance.happens(0.5):
            servers.append(self._server(self._abroad(), **parts))
            return self._site("edge", servers, answers=self._answers(*servers), accept=("outside",))
        return self._site("edge", servers, relay_km=great_circle_km(front, origin))

    def relay4(self) -> Host:
        front = self._home()
        behind, behind_km = self._behind(front)
        server = self._server(front, key=behind, origin=behind)
        if self.chance.happens(0.2):
            return self._tls("edge", [server], accept=("outside",), relay_km=behind_km)
        return self._site("edge", [server], accept=("outside",), relay_km=behind_km)

    def relay7(self) -> Host:
        front = self._home()
        behind, behind_km = self._behind(front)
        server = self._server(
            front,
            origin=behind,
            page_in_front=self.kind == "relay7-cached",
            errors_in_front=self.kind == "relay7-errors",
        )
        return self._site("edge", [server], accept=("outside",), relay_km=behind_km)

    def relay_home(self) -> Host:
        front, behind = self._home(), self._home()
        server = self._server(front, origin=behind)
        return self._site("inside", [server], accept=("edge",), relay_km=great_circle_km(front, behind))

    # What cannot be reached.

    def dead(self) -> Host:
        spot = self._home() if self.chance.happens(0.5) else self._abroad()
        return self._plain("unreachable", [self._server(spot, alive=False)])

    def private(self) -> Host:
        address = f"10.{self.chance.whole(0, 255)}.{self.chance.whole(0, 255)}.{self.chance.whole(1, 254)}"
        answers = {observer.id: (address,) for observer in self.census.observers}
        return self._site("undetermined", [], answers=answers)

    # Where, and by what address.

    def _home(self) -> Spot:
        return self.gazetteer.beside(self.gazetteer.at_home(self.chance), self.chance)

    def _abroad(self) -> Spot:
        return self.gazetteer.beside(self.gazetteer.abroad(self.chance), self.chance)

    def _behind(self, front: Spot) -> tuple[Spot, float]:
        """A point abroad behind a front: as often near as far, on the scale of a logarithm."""
        gazetteer, aim = self.gazetteer, self.chance.between(math.log(60), math.log(14_000))
        choices = (*gazetteer.near, *gazetteer.hubs, *gazetteer.far)
        city = min(choices, key=lambda one: abs(math.log(great_circle_km(front, one) + 1) - aim))
        spot = gazetteer.beside(city, self.chance)
        return spot, great_circle_km(front, spot)

    def _server(self, *sites: Spot, version: int = 4, **parts: Any) -> Server:
        chance = self.chance
        index = self.number * SERVERS + self.used
        self.used += 1
        pool = HOSTS if version == 4 else HOSTS6
        first = int(pool.network_address) + (index << (8 if version == 4 else 64))
        work: dict[str, Any] = {
            "access_ms": chance.between(0.02, 0.5),
            "sign_ms": 0.1 + chance.wait(0.5),  # ECDSA hardly anything, RSA of 2048 bits the most of it
            "page_ms": 0.3 * 50.0 ** chance.share(),  # most take little, some 15 ms
            "error_ms": chance.between(0.2, 2.0),
            "spread": chance.between(0.08, 0.5),
            "icmp": chance.happens(0.88),
            "headers": {"Server": chance.pick(("nginx", "Apache", "IIS", "Caddy"))},
        }
        address = str(ipaddress.ip_address(first + chance.whole(1, 254)))
        extras = {**self._files(address), **self._resumption(address)}
        return Server(address=address, sites=sites, **{**work, **extras, **parts})

    def _files(self, address: str) -> dict[str, Any]:
        """Whether a server has files, who keeps them, and what they take; of a chance of their own."""
        chance = Chance(self.census.seed, "files", address)
        if not chance.happens(_WITH_FILES):
            return {}
        made = chance.happens(_FILES_MADE.get(self.kind, 0.0))
        return {
            "static_ms": chance.between(15, 400) if made else 0.05 * 40.0 ** chance.share(),  # 2 ms at most
            "static_in_front": chance.happens(_FILES_IN_FRONT.get(self.kind, 0.0)),
        }

    def _resumption(self, address: str) -> dict[str, Any]:
        """What resuming a TLS session takes where a server lets one, of a chance of its own."""
        chance = Chance(self.census.seed, "resumption", address)
        return {"resume_ms": 0.05 + chance.wait(0.1)} if chance.happens(_RESUMES) else {}

    def _answers(self, here: Server, there: Server) -> dict[str, tuple[str, ...]]:
        """Who asks at home gets ``here``, the others ``there``; at least one vantage that is honest does."""
        answers: dict[str, tuple[Server, ...]] = {
            observer.id: (here if self.census.seen_from_home(observer) else there,)
            for observer in self.census.observers
        }
        honest = [observer for observer in self.census.observers if not observer.lies]
        if not any(answers[observer.id] == (there,) for observer in honest):
            answers[self.chance.pick(honest).id] = (here, there)
        return {name: tuple(server.address for server in servers) for name, servers in answers.items()}

    # How it is declared.

    def _plain(self, location: Any, servers: Sequence[Server], accept: tuple[Any, ...] = ()) -> Host:
        form = self.chance.weighted({"site": 70, "tls": 15, "bare": 15})
        if form == "tls":
            return self._tls(location, servers, accept=accept)
        if form == "bare":
            bare = [replace(server, port=5432, tls=False, web=False) for server in servers]
            declared = {"address": bare[0].address, "port": 5432}
            return self._declared(declared, f"{bare[0].address}:5432", bare, location, accept=accept)
        return self._site(location, servers, accept=accept)

    def _tls(self, location: Any, servers: Sequence[Server], **more: Any) -> Host:
        mail = [replace(server, port=993, web=False) for server in servers]
        declared = {"host": self.name, "port": 993}
        return self._declared(declared, f"{self.name}:993", mail, location, **self._named(mail), **more)

    def _site(self, location: Any, servers: Sequence[Server], answers: Any = None, **more: Any) -> Host:
        named = self._named(servers) if answers is None else {"name": self.name, "answers": answers}
        url = f"https://{self.name}"
        return self._declared(url, self.name, servers, location, url=f"{url}/", **named, **more)

    def _named(self, servers: Sequence[Server]) -> dict[str, Any]:
        addresses = tuple(server.address for server in servers)
        return {
            "name": self.name,
            "answers": {observer.id: addresses for observer in self.census.observers},
        }

    def _declared(
        self, declared: Any, label: str, servers: Sequence[Server], location: Any, **more: Any
    ) -> Host:
        parts: dict[str, Any] = {"name": None, "url": None, "answers": None, **more}
        return Host(
            id=f"{self.provider}/web/{label}",
            number=self.number,
            provider=self.provider,
            declared=declared,
            servers=tuple(servers),
            kind=self.kind,
            location=location,
            **parts,
        )


_MAKERS: Final[Mapping[Kind, Callable[[_Making], Host]]] = {
    "honest": _Making.honest,
    "slow-page": _Making.slow,
    "slow-errors": _Making.slow,
    "slow-tls": _Making.slow,
    "delayed": _Making.delayed,
    "scrubbed": _Making.scrubbed,
    "geo": _Making.geo,
    "foreign": _Making.foreign,
    "dual": _Making.dual,
    "split": _Making.split,
    "anycast": _Making.anycast,
    "cdn": _Making.cdn,
    "relay4": _Making.relay4,
    "relay7": _Making.relay7,
    "relay7-cached": _Making.relay7,
    "relay7-errors": _Making.relay7,
    "relay-home": _Making.relay_home,
    "dead": _Making.dead,
    "private": _Making.private,
}
