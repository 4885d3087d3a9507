"""Writes a snapshot directory from plain values: the databases of a simulated Internet, or test data."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any, Final

import msgspec
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from geodata.snapshot import MANIFEST, SCHEMA, Manifest
from geodata.sources.parsed import Entry, Range
from geodata.sources.source import GeodataError
from geodata.sources.table_writer import table_octets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# geoip2 chooses a model by the words in a database's type. An origin database has GeoLite2's ASN schema and
# GeoLite2's country beside it.
_TYPES: Final = {"origin": "Sarhad-GeoLite2-ASN-Country", "server": "Sarhad-GeoLite2-City"}
_COUNTRY_TYPE: Final = "Sarhad-GeoLite2-Country"
_FIELDS: Final = ("country", "city", "latitude", "longitude")
_NETWORK: Final = ("asn", "network")


def write_snapshot(directory: Path, describe: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` and a file for each source into ``directory``, which is made.

    A source is a MaxMind DB, or a range table where its ``format`` says so.

    ``describe`` has ``name``, ``date``, ``lab``, ``known`` and ``sources``, each with ``records`` of
    ``prefix``, ``country``, ``city``, ``latitude``, ``longitude``, ``asn`` and ``network``. Raises
    :class:`GeodataError` for values that no manifest can hold.
    """
    sources = []
    directory.mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(describe["sources"]):
        kind = source.get("format", "mmdb")
        file = f"source-{number}.{kind}"
        write = _write_table if kind == "table" else _write_mmdb
        write(directory / file, source["meaning"], source["records"])
        sources.append(
            {key: value for key, value in source.items() if key != "records"}
            | {"format": kind, "file": file, "date": source.get("date", describe["date"])}
            | ({"asserted_by": "registry"} if source["meaning"] == "registrant" else {})
        )
    manifest = {
        "schema": SCHEMA,
        "name": describe["name"],
        "date": describe["date"],
        "lab": describe.get("lab", []),
        "sources": sources,
        "known": describe.get("known", []),
    }
    try:
        msgspec.convert(manifest, type=Manifest)
    except msgspec.ValidationError as error:
        raise GeodataError(f"{directory / MANIFEST}: {error}", "corrupt") from error
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def _write_mmdb(path: Path, meaning: str, records: list[dict[str, Any]]) -> None:
    writer = MMDBWriter(
        ip_version=6,
        ipv4_compatible=True,
        database_type=_TYPES.get(meaning, _COUNTRY_TYPE),
        languages=["en"],
        description="Written by Sarhad",
    )
    networks = [(ipaddress.ip_network(record["prefix"]), record) for record in records]
    # The writer lets the last insertion win, so wider prefixes go first.
    for network, record in sorted(networks, key=lambda one: one[0].prefixlen):
        content = _content(meaning, record)
        for part in network.subnets(new_prefix=1) if network.prefixlen == 0 else (network,):
            writer.insert_network(IPSet([str(part)]), content)
    writer.to_db_file(str(path))


def _write_table(path: Path, meaning: str, records: list[dict[str, Any]]) -> None:
    ranges = []
    for record in records:
        network = ipaddress.ip_network(record["prefix"])
        fields = {name: record.get(name) for name in (*_FIELDS, *(_NETWORK if meaning == "origin" else ()))}
        first, last = int(network.network_address), int(network.broadcast_address)
        ranges.append(Range(network.version, first, last, Entry(**fields)))
    path.write_bytes(table_octets(ranges, None, None))


def _content(meaning: str, record: Mapping[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if record.get("country") is not None:
        content["country"] = {"iso_code": record["country"]}
    if meaning == "origin":
        if record.get("asn") is not None:
            content["autonomous_system_number"] = record["asn"]
        if record.get("network") is not None:
            content["autonomous_system_organization"] = record["network"]
    if meaning == "server":
        if record.get("city") is not None:
            content["city"] = {"names": {"en": record["city"]}}
        if record.get("latitude") is not None and record.get("longitude") is not None:
            content["location"] = {
                "latitude": float(record["latitude"]),
                "longitude": float(record["longitude"]),
            }
    return content
