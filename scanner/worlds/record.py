"""The observations that a scan of a random world would have made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from probes.observation import (
    DnsObservation,
    DnsResult,
    Hop,
    HttpObservation,
    HttpResult,
    Observation,
    PingObservation,
    PingResult,
    Reply,
    TcpObservation,
    TcpResult,
    TlsObservation,
    TlsResult,
    TraceObservation,
    TraceResult,
    written,
)
from scanner.worlds.chance import Chance
from scanner.worlds.way import find, up_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from typing import Any

    from scanner.worlds.gazetteer import Gazetteer, Spot
    from scanner.worlds.host import Host, Observer, Server
    from scanner.worlds.way import Way

_PINGS: Final = 5
_CONNECTS: Final = 3
_TRIES: Final = 3
_CALM_TRIES: Final = 7  # from the nearest vantage, as a scan does when little else goes on
_SILENT: Final = 0.12  # share of routers that do not answer
_ROUTERS: Final = 8  # of each city, over which ways are spread
_KERNEL_MS: Final = 0.02  # a host's own work for a packet


@dataclass(frozen=True, slots=True)
class Link:
    """A vantage and a server that it looks at; the times are the least, and of round trips.

    ``key_ms`` and ``origin_ms`` are those from the site to who holds the key and to who makes the pages.
    """

    observer: Observer
    server: Server
    way: Way
    rtt_ms: float
    key_ms: float
    origin_ms: float

    @property
    def reached(self) -> bool:
        """Whether anything comes through at all."""
        possible = self.server.version == 4 or self.observer.ipv6
        return possible and self.server.alive and self.way.loss < 1


class Recorder:
    """Makes the observations of one host after the other.

    ``routers`` gives the address of a router, by its city, number and IP version.
    """

    def __init__(
        self,
        seed: int,
        gazetteer: Gazetteer,
        observers: tuple[Observer, ...],
        routers: Callable[[Spot, int, int], str],
        started: datetime,
    ) -> None:
        self.seed, self.observers = seed, observers
        self._gazetteer, self.router, self._started = gazetteer, routers, started

    def link(self, observer: Observer, server: Server) -> Link:
        """What is between a vantage and the site of a server that it gets, and behind that."""
        site = server.site(observer)
        chance = Chance(self.seed, "way", observer.id, server.address)
        via = () if server.via is None else (server.via,)
        way = find(observer.spot, site, self._gazetteer, chance, via)
        added_ms = observer.access_ms + server.access_ms + server.added_ms + _KERNEL_MS
        return Link(
            observer=observer,
            server=server,
            way=way,
            rtt_ms=way.rtt_ms + added_ms,
            key_ms=self._behind_ms(site, server.key, server),
            origin_ms=self._behind_ms(site, server.origin, server),
        )

    def observations(self, host: Host) -> Iterator[Observation]:
        """Everything that is measured of a host, from all vantages."""
        first = self._started + timedelta(seconds=host.number * 60)
        links: list[Link] = []
        for number, observer in enumerate(self.observers):
            of = _Of(self, host, observer, first + timedelta(seconds=number % 59))
            yield from of.name()
            for server in host.servers:
                links.append(link := self.link(observer, server))
                yield from of.measured(link)
        for server in host.servers:
            reached = [link for link in links if link.server is server and link.reached]
            if reached:
                nearest = min(reached, key=lambda link: link.rtt_ms)
                of = _Of(self, host, nearest.observer, first + timedelta(seconds=59))
                yield from of.application(nearest, _CALM_TRIES, "-calm")

    def mutual(self) -> Iterator[PingObservation]:
        """The vantages' pings of each other."""
        for number, observer in enumerate(self.observers):
            moment = self._started - timedelta(seconds=len(self.observers) - number)
            for other in self.observers:
                if (server := other.server) is None or other.id == observer.id:
                    continue
                link = self.link(observer, server)
                chance = Chance(self.seed, "mutual", observer.id, server.address)
                rtts = _times(link, _PINGS, chance) if link.reached else ()
                yield PingObservation(
                    id=f"{observer.id}/ping/vantage/{server.address}",
                    vantage=observer.id,
                    endpoint=f"vantage/{other.id}",
                    address=server.address,
                    time=written(moment, "seconds"),
                    result=PingResult(method="icmp", sent=_PINGS, rtts_ms=rtts),
                    error=None if rtts else "timeout",
                )

    def _behind_ms(self, front: Spot, behind: Spot | None, server: Server) -> float:
        if behind is None:
            return 0.0
        return find(front, behind, self._gazetteer, Chance(self.seed, "behind", server.address)).rtt_ms

    def trace_hops(self, link: Link, chance: Chance) -> Iterator[Hop]:
        """The routers on a way, which answer when they have time, and the server where it does."""
        observer, server, way = link.observer, link.server, link.way
        hops: list[tuple[str, float]] = []
        if server.version == 4:
            hops.append((f"192.168.{chance.whole(0, 3)}.1", 0.1 + chance.wait(0.3)))
            if observer.squatted is not None:
                hops.append(
                    (f"{observer.squatted}{chance.whole(1, 4)}", observer.access_ms + chance.wait(0.5))
                )
        for stop, spot in enumerate(way.stops):
            late_ms = observer.access_ms + 2 * way.one_way_ms(stop) + _KERNEL_MS
            hops += [
                (
                    self.router(spot, chance.whole(0, _ROUTERS - 1), server.version),
                    late_ms + chance.wait(1.0) + (chance.wait(40.0) if chance.happens(0.05) else 0.0),
                )
                for _ in range(chance.whole(1, 2))
            ]
        exceeded, echo = ((11, 0), (0, 0)) if server.version == 4 else ((3, 0), (129, 0))
        for ttl, (address, late_ms) in enumerate(hops, 1):
            reply = Reply(address=address, rtt_ms=up_ms(late_ms), icmp=exceeded)
            yield Hop(ttl=ttl, replies=() if chance.happens(_SILENT) else (reply,))
        if server.icmp and link.reached:
            late_ms = up_ms(link.rtt_ms + way.sample_ms(chance))
            last = Reply(address=server.address, rtt_ms=late_ms, icmp=echo)
            yield Hop(ttl=len(hops) + 1, replies=(last,))


