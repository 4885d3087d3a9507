"""Snapshots: the data sources that answered for an address, opened together, with versions and dates.

A snapshot is a directory with ``manifest.json`` and the data files that it names; one is embedded.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from geodata.claim import AssertedBy, Claim, Meaning
from geodata.fetched import Fetched, checked
from geodata.file import read_file
from geodata.sources.registry import Registry
from geodata.sources.source import GeodataError, Reader
from geodata.sources.table import Table
from geodata.sources.validity import validity
from geodata.special import SpecialPurpose, decode, special_purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from geodata.bulk import Column
    from geodata.sources.parsed import Entry
    from geodata.special import Address

__all__ = ["GeodataError", "KnownNetwork", "Manifest", "Snapshot", "Source", "SourceInfo"]

SCHEMA: Final = "sarhad.snapshot/1"
MANIFEST: Final = "manifest.json"
KNOWN: Final = "known-networks"  # the source and the family of what the manifest knows itself
MAX_MANIFEST_OCTETS: Final = 4 << 20
AGEING_DAYS: Final = 30
STALE_DAYS: Final = 90
MAX_FILE_OCTETS: Final = 256 << 20
_MAX_KNOWN: Final = 1 << 14  # claims of a source that are kept, but for their prefix
EMBEDDED: Final = Path(__file__).parent / "data"

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
# A plain file name: what a manifest names lies beside it.
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=200)]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
Format = Literal["mmdb", "table", "iptocc", "vrps"]
TABLES: Final = frozenset({"table", "vrps"})  # formats that are range tables
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Asn = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A data source of a manifest. ``version`` and ``date`` default to what the file itself says.

    ``sha256`` is the file's digest. ``world`` is for a source that covers all addresses; ``addresses4`` and
    ``home4`` count the IPv4 addresses of which it says something, and Pakistan's among them.
    """

    source: Name
    family: Name
    meaning: Meaning
    format: Format = "mmdb"
    file: FileName | None = None  # iptocc carries its own data
    version: str | None = None
    date: Day | None = None
    licence: str | None = None
    attribution: str | None = None
    asserted_by: AssertedBy = "third-party"
    sha256: Digest | None = None
    world: bool = False
    fetched: tuple[Fetched, ...] = ()
    records: Count | None = None
    addresses4: Count | None = None
    home4: Count | None = None


class KnownNetwork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network known to answer from edges, whatever its prefixes say."""

    asn: Asn
    name: Name
    kind: Literal["anycast", "cdn", "scrubbing"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``manifest.json``; ``lab`` lists reserved prefixes that stand for ordinary addresses here.

    ``date`` is the day on which the generation was made, and of the list ``known`` where that has no own.
    """

    schema: Literal["sarhad.snapshot/1"]
    name: Name
    date: Day
    generation: Count = 0
    lab: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    known: tuple[KnownNetwork, ...] = ()
    known_date: Day | None = None
    known_licence: str | None = None
    known_attribution: str | None = None


class SourceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A source's data: version, date (ISO 8601), licence, and the attribution that the licence asks for.

    ``records`` and ``home4`` count its records, and the IPv4 addresses of which it says that they are home's;
    ``checked`` is by what its files were checked when they were got.
    """

    source: str
    family: str
    meaning: Meaning
    version: str | None = None
    date: str | None = None
    licence: str | None = None
    attribution: str | None = None
    records: int | None = None
    home4: int | None = None
    checked: str | None = None

    def age_days(self, today: dt.date) -> int | None:
        """How old the data is; ``None`` where it has no date."""
        return None if self.date is None else (today - dt.date.fromisoformat(self.date)).days

    def freshness(self, today: dt.date) -> Literal["fresh", "ageing", "stale", "undated"]:
        """The age in a word. Of Pakistan's addresses, 3 % changed country in 101 days (measured)."""
        age = self.age_days(today)
        if age is None:
            return "undated"
        return "stale" if age > STALE_DAYS else "ageing" if age > AGEING_DAYS else "fresh"


