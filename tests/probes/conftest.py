"""A small network of namespaces: a vantage, three routers and a host, over IPv4 and IPv6."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from probes.engine.pacing import Pace, Rates
from probes.observation import Observation
from probes.session import Session
from probes.table import PROBES
from probes.target import Settings, Target
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_NUMBER = itertools.count()
_ROUTERS = 3
PORTAL = "portal.indus.example"


@dataclass(frozen=True)
class Chain:
    """``source`` - three routers - ``host``; the addresses of each hop as a trace sees them."""

    source: str
    routers: tuple[str, ...]
    host: str
    hops4: tuple[str, ...]
    hops6: tuple[str, ...]

    @property
    def host4(self) -> str:
        return self.hops4[-1]

    @property
    def host6(self) -> str:
        return self.hops6[-1]

    def vantage(self, **more: object) -> LocalVantage:
        return local(self.source, **more)

    def config(self, **more: object) -> Vantage:
        return config(self.source, **more)

    def farm(self) -> LocalVantage:
        return local(self.host)

    def listen(self, address: str, port: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
        """A socket of the host, bound (and listening)."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with self.farm() as farm, farm.inside():
            opened = socket.socket(family, kind)
        opened.setblocking(False)  # noqa: FBT003  (the standard library takes it by position)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        if kind == socket.SOCK_STREAM:
            opened.listen(64)
        return opened

    @staticmethod
    async def observe(kind: str, target: Target, session: Session, settings: Settings | None = None) -> Any:
        """The only observation of a probe, after a round trip through its record."""
        found = await PROBES[kind](target, session, settings or Settings())
        assert len(found) == 1
        record = msgspec.json.encode(found[0])
        assert msgspec.json.decode(record, type=Observation) == found[0]
        return found[0]

    @contextlib.asynccontextmanager
    async def serve(self, address: str, handler: Any, context: ssl.SSLContext | None) -> AsyncIterator[int]:
        listening = self.listen(address, 4433)
        open_now: set[asyncio.Task[None]] = set()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_now.add(task)
            try:
                await handler(reader, writer)
            finally:
                writer.close()
                open_now.discard(task)

        server = await asyncio.start_server(handle, sock=listening, ssl=context)
        async with server:
            yield 4433
            server.close()
        while open_now:
            await asyncio.wait(open_now, timeout=1)

    @staticmethod
    def ip(namespace: str, *words: str) -> None:
        """The ip command inside a namespace."""
        run("ip", "-n", namespace, *words)


def config(netns: str | None, **more: object) -> Vantage:
    fields = {"id": "khi", "latitude": 24.86, "longitude": 67.0, "netns": netns, **more}
    return Vantage.model_validate(fields)


def local(netns: str | None, **more: object) -> LocalVantage:
    return LocalVantage(config(netns, **more))


def run(*command: str, text: str | None = None) -> None:
    subprocess.run(command, input=text, text=True, check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """While no other process of the tests gives a namespace a name, which the whole machine sees."""
    with (Path(tempfile.gettempdir()) / f"sarhad-tests-{os.geteuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_chain() -> Chain:
    names = [f"sarhad-t{os.getpid()}-{next(_NUMBER)}" for _ in range(_ROUTERS + 2)]
    for name in names:
        run("ip", "netns", "add", name)
        # No duplicate address detection: IPv6 would be silent for its first second.
        run("ip", "netns", "exec", name, "sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad")
    for left in range(_ROUTERS + 1):
        right = left + 1
        a, b = f"a{left}", f"b{right}"
        run("ip", "-n", names[left], "link", "add", a, "type", "veth", "peer", b, "netns", names[right])
        for name, device, end in ((names[left], a, 1), (names[right], b, 2)):
            run(
                "ip",
                "-n",
                name,
                "-batch",
                "-",
                text=f"link set lo up\nlink set {device} up\n"
                f"addr add 10.9.{left}.{end}/24 dev {device}\n"
                f"addr add fd09:{left + 1}::{end}/64 dev {device} nodad\n",
            )
    for index, name in enumerate(names):
        routes = ""
        if index <= _ROUTERS - 1:
            routes += f"route add 10.9.{_ROUTERS}.0/24 via 10.9.{index}.2\n"
            routes += f"route add fd09:{_ROUTERS + 1}::/64 via fd09:{index + 1}::2\n"
        for link in range(index - 1):
            routes += f"route add 10.9.{link}.0/24 via 10.9.{index - 1}.1\n"
            routes += f"route add fd09:{link + 1}::/64 via fd09:{index}::1\n"
        for link in range(index + 1, _ROUTERS):
            routes += f"route add 10.9.{link}.0/24 via 10.9.{index}.2\n"
            routes += f"route add fd09:{link + 1}::/64 via fd09:{index + 1}::2\n"
        if routes:
            run("ip", "-n", name, "-batch", "-", text=routes)
        settings = "; ".join(
            f"echo {value} > /proc/sys/net/{key}"
            for key, value in (
                ("ipv4/ip_forward", 1),
                ("ipv6/conf/all/forwarding", 1),
                ("ipv4/icmp_ratemask", 0),  # no limit (a rate of 0 would also empty the routes' own bucket)
                ("ipv6/icmp/ratelimit", 0),
            )
        )
        run("ip", "netns", "exec", name, "sh", "-c", settings)
    return Chain(
        source=names[0],
        routers=tuple(names[1:-1]),
        host=names[-1],
        hops4=tuple(f"10.9.{link}.2" for link in range(_ROUTERS + 1)),
        hops6=tuple(f"fd09:{link + 1}::2" for link in range(_ROUTERS + 1)),
    )


@pytest.fixture(scope="session")
def chain() -> Iterator[Chain]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the ip command (iproute2)")
    made: Chain | None = None
    try:
        with alone():
            made = make_chain()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"network namespaces are not permitted here: {error.stderr.strip()}")
    else:
        yield made
    finally:
        prefix = f"sarhad-t{os.getpid()}-"
        with alone():
            listed = subprocess.run(
                ["ip", "netns", "list"], text=True, capture_output=True, check=False, timeout=30
            ).stdout
            for name in (line.split()[0] for line in listed.splitlines() if line.startswith(prefix)):
                subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=30)


@dataclass(frozen=True)
class Identity:
    """A certificate authority of the test's own and a server certificate that it signed (PEM files)."""

    authority: Path
    chain: Path
    key: Path

    def context(self, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.chain, self.key)
        if version is not None:
            made.minimum_version = made.maximum_version = version
        return made


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """A server certificate for ``PORTAL`` and a second authority-signed name."""
    start = datetime.now(UTC) - timedelta(days=1)

    def sign(
        subject: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: str,
        signer: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        )
        if not ca:
            names = [x509.DNSName(PORTAL), x509.DNSName("*.indus.example")]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(signer, hashes.SHA256())

    folder = tmp_path_factory.mktemp("identity")
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    made = Identity(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
    made.authority.write_bytes(sign("Test CA", root, "Test CA", root, ca=True).public_bytes(Encoding.PEM))
    made.chain.write_bytes(sign(PORTAL, leaf, "Test CA", root, ca=False).public_bytes(Encoding.PEM))
    made.key.write_bytes(leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


@pytest.fixture
async def session(chain: Chain) -> AsyncIterator[Session]:
    """A session of the chain's vantage, whose resolver is the chain's host."""
    rates = Rates(process=20_000, vantage=20_000, target=20_000, resolver=20_000)
    vantage = chain.config(resolvers=(chain.host4,), resolver_port=5353)
    async with Session(vantage, Pace(rates), contact="https://example.org/probes") as opened:
        yield opened
