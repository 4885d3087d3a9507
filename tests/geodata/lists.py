"""Lists of addresses as providers publish them, and what is read of one."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

import msgspec

from geodata.errors import GeodataError
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geodata.sources.parsed import Parsed


def json_octets(value: object) -> bytes:
    return msgspec.json.encode(value)


def says(found: Parsed, address: str) -> set[tuple[str | None, str | None, str | None, str | None]]:
    """Region, country, network and meaning of what counts for an address, as the snapshot has it."""
    look = Table("x", table_octets(found.ranges, None, None)).look_up(ipaddress.ip_address(address))
    entries = () if look is None else look.entries
    return {(each.region, each.country, each.network, each.meaning) for each in entries}


def amazon_row(prefix: str, region: str, service: str = "AMAZON", group: str | None = None) -> dict[str, str]:
    name = "ipv6_prefix" if ":" in prefix else "ip_prefix"
    return {name: prefix, "region": region, "service": service, "network_border_group": group or region}


def amazon_file(*rows: object, **more: object) -> bytes:
    four = [row for row in rows if not (isinstance(row, dict) and "ipv6_prefix" in row)]
    six = [row for row in rows if isinstance(row, dict) and "ipv6_prefix" in row]
    file = {"syncToken": "1792977064", "createDate": "2026-10-26-01-11-04", "prefixes": four}
    return json_octets(file | {"ipv6_prefixes": six} | more)


def google_file(*prefixes: object) -> bytes:
    file = {"syncToken": "1792", "creationTime": "2026-10-26T07:04:13.123", "prefixes": prefixes}
    return json_octets(file)


def azure_tag(name: str, region: str, *prefixes: object) -> dict[str, object]:
    more = {"changeNumber": 7, "platform": "Azure", "systemService": "", "networkFeatures": ["NSG"]}
    return {
        "name": name,
        "id": name,
        "properties": {"region": region, "addressPrefixes": prefixes, **more},
    }


def either(parse: Callable[[Sequence[bytes]], Parsed], octets: bytes) -> Parsed | None:
    """What is parsed, which is no more than was given, or None for a file that is refused."""
    try:
        found = parse([octets])
    except GeodataError:
        return None
    assert found.ranges
    assert len(found.ranges) + len(found.skipped) <= len(octets)
    for each in found.ranges:
        assert 0 <= each.first <= each.last < 1 << (32 if each.version == 4 else 128)
    for skipped in found.skipped:
        assert skipped.line > 0
        assert len(skipped.why) <= 200
    return found
