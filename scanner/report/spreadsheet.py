"""A run as CSV (RFC 4180) for spreadsheets: one row for every endpoint, address and vantage.

What a cell begins with can make a spreadsheet compute it, and much of a run was written by whoever is
checked: such cells get an apostrophe in front (OWASP, CSV Injection). An endpoint without an address has one
row. A row of a vantage that got no answer has an empty ``rtt_ms``: unknown, not zero. The octets begin with
a byte order mark, without which Excel takes UTF-8 for something else.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from scanner.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.run import EndpointResult, Run
    from scanner.verdict import AddressVerdict

# The last four are full-width forms of the first, which some spreadsheets take for them.
_FORMULAS: Final = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
COLUMNS: Final = (
    "run",
    "finished",
    "endpoint",
    "provider",
    "service",
    "data_class",
    "deployment",
    "declared",
    "site",
    "status",
    "severity",
    "controls",
    "location",
    "assurance",
    "rule",
    "reason",
    "path",
    "path_reason",
    "address",
    "address_location",
    "address_assurance",
    "address_rule",
    "address_reason",
    "countries",
    "vantage",
    "rtt_ms",
)


def render(run: Run) -> bytes:
    """The rows, in the register's order, below one of the columns' names."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(COLUMNS)
    vantages = [vantage.id for vantage in run.vantages]
    for result in run.endpoints:
        facts = [safe(cell) for cell in (run.id, run.finished, *_endpoint(result))]
        for address in result.verdict.addresses:
            judged = [safe(cell) for cell in _address(address)]
            for vantage in vantages:
                rtt_ms = address.rtts_ms.get(vantage)
                writer.writerow([*facts, *judged, safe(vantage), "" if rtt_ms is None else rtt_ms])
        if not (result.verdict.addresses and vantages):
            writer.writerow([*facts, *[""] * (len(COLUMNS) - len(facts))])
    return stream.getvalue().encode("utf-8-sig")


def safe(text: str) -> str:
    """A cell that shows ``text`` and computes nothing."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULAS) else shown


def _endpoint(result: EndpointResult) -> Iterator[str]:
    verdict = result.verdict
    yield from (result.endpoint, result.provider, result.service, result.data_class, result.deployment)
    yield from (result.declared, result.site or "", result.status, result.severity)
    yield "; ".join(f"{one.control} {one.status}" for one in result.findings)
    yield from (verdict.location, verdict.assurance or "", verdict.rule, verdict.reason)
    yield from (verdict.path, verdict.path_reason)


def _address(one: AddressVerdict) -> Iterator[str]:
    yield from (one.address, one.location, one.assurance or "", one.rule, one.reason)
    yield " ".join(one.countries)
