"""Pieces that all imports share: addresses, names, times and errors as records have them."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from probes.observation import written
from scanner.imports.source import BadRecordError

if TYPE_CHECKING:
    from probes.observation import ErrorCode

# What programs write of a failure, by words in it; the first that is found decides.
_ERRORS: Final[tuple[tuple[str, ErrorCode], ...]] = (
    ("not known", "nxdomain"),
    ("not exist", "nxdomain"),
    ("no address associated", "no-data"),
    ("name resolution", "servfail"),
    ("nameserver", "servfail"),
    ("timeout", "timeout"),
    ("timed out", "timeout"),
    ("refused", "refused"),
    ("unreach", "unreachable"),
    ("no route", "unreachable"),
    ("not permitted", "prohibited"),
    ("prohibited", "prohibited"),
    ("reset", "reset"),
    ("address family", "unsupported"),
    ("assign requested address", "unsupported"),
    ("bind failed", "unsupported"),
    ("certificate", "tls"),
    ("handshake", "tls"),
    ("alert", "tls"),
    ("ssl", "tls"),
    ("tls", "tls"),
)


def address(text: str | None, what: str) -> str:
    """An address in its usual form; a :class:`BadRecordError` where it is none or has a zone."""
    if text is None:
        raise BadRecordError(f"{what}: is missing")
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        raise BadRecordError(f"{what}: {text[:60]!r} is not an IP address") from None
    if "%" in text:
        raise BadRecordError(f"{what}: {text[:60]!r} has a zone, which means something on one machine only")
    return str(parsed)


def seen(text: str, what: str) -> str:
    """The address of who answered; the zone that a link-local one has on its link is of no use elsewhere."""
    bare, zone, _ = text.partition("%")
    return address(bare if zone and bare.lower().startswith("fe80:") else text, what)


def time(seconds: int, microseconds: int = 0) -> str:
    """A time as records carry it; a :class:`BadRecordError` where the year has more than four digits."""
    try:
        moment = datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=microseconds)
    except (ValueError, OverflowError, OSError):
        raise BadRecordError(f"the time {seconds}.{microseconds:06} is none") from None
    return written(moment, "microseconds" if microseconds else "seconds")


def error(text: str) -> ErrorCode:
    """The error that a program describes in words."""
    words = text.lower()
    return next((code for sign, code in _ERRORS if sign in words), "protocol")
