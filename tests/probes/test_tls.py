"""TLS with real servers in another network namespace."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from probes import certificate
from probes.target import Settings, Target
from tests.probes.conftest import PORTAL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from probes.session import Session
    from tests.probes.conftest import Chain, Identity

pytestmark = pytest.mark.net


async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read until the other side goes."""
    with contextlib.suppress(OSError, ssl.SSLError):
        await reader.read()
    writer.close()


def stranger(folder: Path) -> ssl.SSLContext:
    """A server whose certificate, in ``chain.pem``, is of the portal's name and of a key of its own."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name.from_rfc4514_string(f"CN={PORTAL}")
    start = datetime.now(UTC) - timedelta(days=1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "chain.pem", folder / "key.pem")
    return made


class TestTls:
    """A handshake is measured whatever the certificate; whether it is valid is a separate answer."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("family", [4, 6])
    async def test_measures(
        self, session: Session, chain: Chain, identity: Identity, version: ssl.TLSVersion, family: int
    ) -> None:
        address = chain.host4 if family == 4 else chain.host6
        async with chain.serve(address, quiet, identity.context(version)) as port:
            target = Target("e", host=PORTAL, address=address, port=port)
            seen = await chain.observe("tls", target, session, Settings(trust=identity.authority))
        result = seen.result
        assert seen.error is None
        assert result.version == version.name.replace("_", ".").replace("TLSv1.", "TLSv1.")
        assert result.verified is True
        assert 0 < result.tcp_rtt_ms < 1000
        assert 0 < result.handshake_ms < 1000
        der = ssl.PEM_cert_to_DER_cert(identity.chain.read_text())
        assert result.certificate_sha256 == hashlib.sha256(der).hexdigest()
        assert result.key_sha256 == certificate.read(der).key_sha256
        assert result.other_keys_sha256 == ()
        assert (result.subject, result.issuer) == (f"CN={PORTAL}", "CN=Test CA")
        assert result.sans == (PORTAL, "*.indus.example")

    @pytest.mark.parametrize(
        ("host", "trusted"), [("elsewhere.example", True), (PORTAL, False), (None, True)]
    )
    async def test_invalid_certificate_is_measured_too(
        self, session: Session, chain: Chain, identity: Identity, host: str | None, trusted: bool
    ) -> None:
        async with chain.serve(chain.host4, quiet, identity.context()) as port:
            target = Target("e", host=host, address=chain.host4, port=port)
            settings = Settings(trust=identity.authority if trusted else None)
            seen = await chain.observe("tls", target, session, settings)
        assert seen.error is None
        assert seen.result.verified is False
        assert seen.result.handshake_ms > 0

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_resumes_the_first_session(
        self, session: Session, chain: Chain, identity: Identity, version: ssl.TLSVersion
    ) -> None:
        """Also of a server that speaks first, and what it says is no ticket."""

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"* OK IMAP4rev1 ready\r\n")
            await quiet(reader, writer)

        async with chain.serve(chain.host4, greet, identity.context(version)) as port:
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            settings = Settings(trust=identity.authority, tls_count=2, tls_resumed=3)
            seen = await chain.observe("tls", target, session, settings)
        assert seen.error is None
        assert len(seen.result.handshakes_ms) == seen.result.sent == 2
        assert len(seen.result.resumed_ms) == 3
        assert all(0 < each < 1000 for each in seen.result.resumed_ms)
        assert seen.result.handshake_ms == min(seen.result.handshakes_ms)
        assert seen.result.verified is True

    async def test_machines_with_keys_of_their_own(
        self, session: Session, chain: Chain, identity: Identity, tmp_path: Path
    ) -> None:
        """Behind one address, by turns: the key is that of the fastest, and the others' are told too."""
        others = [identity.context(), stranger(tmp_path)]
        turn = itertools.cycle(others)
        first = identity.context()
        first.sni_callback = lambda connection, *_: setattr(connection, "context", next(turn))
        async with chain.serve(chain.host4, quiet, first) as port:
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            seen = await chain.observe("tls", target, session, Settings(tls_count=4, tls_resumed=0))
        result = seen.result
        shown = {
            certificate.read(ssl.PEM_cert_to_DER_cert(path.read_text())).key_sha256
            for path in (identity.chain, tmp_path / "chain.pem")
        }
        assert len(shown) == 2
        assert {result.key_sha256, *result.other_keys_sha256} == shown
        assert len(result.other_keys_sha256) == 1

    async def test_a_server_that_lets_no_session_be_resumed(
        self, session: Session, chain: Chain, identity: Identity
    ) -> None:
        context = identity.context(ssl.TLSVersion.TLSv1_3)
        context.num_tickets = 0
        async with chain.serve(chain.host4, quiet, context) as port:
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            settings = Settings(trust=identity.authority, tls_count=2, tls_resumed=3)
            seen = await chain.observe("tls", target, session, settings)
        assert seen.error is None
        assert (len(seen.result.handshakes_ms), seen.result.resumed_ms) == (2, ())
        assert seen.result.verified is True

    async def test_a_server_that_never_ends_holds_nobody_up(
        self, session: Session, chain: Chain, identity: Identity
    ) -> None:
        """It sends data instead of a ticket, as much as there is room for."""

        async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, ssl.SSLError):
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()

        context = identity.context(ssl.TLSVersion.TLSv1_3)
        context.num_tickets = 0
        async with chain.serve(chain.host4, flood, context) as port:
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            seen = await chain.observe("tls", target, session, Settings(tls_count=1, tls_resumed=3))
        assert (seen.error, seen.result.resumed_ms) == (None, ())

    async def test_not_tls_is_said(self, session: Session, chain: Chain) -> None:
        async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await quiet(reader, writer)

        async with chain.serve(chain.host4, plain, None) as port:
            seen = await chain.observe("tls", Target("e", address=chain.host4, port=port), session)
        assert (seen.error, seen.result.handshake_ms) == ("tls", None)
        assert seen.result.tcp_rtt_ms > 0

    async def test_silence_ends(self, session: Session, chain: Chain) -> None:
        async with chain.serve(chain.host4, quiet, None) as port:
            target = Target("e", address=chain.host4, port=port)
            seen = await chain.observe("tls", target, session, Settings(tls_timeout_s=0.2))
        assert seen.error == "timeout"

    async def test_handshake_waits_for_the_key_holder(
        self, session: Session, chain: Chain, identity: Identity
    ) -> None:
        """A pass-through that answers TCP from near shows in the handshake, not in the connect."""
        async with (
            backend(chain, identity, 4434),
            chain.serve(chain.host4, relay(chain, [4434], 0.1), None) as port,
        ):
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            seen = await chain.observe("tls", target, session, Settings(tls_count=1, tls_resumed=2))
        assert seen.result.handshake_ms >= 100 > seen.result.tcp_rtt_ms
        assert min(seen.result.resumed_ms) >= 100

    async def test_a_machine_that_does_not_know_the_session_declines(
        self, session: Session, chain: Chain, identity: Identity
    ) -> None:
        """A front that spreads connections over two; what was whole after all is counted so."""
        async with (
            backend(chain, identity, 4434),
            backend(chain, identity, 4435),
            chain.serve(chain.host4, relay(chain, [4434, 4435], 0.0), None) as port,
        ):
            target = Target("e", host=PORTAL, address=chain.host4, port=port)
            seen = await chain.observe("tls", target, session, Settings(tls_count=1, tls_resumed=3))
        assert seen.error is None
        assert (seen.result.sent, len(seen.result.handshakes_ms)) == (2, 2)
        assert seen.result.resumed_ms == ()