class _Of:
    """What one vantage measures of one host."""

    def __init__(self, recorder: Recorder, host: Host, observer: Observer, time: datetime) -> None:
        self._recorder, self._host, self._observer = recorder, host, observer
        self._time = written(time, "seconds")

    def name(self) -> Iterator[Observation]:
        """What the endpoint's name is answered with, where it has one."""
        if self._host.answers is None or self._host.name is None:
            return
        addresses = self._host.answers[self._observer.id]
        result = DnsResult(question=self._host.name, rcode="NOERROR", addresses=addresses)
        yield DnsObservation(**self._frame("dns"), result=result)

    def measured(self, link: Link) -> Iterator[Observation]:
        """Pings, connects, TLS, HTTP and a trace of one address."""
        server, chance = link.server, self._chance(link, "transport")
        if server.version == 6 and not self._observer.ipv6:
            yield PingObservation(**self._frame("ping", server), error="unsupported")
            yield TcpObservation(**self._frame("tcp", server), error="unsupported")
            yield TraceObservation(**self._frame("trace", server), error="unsupported")
            return
        pings = _times(link, _PINGS, chance) if server.alive and server.icmp else ()
        yield PingObservation(
            **self._frame("ping", server),
            result=PingResult(method="icmp", sent=_PINGS, rtts_ms=pings),
            error=None if pings else "timeout",
        )
        connects = _times(link, _CONNECTS, chance) if server.alive else ()
        yield TcpObservation(
            **self._frame("tcp", server),
            result=TcpResult(port=server.port, sent=_CONNECTS, rtts_ms=connects, open=bool(connects) or None),
            error=None if connects else "timeout",
        )
        if connects:
            yield from self.application(link, _TRIES)
        hops = list(self._recorder.trace_hops(link, chance))
        reached = any(one.address == server.address for one in hops[-1].replies)
        yield TraceObservation(
            **self._frame("trace", server),
            result=TraceResult(method="icmp", reached=reached, hops=tuple(hops)),
            error=None if reached else "timeout",
        )

    def application(self, link: Link, tries: int, suffix: str = "") -> Iterator[Observation]:
        """TLS and HTTP, as far as the server speaks them."""
        server, chance = link.server, self._chance(link, f"application{suffix}")
        if server.tls:
            connects = _times(link, tries, chance)
            proofs = _times(link, tries, chance, link.key_ms, server.sign_ms)
            resumed: tuple[float, ...] = ()
            if suffix and server.resume_ms is not None:  # as a scan does from the nearest vantage
                again = self._chance(link, f"resumed{suffix}")
                resumed = _times(link, tries, again, link.key_ms, server.resume_ms)
            yield TlsObservation(
                **self._frame("tls", server, suffix),
                result=TlsResult(
                    port=server.port,
                    sent=tries,
                    tcp_rtt_ms=min(connects, default=None),
                    handshake_ms=min(proofs, default=None),
                    resumed_ms=resumed,
                    version="TLSv1.3",
                    subject=self._host.name,
                ),
                error=None if proofs else "timeout",
            )
        if server.web:
            page_ms = 0.0 if server.page_in_front else link.origin_ms
            error_ms = 0.0 if server.errors_in_front else link.origin_ms
            pages = _times(link, tries, chance, page_ms, server.page_ms)
            errors = _times(link, tries, chance, error_ms, server.error_ms)
            files: tuple[float, ...] = ()
            if server.static_ms is not None:
                static_ms = 0.0 if server.static_in_front else link.origin_ms
                of_files = self._chance(link, f"files{suffix}")
                files = _times(link, tries, of_files, static_ms, server.static_ms)
            yield HttpObservation(
                **self._frame("http", server, suffix),
                result=HttpResult(
                    url=self._host.url,
                    status=200 if pages else None,
                    ttfb_ms=pages,
                    probe_ttfb_ms=errors,
                    static_url=f"{self._host.url}favicon.ico" if files else None,
                    static_ttfb_ms=files,
                    headers=dict(server.headers),
                ),
                error=None if pages else "timeout",
            )

    def _chance(self, link: Link, what: str) -> Chance:
        return Chance(self._recorder.seed, what, link.observer.id, link.server.address)

    def _frame(self, kind: str, server: Server | None = None, suffix: str = "") -> dict[str, Any]:
        address = None if server is None else server.address
        return {
            "id": f"{self._observer.id}/{kind}/{self._host.number}/{address or self._host.name}{suffix}",
            "vantage": self._observer.id,
            "endpoint": self._host.id,
            "address": address,
            "time": self._time,
        }


def _times(
    link: Link, tries: int, chance: Chance, behind_ms: float = 0.0, work_ms: float = 0.0
) -> tuple[float, ...]:
    """The times of the tries that were answered."""
    times = [
        link.rtt_ms + behind_ms + link.way.sample_ms(chance) + work_ms * chance.factor(link.server.spread)
        for _ in range(tries)
    ]
    return tuple(up_ms(time) for time in times if not chance.happens(link.way.loss))
