"""What a certificate says, as far as it can be read: it was written by who we measure."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT: Final = 1024
MAX_SANS: Final = 100
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Certificate:
    """Digests, RFC 4514 names and subject alternative names (DNS names and addresses); None if unreadable."""

    sha256: str
    key_sha256: str | None = None
    subject: str | None = None
    issuer: str | None = None
    sans: tuple[str, ...] = ()


def read(der: bytes) -> Certificate:
    """A DER certificate; what of it is malformed is left out."""
    digest = hashlib.sha256(der).hexdigest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cryptography warns of oddities that are not ours to mend
        parsed = _try(lambda: x509.load_der_x509_certificate(der))
        if parsed is None:
            return Certificate(digest)
        return Certificate(
            digest,
            _try(lambda: _key(parsed)),
            _try(lambda: parsed.subject.rfc4514_string()[:MAX_TEXT]),
            _try(lambda: parsed.issuer.rfc4514_string()[:MAX_TEXT]),
            _try(lambda: _sans(parsed)) or (),
        )


def _try(part: Callable[[], _T]) -> _T | None:
    try:
        return part()
    except Exception:  # noqa: BLE001  (cryptography has no base class for what malformed octets raise)
        return None


def _key(parsed: x509.Certificate) -> str:
    octets = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()


def _sans(parsed: x509.Certificate) -> tuple[str, ...]:
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return tuple(
        str(name.value)[:MAX_TEXT] for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))
    )[:MAX_SANS]
