"""A random world as files: what ``sarhad judge`` reads, and the truth to hold its verdicts against."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml

from geodata.snapshot_writer import write_snapshot
from probes.simnet.geography import great_circle_km
from scanner.run import encode_observations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scanner.worlds.host import Host
    from scanner.worlds.world import World

METRO_KM: Final = 40.0
_COLUMNS: Final = ("endpoint", "location", "accept", "path", "kind", "metro", "relay_km", "note")


def write(world: World, directory: Path) -> None:
    """Write the world into ``directory``, which is made; OSError where that cannot be done.

    ``register.yaml``, ``vantages.yaml``, ``observations.jsonl`` and ``geodata`` are for ``sarhad judge``;
    ``truth.csv`` and ``truth.json`` say what is true of each endpoint, ``places.json`` of each vantage.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _yaml(directory / "register.yaml", _register(world))
    _yaml(directory / "vantages.yaml", {"version": 1, "vantages": list(_vantages(world))})
    with (directory / "observations.jsonl").open("wb") as stream:
        for one in world.observations():
            stream.write(encode_observations([one]))
    write_snapshot(directory / "geodata", world.databases)
    rows = [_truth(world, host) for host in world.hosts]
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(
        {**row, "accept": " ".join(row["accept"]), "metro": " ".join(row["metro"])} for row in rows
    )
    (directory / "truth.csv").write_text(text.getvalue(), encoding="utf-8")
    _json(directory / "truth.json", {row.pop("endpoint"): row for row in rows})
    places = {
        one.id: {
            "city": one.spot.city,
            "latitude": one.spot.latitude,
            "longitude": one.spot.longitude,
            "lies": one.lies,
        }
        for one in world.observers
    }
    _json(directory / "places.json", places)


def _register(world: World) -> dict[str, Any]:
    providers: dict[str, list[Any]] = {}
    for host in world.hosts:
        providers.setdefault(host.provider, []).append(host.declared)
    return {
        "version": 1,
        "country": world.country,
        "providers": [
            {
                "id": provider,
                "name": provider,
                "accreditation": {
                    "status": "accredited",
                    "certificate": f"CO-{provider}",
                    "issued": "2026-01-01",
                    "expires": "2029-12-31",
                },
                "services": [
                    {
                        "id": "web",
                        "deployment": "government",
                        "data_class": "restricted",
                        "endpoints": endpoints,
                    }
                ],
            }
            for provider, endpoints in providers.items()
        ],
    }


def _vantages(world: World) -> Iterator[dict[str, Any]]:
    for one in world.observers:
        yield {
            "id": one.id,
            "city": one.declared.city,
            "latitude": one.declared.latitude,
            "longitude": one.declared.longitude,
            "location_error_km": one.error_km,
            "network": f"AS{one.asn}",
            "kind": "recorded",
            **({"addresses": [one.address]} if one.address is not None else {}),
        }


def _truth(world: World, host: Host) -> dict[str, Any]:
    spots = [site for server in host.servers for site in server.sites]
    metro = [
        one.id
        for one in world.observers
        if not one.lies and spots and all(great_circle_km(one.spot, spot) <= METRO_KM for spot in spots)
    ]
    return {
        "endpoint": host.id,
        "location": host.location,
        "accept": list(host.accept),
        "path": _path(world, host),
        "kind": host.kind,
        "metro": metro,
        "relay_km": None if host.relay_km is None else round(host.relay_km),
        "note": host.note or ", ".join(dict.fromkeys(f"{spot.city} {spot.country}" for spot in spots)),
    }


def _path(world: World, host: Host) -> str:
    """Whether packets from the vantages at home stay there on their way to the host."""
    home = [one for one in world.observers if one.spot.country == world.country and not one.lies]
    links = [world.recorder.link(observer, server) for server in host.servers for observer in home]
    stops = [spot for link in links if link.reached for spot in link.way.stops]
    if not stops:
        return "unknown"
    return "domestic" if all(spot.country == world.country for spot in stops) else "leaves"


def _yaml(path: Path, value: object) -> None:
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
