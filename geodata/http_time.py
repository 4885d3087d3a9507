"""Times in the headers of HTTP answers: for how long one stays fresh, and when to ask again."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?([0-9]{1,9})", re.IGNORECASE)
_MAX_HEADER: Final = 1000  # characters that are looked at


def freshness_s(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """For how long an answer stays fresh (RFC 9111, 4.2.1), where it says so: max-age before Expires."""
    found = _MAX_AGE.search(headers.get("Cache-Control", "")[:_MAX_HEADER])
    if found is not None:
        return float(found[1])
    expires = moment(headers.get("Expires"))
    if expires is None:
        return None
    return max(0.0, (expires - (moment(headers.get("Date")) or now)).total_seconds())


def moment(value: str | None) -> dt.datetime | None:
    """The time in a header (RFC 9110, 5.6.7); ``None`` for what is none."""
    if value is None:
        return None
    try:
        parsed = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)


def retry_after_s(value: str | None, now: dt.datetime) -> float | None:
    """The seconds that a ``Retry-After`` header (RFC 9110, 10.2.3) asks for; ``None`` for what is none."""
    if value is None:
        return None
    if value.isascii() and value.isdigit() and len(value) <= 9:
        return float(value)
    then = moment(value)
    return None if then is None else max(0.0, (then - now).total_seconds())
