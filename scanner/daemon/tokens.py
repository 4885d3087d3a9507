"""Bearer tokens (RFC 6750), of which the configuration holds hashes only.

A token is 256 random bits. Its hash is scrypt's (RFC 7914) with a salt of its own, so that a token that
somebody made up by hand is not guessed quickly from a stolen file either.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.daemon.config import Token

HASHED: Final = r"^scrypt:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}$"
# 16 MiB and some 50 ms: what RFC 7914 gives for interactive use.
_COST: Final = {"n": 2**14, "r": 8, "p": 1}
_BEARER: Final = re.compile(r"Bearer +([A-Za-z0-9._~+/-]{16,256}=*) *", re.IGNORECASE)


def new_token() -> str:
    """A token that nobody can guess."""
    return f"sarhad_{secrets.token_urlsafe(32)}"


def hash_token(token: str, salt: bytes | None = None) -> str:
    """The hash of a token, as the configuration has it."""
    salt = secrets.token_bytes(16) if salt is None else salt
    return f"scrypt:{_text(salt)}:{_text(hashlib.scrypt(token.encode(), salt=salt, dklen=32, **_COST))}"


def bearer(header: str | None) -> str | None:
    """The token in an Authorization header; None where there is none that could be one."""
    found = _BEARER.fullmatch(header or "")
    return None if found is None else found[1]


def owner(token: str, known: Iterable[Token]) -> str | None:
    """Whose token it is, or None. Takes about 50 ms for each that is known, found or not."""
    found = None
    for one in known:
        salt = base64.urlsafe_b64decode(f"{one.hash.split(':')[1]}==")
        if hmac.compare_digest(hash_token(token, salt), one.hash):
            found = one.name
    return found


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
