"""The authority of a world, held against OpenSSL's own view of what it issues."""

from __future__ import annotations

import pickle
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from probes.simnet import authority
from probes.simnet.world import Farm, Host, Service, World


def world(*hosts: Host) -> World:
    farm = Farm(id="farm", place="x", hosts=hosts)
    return World.model_construct(version=1, name="test", country="PK", places={}, vantages=(), farms=(farm,))


def host(*names: str, kind: str = "https", addresses: tuple[str, ...] = ("198.18.0.1",)) -> Host:
    backend = "198.18.0.9:443" if kind.startswith("relay") else None
    service = Service.model_validate({"kind": kind, "port": 443, "names": names, "backend": backend})
    return Host(addresses=addresses, services=(service,))


def hand_over(credentials: authority.Credentials, names: tuple[str, ...], asked: str) -> ssl.SSLObject:
    """A whole handshake in memory; the client trusts the authority only and checks the name."""
    trust = ssl.create_default_context(cadata=credentials.ca_pem.decode())
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = credentials.context(names).wrap_bio(to_server, to_client, server_side=True)
    client = trust.wrap_bio(to_client, to_server, server_hostname=asked)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client


class TestIssue:
    """Every service that ends TLS gets a certificate that a client who trusts the authority accepts."""

    @pytest.mark.parametrize("asked", ["a.example", "b.example", "198.18.0.1", "2001:db8::1"])
    def test_all_names_and_addresses_are_certified(self, asked: str) -> None:
        one = host("a.example", "b.example", addresses=("198.18.0.1", "2001:db8::1"))
        credentials = authority.issue(world(one))
        client = hand_over(credentials, authority.subject_names(one, one.services[0]), asked)
        assert client.version() == "TLSv1.3"

    def test_other_names_are_not(self) -> None:
        one = host("a.example")
        credentials = authority.issue(world(one))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            hand_over(credentials, authority.subject_names(one, one.services[0]), "c.example")

    def test_another_authority_is_not_trusted(self) -> None:
        one = host("a.example")
        names = authority.subject_names(one, one.services[0])
        mine, other = authority.issue(world(one)), authority.issue(world(one))
        mixed = authority.Credentials(ca_pem=other.ca_pem, issued=mine.issued)
        with pytest.raises(ssl.SSLCertVerificationError):
            hand_over(mixed, names, "a.example")

    def test_only_what_ends_tls_is_certified(self) -> None:
        hosts = [
            host(f"{kind}.example", kind=kind) for kind in ("http", "https", "relay4", "relay7", "tcp", "dns")
        ]
        credentials = authority.issue(world(*hosts))
        assert {names[0] for names in credentials.issued} == {"https.example", "relay7.example"}

    def test_the_first_name_is_the_subject(self) -> None:
        one = host("a.example", "b.example")
        pem, _ = authority.issue(world(one)).for_names(authority.subject_names(one, one.services[0]))
        subject = x509.load_pem_x509_certificate(pem).subject
        assert subject.rfc4514_string() == "CN=a.example"

    def test_without_a_name_the_address_is_the_subject(self) -> None:
        one = host()
        credentials = authority.issue(world(one))
        assert list(credentials.issued) == [("198.18.0.1",)]

    def test_hostile_and_long_names_can_be_certified(self) -> None:
        one = host("<img src=x onerror=alert(1)>", "x" * 63 + ".example")
        pem, _ = authority.issue(world(one)).for_names(authority.subject_names(one, one.services[0]))
        assert b"BEGIN CERTIFICATE" in pem

    def test_they_are_valid_now(self) -> None:
        one = host("a.example")
        credentials = authority.issue(world(one))
        for pem in (credentials.ca_pem, credentials.for_names(("a.example", "198.18.0.1"))[0]):
            certificate = x509.load_pem_x509_certificate(pem)
            now = datetime.now(UTC)
            assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc


class TestCredentials:
    """They can be handed to another process, and leave no file behind."""

    def test_they_can_be_pickled(self) -> None:
        credentials = authority.issue(world(host("a.example")))
        assert pickle.loads(pickle.dumps(credentials)) == credentials  # noqa: S301 what this test itself wrote

    def test_a_context_keeps_no_file_open(self) -> None:
        credentials = authority.issue(world(host("a.example")))
        before = len(list(Path("/proc/self/fd").iterdir()))
        credentials.context(("a.example", "198.18.0.1"))
        assert len(list(Path("/proc/self/fd").iterdir())) == before

    def test_tls_can_be_held_to_an_older_version(self) -> None:
        credentials = authority.issue(world(host("a.example")))
        context = credentials.context(("a.example", "198.18.0.1"), "1.2")
        assert context.maximum_version == ssl.TLSVersion.TLSv1_2
