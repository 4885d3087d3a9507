"""GeoIP databases as whole files: what MaxMind DBs say of all addresses, to be compiled into a table.

DB-IP Lite country: db-ip.com/db/download/ip-to-country-lite; gzip of a MaxMind DB in GeoIP2's schema;
CC-BY-4.0, with a link back on pages that show results; monthly. It may be embedded and passed on.

GeoLite2 country, city and ASN: dev.maxmind.com/geoip/geolite2-free-geolocation-data, with an account and a
key; GeoLite2 EULA: old versions are to be destroyed within 30 days of a new one; twice a week, 30 downloads a
day.
GeoIP2 country, city and anonymous IP: www.maxmind.com, with a licence that is bought, in the same form.
IPinfo Lite: ipinfo.io/developers/ipinfo-lite-database, with a token; CC-BY-SA-4.0; daily; fields at the top.
All but the first are the operator's to fetch and to ``add``, and are never passed on.
"""

from __future__ import annotations

import datetime as dt
import io
import itertools
from typing import TYPE_CHECKING, Any, Final

import maxminddb

from geodata.packed import inflated
from geodata.sources.mmdb import CORRUPT
from geodata.sources.parsed import Entry, Parsed, Published, Range, Skipped, parsed, separately
from geodata.sources.source import GeodataError, asn, country, number, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geodata.claim import Meaning

MAX_OCTETS: Final = 512 << 20
MAX_NETWORKS: Final = 20_000_000
# The fields of anonymous IP that say that others' traffic leaves there. A hosting provider's does not.
_RELAYS: Final = {
    "is_tor_exit_node": "Tor exit",
    "is_anonymous_vpn": "VPN",
    "is_public_proxy": "public proxy",
    "is_residential_proxy": "residential proxy",
}


class _File(io.BytesIO):
    name = "the file"  # which maxminddb asks for


def parse(octets: bytes) -> Parsed:
    """The networks of a MaxMind DB, plain or compressed with gzip, of any of the schemas above."""
    ranges: list[Range] = []
    skipped: list[Skipped] = []
    shared: dict[tuple[Entry, ...], tuple[Entry, ...]] = {}
    try:
        with maxminddb.open_database(_File(inflated(octets, MAX_OCTETS)), maxminddb.MODE_FD) as reader:
            metadata = reader.metadata()
            date = dt.datetime.fromtimestamp(metadata.build_epoch, dt.UTC).date().isoformat()
            for place, (network, record) in enumerate(itertools.islice(reader, MAX_NETWORKS), 1):
                if not isinstance(record, dict):
                    skipped.append(Skipped(place, f"{network}: is no map"))
                    continue
                first = int(network.network_address)
                entries = entries_of(record)
                last = first + network.num_addresses - 1
                same = shared.setdefault(entries, entries)
                ranges.extend(Range(network.version, first, last, entry) for entry in same)
    except (*CORRUPT, OverflowError) as error:
        raise GeodataError(f"not a MaxMind DB file: {error}", "corrupt") from error
    return parsed("MaxMind DB", ranges, skipped, str(metadata.build_epoch), date)


def entries_of(record: Mapping[str, Any]) -> tuple[Entry, ...]:
    """What a record says, by GeoIP2's schema or with fields at the top; nothing where it has none of use.

    ``registered_country`` is never taken for a country (see ``mmdb``).
    """
    nested = _of(record, "country") if isinstance(record.get("country"), dict) else None
    location, traits = _of(record, "location"), _of(record, "traits")
    latitude, longitude = (
        number(location.get("latitude"), -90, 90),
        number(location.get("longitude"), -180, 180),
    )
    both = latitude is not None and longitude is not None
    entry = Entry(
        country=country(nested.get("iso_code"))
        if nested is not None
        else country(record.get("country_code")) or country(record.get("country")),
        city=text(_of(_of(record, "city"), "names").get("en")),
        latitude=latitude if both else None,
        longitude=longitude if both else None,
        radius_km=number(location.get("accuracy_radius"), 0, 20_100) if both else None,
        asn=asn(record.get("autonomous_system_number", record.get("asn"))),
        network=text(record.get("autonomous_system_organization", record.get("as_name"))),
    )
    anycast = traits.get("is_anycast") is True or record.get("is_anycast") is True
    found = [] if entry == Entry() else [entry]
    if anycast:
        found.append(Entry(meaning="anycast"))
    relays = [name for field, name in _RELAYS.items() if record.get(field) is True]
    if relays:
        found.append(Entry(meaning="user_egress", network=", ".join(relays)))
    return tuple(found)


def _of(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = record.get(name)
    return found if isinstance(found, dict) else {}


def _maxmind(product: str, edition: str, licence: str, refresh_days: int) -> Published:
    meaning: dict[str, Meaning] = {"asn": "origin", "anonymous": "user_egress"}
    return Published(
        source=f"{product.lower()}-{edition}",
        family="maxmind",
        meaning=meaning.get(edition, "server"),
        asserted_by="third-party",
        urls=(),
        licence=licence,
        attribution=f"This product includes {product} data created by MaxMind (https://www.maxmind.com)",
        refresh_days=refresh_days,
        parse=separately(parse),
        max_octets=MAX_OCTETS,
        world=edition not in meaning,
    )


PUBLISHED: Final = (
    Published(
        source="dbip-country",
        family="dbip",
        meaning="server",
        asserted_by="third-party",
        urls=("https://download.db-ip.com/free/dbip-country-lite-%Y-%m.mmdb.gz",),
        licence="CC-BY-4.0",
        attribution="IP Geolocation by DB-IP (https://db-ip.com)",
        refresh_days=31,
        parse=separately(parse),
        max_octets=MAX_OCTETS,
        world=True,
    ),
    *(_maxmind("GeoLite2", edition, "GeoLite2 EULA", 4) for edition in ("country", "city", "asn")),
    *(_maxmind("GeoIP2", edition, "MaxMind EULA", 4) for edition in ("country", "city")),
    _maxmind("GeoIP2", "anonymous", "MaxMind EULA", 1),
    Published(
        source="ipinfo-lite",
        family="ipinfo",
        meaning="server",
        asserted_by="third-party",
        urls=(),
        licence="CC-BY-SA-4.0",
        attribution="IP address data powered by IPinfo (https://ipinfo.io)",
        refresh_days=1,
        parse=separately(parse),
        max_octets=MAX_OCTETS,
        world=True,
    ),
)
