"""What the databases of a world say of its networks: a snapshot in plain values.

They say what the world wants them to say, true or not. What they say nothing of has no record.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.simnet.world import Database, Network, World

# Special-purpose ranges that real paths and answers show too. They stay special in a world, as they are in
# reality; every other range of a world stands for ordinary addresses.
PRIVATE = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        "10.0.0.0/8",  # RFC 1918
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",  # shared address space, RFC 6598
        "fd00::/8",  # unique local, RFC 4193
    )
)


def describe(world: World) -> dict[str, Any]:
    """The snapshot of ``world``'s databases.

    ``lab`` lists the prefixes to be taken for ordinary addresses although they are reserved. ``sources``
    have ``records`` with ``prefix``, ``country``, ``city``, ``latitude``, ``longitude``, ``asn`` and
    ``network`` (``None`` where nothing is said). ``known`` lists networks known as anycast, CDN or scrubbing.
    """
    return {
        "name": world.name,
        "date": world.date,
        "lab": _lab(world),
        "sources": [
            {
                "source": database.id,
                "family": database.family,
                "meaning": database.meaning,
                "version": world.date,
                "records": list(_records(world, database)),
            }
            for database in world.databases
        ],
        "known": _known(world.networks),
    }


def _lab(world: World) -> list[str]:
    prefixes = {prefix for network in world.networks for prefix in network.prefixes}
    prefixes |= {prefix for place in world.places.values() for prefix in place.routers.prefixes}
    networks = {ipaddress.ip_network(prefix) for prefix in prefixes}
    ordinary = (network for network in networks if not _is_private(network))
    return [
        str(network)
        for network in sorted(
            ordinary, key=lambda network: (network.version, network.network_address, network.prefixlen)
        )
    ]


def _is_private(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return any(
        network.version == private.version and network.network_address in private for private in PRIVATE
    )


def _records(world: World, database: Database) -> Iterator[dict[str, Any]]:
    for network in world.networks:
        said = network.says if not isinstance(network.says, dict) else _said(network.says, database.id)
        place = world.places.get(said) if said is not None else None
        record = {
            "country": place.country if place else said,
            "city": place.city if place and database.meaning == "server" else None,
            "latitude": place.latitude if place and database.meaning == "server" else None,
            "longitude": place.longitude if place and database.meaning == "server" else None,
            "asn": network.asn if database.meaning == "origin" else None,
            "network": network.name if database.meaning == "origin" else None,
        }
        if any(value is not None for value in record.values()):
            yield from ({"prefix": prefix, **record} for prefix in network.prefixes)


def _said(says: dict[str, str | None], database: str) -> str | None:
    return says[database] if database in says else says.get("all")


def _known(networks: Iterable[Network]) -> list[dict[str, Any]]:
    known = {
        (network.asn, network.known_as): network.name for network in networks if network.known_as is not None
    }
    return [{"asn": asn, "name": name, "kind": kind} for (asn, kind), name in sorted(known.items())]
