from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import json
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipwhois.net import Net
from ipwhois.rdap import RDAP

from geodata.snapshot import GeodataError
from geodata.sources import rdap
from geodata.sources.rdap import Rdap, bounded_opener, claim_of

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


def _claim(answer: dict[str, Any], address: str = ADDRESS) -> Any:
    """Through ipwhois's own parser, as an answer from the network goes."""
    result = RDAP(Net(address)).lookup(response=answer, bootstrap=True, root_ent_check=False)
    return claim_of(result, address)


class TestClaimOf:
    """A registry's answer becomes one claim, marked as what the holder says."""

    def test_an_answer(self) -> None:
        claim = _claim(ANSWER)
        assert (claim.source, claim.family, claim.meaning) == ("rdap", "registry", "registrant")
        assert (claim.country, claim.network, claim.prefix) == ("PK", "PTCL-PK", "39.32.0.0/11")
        assert (claim.date, claim.asserted_by) == ("2021-02-17", "operator")

    def test_an_ipv6_answer(self) -> None:
        answer = {**ANSWER, "startAddress": "2a00::", "endAddress": "2a00:ffff::", "ipVersion": "v6"}
        assert _claim(answer, "2a00::1").prefix == "2a00::/17"

    def test_a_range_that_is_no_prefix_gives_the_widest_one_around_the_address(self) -> None:
        answer = {**ANSWER, "startAddress": "39.32.0.1", "endAddress": "39.32.0.6"}
        assert _claim(answer, "39.32.0.3").prefix == "39.32.0.2/31"

    def test_a_country_that_is_none_is_unknown(self) -> None:
        for value in (None, "", "Pakistan", "EU", "P\x1b"):
            assert _claim({**ANSWER, "country": value}).country is None

    def test_hostile_text_stays_one_short_value(self) -> None:
        claim = _claim({**ANSWER, "name": "\x1b[2J<script>" + "x" * 10_000})
        assert claim.network is not None
        assert len(claim.network) == 200

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"startAddress": "10.0.0.0", "endAddress": "10.0.0.255"}, "answer is of 10.0.0.0"),
            ({"startAddress": "39.63.255.255", "endAddress": "39.32.0.0"}, "answer is of 39.63"),
            ({"startAddress": "::", "endAddress": "ffff::", "ipVersion": "v6"}, "malformed range"),
            ({"startAddress": "x", "endAddress": "y", "ipVersion": "v6"}, "malformed range"),
        ],
    )
    def test_an_answer_of_another_range_is_refused(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(GeodataError, match=message) as caught:
            _claim({**ANSWER, **changed})
        assert caught.value.code == "malformed"

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=8)
            | st.sampled_from(["39.32.0.0", "::"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "network",
                            "start_address",
                            "end_address",
                            "country",
                            "name",
                            "handle",
                            "events",
                            "action",
                            "timestamp",
                        ]
                    ),
                    inner,
                )
            ),
            max_leaves=20,
        ).filter(lambda value: isinstance(value, dict))
    )
    def test_any_result_gives_a_claim_or_an_error_with_a_code(self, result: dict[str, Any]) -> None:
        with contextlib.suppress(GeodataError):
            assert claim_of(result, ADDRESS).prefix


Reply = tuple[int, bytes, float]  # status, body, seconds before it


@contextlib.contextmanager
def _registry(reply: Callable[[str], Reply]) -> Iterator[Callable[[float], urllib.request.OpenerDirector]]:
    """A real HTTP server on loopback, and an opener that takes every question to it."""
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, delay = reply(self.path)
            stop.wait(delay)
            with contextlib.suppress(OSError):
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", body.decode().replace("PORT", str(server.server_port)))
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

    def make(until: float) -> urllib.request.OpenerDirector:
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


async def _ask(reply: Callable[[str], Reply], address: str = ADDRESS, deadline_s: float = 5) -> Any:
    with _registry(reply) as opener, Rdap(opener) as client:
        return await client.lookup(address, deadline_s=deadline_s)


