"""Detached OpenPGP signatures (RFC 9580), by ``gpgv``, with which Debian verifies its packages.

It does nothing but verify, and takes every key of a keyring for trusted: whose keys these are is for the
office to find out, since none comes with Sarhad. It takes the short keys and the SHA-1 that registries still
sign with, which stricter libraries refuse, and refuses MD5. It also ends well for a key that was revoked or
has expired, so that what it writes on its status lines counts, and not how it ends (doc/DETAILS of GnuPG;
seen with 2.2.40).
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Self

from geodata.errors import GeodataError
from geodata.file import read_file

MAX_KEYRING_OCTETS: Final = 4 << 20
MAX_SIGNATURE_OCTETS: Final = 1 << 14
DEADLINE_S: Final = 60.0
_PROGRAM: Final = "gpgv"
_STATUS: Final = "[GNUPG:] "
# RFC 9580, 6.2: header lines, an empty line, base64, and a checksum that may be left out.
_ARMOUR: Final = re.compile(
    rb"^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?:[A-Za-z]+: [^\n]*\n)*[ \t]*\r?\n"
    rb"([A-Za-z0-9+/=\s]+?)(?:^=[A-Za-z0-9+/]{4}\s*)?^-----END PGP PUBLIC KEY BLOCK-----",
    re.MULTILINE,
)
_PUBLIC_KEY: Final = frozenset({0x98, 0x99, 0x9A, 0xC6})  # how such a packet begins, in either form
_CLASS: Final = 8  # of a signature: its place after VALIDSIG, where the key's fingerprint is the last
_DOCUMENT: Final = frozenset({"00", "01"})  # of a file, of a text
_WHY: Final = {
    "BADSIG": "it is of other octets",
    "EXPSIG": "it has expired",
    "EXPKEYSIG": "the key that made it has expired",
    "REVKEYSIG": "the key that made it was revoked",
    "NO_PUBKEY": "the key that made it is not in the keyring",
    "ERRSIG": "it is of a kind that is not trusted, or not known",
}


class Keyring:
    """The public keys that an office trusts."""

    def __init__(self, path: Path, octets: bytes, program: str) -> None:
        self._path = path
        self._octets = octets
        self._program = program

    @classmethod
    def read(cls, path: Path) -> Self:
        """The keys in a file, armoured or not; :class:`GeodataError` (``key``) where it has none."""
        octets = read_file(path, MAX_KEYRING_OCTETS)
        try:
            keys = b"".join(map(base64.b64decode, _ARMOUR.findall(octets))) or octets
        except binascii.Error as error:
            raise GeodataError(f"{path}: is a damaged keyring: {error}", "key") from error
        if keys[:1] not in {bytes([first]) for first in _PUBLIC_KEY}:
            raise GeodataError(f"{path}: has no OpenPGP public keys (gpg --export KEY…)", "key")
        program = shutil.which(_PROGRAM)
        if program is None:
            raise GeodataError(f"{path}: {_PROGRAM} is needed to verify signatures (apt install gpgv)", "key")
        return cls(path, keys, program)

    def verify(self, url: str, octets: bytes, signature: bytes) -> str:
        """The fingerprint of the key that signed ``octets``; ``url`` is where the signature is from.

        Raises :class:`GeodataError`: ``signature``, ``disk``.
        """
        try:
            with tempfile.TemporaryDirectory(prefix="sarhad-gpgv-") as name:
                done = self._run(Path(name), octets, signature)
        except subprocess.TimeoutExpired as error:
            raise GeodataError(f"{url}: not verified within {DEADLINE_S:g} s", "signature") from error
        except OSError as error:
            raise GeodataError(f"{url}: cannot be verified: {error.strerror or error}", "disk") from error
        said = _said(done.stdout)
        words = {word for word, _ in said}
        valid = [fields for word, fields in said if word == "VALIDSIG" and len(fields) > _CLASS]
        documents = all(fields[_CLASS] in _DOCUMENT for fields in valid)
        if done.returncode == 0 and "GOODSIG" in words and not words & _WHY.keys() and valid and documents:
            return valid[0][-1]
        why = next((text for word, text in _WHY.items() if word in words), "it is no detached signature")
        raise GeodataError(f"{url}: does not verify by the keys in {self._path}: {why}", "signature")

    def _run(self, home: Path, octets: bytes, signature: bytes) -> subprocess.CompletedProcess[bytes]:
        """``gpgv`` in a directory of its own, which has nothing but the keys and the signature."""
        keys, signed = home / "keyring", home / "signature"
        keys.write_bytes(self._octets)
        signed.write_bytes(signature)
        return subprocess.run(
            (self._program, "--homedir", home, "--keyring", keys, "--status-fd", "1", signed, "-"),
            input=octets,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"HOME": str(home), "LC_ALL": "C", "PATH": os.defpath},
            timeout=DEADLINE_S,
            check=False,
        )


def _said(output: bytes) -> list[tuple[str, list[str]]]:
    """The words of the status lines, and what follows each."""
    lines = output.decode("utf-8", "replace").splitlines()
    fields = [line.removeprefix(_STATUS).split() for line in lines if line.startswith(_STATUS)]
    return [(each[0], each[1:]) for each in fields if each]
