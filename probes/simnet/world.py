"""A world: everything of a simulated Internet, in one YAML file.

Places and the networks there, what databases say of them (wrong where the world says so), vantages and farms
of hosts with their services, names, paths where geography alone does not say them, and a register with the
true answer for each of its endpoints. Addresses come from ranges that are reserved for documentation,
benchmarking or future use, so that no packet of a world could reach anybody even if it escaped.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from probes.document import Model

RESERVED = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        "192.0.2.0/24",  # documentation, RFC 5737
        "198.51.100.0/24",
        "203.0.113.0/24",
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "240.0.0.0/4",  # reserved, RFC 1112
        "10.0.0.0/8",  # private, RFC 1918: for hops and answers that real paths have too
        "100.64.0.0/10",  # shared, RFC 6598
        "172.16.0.0/12",
        "192.168.0.0/16",
        "2001:db8::/32",  # documentation, RFC 3849
        "3fff::/20",  # documentation, RFC 9637
        "fd00::/8",  # unique local, RFC 4193
    )
)


def _address(text: str) -> str:
    address = ipaddress.ip_address(text)
    if not any(address in prefix for prefix in RESERVED if prefix.version == address.version):
        raise ValueError(
            f"{text} could be somebody's; a world uses reserved ranges: {', '.join(map(str, RESERVED))}"
        )
    return str(address)


def _prefix(text: str) -> str:
    network = ipaddress.ip_network(text)
    _address(str(network.network_address))
    return str(network)


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Address = Annotated[str, AfterValidator(_address)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Milliseconds = Annotated[float, Field(ge=0, le=60_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class Label(Model):
    """One MPLS label that a hop shows (RFC 4950)."""

    label: Annotated[int, Field(ge=0, le=2**20 - 1)]
    tc: Annotated[int, Field(ge=0, le=7)] = 0
    ttl: Annotated[int, Field(ge=0, le=255)] = 1


class Manners(Model):
    """How routers behave: ``silent`` ones decrement TTL and never answer; ``rate_limit`` is in replies/s."""

    silent: bool = False
    rate_limit: Annotated[float, Field(gt=0)] | None = None
    mpls: tuple[Label, ...] = ()


class Routers(Manners):
    """The routers of a place: addresses are taken from ``prefixes`` (one of each family).

    ``width`` equal routers stand side by side at each step (ECMP); a flow keeps to one of them.
    """

    prefixes: Annotated[tuple[Prefix, ...], Field(min_length=1, max_length=2)]
    width: Annotated[int, Field(ge=1, le=16)] = 1


class Place(Model):
    """Somewhere on Earth where routers and machines stand."""

    city: str
    country: Country
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    routers: Routers


class Database(Model):
    """A database of this world; those of one ``family`` copy each other."""

    id: Id
    family: Id
    meaning: Literal["server", "registrant", "origin"] = "server"


class Network(Model):
    """Prefixes announced together, and what the databases say of them.

    ``says`` is a country, the id of a place (then with city and coordinates), ``null`` (nothing), or a
    mapping of database ids to such values in which ``all`` stands for the rest.
    """

    id: Id
    asn: Annotated[int, Field(ge=1, le=2**32 - 1)]
    name: str
    prefixes: Annotated[tuple[Prefix, ...], Field(min_length=1)]
    says: str | dict[str, str | None] | None
    known_as: Literal["anycast", "cdn", "scrubbing"] | None = None  # as lists of such networks have it


class Service(Model):
    """Something that listens at a host.

    ``http`` and ``https`` answer by themselves: ``think_ms`` is how long the declared page takes to compute
    (a random path answers 404 at once, unless ``slow_errors``), ``scripts`` are the URLs of its scripts.
    ``relay4`` copies octets to ``backend`` ``host:port`` (the TLS session ends there); ``relay7`` ends TLS
    itself and asks ``backend`` by HTTP(S), with ``own_errors`` not for what does not exist. ``tcp`` accepts
    and says ``banner``. ``dns`` serves the world's names.
    """

    kind: Literal["http", "https", "relay4", "relay7", "tcp", "dns"]
    port: Port
    names: tuple[str, ...] = ()  # what the certificate is for; its first is the subject
    backend: str | None = None
    backend_tls: bool = True
    redirect: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    scripts: tuple[str, ...] = ()
    think_ms: Milliseconds = 0
    slow_errors: bool = False
    own_errors: bool = False
    tls_max: Literal["1.2", "1.3"] = "1.3"
    banner: str = ""

    @model_validator(mode="after")
    def _backend_where_needed(self) -> Service:
        if self.kind.startswith("relay") != (self.backend is not None):
            raise ValueError("a relay4 or relay7 needs a backend (address:port), and nothing else has one")
        return self


class Host(Model):
    """A machine: its addresses and services.

    ``allow`` (such as ``[tcp/443]``, ``[icmp]``) filters everything else before the host, silently.
    ``dead`` hosts have an address that is routed and nobody there. The same address at several farms is
    anycast.
    """

    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    services: tuple[Service, ...] = ()
    allow: tuple[Annotated[str, StringConstraints(pattern=r"^(icmp|(tcp|udp)/\d{1,5})$")], ...] | None = None
    dead: bool = False


class Vantage(Model):
    """A vantage in its own network namespace. ``truly_at`` differs from ``place`` when it lies."""

    id: Id
    place: Id
    truly_at: Id | None = None
    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    network: str | None = None
    location_error_km: Annotated[float, Field(ge=0)] = 5


class Farm(Model):
    """Hosts that stand together, in one network namespace."""

    id: Id
    place: Id
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]


class Answer(Model):
    """What a name answers to askers in ``to`` (vantage ids; everybody where it is left out)."""

    to: tuple[Id, ...] | None = None
    a: tuple[str, ...] = ()
    aaaa: tuple[str, ...] = ()
    cname: str | None = None


class Name(Model):
    """A name of this world's DNS, with the answers in order: the first that fits the asker is given.

    ``rcode`` other than NOERROR, or ``drop`` (no answer at all), makes the name broken.
    """

    name: str
    answers: tuple[Answer, ...] = ()
    rcode: Literal["NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED"] = "NOERROR"
    drop: bool = False


class Zone(Model):
    """A zone with its name servers' and mail exchangers' names; names below are the most specific zone's."""

    name: str
    nameservers: Annotated[tuple[str, ...], Field(min_length=1)]
    mail: tuple[str, ...] = ()


