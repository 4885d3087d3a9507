"""Snapshots: the data sources that answered for an address, opened together, with versions and dates.

A snapshot is a directory with ``manifest.json`` and the data files that it names; one is embedded.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from geodata.claim import Claim, Meaning
from geodata.file import read_file
from geodata.sources.mmdb import Mmdb
from geodata.sources.registry import Registry
from geodata.sources.source import GeodataError, Reader, Record
from geodata.sources.table import Table
from geodata.special import SpecialPurpose, decode, special_purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import Self

__all__ = ["GeodataError", "KnownNetwork", "Manifest", "Snapshot", "Source", "SourceInfo"]

SCHEMA: Final = "sarhad.snapshot/1"
MANIFEST: Final = "manifest.json"
MAX_MANIFEST_OCTETS: Final = 4 << 20
AGEING_DAYS: Final = 30
STALE_DAYS: Final = 90
EMBEDDED: Final = Path(__file__).parent / "data"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
# A plain file name: what a manifest names lies beside it.
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=200)]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Asn = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data source of a manifest. ``version`` and ``date`` default to what the file itself says."""

    source: Name
    family: Name
    meaning: Meaning
    format: Literal["mmdb", "table", "iptocc"] = "mmdb"
    file: FileName | None = None  # iptocc carries its own data
    version: str | None = None
    date: Day | None = None
    licence: str | None = None
    attribution: str | None = None
    asserted_by: Literal["third-party", "registry", "operator", "measurement"] = "third-party"


class KnownNetwork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network known to answer from edges, whatever its prefixes say."""

    asn: Asn
    name: Name
    kind: Literal["anycast", "cdn", "scrubbing"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``manifest.json``; ``lab`` lists reserved prefixes that stand for ordinary addresses here."""

    schema: Literal["sarhad.snapshot/1"]
    name: Name
    date: Day
    lab: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    known: tuple[KnownNetwork, ...] = ()


class SourceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A source's data: version, date (ISO 8601), licence, and the attribution that the licence asks for."""

    source: str
    family: str
    meaning: Meaning
    version: str | None = None
    date: str | None = None
    licence: str | None = None
    attribution: str | None = None

    def age_days(self, today: dt.date) -> int | None:
        """How old the data is; ``None`` where it has no date."""
        return None if self.date is None else (today - dt.date.fromisoformat(self.date)).days

    def freshness(self, today: dt.date) -> Literal["fresh", "ageing", "stale", "undated"]:
        """The age in a word. Of Pakistan's addresses, 3 % changed country in 101 days (measured)."""
        age = self.age_days(today)
        if age is None:
            return "undated"
        return "stale" if age > STALE_DAYS else "ageing" if age > AGEING_DAYS else "fresh"


_FORMATS: Final[Mapping[str, Callable[[Path], Reader]]] = {"mmdb": Mmdb, "table": Table}


