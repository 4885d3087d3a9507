"""Hosts of a random world: what an endpoint really is, and the vantages that look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.verdict import Location
    from scanner.worlds.gazetteer import Spot

Kind = Literal[
    "honest",  # at home, and nothing hides it
    "slow-page",  # at home; its pages take long to compute, errors do not
    "slow-errors",  # at home; whatever is asked takes long to compute
    "slow-tls",  # at home; a weak machine signs slowly
    "delayed",  # at home, behind a delay that somebody added
    "scrubbed",  # at home; all that goes there is led through a scrubbing centre abroad
    "foreign",  # abroad
    "dual",  # IPv4 at home, IPv6 abroad
    "split",  # at home for those who ask there, abroad for others
    "geo",  # at home, at another city for those who ask from elsewhere
    "anycast",  # one address at many places
    "cdn",  # the front of a content network, at home; what it has not stored it gets from abroad
    "relay4",  # a front at home that passes octets on to a machine abroad, which holds the key
    "relay7",  # a front at home that ends TLS, and asks a machine abroad for every page
    "relay7-cached",  # the same, but the declared page is kept in front
    "relay7-errors",  # the same, but the front answers by itself for what does not exist
    "relay-home",  # front and machine both at home
    "dead",  # routed, and nobody is there
    "private",  # answered with an address of private use
]


@dataclass(frozen=True, slots=True)
class Observer:
    """A vantage: where it says it is (within ``error_km``), and where it is.

    ``access_ms`` is what its own line adds to every round trip; ``squatted`` is the beginning of others'
    addresses that its operator uses inside. At ``address``, where it has one, it answers the other vantages.
    """

    id: str
    declared: Spot
    spot: Spot
    error_km: float
    asn: int
    access_ms: float
    ipv6: bool
    squatted: str | None
    address: str | None
    lies: bool = False

    @property
    def server(self) -> Server | None:
        """What the other vantages ping."""
        if self.address is None:
            return None
        return Server(
            address=self.address, sites=(self.spot,), access_ms=self.access_ms, tls=False, web=False
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What answers at one address.

    ``sites`` are the points of it; several make it anycast, and ``reached`` says which one each vantage gets.
    ``key`` is where TLS ends and ``origin`` where pages are made, if not there. ``sign_ms``, ``resume_ms``,
    ``page_ms``, ``error_ms`` and ``static_ms`` are the server's own work for a handshake, one that resumes a
    session (None: it lets none), the declared page, one that nobody has and a file (None: it has none);
    ``spread`` is how much that varies (sigma of a lognormal factor).
    """

    address: str
    sites: tuple[Spot, ...]
    reached: Mapping[str, int] = field(default_factory=dict)
    port: int = 443
    tls: bool = True
    web: bool = True
    icmp: bool = True
    alive: bool = True
    via: Spot | None = None
    key: Spot | None = None
    origin: Spot | None = None
    page_in_front: bool = False
    errors_in_front: bool = False
    static_in_front: bool = False
    access_ms: float = 0.1
    added_ms: float = 0.0
    sign_ms: float = 1.0
    resume_ms: float | None = None
    page_ms: float = 3.0
    error_ms: float = 1.0
    static_ms: float | None = None
    spread: float = 0.2
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """4 or 6, of the address."""
        return 6 if ":" in self.address else 4

    def site(self, observer: Observer) -> Spot:
        """The point that answers a vantage."""
        return self.sites[self.reached.get(observer.id, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One endpoint and what is true of it.

    ``answers`` are the addresses that its name has, by vantage; where it has no name, None. ``location`` is
    the right verdict, ``accept`` others that are true as well. ``relay_km`` is how far behind its front the
    machine is.
    """

    id: str
    number: int
    provider: str
    declared: str | Mapping[str, str | int]
    name: str | None
    url: str | None
    servers: tuple[Server, ...]
    answers: Mapping[str, tuple[str, ...]] | None
    kind: Kind
    location: Location
    accept: tuple[Location, ...] = ()
    relay_km: float | None = None
    note: str = ""
