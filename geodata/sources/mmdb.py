"""MaxMind DB files: the GeoIP2 and GeoLite2 schemas through geoip2, flat ``country_code`` files beside them.

``country`` is what the database says of where the address is. ``registered_country`` is never put in its
place: for most anycast addresses GeoLite2 has only that, and it is the holder's country, not the host's.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Any, Final

import geoip2.database
import maxminddb
from geoip2.errors import AddressNotFoundError

from geodata.sources.source import GeodataError, Record, asn, country, number, text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geodata.special import Address

# What the readers are known to raise on octets that are not what they should be.
_CORRUPT: Final = (
    maxminddb.InvalidDatabaseError,
    AttributeError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    UnicodeDecodeError,
    ValueError,
)


class Mmdb:
    """An open MaxMind DB file.

    The file is memory-mapped: replace it by renaming another over it, never write into it while it is open.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._reader = geoip2.database.Reader(path)
            self._raw = maxminddb.open_database(path)
            metadata = self._raw.metadata()
            kind = str(metadata.database_type)
            self.version = str(metadata.build_epoch)
            self.date = dt.datetime.fromtimestamp(metadata.build_epoch, dt.UTC).date().isoformat()
            self._only_4 = metadata.ip_version == 4
        except FileNotFoundError as error:
            raise GeodataError(f"{path}: no such file", "missing") from error
        except OSError as error:
            raise GeodataError(f"{path}: cannot be read: {error.strerror or error}", "unreadable") from error
        except (*_CORRUPT, OverflowError) as error:
            raise GeodataError(f"{path}: not a MaxMind DB file: {error}", "corrupt") from error
        self._adapters = _adapters(kind)

    def look_up(self, address: Address) -> Record | None:
        """The record for an address, every schema that the file has taken together."""
        if self._only_4 and isinstance(address, ipaddress.IPv6Address):
            return None
        try:
            found, length = self._raw.get_with_prefix_len(address)
            if found is None:
                return None
            if not isinstance(found, dict):
                raise GeodataError(f"{self._path}: the record of {address} is no map", "corrupt")
            fields: dict[str, Any] = {}
            for adapter in self._adapters or (_flat,):
                fields |= adapter(self._reader, address, found)
        except AddressNotFoundError:
            return None
        except _CORRUPT as error:
            raise GeodataError(f"{self._path}: corrupt at {address}: {error}", "corrupt") from error
        return Record(prefix=str(ipaddress.ip_network((address, length), strict=False)), **fields)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        self._raw.close()


def _adapters(
    kind: str,
) -> tuple[Callable[[geoip2.database.Reader, Address, dict[str, Any]], dict[str, Any]], ...]:
    """The geoip2 models for a ``database_type``, by the words in it, as geoip2 itself decides."""
    if "City" in kind:
        return (_city,)
    if "Enterprise" in kind:
        return (_enterprise,)
    found = []
    if "Country" in kind:
        found.append(_country)
    if "GeoLite2-ASN" in kind:
        found.append(_asn)
    return tuple(found)


def _city(reader: geoip2.database.Reader, address: Address, _: dict[str, Any]) -> dict[str, Any]:
    return _place(reader.city(address))


def _enterprise(reader: geoip2.database.Reader, address: Address, _: dict[str, Any]) -> dict[str, Any]:
    return _place(reader.enterprise(address))


def _place(model: geoip2.models.City) -> dict[str, Any]:
    location = model.location
    latitude, longitude = number(location.latitude, -90, 90), number(location.longitude, -180, 180)
    both = latitude is not None and longitude is not None
    return {
        "country": country(model.country.iso_code),
        "city": text(model.city.name),
        "latitude": latitude if both else None,
        "longitude": longitude if both else None,
        "radius_km": number(location.accuracy_radius, 0, 20_100) if both else None,
        "anycast": model.traits.is_anycast is True,
    }


def _country(reader: geoip2.database.Reader, address: Address, _: dict[str, Any]) -> dict[str, Any]:
    model = reader.country(address)
    return {"country": country(model.country.iso_code), "anycast": model.traits.is_anycast is True}


def _asn(reader: geoip2.database.Reader, address: Address, _: dict[str, Any]) -> dict[str, Any]:
    model = reader.asn(address)
    return {
        "asn": asn(model.autonomous_system_number),
        "network": text(model.autonomous_system_organization),
    }


def _flat(_: geoip2.database.Reader, __: Address, record: dict[str, Any]) -> dict[str, Any]:
    """Files without GeoIP2's schema (ip-location-db, IPinfo Lite): fields at the top, by name."""
    return {
        "country": country(record.get("country_code")) or country(record.get("country")),
        "asn": asn(record.get("asn", record.get("autonomous_system_number"))),
        "network": text(record.get("as_name", record.get("autonomous_system_organization"))),
    }