class Dns(Model):
    r"""The world's names. ``resolver`` is the address of a host with a ``dns`` service that vantages ask.

    ``reverse`` maps addresses to the names in their PTR records, in DNS presentation format (``\027`` is
    an escape octet).
    """

    resolver: Address
    zones: tuple[Zone, ...] = ()
    names: tuple[Name, ...] = ()
    reverse: dict[Address, str] = Field(default_factory=dict)


class PathHop(Manners):
    """One step of a stated path: its addresses (several of one family are ECMP) and where it stands."""

    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    place: Id | None = None
    delay_ms: Milliseconds | None = None  # one way from the path's start; else from geography


class Route(Model):
    """How packets get from one site to another, where geography alone does not say it.

    ``start`` and ``end`` are a vantage's or farm's id, a place's id, or ``*``. It holds for the way back too
    (reversed), unless ``one_way``. The first path that fits is taken; one as written before one reversed.
    ``via`` are places on the way; ``hops`` states every hop instead. ``delay_ms`` is the whole one-way delay;
    ``added_delay_ms`` is added to the delay, at the last step, one way. ``black_hole`` drops everything after
    that many hops. ``loss`` and jitter (up to ``jitter_ms``, for that share) befall the longest step.
    """

    start: Id | Literal["*"]
    end: Id | Literal["*"]
    one_way: bool = False
    via: tuple[Id, ...] = ()
    hops: tuple[PathHop, ...] | None = None
    stretch: Annotated[float, Field(ge=1)] | None = None
    delay_ms: Milliseconds | None = None
    added_delay_ms: Milliseconds = 0
    jitter_ms: Milliseconds = 0
    jitter_share: Share = 1
    loss: Share = 0
    black_hole: Annotated[int, Field(ge=0)] | None = None
    filter_icmp: bool = False  # no ICMP passes, neither probes nor the routers' answers


Quoting = Literal[
    "header_only",
    "truncated",
    "garbage",
    "identification_plus_one",
    "identification_swapped",
    "identification_zero",
    "checksum",
    "ports",
    "ttl",
]


class Oddity(Model):
    """What the hop ``at`` a TTL of every path of a tree, or its target, does that no textbook says.

    ``copies`` of each answer, ``late_ms`` later than usual, from the address ``source``, with a ``quote``
    that was rewritten so. It ``refuses`` by this code of "destination unreachable" what should go on; sends
    it to and fro with the hop before, if it ``loops``; chooses among equal routers ``per_packet``, or others
    than before when it ``changes_after`` so many packets.
    """

    at: Annotated[int, Field(ge=1, le=64)] | Literal["target"]
    copies: Annotated[int, Field(ge=1, le=100)] = 1
    late_ms: Milliseconds = 0
    source: Address | Literal["target"] | None = None
    quote: tuple[Quoting, ...] = ()
    refuses: Annotated[int, Field(ge=0, le=15)] | None = None
    loops: bool = False
    per_packet: bool = False
    changes_after: Annotated[int, Field(ge=0)] | None = None
    mpls: tuple[Label, ...] = ()

    @model_validator(mode="after")
    def _sense(self) -> Oddity:
        if self.at in {1, "target"} and self.loops:
            raise ValueError("loops: it needs a router, and one before it")
        if self.at == "target" and self.refuses is not None:
            raise ValueError("refuses: a target has nothing to pass on")
        return self


