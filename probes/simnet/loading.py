"""Reads a world's file, and finds what one field alone does not show."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from probes.document import Document, DocumentError
from probes.simnet.world import Farm, Vantage, World

if TYPE_CHECKING:
    from pathlib import Path


def load_world(path: Path) -> World:
    """Read a world; a :class:`DocumentError` names file, line, field and what was meant."""
    document = Document.read(path)
    world = document.validate(World)
    faults = [document.fault(part, message) for check in _CHECKS for part, message in check(world)]
    if faults:
        raise DocumentError(faults)
    return world


# What one field alone does not show: references that lead nowhere, ids and addresses used twice.
_Found = Iterator[tuple[tuple[str | int, ...], str]]


def _sites(world: World) -> _Found:
    seen = set(world.places)
    for part, site in _located_sites(world):
        if site.id in seen:
            yield (*part, "id"), f"{site.id!r} is taken by another vantage, farm or place"
        seen.add(site.id)
        if site.place not in world.places:
            yield (*part, "place"), f"no place {site.place!r}"
        if isinstance(site, Vantage) and site.truly_at is not None and site.truly_at not in world.places:
            yield (*part, "truly_at"), f"no place {site.truly_at!r}"


def _addresses(world: World) -> _Found:
    """One address at several farms is anycast; anywhere else twice is a mistake."""
    owners: dict[str, str] = {}
    for part, site in _located_sites(world):
        own: set[str] = set()
        for field, address in _site_addresses(site):
            other = owners.setdefault(address, site.id)
            shared = other != site.id and (
                isinstance(site, Vantage) or isinstance(world.sites[other], Vantage)
            )
            if address in own or shared:
                yield (*part, *field), f"{address} is already at {other!r}"
            own.add(address)


def _says(world: World) -> _Found:
    databases = {database.id for database in world.databases}
    for index, network in enumerate(world.networks):
        says = network.says if isinstance(network.says, dict) else {"all": network.says}
        for key, value in says.items():
            if key not in databases | {"all"}:
                yield ("networks", index, "says", key), f"no database {key!r}"
            if value is not None and value not in world.places and not (len(value) == 2 and value.isupper()):
                yield ("networks", index, "says"), f"{value!r} is neither a country nor a place"


def _paths(world: World) -> _Found:
    ends = {"*", *world.places, *world.sites}
    for index, path in enumerate(world.paths):
        for field, end in (("start", path.start), ("end", path.end)):
            if end not in ends:
                yield ("paths", index, field), f"no vantage, farm or place {end!r}"
        for position, via in enumerate(path.via):
            if via not in world.places:
                yield ("paths", index, "via", position), f"no place {via!r}"
        for position, hop in enumerate(path.hops or ()):
            if hop.place is not None and hop.place not in world.places:
                yield ("paths", index, "hops", position, "place"), f"no place {hop.place!r}"


def _askers(world: World) -> _Found:
    vantages = {vantage.id for vantage in world.vantages}
    for index, name in enumerate(world.dns.names if world.dns else ()):
        for position, answer in enumerate(name.answers):
            if unknown := set(answer.to or ()) - vantages:
                yield ("dns", "names", index, "answers", position, "to"), f"no vantage {min(unknown)!r}"


def _located_sites(world: World) -> Iterator[tuple[tuple[str, int], Vantage | Farm]]:
    for index, vantage in enumerate(world.vantages):
        yield ("vantages", index), vantage
    for index, farm in enumerate(world.farms):
        yield ("farms", index), farm


def _site_addresses(site: Vantage | Farm) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(site, Vantage):
        for index, address in enumerate(site.addresses):
            yield ("addresses", index), address
        return
    for position, host in enumerate(site.hosts):
        for index, address in enumerate(host.addresses):
            yield ("hosts", position, "addresses", index), address


def _trees(world: World) -> _Found:
    owned = [
        ipaddress.ip_address(address)
        for _, site in _located_sites(world)
        for _, address in _site_addresses(site)
    ]
    for index, tree in enumerate(world.trees):
        for field in ("prefix", "routers"):
            network = ipaddress.ip_network(getattr(tree, field))
            if taken := [address for address in owned if address in network]:
                yield ("trees", index, field), f"{network} holds {taken[0]}, which a site has"
            for other in world.trees[:index]:
                for theirs in (other.prefix, other.routers):
                    if network.overlaps(ipaddress.ip_network(theirs)):
                        yield ("trees", index, field), f"{network} overlaps {theirs} of another tree"


_CHECKS: tuple[Callable[[World], _Found], ...] = (_sites, _addresses, _says, _paths, _askers, _trees)
