"""Certificates as RIPE Atlas saw them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from probes.observation import TlsObservation
from scanner.imports.source import BadRecordError
from tests.scanner.imports.results import HEAD, made, only


@pytest.fixture(scope="module")
def pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portal.indus.example")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(day)
        .not_valid_after(day.replace(year=day.year + 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("portal.indus.example")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


class TestSslcert:
    """A certificate and its times; that anybody has a certificate bounds no key."""

    def record(self, pem: str, **more: object) -> dict[str, Any]:
        return {
            **HEAD,
            "type": "sslcert",
            "dst_name": "203.0.113.7",
            "dst_addr": "203.0.113.7",
            "dst_port": "443",
            "method": "TLS",
            "ver": "1.2",
            "rt": 31.5,
            "ttc": 10.25,
            "cert": [pem],
            **more,
        }

    def test_certificate_and_times(self, pem: str) -> None:
        one = only(self.record(pem))
        assert isinstance(one, TlsObservation)
        assert one.result is not None
        assert (one.result.tcp_rtt_ms, one.result.certificate_ms, one.result.handshake_ms) == (
            10.25,
            21.25,
            None,
        )
        assert (one.result.port, one.result.version) == (443, "TLSv1.2")
        der = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256())
        assert one.result.certificate_sha256 == der.hex()
        assert one.result.subject == "CN=portal.indus.example"
        assert one.result.sans == ("portal.indus.example",)
        assert one.result.verified is None

    def test_failures(self, pem: str) -> None:
        assert only(self.record(pem, cert=[], err="connect: timeout")).error == "timeout"
        assert only(self.record(pem, cert=[], alert={"level": 2, "description": 40})).error == "tls"
        assert only(self.record(pem, cert=[], err="connect: Connection refused")).error == "refused"
        assert only(self.record(pem, cert=[])).error == "tls"

    def test_no_certificate(self, pem: str) -> None:
        with pytest.raises(BadRecordError, match="no certificate in PEM"):
            made(self.record(pem, cert=["-----BEGIN CERTIFICATE-----"]))
        head, mark, body = pem.partition("CERTIFICATE-----\n")
        odd = only(self.record(pem, cert=[head + mark + body.replace("A", "B", 3)]))
        assert len(odd.result.certificate_sha256) == 64