@contextlib.asynccontextmanager
async def backend(chain: Chain, identity: Identity, port: int) -> AsyncIterator[None]:
    """A TLS server inside, with ticket keys of its own."""
    server = await asyncio.start_server(
        quiet, sock=chain.listen(chain.host4, port), ssl=identity.context(), ssl_handshake_timeout=2
    )
    async with server:
        yield
        server.close()


def relay(chain: Chain, ports: Sequence[int], delay_s: float) -> Callable[..., Awaitable[None]]:
    """A front that passes octets on to one of ``ports`` after the other, those of the client late."""
    turn = itertools.cycle(ports)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, late_s: float) -> None:
        with contextlib.suppress(OSError):
            while octets := await source.read(65536):
                await asyncio.sleep(late_s)
                sink.write(octets)
        sink.close()

    async def passes_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(sock=await connect_inside(chain, next(turn)))
        await asyncio.gather(pump(reader, far_writer, delay_s), pump(far_reader, writer, 0))

    return passes_on


async def connect_inside(chain: Chain, port: int) -> socket.socket:
    with chain.farm() as farm:
        opened: socket.socket = farm.socket(socket.AF_INET, socket.SOCK_STREAM)
    await asyncio.get_running_loop().sock_connect(opened, (chain.host4, port))
    return opened
