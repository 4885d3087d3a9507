"""TCP, TLS and HTTP with real servers in another network namespace."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import socket
import ssl
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from scapy.layers.inet import ICMP

from probes import certificate
from probes.http import user_agent
from probes.target import Settings, Target
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from probes.session import Session
    from tests.probes.conftest import Chain, Identity

pytestmark = pytest.mark.net

PORTAL = "portal.indus.example"


@contextlib.contextmanager
def refuse_ports(router: str, device: str) -> Iterator[None]:
    """A middle box that says "port unreachable" to every SYN that comes in on ``device``."""
    with LocalVantage(Vantage(id="r", latitude=0, longitude=0, netns=router)) as vantage, vantage.inside():
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        heard.bind((device, 0x0800))
        said = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def refuse() -> None:
        packet = heard.recv(2048)
        if packet[9] == socket.IPPROTO_TCP:
            said.sendto(bytes(ICMP(type=3, code=3) / packet), (socket.inet_ntoa(packet[12:16]), 0))

    loop = asyncio.get_running_loop()
    with heard, said:
        loop.add_reader(heard, refuse)
        yield
        loop.remove_reader(heard)


class TestTcp:
    """Connects tell whether somebody listens, and how far away the host is either way."""

    @pytest.mark.parametrize("version", [4, 6])
    async def test_open_port(self, session: Session, chain: Chain, version: int) -> None:
        address = chain.host4 if version == 4 else chain.host6
        with chain.listen(address, 5432):
            seen = await chain.observe("tcp", Target("e", address=address, port=5432), session)
        assert (seen.error, seen.result.open, seen.result.sent, len(seen.result.rtts_ms)) == (
            None,
            True,
            5,
            5,
        )
        assert all(0 < rtt < 1000 for rtt in seen.result.rtts_ms)

    async def test_closed_port_is_an_answer(self, session: Session, chain: Chain) -> None:
        seen = await chain.observe("tcp", Target("e", address=chain.host4, port=5433), session)
        assert (seen.error, seen.result.open, len(seen.result.rtts_ms)) == ("refused", False, 5)

    async def test_router_that_refuses_does_not_answer_for_the_host(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.80.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "unreachable", "10.9.80.0/24")
        seen = await chain.observe("tcp", Target("e", address="10.9.80.1", port=443), session)
        assert (seen.error, seen.result.open, seen.result.rtts_ms) == ("unreachable", None, ())

    async def test_middle_box_that_says_port_unreachable_does_not_either(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.81.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "blackhole", "10.9.81.0/24")
        with refuse_ports(chain.routers[0], "b1"):
            seen = await chain.observe("tcp", Target("e", address="10.9.81.1", port=443), session)
        assert (seen.error, seen.result.open, seen.result.rtts_ms) == ("refused", None, ())


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


class Site:
    """A web server that notes what it was asked."""

    def __init__(
        self,
        response: bytes,
        *,
        random: bytes = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        files: Mapping[bytes, bytes] = MappingProxyType({}),
        delay_s: float = 0.0,
    ) -> None:
        self.response = response
        self.delay_s = delay_s
        self.random = random
        self.files = {b"/favicon.ico": random, b"/robots.txt": random, **files}
        self.asked: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.asked.append(head)
                await asyncio.sleep(self.delay_s)
                path = head.split()[1]
                random = path.startswith(b"/.well-known/sarhad-")
                writer.write(self.random if random else self.files.get(path, self.response))
                await writer.drain()
                if b"Connection: close" in self.response:
                    break
        writer.close()


class TestHttp:
    """Requests go to the given address under the declared name, and everything that comes back is bounded."""

    async def fetch(
        self,
        session: Session,
        chain: Chain,
        site: Site,
        context: ssl.SSLContext | None = None,
        path: str = "/a",
        *,
        crawl: bool = False,
    ) -> Any:
        scheme = "http" if context is None else "https"
        async with chain.serve(chain.host4, site, context) as port:
            url = f"{scheme}://{PORTAL}:{port}{path}"
            target = Target("e", host=PORTAL, address=chain.host4, port=port, scheme=scheme, url=url)
            settings = Settings(contact="https://example.org/probes", crawl=crawl)
            return await chain.observe("http", target, session, settings)

    @pytest.mark.parametrize("secure", [True, False])
    async def test_warm_connection(
        self, session: Session, chain: Chain, identity: Identity, secure: bool
    ) -> None:
        site = Site(
            b"HTTP/1.1 200 OK\r\nServer: x\r\nX-Pop: KHI\r\nX-Pop: LHE\r\nContent-Length: 2\r\n\r\nok"
        )
        seen = await self.fetch(session, chain, site, identity.context() if secure else None)
        assert (seen.error, seen.result.status) == (None, 200)
        assert seen.result.headers["x-pop"] == "KHI, LHE"
        assert (len(seen.result.ttfb_ms), len(seen.result.probe_ttfb_ms)) == (5, 5)
        assert all(0 < value < 1000 for value in seen.result.ttfb_ms + seen.result.probe_ttfb_ms)
        assert site.connections == 1
        assert f"Host: {PORTAL}:4433".encode() in site.asked[0]
        assert f"User-Agent: {user_agent('https://example.org/probes')}".encode() in site.asked[0]
        paths = [head.split()[1] for head in site.asked]
        assert paths[:4] == [b"/a", b"/favicon.ico", b"/robots.txt", b"/a"]
        assert len({path for path in paths if path.startswith(b"/.well-known/")}) == 5

    @pytest.mark.parametrize("name", [b"/favicon.ico", b"/robots.txt"])
    async def test_a_file_that_every_site_has(self, session: Session, chain: Chain, name: bytes) -> None:
        page = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        site = Site(page, files={name: b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n0"})
        seen = await self.fetch(session, chain, site)
        assert seen.result.static_url.endswith(f":4433{name.decode()}")
        assert len(seen.result.static_ttfb_ms) == 5
        assert (seen.error, site.connections) == (None, 1)

    async def test_a_file_that_breaks_the_connection_is_none(self, session: Session, chain: Chain) -> None:
        page = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        site = Site(page, files={b"/favicon.ico": b"HTTP/9.9 nonsense\r\n\r\n"})
        seen = await self.fetch(session, chain, site)
        assert (seen.error, seen.result.status, seen.result.static_url) == (None, 200, None)
        assert len(seen.result.ttfb_ms) == 5

    @pytest.mark.parametrize("again", [b"", b"Connection: close\r\n"])
    async def test_no_answer_is_seen_before_it_is_given(
        self, session: Session, chain: Chain, identity: Identity, again: bytes
    ) -> None:
        """Not even where TLS itself sends something (session tickets) while the application thinks."""
        response = b"HTTP/1.1 200 OK\r\n" + again + b"Content-Length: 0\r\n\r\n"
        site = Site(response, random=response, delay_s=0.03)
        seen = await self.fetch(session, chain, site, identity.context())
        assert (seen.error, seen.result.status) == (None, 200)
        assert min(seen.result.ttfb_ms + seen.result.probe_ttfb_ms) >= 30
        assert (site.connections == 1) == (again == b"")

    async def test_redirects_elsewhere_are_not_followed(self, session: Session, chain: Chain) -> None:
        site = Site(b"HTTP/1.1 302 F\r\nLocation: https://fra.cloud.example/x\r\nContent-Length: 0\r\n\r\n")
        seen = await self.fetch(session, chain, site)
        assert [each.location for each in seen.result.redirects] == ["https://fra.cloud.example/x"]
        assert (seen.error, seen.result.status) == (None, 302)

    @pytest.mark.parametrize(
        ("headers", "hosts"),
        [
            (b"", ("cdn.example",)),
            (b"Content-Type: TEXT/HTML; charset=utf-8\r\n", ("cdn.example",)),
            (b"Content-Type: image/png\r\n", None),
            (b"Content-Encoding: gzip\r\n", None),
        ],
    )
    async def test_page_is_read_for_hosts(
        self, session: Session, chain: Chain, headers: bytes, hosts: tuple[str, ...] | None
    ) -> None:
        html = b"<script src=https://cdn.example/a.js></script>" + b"x" * 100_000
        site = Site(b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(html) + html)
        seen = await self.fetch(session, chain, site, crawl=True)
        assert (seen.error, seen.result.page_hosts, len(seen.result.ttfb_ms)) == (None, hosts, 5)
        assert (await self.fetch(session, chain, site)).result.page_hosts is None

    async def test_so_much_of_a_page_is_read(self, session: Session, chain: Chain) -> None:
        first, late = (b"<script src=https://%s.example></script>" % name for name in (b"first", b"late"))
        html = b" " * 200_000 + first + b" " * 100_000 + late
        site = Site(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(html) + html)
        seen = await self.fetch(session, chain, site, crawl=True)
        assert (seen.error, seen.result.page_hosts) == (None, ("first.example",))

    async def test_redirect_loop_ends(self, session: Session, chain: Chain) -> None:
        site = Site(b"HTTP/1.1 302 F\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")
        seen = await self.fetch(session, chain, site)
        assert (seen.error, len(seen.result.redirects), len(site.asked)) == ("loop", 6, 6)

    async def test_hostile_answer_is_bounded(self, session: Session, chain: Chain) -> None:
        many = b"".join(b"X-%d: \xff\xc3<script>%s\r\n" % (i, b"y" * 2000) for i in range(99))
        site = Site(b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 9999999\r\n\r\n" + b"z" * 200_000)
        seen = await self.fetch(session, chain, site)
        assert (seen.error, len(seen.result.headers)) == (None, 64)
        assert all(len(value) <= 512 for value in seen.result.headers.values())
        assert seen.result.headers["x-0"].startswith("\xff\xc3<script>")

    @pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nbad\x00: \r\n\r\n"])
    async def test_nonsense_is_a_protocol_error(self, session: Session, chain: Chain, answer: bytes) -> None:
        seen = await self.fetch(session, chain, Site(answer))
        assert seen.error == "protocol"

    async def test_address_in_a_url_must_be_the_measured_one(self, session: Session, chain: Chain) -> None:
        target = Target("e", address=chain.host4, url="http://192.0.2.1/")
        seen = await chain.observe("http", target, session)
        assert seen.error == "unsupported"

    async def test_closed_port_is_refused(self, session: Session, chain: Chain) -> None:
        seen = await chain.observe("http", Target("e", address=chain.host6, port=81, scheme="http"), session)
        assert seen.error == "refused"