class TestLookup:
    """One question to one registry, within a deadline, with a code for whatever goes wrong."""

    async def test_an_answer_becomes_a_claim(self) -> None:
        asked: list[str] = []

        def reply(path: str) -> Reply:
            asked.append(path)
            return 200, json.dumps(ANSWER).encode(), 0

        claim = await _ask(reply, f"::ffff:{ADDRESS}")
        assert (claim.country, claim.prefix) == ("PK", "39.32.0.0/11")
        assert asked == [f"/bootstrap/ip/{ADDRESS}"]  # decoded, and asked once

    @pytest.mark.parametrize(
        ("status", "body", "code"),
        [
            (429, b"", "rate-limited"),
            (
                200,
                json.dumps({**ANSWER, "notices": [{"title": "Rate Limit Notice"}]}).encode(),
                "rate-limited",
            ),
            (404, b"{}", "unreachable"),
            (500, b"", "unreachable"),
            (200, b"<html>", "unreachable"),
            (200, b"[" * 100_000, "unreachable"),
            (200, json.dumps(ANSWER).encode() + b" " * rdap.MAX_ANSWER_OCTETS, "unreachable"),
            (302, b"ftp://127.0.0.1/x", "unreachable"),
            (302, b"file:///etc/passwd", "unreachable"),
            (200, b"{}", "malformed"),
            (200, b"[]", "unreachable"),  # as ipwhois calls it
            (200, b'{"handle": 5}', "malformed"),
            (200, json.dumps({**ANSWER, "entities": 7}).encode(), "malformed"),
            (200, json.dumps({**ANSWER, "startAddress": ["x"]}).encode(), "malformed"),
        ],
    )
    async def test_a_bad_answer_has_a_code(self, status: int, body: bytes, code: str) -> None:
        asked: list[str] = []

        def reply(path: str) -> Reply:
            asked.append(path)
            return status, body, 0

        with pytest.raises(GeodataError) as caught:
            await _ask(reply)
        assert caught.value.code == code
        assert len(asked) == 1
        assert ADDRESS in str(caught.value)

    async def test_entities_are_not_asked_for(self) -> None:
        asked: list[str] = []

        def reply(path: str) -> Reply:
            asked.append(path)
            return (
                200,
                json.dumps({**ANSWER, "entities": [{"handle": "ORG-1", "roles": ["registrant"]}]}).encode(),
                0,
            )

        assert (await _ask(reply)).country == "PK"
        assert len(asked) == 1

    async def test_a_referral_without_tls_is_not_followed(self) -> None:
        def reply(path: str) -> Reply:
            if path == "/x":
                return 200, json.dumps(ANSWER).encode(), 0
            return 302, b"http://127.0.0.1:PORT/x", 0

        with pytest.raises(GeodataError) as caught:
            await _ask(reply)
        assert caught.value.code == "unreachable"

    async def test_a_referral_over_tls_is_followed(self) -> None:
        def reply(path: str) -> Reply:
            if path == "/x":
                return 200, json.dumps(ANSWER).encode(), 0
            return 302, b"https://rdap.example/x", 0

        assert (await _ask(reply)).country == "PK"

    async def test_a_thread_that_hangs_is_not_waited_for(self) -> None:
        release = threading.Event()

        def hang(_: float) -> urllib.request.OpenerDirector:
            release.wait(60)
            raise OSError

        with Rdap(hang) as client:
            try:
                with pytest.raises(GeodataError) as caught:
                    await client.lookup(ADDRESS, deadline_s=0.1)
                assert caught.value.code == "timeout"
                assert not release.is_set()
            finally:
                release.set()

    async def test_a_slow_registry_costs_no_more_than_the_deadline(self) -> None:
        with pytest.raises(GeodataError) as caught:
            await _ask(lambda _: (200, b"{}", 60), deadline_s=0.2)
        assert caught.value.code in {"timeout", "unreachable"}

    async def test_questions_beyond_the_threads_wait_no_longer_than_their_deadline(self) -> None:
        with _registry(lambda _: (200, b"{}", 60)) as opener, Rdap(opener) as client:
            questions = (client.lookup(f"39.32.0.{last}", deadline_s=0.3) for last in range(1, 9))
            results = await asyncio.gather(*questions, return_exceptions=True)
        assert {type(one) for one in results} == {GeodataError}

    @pytest.mark.parametrize(
        ("address", "code"),
        [("host.example", "address"), ("10.0.0.1", "special"), ("2002:a00:1::", "special")],
    )
    async def test_what_no_registry_knows_is_not_asked(self, address: str, code: str) -> None:
        def reply(path: str) -> Reply:
            pytest.fail(f"asked for {path}")

        with pytest.raises(GeodataError) as caught:
            await _ask(reply, address)
        assert caught.value.code == code
