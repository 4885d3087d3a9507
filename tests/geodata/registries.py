"""Registries: a server on loopback that answers RDAP as they do, or as a test has it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

from geodata.sources.rdap import Opener, bounded_opener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADDRESS = "39.32.0.1"
# In the shape of RFC 9083, as APNIC answers.
ANSWER: dict[str, Any] = {
    "objectClassName": "ip network",
    "handle": "39.32.0.0 - 39.63.255.255",
    "startAddress": "39.32.0.0",
    "endAddress": "39.63.255.255",
    "ipVersion": "v4",
    "name": "PTCL-PK",
    "type": "ALLOCATED PORTABLE",
    "country": "PK",
    "status": ["active"],
    "events": [
        {"eventAction": "registration", "eventDate": "2011-01-13T05:21:04Z"},
        {"eventAction": "last changed", "eventDate": "2021-02-17T23:39:20Z"},
    ],
    "entities": [],
}


Reply = tuple[int, bytes, float] | tuple[int, bytes, float, dict[str, str]]  # status, body, delay, headers


@contextlib.contextmanager
def registry(reply: Callable[[str], Reply]) -> Iterator[Callable[[float], Opener]]:
    """A real HTTP server on loopback, and an opener that takes every question to it."""
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, delay, *headers = reply(self.path)
            stop.wait(delay)
            with contextlib.suppress(OSError):
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", body.decode().replace("PORT", str(server.server_port)))
                for name, value in headers[0].items() if headers else ():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    class ToLoopback(urllib.request.HTTPSHandler):
        handler_order = 100

        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            req.host = f"127.0.0.1:{server.server_port}"
            return self.do_open(http.client.HTTPConnection, req)

    def make(until: float) -> Opener:
        opener = bounded_opener(until)
        opener.add_handler(ToLoopback())
        return opener

    try:
        yield make
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Registries:
    """Counts questions; answers each with the same, and refers LACNIC's addresses to LACNIC."""

    def __init__(self, status: int = 200, headers: dict[str, str] | None = None, **changed: object) -> None:
        self.asked: list[str] = []
        self.status = status
        self.headers = headers or {}
        self.answer = {**ANSWER, **changed}

    def __call__(self, path: str) -> Reply:
        self.asked.append(path)
        if path.startswith("/bootstrap/ip/200."):
            return 302, b"https://rdap.lacnic.net/x", 0
        return self.status, json.dumps(self.answer).encode(), 0, self.headers
