"""Every source that is published as files: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geodata.sources import delegated, geoip, origins, peeringdb

if TYPE_CHECKING:
    from geodata.sources.parsed import Published

PUBLISHED: Final[tuple[Published, ...]] = (
    *geoip.PUBLISHED,
    delegated.PUBLISHED,
    origins.PUBLISHED,
    peeringdb.PUBLISHED,
)
