"""Geofeeds (RFC 8805) of networks known beforehand: where hosts put their machines, relays their users.

DigitalOcean: digitalocean.com/geo/google.csv. Akamai Cloud (Linode): geoip.linode.com. Vultr:
geofeed.constant.com. Each is what the host itself says of every prefix that it gives to virtual machines.
Amazon's Local Zones: ip-ranges.amazonaws.com/geo-ip-feed.csv, beside ``amazon``. They are renewed as
prefixes come and go.

Relays and access networks, whose places are their users' and never a server's. Cloudflare, for what leaves
WARP and Workers: api.cloudflare.com/local-ip-ranges.csv. Apple's Private Relay:
mask-api.icloud.com/egress-ip-ranges.csv
(developer.apple.com/icloud/prepare-your-network-for-icloud-private-relay). Starlink:
geoip.starlinkisp.net/feed.csv. Daily or more often.

All are published for anybody's use, without a licence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from geodata.sources.geofeed import parse
from geodata.sources.parsed import Published, separately

if TYPE_CHECKING:
    from geodata.claim import Meaning


def _published(source: str, family: str, url: str, name: str, meaning: Meaning = "server") -> Published:
    return Published(
        source=source,
        family=family,
        meaning=meaning,
        asserted_by="operator",
        urls=(url,),
        licence="none stated; published for anybody's use",
        attribution=f"Geofeed of {name} ({url})",
        refresh_days=7 if meaning == "server" else 1,
        parse=separately(parse),
        max_octets=(16 if meaning == "server" else 64) << 20,
    )


PUBLISHED: Final = (
    _published(
        "amazon-zones", "amazon", "https://ip-ranges.amazonaws.com/geo-ip-feed.csv", "Amazon Web Services"
    ),
    _published("digitalocean", "digitalocean", "https://www.digitalocean.com/geo/google.csv", "DigitalOcean"),
    _published("linode", "linode", "https://geoip.linode.com/", "Akamai Cloud (Linode)"),
    _published("vultr", "vultr", "https://geofeed.constant.com/", "Vultr"),
    _published(
        "cloudflare-users",
        "cloudflare",
        "https://api.cloudflare.com/local-ip-ranges.csv",
        "Cloudflare",
        "user_egress",
    ),
    _published(
        "apple-relay",
        "apple",
        "https://mask-api.icloud.com/egress-ip-ranges.csv",
        "Apple's iCloud Private Relay",
        "user_egress",
    ),
    _published(
        "starlink", "starlink", "https://geoip.starlinkisp.net/feed.csv", "SpaceX Starlink", "user_egress"
    ),
)
