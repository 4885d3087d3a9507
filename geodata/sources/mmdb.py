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
import numpy as np
from geoip2.errors import AddressNotFoundError
from maxminddb.decoder import Decoder

from geodata.bulk import Column
from geodata.sources.parsed import Entry
from geodata.sources.source import Found, GeodataError, asn, country, number, text
from geodata.special import decode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geodata.bulk import Addresses
    from geodata.special import Address

# The metadata is in the last 128 KiB, behind the last of these (MaxMind DB File Format 2.0).
_METADATA_OCTETS: Final = 128 << 10
_METADATA_MARKER: Final = b"\xab\xcd\xefMaxMind.com"
# What the readers are known to raise on octets that are not what they should be.
CORRUPT: Final = (
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
    """A MaxMind DB file, read into memory.

    Always by the reader in Python, although the C extension is ten times as fast: one changed octet in a file
    is enough to crash that (a segmentation fault, seen with maxminddb 3.2.0), and so is a file that is
    truncated while it is mapped. A look-up takes some tens of microseconds; probes take milliseconds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._reader = geoip2.database.Reader(path, mode=maxminddb.MODE_MEMORY)
            metadata = self._reader.metadata()
            kind = str(metadata.database_type)
            self.version = str(metadata.build_epoch)
            self.date = dt.datetime.fromtimestamp(metadata.build_epoch, dt.UTC).date().isoformat()
            self._only_4 = metadata.ip_version == 4
            self._adapters = _adapters(kind)
            _check_whole(path)
            self._flat = None if self._adapters else maxminddb.open_database(path, maxminddb.MODE_MEMORY)
        except FileNotFoundError as error:
            raise GeodataError(f"{path}: no such file", "missing") from error
        except OSError as error:
            raise GeodataError(f"{path}: cannot be read: {error.strerror or error}", "unreadable") from error
        except (*CORRUPT, OverflowError) as error:
            raise GeodataError(f"{path}: not a MaxMind DB file: {error}", "corrupt") from error

    def look_up(self, address: Address) -> Found | None:
        """What is said of an address, every schema that the file has taken together."""
        if self._only_4 and isinstance(address, ipaddress.IPv6Address):
            return None
        try:
            if self._flat is not None:
                return _flat(self._flat, address)
            fields: dict[str, Any] = {}
            for adapter in self._adapters:
                fields |= adapter(self._reader, address)
            return _found(fields)
        except AddressNotFoundError:
            return None
        except CORRUPT as error:
            raise GeodataError(f"{self._path}: corrupt at {address}: {error}", "corrupt") from error

    def column(self, addresses: Addresses) -> Column:
        """What is said of very many addresses; some tens of microseconds each, unlike tables."""
        numbers: dict[tuple[Entry, ...], int] = {(): 0}
        codes = np.zeros(len(addresses.texts), dtype=np.uint32)
        for place, text_ in enumerate(addresses.texts):
            found = self.look_up(decode(text_))
            codes[place] = 0 if found is None else numbers.setdefault(found.entries, len(numbers))
        return Column(codes, list(numbers))

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
        if self._flat is not None:
            self._flat.close()


def _check_whole(path: Path) -> None:
    """Raise where the metadata, a file's end, is cut short: the reader takes a short last value for whole."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _METADATA_OCTETS))
        end = stream.read()
    octets = end[end.rindex(_METADATA_MARKER) + len(_METADATA_MARKER) :]
    _, length = Decoder(octets).decode(0)
    if length > len(octets):
        raise ValueError("cut short")


def _adapters(kind: str) -> tuple[Callable[[geoip2.database.Reader, Address], dict[str, Any]], ...]:
    """The geoip2 models for a ``database_type``, by the words in it, as geoip2 itself decides."""
    if "City" in kind:
        return (_city,)
    if "Enterprise" in kind:
        return (_enterprise,)
    return tuple(adapter for word, adapter in (("Country", _country), ("GeoLite2-ASN", _asn)) if word in kind)


def _city(reader: geoip2.database.Reader, address: Address) -> dict[str, Any]:
    return _place(reader.city(address))


def _enterprise(reader: geoip2.database.Reader, address: Address) -> dict[str, Any]:
    return _place(reader.enterprise(address))


def _place(model: geoip2.models.City) -> dict[str, Any]:
    location = model.location
    latitude, longitude = number(location.latitude, -90, 90), number(location.longitude, -180, 180)
    both = latitude is not None and longitude is not None
    return {
        "prefix": str(model.traits.network),
        "country": country(model.country.iso_code),
        "city": text(model.city.name),
        "latitude": latitude if both else None,
        "longitude": longitude if both else None,
        "radius_km": number(location.accuracy_radius, 0, 20_100) if both else None,
        "anycast": model.traits.is_anycast is True,
    }


def _country(reader: geoip2.database.Reader, address: Address) -> dict[str, Any]:
    model = reader.country(address)
    return {
        "prefix": str(model.traits.network),
        "country": country(model.country.iso_code),
        "anycast": model.traits.is_anycast is True,
    }


def _asn(reader: geoip2.database.Reader, address: Address) -> dict[str, Any]:
    model = reader.asn(address)
    return {
        "prefix": str(model.network),
        "asn": asn(model.autonomous_system_number),
        "network": text(model.autonomous_system_organization),
    }


def _found(fields: dict[str, Any]) -> Found:
    """Where a database says so beside, an address is at many places."""
    prefix, anycast = fields.pop("prefix"), fields.pop("anycast", False)
    entry = Entry(**fields)
    return Found(prefix, (entry, Entry(meaning="anycast")) if anycast else (entry,))


def _flat(reader: maxminddb.Reader, address: Address) -> Found | None:
    """Files without GeoIP2's schema (ip-location-db, IPinfo Lite): fields at the top, by name."""
    record, length = reader.get_with_prefix_len(address)
    if record is None:
        return None
    if not isinstance(record, dict):
        raise TypeError("a record is no map")
    entry = Entry(
        country=country(record.get("country_code")) or country(record.get("country")),
        asn=asn(record.get("asn", record.get("autonomous_system_number"))),
        network=text(record.get("as_name", record.get("autonomous_system_organization"))),
    )
    return Found(str(ipaddress.ip_network((address, length), strict=False)), (entry,))
