"""A certificate is read as far as it can be, whoever wrote it."""

from __future__ import annotations

import hashlib
import ssl
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.certificate import MAX_SANS, MAX_TEXT, read

if TYPE_CHECKING:
    from tests.probes.conftest import Identity


class TestCertificate:
    """Digests are always there; the rest where it can be read."""

    def test_reads(self, identity: Identity) -> None:
        found = read(ssl.PEM_cert_to_DER_cert(identity.chain.read_text()))
        assert (found.subject, found.issuer) == ("CN=portal.indus.example", "CN=Test CA")
        assert found.sans == ("portal.indus.example", "*.indus.example")
        assert found.key_sha256 is not None

    def test_garbage_has_a_digest(self) -> None:
        assert read(b"x") == type(read(b"x"))(hashlib.sha256(b"x").hexdigest())

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_damaged_ones(self, identity: Identity, data: st.DataObject) -> None:
        der = bytearray(ssl.PEM_cert_to_DER_cert(identity.chain.read_text()))
        for _ in range(data.draw(st.integers(1, 8))):
            der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
        found = read(bytes(der))
        assert len(found.sans) <= MAX_SANS
        assert len(found.subject or "") <= MAX_TEXT
        "".join((found.subject or "", found.issuer or "", *found.sans)).encode()
