"""Which way packets take through a world: a pure function of its file.

Where the file states no path, packets go from their site to the core router of its place, to that of each
place in ``via``, to that of the destination's place, then to an access router at the destination's site. Core
routers have the addresses 1, 2, … ``width`` of the place's prefix of that family; the access router of the
place's n-th site (vantages, then farms, as the file lists them) has ``width + n``. A place without a prefix
of a family has silent routers there. Each router costs ``hop_ms``, one way; fibre costs its length over
200 km/ms; a site is 2.5 km from its place's core.

Loss and jitter befall packets on the path's longest step, an added delay on its last, so that hops before
these steps do not show them.
"""

from __future__ import annotations

import ipaddress
import itertools
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from probes.simnet.geography import METRO_KM, fibre_ms, great_circle_km
from probes.simnet.world import Farm, Manners, Vantage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.simnet.world import Host, Label, PathHop, Place, Route, World

Family = Literal[4, 6]


class TopologyError(Exception):
    """A world's routers cannot be given addresses, or a site does not exist."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A router on a path; more than one address is ECMP, none is a router without this family.

    ``delay_ms`` is one way from the path's start.
    """

    addresses: tuple[str, ...]
    place: str | None
    delay_ms: float
    silent: bool = False
    rate_limit: float | None = None
    mpls: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """What may happen to packets on a path; nothing, unless the world says so."""

    loss: float = 0
    jitter_ms: float = 0
    jitter_share: float = 1
    filter_icmp: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A way in one direction. ``delay_ms`` is the whole, ``base_ms`` without the added delay.

    Packets pass ``black_hole`` hops and no further. ``troubled_step`` is the step (0 leads to the first hop)
    on which loss and jitter befall packets.
    """

    start: str
    end: str
    hops: tuple[Hop, ...]
    delay_ms: float
    base_ms: float
    trouble: Trouble = Trouble()
    troubled_step: int = 0
    black_hole: int | None = None
    stated: tuple[Route | None, bool] = field(
        default=(None, False), repr=False
    )  # the file's, and if reversed


@dataclass(frozen=True, slots=True)
class Return:
    """The way of a hop's answer back to the asker; ``hops`` routers decrement its TTL."""

    delay_ms: float
    hops: int
    trouble: Trouble = Trouble()
    lost: bool = False


