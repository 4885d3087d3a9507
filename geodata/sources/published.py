"""Every source that is published as files: one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geodata.sources import (
    amazon,
    azure,
    delegated,
    edges,
    geoip,
    google,
    hosts,
    oracle,
    origins,
    peeringdb,
    vrps,
)

if TYPE_CHECKING:
    from geodata.sources.parsed import Published

PUBLISHED: Final[tuple[Published, ...]] = (
    *geoip.PUBLISHED,
    delegated.PUBLISHED,
    origins.PUBLISHED,
    peeringdb.PUBLISHED,
    vrps.PUBLISHED,
    amazon.PUBLISHED,
    *google.PUBLISHED,
    azure.PUBLISHED,
    oracle.PUBLISHED,
    *hosts.PUBLISHED,
    *edges.PUBLISHED,
)
