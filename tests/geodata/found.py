"""What a reader finds for an address."""

from __future__ import annotations

import ipaddress
from typing import Any

from geodata.sources.parsed import Entry
from geodata.sources.source import Found

FOUR = ipaddress.IPv4Address
SIX = ipaddress.IPv6Address


def said(prefix: str, **fields: Any) -> Found:
    """What a reader finds: one entry."""
    return Found(prefix, (Entry(**fields),))


def only(found: Found | None) -> Entry:
    assert found is not None
    (entry,) = found.entries
    return entry