class Topology:
    """The paths of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sites: dict[str, Vantage | Farm] = world.sites
        self.place_of = {site.id: _true_place(site) for site in self.sites.values()}
        self.hosts: dict[str, dict[str, Host]] = {}  # address -> farm -> host
        self.vantages: dict[str, str] = {}  # address -> vantage
        for site in self.sites.values():
            if isinstance(site, Vantage):
                self.vantages.update(dict.fromkeys(site.addresses, site.id))
                continue
            for host in site.hosts:
                for address in host.addresses:
                    self.hosts.setdefault(address, {})[site.id] = host
        self._core: dict[tuple[str, Family], tuple[str, ...]] = {}
        self._access: dict[tuple[str, Family], tuple[str, ...]] = {}
        for place in world.places:
            self._give_addresses(place)
        self._paths: dict[tuple[str, str, Family], Path] = {}

    def path(self, start: str, end: str, family: Family) -> Path:
        """The way from one site to another; both must exist (:class:`TopologyError`)."""
        key = (start, end, family)
        if key not in self._paths:
            for site in (start, end):
                if site not in self.sites:
                    raise TopologyError(f"no site {site!r}")
            self._paths[key] = self._way(start, end, family)
        return self._paths[key]

    def way_back(self, path: Path, position: int, family: Family) -> Return:
        """How an answer of the hop at ``position`` (from 1) of ``path`` returns to the path's start.

        On the way it came where the path is the same in both directions. Else a router at the destination's
        place answers over the destination's way back, and others over that of their own place.
        """
        hop = path.hops[position - 1]
        back = self.path(path.end, path.start, family)
        mirrored = path.stated[0] is back.stated[0] and (
            path.stated[0] is None or path.stated[1] != back.stated[1]
        )
        source = self.place_of[path.start]
        place = next((each.place for each in path.hops[position - 1 :: -1] if each.place is not None), source)
        if mirrored or (place == source and place != self.place_of[path.end]):
            trouble = back.trouble if mirrored and position > path.troubled_step else Trouble()
            trouble = replace(trouble, filter_icmp=mirrored and back.trouble.filter_icmp)
            return Return(hop.delay_ms, position - 1, trouble)
        if place == self.place_of[path.end]:
            rest = path.base_ms - hop.delay_ms
            delay = max(0.0, back.delay_ms - max(0.0, rest))
            return Return(delay, len(back.hops), back.trouble, lost=back.black_hole is not None)
        way = self._way(place, path.start, family)
        delay = way.delay_ms - way.hops[0].delay_ms if len(way.hops) > 1 else way.delay_ms
        return Return(delay, len(way.hops), way.trouble, lost=way.black_hole is not None)

    def nearest(self, asker: str, address: str) -> str | None:
        """The site that packets of ``asker`` to ``address`` come to: of several farms the least delay."""
        if address in self.vantages:
            return self.vantages[address]
        family = _family(address)
        farms = self.hosts.get(address, {})
        if asker in farms:
            return asker
        return min(farms, key=lambda farm: (self.path(asker, farm, family).delay_ms, farm), default=None)

    def announced(self, address: str) -> bool:
        """Whether anybody announces a prefix that holds ``address``."""
        parsed = ipaddress.ip_address(address)
        prefixes = itertools.chain(
            (prefix for network in self.world.networks for prefix in network.prefixes),
            (prefix for place in self.world.places.values() for prefix in place.routers.prefixes),
        )
        return any(parsed in ipaddress.ip_network(prefix) for prefix in prefixes)

    def router(self, asker: str, address: str) -> tuple[Path, int] | None:
        """The path from ``asker`` on which a router with ``address`` stands nearest, and its position."""
        family = _family(address)
        found = (
            (path, position)
            for site in self.sites
            if site != asker
            for path in (self.path(asker, site, family),)
            for position, hop in enumerate(path.hops, 1)
            if address in hop.addresses
        )
        return min(found, key=lambda each: (each[1], each[0].end), default=None)

    def core(self, place: str, family: Family) -> Hop:
        """The core routers of a place, as the first hop of its sites."""
        return self._hop(place, self._core[place, family], self._metro_ms() + self.world.hop_ms)

    def _metro_ms(self) -> float:
        return fibre_ms(METRO_KM, self.world.stretch)

    def _give_addresses(self, place: str) -> None:
        routers = self.world.places[place].routers
        members = [site for site in self.sites if self.place_of[site] == place]
        families: tuple[Family, ...] = (4, 6)
        for family in families:
            prefix = next((p for p in routers.prefixes if _family(p) == family), None)
            if prefix is None:
                self._core[place, family] = ()
                self._access.update(dict.fromkeys(((site, family) for site in members), ()))
                continue
            network = ipaddress.ip_network(prefix)
            if network.num_addresses < routers.width + len(members) + 2:
                raise TopologyError(
                    f"place {place!r}: {prefix} has too few addresses for {routers.width} core routers "
                    f"and the access routers of {len(members)} sites"
                )
            self._core[place, family] = tuple(str(network[n + 1]) for n in range(routers.width))
            for n, site in enumerate(members, 1):
                self._access[site, family] = (str(network[routers.width + n]),)

    def _hop(self, place: str, addresses: tuple[str, ...], delay_ms: float) -> Hop:
        return _hop(self.world.places[place].routers, addresses, place, delay_ms)

    def _way(self, start: str, end: str, family: Family) -> Path:
        """The path between sites; ``start`` may be a place too."""
        source, destination = self.place_of.get(start, start), self.place_of[end]
        for route in self.world.paths:
            if route.start in {"*", start, source} and route.end in {"*", end, destination}:
                return self._along(route, start, end, family)
        for route in self.world.paths:
            fits = route.start in {"*", end, destination} and route.end in {"*", start, source}
            if fits and not route.one_way:
                if route.hops is None:
                    return self._along(route, start, end, family, reverse=True)
                return _mirrored(self._along(route, end, start, family))
        return self._along(None, start, end, family)

    def _along(
        self, route: Route | None, start: str, end: str, family: Family, *, reverse: bool = False
    ) -> Path:
        if route is not None and route.hops is not None:
            hops, base = self._stated(route, route.hops, start, end, family)
        else:
            hops, base = self._automatic(route, start, end, family, reverse=reverse)
        if route is None:
            return Path(start, end, hops, base, base)
        steps = [after - before for before, after in itertools.pairwise([0.0, *_delays(hops), base])]
        black_hole = route.black_hole
        if reverse:
            hops = tuple(replace(hop, delay_ms=hop.delay_ms + route.added_delay_ms) for hop in hops)
            black_hole = None if black_hole is None else max(0, len(hops) - black_hole)
        return Path(
            start=start,
            end=end,
            hops=hops,
            delay_ms=base + route.added_delay_ms,
            base_ms=base + (route.added_delay_ms if reverse else 0),
            trouble=Trouble(route.loss, route.jitter_ms, route.jitter_share, route.filter_icmp),
            troubled_step=max(range(len(steps)), key=steps.__getitem__),
            black_hole=black_hole,
            stated=(route, reverse),
        )

    def _automatic(
        self, route: Route | None, start: str, end: str, family: Family, *, reverse: bool
    ) -> tuple[tuple[Hop, ...], float]:
        world = self.world
        via = () if route is None else route.via[::-1] if reverse else route.via
        visited = (self.place_of.get(start, start), *via, self.place_of[end])
        places = [place for place, _ in itertools.groupby(visited)]
        stretch = world.stretch if route is None or route.stretch is None else route.stretch
        metro = fibre_ms(METRO_KM, stretch)
        delay = metro
        hops: list[Hop] = []
        before: Place | None = None
        for place in places:
            here = world.places[place]
            if before is not None:
                delay += fibre_ms(great_circle_km(before, here), stretch)
            delay += world.hop_ms
            hops.append(self._hop(place, self._core[place, family], delay))
            before = here
        delay += metro + world.hop_ms
        hops.append(self._hop(places[-1], self._access[end, family], delay))
        if route is None or route.delay_ms is None:
            return tuple(hops), delay
        scale = route.delay_ms / delay if delay else 1
        return tuple(replace(hop, delay_ms=hop.delay_ms * scale) for hop in hops), route.delay_ms

    def _stated(
        self, route: Route, stated: tuple[PathHop, ...], start: str, end: str, family: Family
    ) -> tuple[tuple[Hop, ...], float]:
        world = self.world
        stretch = route.stretch or world.stretch
        place = self.place_of.get(start, start)
        delay = fibre_ms(METRO_KM, stretch)
        hops: list[Hop] = []
        for each in stated:
            next_place = each.place or place
            delay += fibre_ms(great_circle_km(world.places[place], world.places[next_place]), stretch)
            delay += world.hop_ms
            place = next_place
            if each.delay_ms is not None:
                delay = max(each.delay_ms, hops[-1].delay_ms if hops else 0)
            addresses = tuple(address for address in each.addresses if _family(address) == family)
            hops.append(_hop(each, addresses, each.place, delay))
        delay += fibre_ms(great_circle_km(world.places[place], world.places[self.place_of[end]]), stretch)
        delay += fibre_ms(METRO_KM, stretch)
        if route.delay_ms is None:
            return tuple(hops), delay
        if not any(each.delay_ms is not None for each in stated) and delay:
            scale = route.delay_ms / delay
            return tuple(replace(hop, delay_ms=hop.delay_ms * scale) for hop in hops), route.delay_ms
        return tuple(replace(hop, delay_ms=min(hop.delay_ms, route.delay_ms)) for hop in hops), route.delay_ms


def _true_place(site: Vantage | Farm) -> str:
    return (site.truly_at or site.place) if isinstance(site, Vantage) else site.place


def _family(address: str) -> Family:
    return 6 if ":" in address else 4


def _hop(manners: Manners, addresses: tuple[str, ...], place: str | None, delay_ms: float) -> Hop:
    return Hop(addresses, place, delay_ms, manners.silent, manners.rate_limit, manners.mpls)


def _delays(hops: tuple[Hop, ...]) -> Iterator[float]:
    return (hop.delay_ms for hop in hops)


def _mirrored(path: Path) -> Path:
    """A path whose hops are stated, the other way round."""
    return replace(
        path,
        start=path.end,
        end=path.start,
        hops=tuple(replace(hop, delay_ms=path.delay_ms - hop.delay_ms) for hop in reversed(path.hops)),
        base_ms=path.delay_ms,
        troubled_step=len(path.hops) - path.troubled_step,
        black_hole=None if path.black_hole is None else max(0, len(path.hops) - path.black_hole),
        stated=(path.stated[0], True),
    )
