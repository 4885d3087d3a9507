"""What a certificate says, as far as it can be read: it was written by who we measure."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_TEXT: Final = 1024
MAX_SANS: Final = 100


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
        try:
            parsed = x509.load_der_x509_certificate(der)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return Certificate(digest)
        return Certificate(
            digest, _key(parsed), _name(parsed, "subject"), _name(parsed, "issuer"), _sans(parsed)
        )


def _key(parsed: x509.Certificate) -> str | None:
    try:
        octets = parsed.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return hashlib.sha256(octets).hexdigest()


def _name(parsed: x509.Certificate, field: str) -> str | None:
    try:
        name: x509.Name = getattr(parsed, field)
        return name.rfc4514_string()[:MAX_TEXT]
    except (ValueError, TypeError):
        return None


def _sans(parsed: x509.Certificate) -> tuple[str, ...]:
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(
            str(name.value)[:MAX_TEXT] for name in names if isinstance(name, (x509.DNSName, x509.IPAddress))
        )[:MAX_SANS]
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ()