class Snapshot:
    """An opened snapshot: claims of all its sources; look-ups are thread-safe."""

    def __init__(self, manifest: Manifest, readers: tuple[Reader, ...]) -> None:
        self.manifest = manifest
        self._readers = readers
        self._known = {one.asn: one for one in manifest.known}
        self.sources: tuple[SourceInfo, ...] = tuple(
            SourceInfo(
                source=one.source,
                family=one.family,
                meaning=one.meaning,
                version=one.version or reader.version,
                date=one.date or reader.date,
                licence=one.licence,
                attribution=one.attribution,
            )
            for one, reader in zip(manifest.sources, readers, strict=True)
        )

    @classmethod
    def open(cls, directory: Path | None) -> Snapshot:
        """Open the snapshot in ``directory``, or the embedded one.

        Raises :class:`GeodataError`, which names the file and the field, for anything missing or corrupt.
        """
        directory = EMBEDDED if directory is None else directory
        manifest = _manifest(directory / MANIFEST)
        readers: list[Reader] = []
        try:
            readers.extend(_open(directory, one) for one in manifest.sources)
        except BaseException:
            for reader in readers:
                reader.close()
            raise
        return cls(manifest, tuple(readers))

    def special(self, address: str) -> SpecialPurpose | None:
        """The special-purpose block that ``address`` is in, or ``None``; the lab's are ordinary."""
        try:
            return special_purpose(address, self.manifest.lab)
        except ValueError as error:
            raise GeodataError(f"{address!r} is not an IP address", "address") from error

    def claims(self, address: str) -> tuple[Claim, ...]:
        """What each source that has a record says of ``address``, in the manifest's order."""
        try:
            decoded = decode(address)
        except ValueError as error:
            raise GeodataError(f"{address!r} is not an IP address", "address") from error
        claims: list[Claim] = []
        for source, info, reader in zip(self.manifest.sources, self.sources, self._readers, strict=True):
            record = reader.look_up(decoded)
            if record is not None:
                claims.extend(self._claims_of(source, info, record))
        return tuple(claims)

    def _claims_of(self, source: Source, info: SourceInfo, record: Record) -> Iterator[Claim]:
        claim = Claim(
            source=source.source,
            family=source.family,
            prefix=record.prefix,
            meaning=source.meaning,
            country=record.country,
            city=record.city,
            latitude=record.latitude,
            longitude=record.longitude,
            radius_km=record.radius_km,
            asn=record.asn,
            network=record.network,
            asserted_by=source.asserted_by,
            version=info.version,
            date=info.date,
            licence=info.licence,
        )
        yield claim
        if record.anycast:
            yield Claim(
                source=source.source,
                family=source.family,
                prefix=record.prefix,
                meaning="anycast",
                asserted_by=source.asserted_by,
                version=info.version,
                date=info.date,
                licence=info.licence,
            )
        if source.meaning == "origin" and record.asn is not None and (known := self._known.get(record.asn)):
            yield Claim(
                source="known-networks",
                family="known-networks",
                prefix=record.prefix,
                meaning="edge_pop" if known.kind == "cdn" else "anycast",
                asn=known.asn,
                network=known.name,
                version=self.manifest.date,
                date=self.manifest.date,
            )

    def close(self) -> None:
        """Close the data files."""
        for reader in self._readers:
            reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _open(directory: Path, source: Source) -> Reader:
    if source.format == "iptocc":
        return Registry()
    assert source.file is not None  # checked with the manifest
    return _FORMATS[source.format](directory / source.file)


def _manifest(path: Path) -> Manifest:
    octets = read_file(path, MAX_MANIFEST_OCTETS)
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GeodataError(f"{path}: {error}", "corrupt") from error
    _check_day(f"{path}: date", manifest.date)
    seen: set[str] = set()
    for number, source in enumerate(manifest.sources):
        if source.source in seen:
            raise GeodataError(f"{path}: sources[{number}].source: {source.source!r} stands twice", "corrupt")
        seen.add(source.source)
        _check_day(f"{path}: sources[{number}].date", source.date)
        if (source.file is None) != (source.format == "iptocc"):
            wanted = "must be absent" if source.format == "iptocc" else "is missing"
            raise GeodataError(
                f"{path}: sources[{number}].file: {wanted} for format {source.format!r}", "corrupt"
            )
    for number, prefix in enumerate(manifest.lab):
        _check_lab(f"{path}: lab[{number}]", prefix)
    return manifest


# Addresses that mean this machine or this link wherever they are used: no snapshot makes them ordinary.
_NEVER_ORDINARY: Final = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "::/96",
        "fe80::/10",
        "ff00::/8",
    )
)


def _check_day(where: str, day: str | None) -> None:
    try:
        dt.date.fromisoformat(day or "2000-01-01")
    except ValueError as error:
        raise GeodataError(f"{where}: {day!r}: {error}", "corrupt") from error


def _check_lab(where: str, prefix: str) -> None:
    try:
        network = ipaddress.ip_network(prefix)
    except ValueError as error:
        raise GeodataError(f"{where}: {error}", "corrupt") from error
    for never in _NEVER_ORDINARY:
        if network.version == never.version and network.overlaps(never):
            raise GeodataError(
                f"{where}: {prefix} overlaps {never}, which is never an ordinary address", "corrupt"
            )
