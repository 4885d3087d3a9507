"""Generations and archives: what is current changes in one step, and only to what was checked."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.archive import export, import_
from geodata.catalog import KEPT, PACKAGED, Catalog
from geodata.errors import GeodataError
from geodata.snapshot import Snapshot
from geodata.sources.published import PUBLISHED
from geodata.sources.table_writer import table_octets
from geodata.update import Options, add
from tests.geodata.test_update import HOME, lines, source

if TYPE_CHECKING:
    from pathlib import Path


def generation(home: Path, number: int) -> None:
    """Make one in which the test's source says something of 198.51.100.0/24 that is its own."""
    file = home.parent / f"{home.name}-{number}"
    file.write_bytes(lines(f"198.51.100.0/24,{'ABCDEFGH'[number]}A"))
    (outcome,) = add(Catalog(home), source(""), [file], Options()).outcomes
    assert outcome.outcome == "updated", outcome


def says(home: Path) -> str | None:
    with Snapshot.open(home) as snapshot:
        (claim,) = [each for each in snapshot.claims("198.51.100.1") if each.source == "world"]
        return claim.country


class TestGenerations:
    """Three are kept, the current one among them; one can go back, and forth by a new one."""

    def test_back_and_forth(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        for number in range(4):
            generation(home, number)
        catalog = Catalog(home)
        assert catalog.generations() == [3, 4, 5]
        assert (says(home), catalog.roll_back().generation, says(home)) == ("DA", 4, "CA")
        assert (catalog.roll_back().generation, says(home)) == (3, "BA")
        with pytest.raises(GeodataError, match="no generation before"):
            catalog.roll_back()
        generation(home, 5)
        assert (catalog.generations(), says(home)) == ([4, 5, 6], "FA")

    def test_the_first_is_the_embedded_one(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        generation(home, 0)
        assert Catalog(home).roll_back().generation == 1
        with Snapshot.open(home) as snapshot, Snapshot.open(None) as embedded:
            assert snapshot.sources == embedded.sources
            assert snapshot.claims("1.1.1.1") == embedded.claims("1.1.1.1")

    def test_the_list_of_networks_stays_as_old_as_it_is(self, tmp_path: Path) -> None:
        catalog = Catalog(tmp_path / "home")
        with catalog.writing():
            catalog.install(msgspec.structs.replace(catalog.base(), known_date="2026-01-02"))
        with Snapshot.open(catalog.home) as snapshot:
            known = [each for each in snapshot.claims("1.1.1.1") if each.source == "known-networks"]
            assert {(each.version, each.date) for each in known} == {("2026-01-02", "2026-01-02")}
            assert snapshot.networks.date == "2026-01-02"

    def test_what_comes_with_sarhad_is_that_of_this_release(self, tmp_path: Path) -> None:
        """Else a directory would keep for ever what was there when it was made."""
        catalog = Catalog(tmp_path / "home")
        with Snapshot.open(None) as embedded, catalog.writing():
            base = catalog.base()
            other = catalog.add("known-prefixes", table_octets([], None, None), "table")
            digest = hashlib.sha256((catalog.home / other).read_bytes()).hexdigest()
            sources = [
                msgspec.structs.replace(one, file=other, sha256=digest) if one.source in PACKAGED else one
                for one in base.sources
            ]
            before = msgspec.structs.replace(base, sources=tuple(sources), known=(), known_date="2026-01-02")
            catalog.install(before)
            assert "anycast" not in {each.meaning for each in Snapshot.open(catalog.home).claims("8.8.8.8")}
            assert catalog.base().sources == base.sources
        generation(catalog.home, 0)
        with Snapshot.open(catalog.home) as snapshot:
            assert snapshot.networks == embedded.networks
            assert snapshot.claims("1.1.1.1") == embedded.claims("1.1.1.1")

    def test_nothing_older_takes_the_place_of_what_came_with_a_newer_one(self, tmp_path: Path) -> None:
        catalog = Catalog(tmp_path / "home")
        with catalog.writing():
            newer = catalog.install(
                msgspec.structs.replace(catalog.base(), known=(), known_date="2999-01-01")
            )
            assert catalog.base() == newer

    def test_what_comes_with_sarhad_is_what_nobody_publishes(self) -> None:
        published = {each.source for each in PUBLISHED}
        with Snapshot.open(None) as snapshot:
            files = {one.source for one in snapshot.manifest.sources if one.file is not None}
        assert files - published == PACKAGED

    def test_what_no_generation_names_is_removed(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        for number in range(KEPT + 2):
            generation(home, number)
        assert len(list(home.glob("world-*.table"))) == KEPT
        assert len(list(home.glob("dbip-country-*.table"))) == 1

    def test_an_old_manifest_that_is_damaged_stands_in_nobodys_way(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        for number in range(2):
            generation(home, number)
        (home / "manifest.2.json").write_text("{")
        generation(home, 2)
        assert (Catalog(home).generations(), says(home)) == ([3, 4], "CA")

    @pytest.mark.parametrize("damage", ["manifest", "data"])
    def test_back_from_damage(self, tmp_path: Path, damage: str) -> None:
        home = tmp_path / "home"
        for number in range(2):
            generation(home, number)
        current = Catalog(home).current()
        assert current is not None
        (name,) = [one.file for one in current.sources if one.source == "world"]
        path = home / ("manifest.json" if damage == "manifest" else str(name))
        octets = bytearray(path.read_bytes())
        octets[len(octets) // 2] ^= 255
        path.write_bytes(octets)
        with pytest.raises(GeodataError, match=path.name):
            Snapshot.open(home)
        Catalog(home).roll_back()
        # Of a manifest there is a copy; of data there is what was before.
        assert says(home) == ("BA" if damage == "manifest" else "AA")

    def test_what_cannot_be_opened_is_not_installed(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        generation(home, 0)
        catalog = Catalog(home)
        current = catalog.current()
        assert current is not None
        broken = [
            msgspec.structs.replace(one, sha256="0" * 64) if one.source == "world" else one
            for one in current.sources
        ]
        with catalog.writing(), pytest.raises(GeodataError, match="is damaged"):
            catalog.install(msgspec.structs.replace(current, sources=tuple(broken)))
        assert (catalog.generations(), says(home)) == ([1, 2], "AA")

    def test_a_directory_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(GeodataError, match="cannot be written"), Catalog(tmp_path / "file").writing():
            pass


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """A private and its public key."""
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def repacked(path: Path, change: dict[str, bytes | None]) -> None:
    """The archive with some of its members replaced, added or left out."""
    with tarfile.open(path) as archive:
        members = {
            each.name: stream.read() for each in archive if (stream := archive.extractfile(each)) is not None
        }
    members |= {name: content for name, content in change.items() if content is not None}
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            if name in change and change[name] is None:
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


class TestArchive:
    """What one office exports another can import, if it is whole, signed by whom it trusts, and passes."""

    def test_there_and_in(self, tmp_path: Path, keys: tuple[Path, Path]) -> None:
        home, there = tmp_path / "home", tmp_path / "there"
        generation(home, 2)
        export(home, tmp_path / "archive", keys[0])
        manifest = import_(Catalog(there), tmp_path / "archive", keys[1])
        assert (manifest.generation, says(there)) == (1, "CA")
        with Snapshot.open(home) as one, Snapshot.open(there) as other:
            assert one.sources == other.sources
            assert one.claims("1.1.1.1") == other.claims("1.1.1.1")

    def test_the_embedded_one(self, tmp_path: Path) -> None:
        export(None, tmp_path / "archive", None)
        import_(Catalog(tmp_path / "there"), tmp_path / "archive", None)
        with Snapshot.open(tmp_path / "there") as there, Snapshot.open(None) as embedded:
            assert there.claims("39.32.0.1") == embedded.claims("39.32.0.1")

    def test_a_signature_is_asked_for(self, tmp_path: Path, keys: tuple[Path, Path]) -> None:
        home, archive = tmp_path / "home", tmp_path / "archive"
        generation(home, 0)
        export(home, archive, None)
        with pytest.raises(GeodataError, match="is not signed"):
            import_(Catalog(tmp_path / "there"), archive, keys[1])
        other = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "other.pem").write_bytes(other)
        export(home, archive, tmp_path / "other.pem")
        with pytest.raises(GeodataError, match="was not signed with the key"):
            import_(Catalog(tmp_path / "there"), archive, keys[1])
        assert Catalog(tmp_path / "there").current() is None

    def test_what_was_changed_is_refused(self, tmp_path: Path, keys: tuple[Path, Path]) -> None:
        home, archive = tmp_path / "home", tmp_path / "archive"
        generation(home, 0)
        export(home, archive, keys[0])
        good = archive.read_bytes()
        with tarfile.open(archive) as opened:
            stream = opened.extractfile("manifest.json")
            assert stream is not None
            manifest = stream.read()
            (name,) = [each.name for each in opened if each.name.startswith("world-")]
        for change, words in (
            ({"manifest.json": manifest.replace(b"CC0", b"CC1")}, "was not signed with the key"),
            ({name: b"something else"}, f"{name} is not what the manifest says"),
            ({name: None}, f"{name} is missing"),
            ({"manifest.json": None}, "has no manifest.json"),
            ({"../../etc/cron.d/x": b"x"}, "is not in its manifest"),
        ):
            archive.write_bytes(good)
            repacked(archive, change)  # type: ignore[arg-type]
            with pytest.raises(GeodataError, match=words):
                import_(Catalog(tmp_path / "there"), archive, keys[1])
        assert not (tmp_path / "there" / "manifest.json").exists()

    def test_it_is_checked_as_an_update_is(self, tmp_path: Path) -> None:
        home, archive = tmp_path / "home", tmp_path / "archive"
        generation(home, 0)
        export(home, archive, None)
        there = tmp_path / "there"
        file = tmp_path / "less"
        file.write_bytes(lines(home=(*HOME, "64.0.0.0/13")))
        add(Catalog(there), source(""), [file], Options())
        with pytest.raises(GeodataError, match="a change of more than 5%"):
            import_(Catalog(there), archive, None)
        assert import_(Catalog(there), archive, None, force=True).generation == 3

    def test_an_older_one_is_refused_unless_forced(self, tmp_path: Path, keys: tuple[Path, Path]) -> None:
        """Whoever can put a file in the way can put one there that was signed long ago."""
        home, archive = tmp_path / "home", tmp_path / "archive"
        generation(home, 0)
        catalog = Catalog(home)
        current = catalog.current()
        assert current is not None
        with catalog.writing():
            catalog.install(msgspec.structs.replace(current, date="2026-01-01"))
        export(home, archive, keys[0])
        there = Catalog(tmp_path / "there")
        generation(there.home, 1)
        with pytest.raises(GeodataError, match="is of 2026-01-01, older than what is in use"):
            import_(there, archive, keys[1])
        assert says(there.home) == "BA"
        import_(there, archive, keys[1], force=True)
        assert says(there.home) == "AA"

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
    def test_nothing_but_files(self, tmp_path: Path, kind: bytes) -> None:
        with tarfile.open(tmp_path / "archive", "w") as archive:
            member = tarfile.TarInfo("manifest.json")
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
        with pytest.raises(GeodataError, match="has no business there"):
            import_(Catalog(tmp_path / "there"), tmp_path / "archive", None)

    @given(data=st.data())
    @settings(max_examples=200, deadline=None)
    def test_any_octets(self, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
        directory = tmp_path_factory.mktemp("fuzz")
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("manifest.json"))
        octets = bytearray(content.getvalue())
        for _ in range(data.draw(st.integers(0, 4))):
            octets[data.draw(st.integers(0, 600))] = data.draw(st.integers(0, 255))
        (directory / "archive").write_bytes(octets[: data.draw(st.integers(0, len(octets)))])
        with pytest.raises(GeodataError, match="archive"):
            import_(Catalog(directory / "there"), directory / "archive", None)

    @pytest.mark.parametrize("octets", [b"", b"-----BEGIN PRIVATE KEY-----\n", b"\xff" * 99])
    def test_a_key_that_is_none(self, tmp_path: Path, octets: bytes) -> None:
        (tmp_path / "key").write_bytes(octets)
        with pytest.raises(GeodataError, match="is no Ed25519 private key"):
            export(None, tmp_path / "archive", tmp_path / "key")
        export(None, tmp_path / "archive", None)
        repacked(tmp_path / "archive", {"manifest.sig": b"x" * 64})
        with pytest.raises(GeodataError, match="is no public key"):
            import_(Catalog(tmp_path / "there"), tmp_path / "archive", tmp_path / "key")
