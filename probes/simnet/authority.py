"""A certificate authority of a world's own, made at its start and gone with it.

Keys live in memory only: nothing outside the simulated Internet should ever trust them.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from probes.simnet.world import Host, Service, World

VALIDITY = timedelta(days=30)  # a world lives for minutes; its clock is this machine's
BACKDATING = timedelta(days=1)  # so that a clock that is set back a little does not invalidate everything
MAX_COMMON_NAME = 64  # characters, RFC 5280 appendix A.1 (ub-common-name)
WITH_CERTIFICATE = frozenset({"https", "relay7"})


@dataclass(frozen=True, slots=True)
class Credentials:
    """The authority's certificate (PEM) and those of all services, by what they are for; can be pickled."""

    ca_pem: bytes
    issued: dict[tuple[str, ...], tuple[bytes, bytes]]

    def for_names(self, names: tuple[str, ...]) -> tuple[bytes, bytes]:
        """Certificate and key (PEM) for ``names`` as :func:`subject_names` gives them."""
        return self.issued[names]

    def context(self, names: tuple[str, ...], tls_max: str = "1.3") -> ssl.SSLContext:
        """A server's TLS context with the certificate for ``names``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2 if tls_max == "1.2" else ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["http/1.1"])
        # The ssl module loads keys from files only; one in memory has a path too, and leaves nothing behind.
        descriptor = os.memfd_create("certificate")
        try:
            for pem in self.for_names(names):
                os.write(descriptor, pem)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return context


def subject_names(host: Host, service: Service) -> tuple[str, ...]:
    """What a service's certificate is for: its names (the first is the subject) and the host's addresses."""
    return (*service.names, *host.addresses)


def issue(world: World) -> Credentials:
    """Make an authority, and a certificate for every service of ``world`` that ends TLS."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{world.name} simulated authority")
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    wanted = {
        subject_names(host, service)
        for farm in world.farms
        for host in farm.hosts
        for service in host.services
        if service.kind in WITH_CERTIFICATE
    }
    return Credentials(
        ca_pem=certificate.public_bytes(serialization.Encoding.PEM),
        issued={names: _issue(names, certificate, key) for names in sorted(wanted)},
    )


def _issue(
    names: tuple[str, ...], ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(names[0]), ca.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:MAX_COMMON_NAME])])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
