"""Hosts that pages name, in HTML as people write it and as an attacker does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import page

URL = "https://portal.indus.example/app/"
WORDS = (
    "<script",
    "<iframe ",
    "<form",
    "<link",
    "<base",
    "</script",
    "<!--",
    "<![CDATA[",
    "<![x[",
    "<?",
    "<!",
    ">",
    " src=",
    " href=",
    " action='",
    ' rel="stylesheet"',
    "https://a.example/",
    "//[::1",
    "//b.example:99999",
    "&#0;",
    "&amp",
    "\x00",
    "'",
    '"',
)


def hosts(html: str, url: str = URL) -> tuple[str, ...]:
    return page.hosts(url, html.encode())


class TestHosts:
    """What a browser is turned to by a page, and nothing else of it."""

    @pytest.mark.parametrize(
        "html",
        [
            "<script src='https://cdn.example/a.js'></script>",
            "<SCRIPT defer SRC=//CDN.example/a.js>",
            "<iframe src=https://user@cdn.example:8443/?q></iframe>",
            "<frameset><frame src='http://cdn.example'></frameset>",
            "<form method=post action=' https://cdn.example/pay '>",
            "<link rel='Preload StyleSheet' href='https://cdn.example/a.css'/>",
            "<base href='https://cdn.example/x/'><script src=a.js></script>",
            "<script src='https&#58;//cdn.example/a.js'></script>",
            "<script src='https://cdn.example/1' src='https://second.example/'></script>",
        ],
    )
    def test_of_each_kind(self, html: str) -> None:
        assert hosts(html) == ("cdn.example",)

    @pytest.mark.parametrize(
        "html",
        [
            "<script src='/own.js'></script><form action=''></form><script>x</script>",
            "<script src='https://PORTAL.indus.example:444/x'></script>",
            "<a href='https://elsewhere.example/'>x</a><img src='https://elsewhere.example/'>",
            "<link rel=canonical href='https://elsewhere.example/'>",
            "<!-- <script src='https://elsewhere.example/'></script> -->",
            "<script>\"<script src='https://elsewhere.example/'>\"</script>",
            "<script src='data:text/javascript,x'></script><form action='javascript:x()'></form>",
            "<form action='mailto:a@elsewhere.example'></form><iframe src='about:blank'></iframe>",
            "<script src='https://[::1'></script><script src='//'></script>",
            f"<script src='https://{'a' * 300}.example/'></script>",
        ],
    )
    def test_not_of_others(self, html: str) -> None:
        assert hosts(html) == ()

    def test_each_once_in_the_order_of_the_page(self) -> None:
        html = "".join(f"<script src=https://{name}.example></script>" for name in "cabcb")
        assert hosts(html) == ("c.example", "a.example", "b.example")

    def test_so_many_and_no_more(self) -> None:
        html = "".join(f"<script src=https://h{number}.example></script>" for number in range(1000))
        assert len(hosts(html)) == page.MAX_HOSTS

    def test_what_comes_later_is_not_read(self) -> None:
        html = "x" * page.MAX_OCTETS + "<script src=https://late.example></script>"
        assert hosts(html) == ()

    def test_what_stood_before_nonsense_is_known(self) -> None:
        assert hosts("<script src=https://a.example></script><![x[ y ]]>")[:1] == ("a.example",)

    @given(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=40).map("".join))
    def test_of_any_markup_are_bounded_hosts(self, html: str) -> None:
        found = page.hosts(URL, html.encode("utf-8", "replace"))
        assert len(set(found)) == len(found) <= page.MAX_HOSTS
        assert all(0 < len(host) <= 253 and host == host.lower() for host in found)

    @given(st.binary(max_size=2000), st.text(max_size=40))
    def test_of_any_octets_at_any_address(self, octets: bytes, url: str) -> None:
        assert len(page.hosts(url, octets)) <= page.MAX_HOSTS
