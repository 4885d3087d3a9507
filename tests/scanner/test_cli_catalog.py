"""``sarhad geodata`` as its users type it, against a publisher on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.geodata.test_openpgp import GNUPG, Registry, registry
from tests.scanner.test_cli import call, sarhad

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["registry"]  # a fixture

HEADER = "2|{0}|20261120|3|19830613|20261119|+0000\n"
# By host and registry: the path at RIPE NCC's is that of the others, and APNIC's is not.
STATISTICS = {
    "afrinic.net/pub/stats/afrinic": "afrinic|ZA|ipv4|196.0.0.0|256|1|allocated\n",
    "apnic.net/stats/apnic": (
        "apnic|PK|ipv4|39.32.0.0|2097152|1|allocated\napnic|PK|ipv4|203.112.0.0|3145728|1|assigned\n"
    ),
    "arin.net/pub/stats/arin": "arin|US|ipv4|8.8.8.0|256|1|assigned\n",
    "lacnic.net/pub/stats/lacnic": "lacnic|BR|ipv4|200.0.0.0|256|1|assigned\n",
    "ripe.net/pub/stats/ripencc": "ripencc|DE|ipv4|193.0.0.0|256|1|assigned\nripencc|XX\n",
}


class _Handler(http.server.BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        body = self.files.get(self.path.lstrip("/"))
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror() -> Iterator[str]:
    """What ``--mirror`` is given: a server on loopback has everything that is published under https."""
    registries: dict[str, bytes] = {}
    for place, text in STATISTICS.items():
        name = place.rpartition("/")[2]
        path = f"ftp.{place}/delegated-{name}-extended-latest"
        registries[path] = (HEADER.format(name) + text).encode()
    digests = {f"{name}.md5": hashlib.md5(body).hexdigest().encode() for name, body in registries.items()}  # noqa: S324  theirs
    _Handler.files = registries | digests
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://=http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class TestUpdate:
    """What is published becomes the snapshot's, and what is wrong with it is said."""

    def test_from_update_to_rollback(self, mirror: str, tmp_path: Path) -> None:
        """What one process has fetched another has."""
        home = {"SARHAD_GEODATA": str(tmp_path / "geodata"), "SARHAD_GEODATA_MIRROR": mirror}
        first = sarhad("geodata", "update", "delegated", **home)
        assert first.returncode == 0, first.stderr
        assert first.stdout == "delegated: updated, 6 records, digest checked, signature not\n"
        assert "delegated: skipped line 3: has too few fields" in first.stderr
        assert "generation 2 is current" in first.stderr
        again = call("geodata", "update", "delegated", **home)
        assert again.stdout == "delegated: unchanged, 6 records, digest checked, signature not\n"
        table = tmp_path / "table"
        table.write_text("39.32.0.0/11 64500\n")
        assert call("geodata", "add", "bgp", table, **home).stdout == "bgp: updated, 1 records\n"
        rows = json.loads(call("geodata", "status", "--format=json", **home).stdout)
        counts = {row["source"]: row["records"] for row in rows}
        checked = {row["source"]: row["checked"] for row in rows}
        assert (checked["delegated"], checked["bgp"]) == ("digest checked, signature not", None)
        told = " ".join(call("geodata", "status", **home).stdout.split())
        assert "LACNIC and RIPE NCC; digest checked, signature not - bgp: " in told
        assert (counts["delegated"], counts["bgp"]) == (6, 1)
        (answer,) = json.loads(call("geodata", "lookup", "39.32.0.1", "--format=json", **home).stdout)
        said = {claim["source"]: claim for claim in answer["claims"]}
        assert said["delegated"]["country"] == "PK"
        assert said["bgp"]["prefix"] == "39.32.0.0/11"
        back = call("geodata", "rollback", **home)
        assert (back.returncode, back.stdout) == (0, "")
        assert "generation 2 of" in back.stderr
        assert call("geodata", "rollback", **home).returncode == 0  # to what is embedded
        last = call("geodata", "rollback", **home)
        assert last.returncode == 2
        assert "no generation before" in last.stderr

    @GNUPG
    def test_signatures_are_verified_by_the_keys_of_the_office(
        self, mirror: str, tmp_path: Path, registry: Registry
    ) -> None:
        signed = [
            name
            for name in _Handler.files
            if name.endswith(("afrinic-extended-latest", "apnic-extended-latest"))
        ]
        _Handler.files |= {f"{name}.asc": registry.sign(_Handler.files[name]) for name in signed}
        home = {"SARHAD_GEODATA": str(tmp_path / "geodata"), "SARHAD_GEODATA_MIRROR": mirror}
        keys = registry.keyring(tmp_path / "keys", "registry", armour=True)
        found = call("geodata", "update", "delegated", "--keyring", keys, **home)
        words = "digest checked, signature of 2 of 2 files verified, 3 without one"
        assert found.stdout == f"delegated: updated, 6 records, {words}\n"
        assert "signature of 2 of" in call("geodata", "status", "--format=json", **home).stdout
        wrong = registry.keyring(tmp_path / "others", "stranger")
        (tmp_path / "second").mkdir()
        again = home | {"SARHAD_GEODATA": str(tmp_path / "second"), "SARHAD_KEYRING": str(wrong)}
        refused = call("geodata", "update", "delegated", **again)
        assert refused.returncode == 3
        assert f"does not verify by the keys in {wrong}" in refused.stdout
        nothing = call("geodata", "update", "delegated", "--keyring", tmp_path / "nowhere", **home)
        assert nothing.returncode == 2
        assert "nowhere: cannot be read" in nothing.stderr

    def test_what_cannot_be_had_is_an_incomplete_update(self, mirror: str, tmp_path: Path) -> None:
        home = tmp_path / "geodata"
        found = call("geodata", "update", "delegated", "rpki", "--geodata", home, "--mirror", mirror)
        assert found.returncode == 3
        assert "delegated: updated" in found.stdout
        assert "rpki: failed: http://127.0.0.1" in found.stdout
        assert "answered 404" in found.stdout

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["update", "delegatd"], "delegatd: no such source; there are"),
            (["update", "--mirror", "x"], "'x' is not URL=URL"),
            (["add", "bgp", "nowhere"], "nowhere: cannot be read"),
            (["import", "nowhere"], "say who must have signed it"),
        ],
    )
    def test_wrong_usage(self, arguments: list[str], words: str, tmp_path: Path) -> None:
        found = call("geodata", *arguments, "--geodata", tmp_path / "geodata")
        assert found.returncode == 2
        assert words in found.stderr


class TestArchive:
    """An office without a network gets its data as one signed file."""

    def test_export_and_import(self, tmp_path: Path) -> None:
        private = Ed25519PrivateKey.generate()
        key, trusted, archive = tmp_path / "key", tmp_path / "trusted", tmp_path / "archive"
        key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        trusted.write_bytes(
            private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        made = call("geodata", "export", archive, "--key", key)
        assert (made.returncode, made.stdout) == (0, "")
        home = tmp_path / "geodata"
        taken = call("geodata", "import", archive, "--trusted", trusted, "--geodata", home)
        assert taken.returncode == 0, taken.stderr
        assert "generation 1 of" in taken.stderr
        looked = call("geodata", "lookup", "39.32.0.1", "--geodata", home)
        assert "families of sources say PK" in looked.stdout


class TestLookup:
    """Every claim is shown, and what they come to is said."""

    def test_the_usual_suspects(self) -> None:
        found = call("geodata", "lookup", "1.1.1.1", "39.32.0.1", "154.192.0.1", "52.95.0.1")
        said = " ".join(found.stdout.split())
        assert "answer from many places under one address" in said
        assert "say PK" in said
        assert "Sources disagree on the country (PK: dbip; SC: registry)" in said
        assert "Amazon" in said
