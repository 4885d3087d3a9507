from __future__ import annotations

import contextlib
import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.fetched import Validators
from geodata.special import special_purpose
from geodata.visit import Page, checked
from tests.geodata.conftest import Names, ok

if TYPE_CHECKING:
    from tests.geodata.conftest import Answer, Strangers

URL = "https://feed.example/geofeed.csv"
LAB = "127.0.0.0/8"


async def get(
    strangers: Strangers,
    url: str = URL,
    *lab: str,
    known: Validators = Validators(),  # noqa: B008  immutable
    names: Names | None = None,
    deadline_s: float = 5,
) -> Page:
    async with strangers.visitor(*(lab or (LAB,)), names=names) as visitor:
        return await visitor.get(url, known=known, max_octets=1000, deadline_s=deadline_s)


class TestGet:
    """A file that a stranger's URL names is got, whole or not at all."""

    async def test_a_file(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(b"x,PK", ETag='"1"', Cache_Control="max-age=60")
        page = await get(strangers)
        assert page == Page(b"x,PK", URL, Validators(etag='"1"'), 60)
        ((host, path, headers),) = strangers.asked
        assert (host, path) == ("feed.example", "/geofeed.csv")
        assert headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization", "referer"} & set(headers)

    async def test_what_is_known_is_not_sent_again(self, strangers: Strangers) -> None:
        def answer(_: str, headers: dict[str, str]) -> Answer:
            return (304, {}, b"") if headers.get("if-none-match") == '"1"' else ok(b"new")

        strangers.answer = answer
        known = Validators(etag='"1"', modified="Mon, 23 Nov 2026 12:00:00 GMT")
        assert (await get(strangers, known=known)).octets is None
        assert (await get(strangers)).octets == b"new"
        strangers.answer = lambda _, headers: (304, {}, b"") if "if-modified-since" in headers else ok(b"new")
        assert (await get(strangers, known=Validators(modified=known.modified))).octets is None

    async def test_a_redirect_to_another_host(self, strangers: Strangers) -> None:
        strangers.answer = lambda path, _: (
            ok(b"x") if path == "/there" else (302, {"Location": "https://other.example/there"}, b"")
        )
        assert (await get(strangers)).url == "https://other.example/there"
        assert strangers.names.asked == ["feed.example", "other.example"]

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            ((404, {}, b""), "refused"),
            ((500, {}, b""), "refused"),
            ((206, {}, b"x"), "refused"),
            ((304, {}, b""), "refused"),  # nothing was said to be known
            ((200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 10_000_000)), "malformed"),
            ((200, {}, b"x" * 1001), "too-large"),
            ((302, {}, b""), "refused"),
            ((302, {"Location": "http://feed.example/"}, b""), "refused"),
            ((302, {"Location": "https://feed.example:8443/"}, b""), "refused"),
            ((302, {"Location": "https://127.0.0.1/"}, b""), "refused"),
            ((302, {"Location": "file:///etc/passwd"}, b""), "refused"),
            ((302, {"Location": "https://["}, b""), "refused"),
            ((302, {"Location": "/geofeed.csv"}, b""), "refused"),  # for ever
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", "unreachable"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\nx", "unreachable"),
            (b"SSH-2.0-x\r\n\r\n", "unreachable"),
            (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "unreachable"),
            (b"", "unreachable"),
            (None, "timeout"),
        ],
    )
    async def test_a_bad_answer_has_a_code(
        self, strangers: Strangers, answer: Answer | bytes | None, code: str
    ) -> None:
        strangers.answer = lambda *_: answer
        with pytest.raises(GeodataError) as caught:
            await get(strangers, deadline_s=0.5 if answer is None else 5)
        assert caught.value.code == code
        assert URL in str(caught.value)
        assert len(strangers.asked) <= 4

    async def test_an_endless_answer_ends(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5_000_000
        with pytest.raises(GeodataError) as caught:
            await get(strangers)
        assert caught.value.code == "too-large"

    async def test_a_certificate_for_another_name_is_refused(self, strangers: Strangers) -> None:
        with pytest.raises(GeodataError) as caught:
            await get(strangers, "https://third.example/")
        assert caught.value.code == "unreachable"
        assert strangers.asked == []

    async def test_a_validator_that_cannot_be_sent_back_is_dropped(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: b'HTTP/1.1 200 OK\r\nETag: "\xff"\r\nContent-Length: 1\r\n\r\nx'
        assert (await get(strangers)).validators == Validators()


class TestNowhereElse:
    """A stranger's URL does not lead into this machine or its network."""

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]
    )
    async def test_a_name_of_a_special_address_is_refused(self, strangers: Strangers, address: str) -> None:
        names = Names(strangers.names.port, address)
        with pytest.raises(GeodataError, match="where no file of strangers is got") as caught:
            await get(strangers, URL, "192.0.2.0/24", names=names)
        assert caught.value.code == "refused"
        assert strangers.asked == []

    async def test_a_redirect_to_a_special_address_is_refused(self, strangers: Strangers) -> None:
        class Turning(Names):
            async def resolve(self, host: str, port: int = 0, family: int = 0) -> list:  # type: ignore[type-arg]
                self.addresses = ("127.0.0.1",) if host == "feed.example" else ("127.1.0.1",)
                return await super().resolve(host, port, family)

        strangers.answer = lambda *_: (302, {"Location": "https://other.example/"}, b"")
        with pytest.raises(GeodataError, match=r"127\.1\.0\.1 is in") as caught:
            await get(strangers, URL, "127.0.0.0/16", names=Turning(strangers.names.port))
        assert caught.value.code == "refused"
        assert len(strangers.asked) == 1

    @pytest.mark.parametrize(
        "url",
        [
            "http://feed.example/",
            "ftp://feed.example/",
            "file:///etc/passwd",
            "https://feed.example:444/",
            "https://feed.example:0/",
            "https://feed.example:99999/",
            "https://user@feed.example/",
            "https://user:word@feed.example/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.1/",
            "https://127.0.0.1./",
            "https:///geofeed",
            "https://feed.example/\r\nX: y",
            "https://feed.example/ x",
            "https://feed.example/\ud800",
            "https://" + "x" * 5000,
            "feed.example/geofeed.csv",
            "",
        ],
    )
    async def test_a_url_that_is_not_visited(self, strangers: Strangers, url: str) -> None:
        with pytest.raises(GeodataError) as caught:
            await get(strangers, url)
        assert caught.value.code == "refused"
        assert strangers.names.asked == []

    @given(
        st.text(max_size=40).map("https://".__add__)
        | st.text(max_size=60)
        | st.tuples(
            st.sampled_from(["https://", "HTTPS://", "http://"]),
            st.text("0123456789abcdefx.:[]@%", max_size=20),
            st.sampled_from(["", "/", "?", "#", "\\"]),
        ).map("".join)
    )
    @example("https://①②⑦.0.0.1/")
    @example("https://feed.example\\@127.0.0.1/")
    def test_what_is_visited_is_a_name_on_port_443(self, url: str) -> None:
        with contextlib.suppress(GeodataError):
            found = checked(url)
            assert (found.scheme, found.port, found.user) == ("https", 443, None)
            assert found.host
            with pytest.raises(ValueError, match="does not appear to be"):
                special_purpose(found.host)
