from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geodata import openpgp
from geodata.errors import GeodataError
from geodata.openpgp import Keyring
from geodata.snapshot import Snapshot
from tests.geodata.test_update import Publisher, lines, publisher, quick, run, says, source

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["publisher", "quick"]  # fixtures

GNUPG = pytest.mark.skipif(
    shutil.which("gpg") is None or shutil.which("gpgv") is None, reason="gpg makes the keys, gpgv verifies"
)
pytestmark = GNUPG
BODY = lines()
NAMES = ("registry", "stranger", "expired", "revoked", "short")


class Registry:
    """Keys of registries and of strangers in a home of their own, whose path is short: a socket is in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for name in NAMES:
            kind = {"short": "dsa1024", "expired": "rsa2048"}.get(name, "ed25519")
            self.gpg(name, "--quick-gen-key", f"{name}@example.org", kind, "sign", self._expires(name))
        self.before = self.gpg("", "--armor", "-u", "revoked@example.org", "--detach-sign", given=BODY)
        (certificate,) = (home / "openpgp-revocs.d").glob(f"{self.fingerprint('revoked')}.rev")
        # What gpg wrote has a colon before it, so that nobody uses it by mistake.
        self.gpg("", "--import", given=certificate.read_bytes().replace(b":-----BEGIN", b"-----BEGIN"))

    @staticmethod
    def _expires(name: str) -> str:
        return "2020-12-31" if name == "expired" else "never"

    def gpg(self, who: str, *arguments: str, given: bytes = b"") -> bytes:
        time = ("--faked-system-time", "20200601T000000!") if who == "expired" else ()
        options = ("--homedir", str(self.home), "--batch", "--quiet", "--yes", "--passphrase", "", *time)
        command = ("gpg", *options, "--pinentry-mode", "loopback", *arguments)
        return subprocess.run(command, input=given, capture_output=True, check=True, timeout=60).stdout

    def fingerprint(self, name: str) -> str:
        rows = self.gpg("", "--with-colons", "--list-keys", f"{name}@example.org").decode().splitlines()
        return next(row.split(":")[9] for row in rows if row.startswith("fpr:"))

    def sign(self, octets: bytes, name: str = "registry", *options: str, how: str = "--detach-sign") -> bytes:
        if name == "revoked":
            return self.before  # of BODY, as gpg signs nothing with such a key
        return self.gpg(name, "--armor", "-u", f"{name}@example.org", *options, how, given=octets)

    def keyring(self, path: Path, *names: str, armour: bool = False) -> Path:
        which = [f"{name}@example.org" for name in names]
        path.write_bytes(self.gpg("", *(("--armor",) if armour else ()), "--export", *which))
        return path


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with tempfile.TemporaryDirectory(prefix="gpg-", ignore_cleanup_errors=True) as name:
        try:
            yield Registry(Path(name))
        finally:
            subprocess.run(("gpgconf", "--homedir", name, "--kill", "all"), check=False, timeout=60)


@pytest.fixture
def keys(registry: Registry, tmp_path: Path) -> Path:
    """What an office trusts: all but the stranger's."""
    return registry.keyring(tmp_path / "keys", *(name for name in NAMES if name != "stranger"))


class TestKeyring:
    """A signature counts if one of the office's keys made it, of this file, and is still good."""

    @pytest.mark.parametrize("armour", [False, True])
    def test_who_signed(self, registry: Registry, tmp_path: Path, *, armour: bool) -> None:
        keyring = Keyring.read(registry.keyring(tmp_path / "keys", "registry", "revoked", armour=armour))
        assert keyring.verify("x.asc", BODY, registry.sign(BODY)) == registry.fingerprint("registry")

    def test_several_armoured_keys_in_one_file(self, registry: Registry, tmp_path: Path) -> None:
        both = [registry.keyring(tmp_path / name, name, armour=True) for name in ("stranger", "registry")]
        (tmp_path / "keys").write_bytes(b"# Ours\n\n" + b"\n".join(each.read_bytes() for each in both))
        keyring = Keyring.read(tmp_path / "keys")
        for name in ("stranger", "registry"):
            assert keyring.verify("x", BODY, registry.sign(BODY, name)) == registry.fingerprint(name)

    def test_a_short_key_as_registries_have_them(self, registry: Registry, keys: Path) -> None:
        signature = registry.sign(BODY, "short", "--digest-algo", "SHA1")
        assert Keyring.read(keys).verify("x.asc", BODY, signature) == registry.fingerprint("short")

    @pytest.mark.parametrize(
        ("name", "options", "words"),
        [
            ("stranger", (), "not in the keyring"),
            ("expired", (), "the key that made it has expired"),
            ("revoked", (), "the key that made it was revoked"),
            ("registry", ("--digest-algo", "MD5"), "of a kind that is not trusted"),
        ],
    )
    def test_whose_does_not_count(
        self, registry: Registry, keys: Path, name: str, options: tuple[str, ...], words: str
    ) -> None:
        signature = registry.sign(BODY, name, *options)
        with pytest.raises(GeodataError, match=words) as caught:
            Keyring.read(keys).verify("http://x/y.asc", BODY, signature)
        assert caught.value.code == "signature"
        assert "http://x/y.asc" in str(caught.value)

    def test_of_other_octets(self, registry: Registry, keys: Path) -> None:
        with pytest.raises(GeodataError, match="of other octets"):
            Keyring.read(keys).verify("x.asc", BODY + b"\n", registry.sign(BODY))

    @pytest.mark.parametrize("how", ["--sign", "--clearsign"])
    @pytest.mark.parametrize("beside", [False, True])
    def test_what_brings_its_own_octets_is_none(
        self, registry: Registry, keys: Path, how: str, *, beside: bool
    ) -> None:
        """Whatever else a registry has signed says nothing of this file."""
        signature = registry.sign(b"something else", how=how)
        with pytest.raises(GeodataError, match="does not verify"):
            Keyring.read(keys).verify("x", BODY, signature + (registry.sign(b"other") if beside else b""))

    def test_a_second_signature_that_does_not_count(self, registry: Registry, keys: Path) -> None:
        signature = registry.sign(BODY) + registry.sign(BODY, "revoked")
        with pytest.raises(GeodataError, match="was revoked"):
            Keyring.read(keys).verify("x", BODY, signature)

    @pytest.mark.parametrize(
        "octets", [b"", b"x", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAA\n-----END", bytes(100)]
    )
    def test_a_file_without_keys(self, tmp_path: Path, octets: bytes) -> None:
        (tmp_path / "keys").write_bytes(octets)
        with pytest.raises(GeodataError, match="has no OpenPGP public keys") as caught:
            Keyring.read(tmp_path / "keys")
        assert caught.value.code == "key"

    def test_where_there_is_no_gpgv(self, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(GeodataError, match="apt install gpgv"):
            Keyring.read(keys)

    def test_one_that_does_not_end(
        self, registry: Registry, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "gpgv").write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / "gpgv").chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        monkeypatch.setattr(openpgp, "DEADLINE_S", 0.2)
        with pytest.raises(GeodataError, match=r"not verified within 0\.2 s"):
            Keyring.read(keys).verify("x", BODY, registry.sign(BODY))

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_no_other_octets_verify(self, registry: Registry, keys: Path, data: st.DataObject) -> None:
        good = registry.sign(BODY)
        at = data.draw(st.integers(0, len(good) - 1))
        changed = good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 9)) :]
        either = data.draw(st.sampled_from([changed, b"", good[:at]]) | st.binary(max_size=400))
        other = BODY + b"\n"
        with pytest.raises(GeodataError) as caught:
            Keyring.read(keys).verify("x", other, either)
        assert caught.value.code == "signature"


