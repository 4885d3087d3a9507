"""Questions to registries by RDAP: what becomes of them, and how often they are put."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

import pytest

from geodata.snapshot import GeodataError
from geodata.sources import rdap
from geodata.sources.budget import Budget
from geodata.sources.rdap import Opener, Rdap, bounded_opener
from tests.geodata.registries import ADDRESS, ANSWER, Registries, Reply, registry

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable
    from pathlib import Path


async def _ask(reply: Callable[[str], Reply], address: str = ADDRESS, deadline_s: float = 5) -> Any:
    with registry(reply) as opener, Rdap(opener) as client:
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

        def hang(_: float) -> Opener:
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
        with registry(lambda _: (200, b"{}", 60)) as opener, Rdap(opener) as client:
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

    async def test_whom_nobody_gave_an_address_is_asked_of_the_redirector(self) -> None:
        answer = {**ANSWER, "startAddress": "2fff::", "endAddress": "2fff:ffff::", "ipVersion": "v6"}
        with registry(lambda _: (200, json.dumps(answer).encode(), 0)) as opener, Rdap(opener) as client:
            assert (await client.lookup("2fff::1", deadline_s=5)).prefix == "2fff::/17"


class TestKept:
    """What was answered is not asked again, by any process that shares the cache."""

    async def _look_up(self, registries: Registries, cache: Path, *addresses: str) -> list[Any]:
        with registry(registries) as opener, Rdap(opener, cache=cache) as client:
            results = [client.lookup(address, deadline_s=5) for address in addresses]
            return [(await asyncio.gather(one, return_exceptions=True))[0] for one in results]

    async def test_another_address_of_the_block_is_not_asked_for(self, tmp_path: Path) -> None:
        registries = Registries()
        first, second = await self._look_up(registries, tmp_path, ADDRESS, "39.40.0.1")
        assert first == second
        (third,) = await self._look_up(registries, tmp_path, "39.63.255.255")
        assert third == first
        assert len(registries.asked) == 1

    async def test_a_damaged_answer_is_asked_for_again(self, tmp_path: Path) -> None:
        registries = Registries()
        await self._look_up(registries, tmp_path, ADDRESS)
        (kept,) = (tmp_path / "rdap").iterdir()
        kept.write_bytes(kept.read_bytes()[:50])
        (claim,) = await self._look_up(registries, tmp_path, ADDRESS)
        assert claim.country == "PK"
        assert len(registries.asked) == 2
        assert len(kept.read_bytes()) > 50

    async def test_an_answer_of_another_block_is_not_kept_for_that(self, tmp_path: Path) -> None:
        registries = Registries(startAddress="8.0.0.0", endAddress="8.255.255.255")
        first, again = await self._look_up(registries, tmp_path, ADDRESS, ADDRESS)
        assert (first.code, again.code) == ("malformed", "malformed")
        assert len(registries.asked) == 1  # that it is malformed is known for a while
        assert {each.name for each in (tmp_path / "rdap").iterdir()} == {"4-27200001-32"}

    async def test_an_answer_of_the_whole_world_is_asked_for_every_time(self, tmp_path: Path) -> None:
        registries = Registries(startAddress="0.0.0.0", endAddress="255.255.255.255")
        first, second = await self._look_up(registries, tmp_path, ADDRESS, "8.8.8.8")
        assert first.prefix == second.prefix == "0.0.0.0/0"
        assert len(registries.asked) == 2

    async def test_that_there_is_no_answer_is_known_for_a_while(self, tmp_path: Path) -> None:
        registries = Registries(404)
        first, second = await self._look_up(registries, tmp_path, ADDRESS, ADDRESS)
        assert (first.code, str(first)) == (second.code, str(second))
        assert len(registries.asked) == 1

    @pytest.mark.parametrize("status", [500, 503])
    async def test_a_registry_that_is_ill_is_asked_again(self, tmp_path: Path, status: int) -> None:
        registries = Registries(status)
        await self._look_up(registries, tmp_path, ADDRESS, ADDRESS)
        assert len(registries.asked) == 2

    async def test_without_a_network_nothing_is_kept(self, tmp_path: Path) -> None:
        class Nowhere(urllib.request.HTTPSHandler):
            handler_order = 100

            def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
                raise URLError("no route to it")

        def refuse(until: float) -> Opener:
            opener = bounded_opener(until)
            opener.add_handler(Nowhere())
            return opener

        with Rdap(refuse, cache=tmp_path) as client, pytest.raises(GeodataError):
            await client.lookup(ADDRESS, deadline_s=5)
        assert not (tmp_path / "rdap").exists()

    async def test_a_cache_that_cannot_be_written_is_told_and_no_failure(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with registry(Registries()) as opener, Rdap(opener, cache=tmp_path / "file") as client:
            assert (await client.lookup(ADDRESS, deadline_s=5)).country == "PK"
            assert client.trouble is not None
            assert client.trouble.code == "disk"


class TestBudgets:
    """A registry is not asked more often than it wants, and whoever says 429 is left alone."""

    async def _codes(self, registries: Registries, *addresses: str) -> list[str]:
        codes = []
        with registry(registries) as opener, Rdap(opener) as client:
            for address in addresses:
                try:
                    await client.lookup(address, deadline_s=5)
                except GeodataError as error:
                    codes.append(f"{error.code} {error}")
        return codes

    async def test_the_fifth_question_at_once_is_not_put_to_lacnic(self) -> None:
        registries = Registries(startAddress="200.0.0.0", endAddress="200.255.255.255")
        codes = await self._codes(registries, *(f"200.0.0.{last}" for last in range(1, 7)))
        assert len(registries.asked) == 8  # to the redirector and to LACNIC each
        assert len(codes) == 2
        assert "rate-limited lacnic: may be asked again in 1" in codes[0]

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, 300),
            ({"Retry-After": "900"}, 900),
            ({"Retry-After": "x"}, 300),
            ({"Retry-After": "9" * 9}, 3600),
        ],
    )
    async def test_after_a_429_that_registry_is_left_alone(
        self, headers: dict[str, str], seconds: int
    ) -> None:
        registries = Registries(429, headers)
        first, second, third = await self._codes(registries, "200.0.0.1", "200.0.0.2", ADDRESS)
        assert "rate-limited by the registry" in first
        assert f"lacnic: may be asked again in {seconds} s" in second
        assert "arin" not in third
        assert registries.asked == ["/bootstrap/ip/200.0.0.1", "/x", f"/bootstrap/ip/{ADDRESS}"]

    async def test_a_429_of_the_redirector_stops_all(self) -> None:
        registries = Registries(429)
        _, second = await self._codes(registries, ADDRESS, "193.0.6.139")
        assert "arin: may be asked again in 300 s" in second
        assert len(registries.asked) == 1

    async def test_who_is_referred_to_is_charged(self) -> None:
        budget = Budget()
        with (
            registry(
                lambda path: (302, b"https://rdap.lacnic.net/x", 0) if path != "/x" else (404, b"", 0)
            ) as (opener),
            Rdap(opener, budget=budget) as client,
        ):
            for last in range(1, 5):
                with pytest.raises(GeodataError):
                    await client.lookup(f"39.32.0.{last}", deadline_s=5)
        with pytest.raises(GeodataError, match="lacnic: may be asked again"):
            budget.take("lacnic", 0)
