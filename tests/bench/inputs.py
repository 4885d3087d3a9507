"""What is looked up, and the embedded data in the formats of those who look it up too."""

from __future__ import annotations

import ipaddress
import random
import shutil
from collections import defaultdict
from typing import TYPE_CHECKING, Final

import msgspec
from mmdb_writer import MMDBWriter
from netaddr import IPNetwork, IPSet

from geodata.snapshot import EMBEDDED, MANIFEST, read_manifest
from geodata.sources.source import widest_block
from geodata.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geodata.sources.parsed import Entry

COUNT: Final = 1_000_000
IPV6_SHARE: Final = 0.1
COPIES: Final = 5  # of the embedded tables, in a snapshot of ten


def write_addresses(directory: Path) -> None:
    """``addresses``: IPv4, half of them in Pakistan, half anywhere; and ``mixed``, with IPv6 among them."""
    chance = random.Random(7)  # noqa: S311  a sample, not a secret
    countries = Table.read(EMBEDDED / "dbip-country.table")
    home: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for version, ranges in home.items():
        ranges.extend(
            (first, last) for first, last, entry in _said(countries, version) if entry.country == "PK"
        )
    plain, mixed = [], []
    for _ in range(COUNT):
        first, last = chance.choice(home[4]) if chance.random() < 0.5 else (1 << 24, (224 << 24) - 1)
        plain.append(str(ipaddress.IPv4Address(chance.randint(first, last))))
        if chance.random() < IPV6_SHARE:
            first, last = (
                chance.choice(home[6]) if chance.random() < 0.5 else (0x2000 << 48, (0x3000 << 48) - 1)
            )
            key = chance.randint(first, last)
            mixed.append(str(ipaddress.IPv6Address(key << 64 | chance.getrandbits(64))))
        else:
            mixed.append(plain[-1])
    for name, addresses in (("addresses", plain), ("mixed", mixed)):
        (directory / name).write_text("".join(f"{address}\n" for address in addresses), encoding="ascii")


def write_snapshot(directory: Path) -> None:
    """A snapshot of the registries and ten large tables, which are the two largest of ours several times."""
    manifest = read_manifest(EMBEDDED / MANIFEST)
    registry = [each for each in manifest.sources if each.format == "iptocc"]
    tables = [each for each in manifest.sources if each.file in {"asn.table", "dbip-country.table"}]
    copies = [
        msgspec.structs.replace(each, source=f"{each.source}-{number}")
        for number in range(COPIES)
        for each in tables
    ]
    for each in tables:
        shutil.copy(EMBEDDED / str(each.file), directory)
    octets = msgspec.json.encode(msgspec.structs.replace(manifest, sources=(*registry, *copies)))
    (directory / MANIFEST).write_bytes(octets)


def write_mmdb(directory: Path) -> None:
    """``country.mmdb``: the embedded DB-IP table, its IPv4 part, in GeoLite2's schema."""
    networks: dict[str, list[IPNetwork]] = defaultdict(list)
    for first, last, entry in _said(Table.read(EMBEDDED / "dbip-country.table"), 4):
        networks[str(entry.country)].extend(IPNetwork(each) for each in _blocks(first, last))
    writer = MMDBWriter(ip_version=4, database_type="GeoLite2-Country")
    for code, blocks in networks.items():
        writer.insert_network(IPSet(blocks), {"country": {"iso_code": code}})
    writer.to_db_file(str(directory / "country.mmdb"))


def write_prefixes(directory: Path) -> None:
    """``asn.dat``: the embedded table of networks, its IPv4 part, as pyasn reads it."""
    with (directory / "asn.dat").open("w", encoding="ascii") as stream:
        for first, last, entry in _said(Table.read(EMBEDDED / "asn.table"), 4):
            stream.writelines(
                f"{ipaddress.IPv4Address(base)}/{length}\t{entry.asn}\n"
                for base, length in _blocks(first, last)
            )


def _said(table: Table, version: int) -> Iterator[tuple[int, int, Entry]]:
    """First and last key, and what is said, of each range."""
    starts, codes = (column.tolist() for column in table.ranges(version))
    ends = [*starts[1:], 1 << (32 if version == 4 else 64)]
    for first, end, code in zip(starts, ends, codes, strict=True):
        if code:
            yield first, end - 1, table.entries(code)[0]


def _blocks(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The prefixes that a range of IPv4 addresses is made of: start and length."""
    while first <= last:
        _, length = widest_block(first, first, last, 32)
        yield first, length
        first += 1 << (32 - length)
