"""HTTP with real servers in another network namespace."""

from __future__ import annotations

import asyncio
import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from probes.http import user_agent
from probes.target import Settings, Target
from tests.probes.conftest import PORTAL

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from probes.session import Session
    from tests.probes.conftest import Chain, Identity

pytestmark = pytest.mark.net


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
