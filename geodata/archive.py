"""A snapshot as one file, for an office that no network reaches: signed where made, checked where read.

A tar archive of ``manifest.json``, which has the SHA-256 digest of every other file, those files, and
``manifest.sig``: an Ed25519 signature (RFC 8032) of the manifest's octets.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from geodata.checks import Size, check, check_order, size_of
from geodata.errors import GeodataError
from geodata.file import read_file
from geodata.snapshot import (
    EMBEDDED,
    MANIFEST,
    MAX_FILE_OCTETS,
    TABLES,
    Manifest,
    parse_manifest,
    read_manifest,
)
from geodata.sources.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geodata.catalog import Catalog

SIGNATURE: Final = "manifest.sig"
MAX_FILES: Final = 200
MAX_ARCHIVE_OCTETS: Final = 1 << 30
_MAX_KEY: Final = 1 << 14


def export(directory: Path | None, target: Path, key: Path | None) -> Manifest:
    """Write the snapshot in ``directory`` (or the embedded one) to ``target``, signed with a PEM key."""
    directory = EMBEDDED if directory is None else directory
    signer = None if key is None else _private(key)
    files: dict[str, bytes] = {}
    sources = []
    manifest = read_manifest(directory / MANIFEST)
    for one in manifest.sources:
        if one.file is None:
            sources.append(one)
            continue
        files[one.file] = octets = read_file(directory / one.file, MAX_FILE_OCTETS)
        digest = hashlib.sha256(octets).hexdigest()
        if one.sha256 not in {None, digest}:
            raise GeodataError(f"{directory / one.file}: is not what the manifest says it is", "corrupt")
        sources.append(msgspec.structs.replace(one, sha256=digest))
    manifest = msgspec.structs.replace(manifest, sources=tuple(sources))
    octets = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    members = {MANIFEST: octets}
    if signer is not None:
        members[SIGNATURE] = signer.sign(octets)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
                for name, content in (members | files).items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise GeodataError(f"{target}: cannot be written: {error.strerror}", "disk") from error
    return manifest


def import_(catalog: Catalog, path: Path, trusted: Path | None, *, force: bool = False) -> Manifest:
    """Make the snapshot in an archive the current generation of a catalog.

    ``trusted`` is the PEM public key that must have signed it; None takes an archive from whoever made it.
    Raises :class:`GeodataError` (``signature``, ``corrupt``, ``canary``…) and changes nothing then.
    """
    members = _members(path)
    octets = members.pop(MANIFEST, None)
    if octets is None:
        raise GeodataError(f"{path}: has no {MANIFEST}", "corrupt")
    signature = members.pop(SIGNATURE, None)
    if trusted is not None:
        _verify(path, octets, signature, trusted)
    manifest = parse_manifest(f"{path}: {MANIFEST}", octets)
    _verify_files(path, manifest, members)
    with catalog.writing():
        current = catalog.current()
        check_order(str(path), manifest.date, None if current is None else current.date, force=force)
        before = {one.source: one for one in current.sources} if current is not None else {}
        sources = []
        for one in manifest.sources:
            if one.file is not None:
                name = catalog.add(one.source, members[one.file], one.format)
                one = msgspec.structs.replace(one, file=name)  # noqa: PLW2901
                if one.format in TABLES:
                    table, old = Table.read(catalog.home / name), before.get(one.source)
                    sizes = (
                        None
                        if old is None or old.addresses4 is None
                        else Size(old.addresses4, old.home4 or 0, old.records or 0)
                    )
                    size = size_of(table)
                    check(one.source, table, size, sizes, world=one.world, force=force)
            sources.append(one)
        return catalog.install(msgspec.structs.replace(manifest, sources=tuple(sources)))


def _members(path: Path) -> dict[str, bytes]:
    """The files of an archive, none of which goes anywhere by its name."""
    found: dict[str, bytes] = {}
    total = 0
    try:
        with tarfile.open(path, mode="r:") as archive:
            for member in archive:
                total += member.size
                if len(found) >= MAX_FILES or total > MAX_ARCHIVE_OCTETS:
                    raise GeodataError(f"{path}: holds too much", "corrupt")
                if not member.isreg() or member.size > MAX_FILE_OCTETS or member.name in found:
                    raise GeodataError(f"{path}: {member.name!r} has no business there", "corrupt")
                stream = archive.extractfile(member)
                assert stream is not None  # it is a regular file
                found[member.name] = stream.read()
                if len(found[member.name]) != member.size:
                    raise GeodataError(f"{path}: is cut short", "corrupt")
    except OSError as error:
        raise GeodataError(f"{path}: cannot be read: {error.strerror or error}", "missing") from error
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise GeodataError(f"{path}: is no archive of ours: {error}", "corrupt") from error
    return found


def _verify_files(path: Path, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    named = {one.file: one for one in manifest.sources if one.file is not None}
    for name in members:
        if name not in named:
            raise GeodataError(f"{path}: {name!r} is not in its manifest", "corrupt")
    for name, one in named.items():
        if name not in members:
            raise GeodataError(f"{path}: {name} is missing", "corrupt")
        if hashlib.sha256(members[name]).hexdigest() != one.sha256:
            raise GeodataError(f"{path}: {name} is not what the manifest says it is", "corrupt")


def _verify(path: Path, octets: bytes, signature: bytes | None, trusted: Path) -> None:
    if signature is None:
        raise GeodataError(f"{path}: is not signed, and must be by the key in {trusted}", "signature")
    try:
        key = load_pem_public_key(read_file(trusted, _MAX_KEY))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise GeodataError(f"{trusted}: is no public key in PEM: {error}", "key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise GeodataError(f"{trusted}: is no Ed25519 key", "key")
    try:
        key.verify(signature, octets)
    except InvalidSignature as error:
        raise GeodataError(f"{path}: was not signed with the key in {trusted}", "signature") from error


def _private(path: Path) -> Ed25519PrivateKey:
    with contextlib.suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = load_pem_private_key(read_file(path, _MAX_KEY), password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    raise GeodataError(
        f"{path}: is no Ed25519 private key in PEM without a password (openssl genpkey -algorithm ed25519)",
        "key",
    )