class TreeSpec(Model):
    """Very many targets behind shared routers (see ``tree``), as seen from every vantage.

    ``targets`` have the first addresses of ``prefix``; routers take theirs from ``routers``. ``hops`` is the
    least and the most that a path has, its target included; each costs ``hop_ms``, one way. ``silent`` and
    ``dead`` are shares of the routers' and the targets' addresses. ``loss`` and jitter befall answers of
    routers and targets alike; ``rate_limit`` is each router's, in replies a second. ``ecmp`` equal routers
    stand at each step that is not shared.
    """

    prefix: Prefix
    targets: Annotated[int, Field(ge=1, le=2**17)]
    routers: Prefix
    hops: tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]] = (6, 18)
    shared: Annotated[int, Field(ge=0)] = 3
    width: Annotated[int, Field(ge=2, le=16)] = 4
    ecmp: Annotated[int, Field(ge=1, le=16)] = 1
    hop_ms: Milliseconds = 1.5
    silent: Share = 0
    dead: Share = 0
    loss: Share = 0
    jitter_ms: Milliseconds = 0
    jitter_share: Share = 1
    rate_limit: Annotated[float, Field(gt=0)] | None = None
    oddities: tuple[Oddity, ...] = ()
    seed: int = 1

    @model_validator(mode="after")
    def _room(self) -> TreeSpec:
        least, most = self.hops
        odd = [oddity.at for oddity in self.oddities]
        if len(set(odd)) < len(odd):
            raise ValueError("oddities: two of them are at the same hop; make them one")
        for at in odd:
            if at != "target" and at >= most:
                raise ValueError(f"oddities: no path has a router at {at}; hops says {most} at the most")
        if least > most:
            raise ValueError(f"hops: the least, {least}, is more than the most, {most}")
        needed = {"prefix": self.targets, "routers": most * self.targets * self.ecmp}
        networks = {name: ipaddress.ip_network(getattr(self, name)) for name in needed}
        for name, addresses in needed.items():
            if networks[name].num_addresses < addresses + 2:
                raise ValueError(f"{name}: {networks[name]} is too small for {addresses} addresses")
        if networks["prefix"].version != networks["routers"].version:
            raise ValueError("prefix and routers are of different IP versions")
        if networks["prefix"].overlaps(networks["routers"]):
            raise ValueError(f"prefix and routers overlap: {networks['prefix']}, {networks['routers']}")
        return self


class Truth(Model):
    """The true answer for an endpoint: where it is, and which hosts that it depends on are abroad."""

    location: Literal["inside", "outside", "edge", "conflicting", "undetermined", "unreachable"]
    path: Literal["domestic", "leaves", "unknown"] | None = None
    abroad: tuple[str, ...] = ()
    note: str = ""


class World(Model):
    """A simulated Internet (see the module)."""

    version: Literal[1]
    name: Id
    country: Country
    date: str = "2026-11-01"
    seed: int = 1
    stretch: Annotated[float, Field(ge=1)] = 1.5  # a path's length over the great circle's
    hop_ms: Milliseconds = 0.02  # one way, for each router
    places: dict[Id, Place]
    databases: tuple[Database, ...] = ()
    networks: tuple[Network, ...] = ()
    vantages: Annotated[tuple[Vantage, ...], Field(min_length=1)]
    farms: tuple[Farm, ...] = ()
    dns: Dns | None = None
    paths: tuple[Route, ...] = ()
    trees: tuple[TreeSpec, ...] = ()
    register_: Annotated[dict[str, Any] | None, Field(alias="register")] = None
    truth: dict[str, Truth] = Field(default_factory=dict)

    @field_validator("date", mode="before")
    @classmethod
    def _text(cls, value: object) -> str:
        return str(value)

    @property
    def sites(self) -> dict[str, Vantage | Farm]:
        """Everything that is a network namespace, by id."""
        sites: tuple[Vantage | Farm, ...] = (*self.vantages, *self.farms)
        return {site.id: site for site in sites}
