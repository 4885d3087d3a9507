"""The hosts that a page makes a browser turn to: for scripts, frames, forms and style sheets.

The standard library's parser reads it, and no more of it than :data:`MAX_OCTETS`. Nothing is executed, so
what a script loads is not seen.
"""

from __future__ import annotations

import contextlib
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_OCTETS: Final = 262_144
MAX_HOSTS: Final = 50
_MAX_HOST: Final = 253  # RFC 1035 section 3.1, as text without the root's dot
_SOURCES: Final = {"script": "src", "iframe": "src", "frame": "src", "form": "action"}
_LINKS: Final = frozenset({"stylesheet", "preload"})


def hosts(url: str, octets: bytes) -> tuple[str, ...]:
    """The other hosts that the page at ``url`` names, in its order, each once, in lower case.

    A reference that is no HTTP URL is passed over. The text is taken for UTF-8, of which ASCII is a part;
    octets that are not become U+FFFD.
    """
    page = _Page(url)
    # The parser of Python 3.11 raises AssertionError for "<![x[": what stood before that is known.
    with contextlib.suppress(AssertionError):
        page.feed(octets[:MAX_OCTETS].decode("utf-8", "replace"))
    own = _host(url)
    return tuple(host for host in page.hosts if host != own)[:MAX_HOSTS]


class _Page(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self._base = url
        self._moved = False
        self.hosts: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        # Of attributes with one name the first counts.
        attributes = {name: value or "" for name, value in reversed(list(attrs))}
        if tag == "base" and not self._moved and "href" in attributes:
            self._moved = True
            self._base = _join(self._base, attributes["href"]) or self._base
            return
        reference = attributes.get(_SOURCES.get(tag, ""))
        if tag == "link" and _LINKS & set(attributes.get("rel", "").lower().split()):
            reference = attributes.get("href")
        if reference is None or len(self.hosts) > MAX_HOSTS:
            return
        host = _host(_join(self._base, reference))
        if host is not None:
            self.hosts[host] = None


def _join(base: str, reference: str) -> str | None:
    try:
        return urljoin(base, reference.strip())
    except ValueError:  # such as an IPv6 address that its bracket does not close
        return None


def _host(url: str | None) -> str | None:
    try:
        parts = urlsplit(url or "")
        host = parts.hostname
    except ValueError:
        return None
    return host if parts.scheme in {"http", "https"} and host and len(host) <= _MAX_HOST else None