class TestUpdate:
    """Where the office has keys, what is published with a signature is used only if that verifies."""

    def signed(self, publisher: Publisher) -> Any:
        return source(publisher.url, digest=".md5", signed=(publisher.url,))

    async def checked(self, home: Path) -> tuple[str | None, str | None]:
        """What status says of the test's source, and who signed it."""
        with Snapshot.open(home) as snapshot:
            (info,) = [each for each in snapshot.sources if each.source == "world"]
            (one,) = [each for each in snapshot.manifest.sources if each.source == "world"]
            return info.checked, one.fetched[0].signer

    async def test_a_signature_that_verifies(
        self, tmp_path: Path, publisher: Publisher, registry: Registry, keys: Path
    ) -> None:
        publisher.signature = registry.sign(publisher.body)
        assert await run(tmp_path, self.signed(publisher), keyring=keys) == [("updated", None)]
        assert publisher.seen[-1]["path"] == "/data.asc"
        said = ("digest checked, signature of 1 of 1 files verified", registry.fingerprint("registry"))
        assert await self.checked(tmp_path) == said
        assert await run(tmp_path, self.signed(publisher), keyring=keys) == [("unchanged", None)]
        assert publisher.seen[-1]["If-None-Match"] == '"one"'
        assert await self.checked(tmp_path) == said

    async def test_without_keys_it_is_said(
        self, tmp_path: Path, publisher: Publisher, registry: Registry, keys: Path
    ) -> None:
        publisher.signature = registry.sign(publisher.body)
        assert await run(tmp_path, self.signed(publisher)) == [("updated", None)]
        assert await self.checked(tmp_path) == ("digest checked, signature not", None)
        assert not [each for each in publisher.seen if each["path"].endswith(".asc")]
        # Keys that come later verify what is there already.
        assert await run(tmp_path, self.signed(publisher), keyring=keys) == [("updated", None)]
        assert await self.checked(tmp_path) == (
            "digest checked, signature of 1 of 1 files verified",
            registry.fingerprint("registry"),
        )

    @pytest.mark.parametrize(
        ("signer", "words"),
        [
            (None, "the signature cannot be had"),
            ("stranger", "not in the keyring"),
            ("other octets", "of other octets"),
            ("too much", "the signature cannot be had"),
        ],
    )
    async def test_what_does_not_verify_is_refused(
        self, tmp_path: Path, publisher: Publisher, registry: Registry, keys: Path, signer: str, words: str
    ) -> None:
        """Its digest is right, as whoever can change a file on a server can change that too."""
        publisher.signature = registry.sign(publisher.body)
        await run(tmp_path, self.signed(publisher), keyring=keys)
        publisher.body, publisher.etag = lines("198.51.100.0/24,PK"), '"two"'
        match signer:
            case None:
                publisher.signature = None
            case "stranger":
                publisher.signature = registry.sign(publisher.body, "stranger")
            case "too much":
                publisher.signature = b"x" * 20_000
        ((outcome, reason),) = await run(tmp_path, self.signed(publisher), keyring=keys)
        assert outcome == "failed"
        assert words in str(reason)
        assert (says(tmp_path), says(tmp_path, "198.51.100.1")) == ({"PK"}, set())

    async def test_what_is_not_signed_needs_no_signature(
        self, tmp_path: Path, publisher: Publisher, keys: Path
    ) -> None:
        assert await run(tmp_path, source(publisher.url), keyring=keys) == [("updated", None)]
        assert await self.checked(tmp_path) == (None, None)

    async def test_a_keyring_that_is_none_stops_all(self, tmp_path: Path, publisher: Publisher) -> None:
        with pytest.raises(GeodataError, match="cannot be read"):
            await run(tmp_path, self.signed(publisher), keyring=tmp_path / "nowhere")
        assert publisher.seen == []