class Snapshot:
    """An opened snapshot: claims of all its sources; look-ups are thread-safe."""

    def __init__(self, manifest: Manifest, readers: tuple[Reader, ...]) -> None:
        self.manifest = manifest
        self._readers = readers
        self._known = {one.asn: one for one in manifest.known}
        self._claims: list[dict[int, tuple[tuple[Entry, ...], tuple[Claim, ...]]]] = [{} for _ in readers]
        self.sources: tuple[SourceInfo, ...] = tuple(
            SourceInfo(
                source=one.source,
                family=one.family,
                meaning=one.meaning,
                version=one.version or reader.version,
                date=one.date or reader.date,
                licence=one.licence,
                attribution=one.attribution,
                records=one.records,
                home4=one.home4,
                checked=checked(one.fetched),
            )
            for one, reader in zip(manifest.sources, readers, strict=True)
        )
        self.networks = SourceInfo(
            source=KNOWN,
            family=KNOWN,
            meaning="anycast",
            version=manifest.known_date or manifest.date,
            date=manifest.known_date or manifest.date,
            licence=manifest.known_licence,
            attribution=manifest.known_attribution,
            records=len(manifest.known),
        )

    @classmethod
    def open(cls, directory: Path | None, name: str = MANIFEST) -> Snapshot:
        """Open the snapshot in ``directory``, or the embedded one; ``name`` is its manifest's.

        Raises :class:`GeodataError`, which names the file and the field, for anything missing or corrupt.
        """
        directory = EMBEDDED if directory is None else directory
        manifest = read_manifest(directory / name)
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
        payloads: tuple[Entry, ...] | None = None
        for number, (source, reader) in enumerate(zip(self.manifest.sources, self._readers, strict=True)):
            found = reader.look_up(decoded)
            if source.format == "vrps":
                payloads = () if found is None else found.entries
            elif found is not None:
                prefix = found.prefix
                for claim in self._said(number, found.entries):
                    if claim.source == source.source:  # and what follows it is of the same prefix
                        # What is announced is what its length says, not the widest block of that origin.
                        prefix = found.prefix if claim.length is None else _prefix(decoded, claim.length)
                    claims.append(msgspec.structs.replace(claim, prefix=prefix))
        return tuple(claims) if payloads is None else tuple(_validated(claims, payloads))

    def columns(self, addresses: Sequence[str]) -> dict[str, Column]:
        """What each source says of very many addresses; raises :class:`GeodataError` for what is none."""
        from geodata.bulk import Addresses  # noqa: PLC0415  numpy is slow to import, and one address needs none

        keys = Addresses.of(addresses)
        return {
            source.source: reader.column(keys)
            for source, reader in zip(self.manifest.sources, self._readers, strict=True)
            if source.format != "vrps"
        }

    def _said(self, number: int, entries: tuple[Entry, ...]) -> tuple[Claim, ...]:
        """The claims that a source's entries are, but for their prefix; those of the same entries kept."""
        known = self._claims[number].get(id(entries))
        if known is None or known[0] is not entries:
            if len(self._claims[number]) >= _MAX_KNOWN:
                self._claims[number].clear()
            known = (
                entries,
                tuple(self._claims_of(self.manifest.sources[number], self.sources[number], entries)),
            )
            self._claims[number][id(entries)] = known
        return known[1]

    def _claims_of(self, source: Source, info: SourceInfo, entries: Sequence[Entry]) -> Iterator[Claim]:
        for entry in entries:
            meaning = entry.meaning or source.meaning
            origin = entry.asn if meaning == "origin" else None
            yield Claim(
                source=source.source,
                family=source.family,
                prefix="",
                meaning=meaning,
                length=entry.length,
                country=entry.country,
                city=entry.city,
                region=entry.region,
                latitude=entry.latitude,
                longitude=entry.longitude,
                radius_km=entry.radius_km,
                asn=entry.asn,
                network=entry.network,
                asserted_by=source.asserted_by,
                version=info.version,
                date=info.date,
                licence=info.licence,
            )
            if origin is not None and (known := self._known.get(origin)):
                yield Claim(
                    source=KNOWN,
                    family=KNOWN,
                    prefix="",
                    meaning="edge_pop" if known.kind == "cdn" else "anycast",
                    asn=known.asn,
                    network=known.name,
                    version=self.networks.version,
                    date=self.networks.date,
                    licence=self.networks.licence,
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


def _validated(claims: Iterable[Claim], payloads: Sequence[Entry]) -> Iterator[Claim]:
    """The claims, each origin with its validity by the payloads that cover the address."""
    for one in claims:
        if one.meaning != "origin" or one.asn is None:
            yield one
        else:
            yield msgspec.structs.replace(one, rpki=validity(one.asn, one.length, payloads))


def _prefix(address: Address, length: int) -> str:
    free = address.max_prefixlen - length
    return f"{type(address)(int(address) >> free << free)}/{length}"


def _open(directory: Path, source: Source) -> Reader:
    if source.format == "iptocc":
        return Registry()
    assert source.file is not None  # checked with the manifest
    path = directory / source.file
    octets = read_file(path, MAX_FILE_OCTETS)
    if source.sha256 is not None and (digest := hashlib.sha256(octets).hexdigest()) != source.sha256:
        raise GeodataError(
            f"{path}: is damaged: its SHA-256 is {digest}, not the manifest's; sarhad geodata update gets it "
            "anew, and rollback goes back",
            "corrupt",
        )
    if source.format in TABLES:
        return Table(path, octets)
    from geodata.sources.mmdb import Mmdb  # noqa: PLC0415  geoip2 is slow to import, and often there is no need

    return Mmdb(path)


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; raises :class:`GeodataError`, which names the field."""
    return parse_manifest(str(path), read_file(path, MAX_MANIFEST_OCTETS))


def parse_manifest(path: str, octets: bytes) -> Manifest:
    """The manifest in octets that were read from ``path``."""
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise GeodataError(f"{path}: {error}", "corrupt") from error
    _check_day(f"{path}: date", manifest.date)
    _check_day(f"{path}: known_date", manifest.known_date)
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
