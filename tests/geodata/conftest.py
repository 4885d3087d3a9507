"""A web server of strangers: HTTPS on loopback, under names and an authority of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from geodata.visit import Visitor

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

HOSTS = ("feed.example", "other.example", "mask-api.icloud.com")

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="session")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server that has a certificate for ``HOSTS``, and for a client that trusts its issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "strangers")])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory: Path = tmp_path_factory.mktemp("strangers")
    pem, keys = directory / "certificate.pem", directory / "key.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    keys.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem, keys)
    return server, ssl.create_default_context(cafile=str(pem))


class Names(AbstractResolver):
    """Resolves every name to the same addresses, and their port 443 to where the test's server listens."""

    def __init__(self, port: int, *addresses: str) -> None:
        self.port = port
        self.addresses = addresses or ("127.0.0.1",)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | int = 0
    ) -> list[ResolveResult]:
        assert port == 443
        self.asked.append(host)
        return [
            ResolveResult(
                hostname=host,
                host=each,
                port=self.port,
                family=10 if ":" in each else 2,
                proto=0,
                flags=0,
            )
            for each in self.addresses
        ]

    async def close(self) -> None:
        """Nothing is held open."""


class Strangers:
    """The server: what it was asked (host, path, headers), and what it answers."""

    def __init__(self, client: ssl.SSLContext, port: int) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, str]], Answer | bytes | None] = lambda *_: (404, {}, b"")
        self.names = Names(port)
        self._client = client

    def visitor(self, *lab: str, names: Names | None = None) -> Visitor:
        """A visitor that gets to this server, if loopback is in its lab."""
        return Visitor(lab=lab, trust=self._client, resolver=names or self.names)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request; bytes are sent as they are, and after ``None`` nothing is."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                key.lower(): value for key, _, value in (line.partition(": ") for line in lines if line)
            }
            path = first.split(" ")[1]
            self.asked.append((headers["host"], path, headers))
            reply = self.answer(path, headers)
            if reply is None:
                await reader.read()
            elif isinstance(reply, bytes):
                writer.write(reply)
            else:
                status, sent, body = reply
                told = "".join(f"{key}: {value}\r\n" for key, value in sent.items())
                length = f"Content-Length: {len(body)}\r\n" if status not in {204, 304} else ""
                writer.write(f"HTTP/1.1 {status} X\r\n{told}{length}\r\n".encode("latin-1") + body)
            await writer.drain()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            writer.close()
            await writer.wait_closed()


@pytest.fixture
async def strangers(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Strangers]:
    """The server, listening."""
    made: list[Strangers] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await made[0].serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=contexts[0])
    made.append(Strangers(contexts[1], server.sockets[0].getsockname()[1]))
    try:
        yield made[0]
    finally:
        server.close()
        await server.wait_closed()


def ok(body: bytes, **headers: Any) -> Answer:
    """An answer with a file."""
    return 200, {key.replace("_", "-"): str(value) for key, value in headers.items()}, body
