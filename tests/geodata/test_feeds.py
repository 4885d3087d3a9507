from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.fetched import Validators
from geodata.sources.feeds import MAX_FRESH_S, MIN_FRESH_S, Feeds, Located
from geodata.sources.registration import Registration
from geodata.visit import Page, Visitor
from tests.geodata.conftest import ok

if TYPE_CHECKING:
    from pathlib import Path

    from tests.geodata.conftest import Answer, Strangers

URL = "https://feed.example/geofeed.csv"
LAB = "127.0.0.0/8"
BLOCK = Registration(prefix="39.32.0.0/11", country="PK", geofeed=URL)
FEED = b"""\
# Ours
39.32.0.0/16,PK,PK-SD,Karachi,
39.32.7.0/24,AE,AE-DU,Dubai,
39.33.0.0/16,,,,
8.8.8.0/24,PK,,Lahore,
39.0.0.0/9,PK,,,
2001:db8::/32,PK,,,
"""
SIGNED = FEED + b"# RPKI Signature: 39.32.0.0 - 39.63.255.255\n# MIIGlw==\n# End Signature: 39.32.0.0\n"


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def locate(
    strangers: Strangers,
    address: str = "39.32.0.1",
    block: Registration = BLOCK,
    cache: Path | None = None,
    clock: Any = time.time,
) -> Located | None:
    async with strangers.visitor(LAB) as visitor:
        return await Feeds(visitor, cache=cache, clock=clock).lookup(address, block, deadline_s=5)


class Told(Visitor):
    """A visitor that gets what it is given; without a network."""

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self.octets = octets
        self.asked = 0

    async def get(self, url: str, *, known: Validators, max_octets: int, deadline_s: float) -> Page:
        self.asked += 1
        return Page(self.octets, url, Validators(), None)


async def _many(directory: Path, octet: int) -> None:
    for turn in range(15):
        body = b"39.32.0.0/16,PK,,City%d,\n" % octet * 100
        feeds = Feeds(Told(body), cache=directory, clock=lambda: 1e9 * turn)  # noqa: B023  called at once
        found = await feeds.lookup("39.32.0.1", BLOCK, deadline_s=60)
        assert found is not None
        assert found.claims[0].city in {"City1", "City2"}


def _process(directory: Path, octet: int) -> None:
    asyncio.run(_many(directory, octet))


class TestLookup:
    """A block's feed is believed inside the block, as what the operator says."""

    async def test_a_feed(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(FEED, Last_Modified="Mon, 02 Nov 2026 12:00:00 GMT")
        found = await locate(strangers)
        assert found is not None
        (claim,) = found.claims
        assert (claim.source, claim.family, claim.meaning) == ("geofeed", "geofeed", "server")
        assert (claim.country, claim.city, claim.region) == ("PK", "Karachi", "PK-SD")
        assert (claim.prefix, claim.asserted_by, claim.date) == ("39.32.0.0/16", "operator", "2026-11-02")
        assert (claim.version, claim.licence) == ("2026-11-02", "none stated; published for anybody's use")
        assert (found.url, found.outside, found.skipped, found.signed) == (URL, 3, 0, False)

    async def test_the_narrowest_entry_counts(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(FEED)
        found = await locate(strangers, "39.32.7.7")
        assert found is not None
        assert [(claim.city, claim.prefix) for claim in found.claims] == [("Dubai", "39.32.7.0/24")]

    @pytest.mark.parametrize("address", ["39.33.0.1", "39.34.0.1"])  # not to be located; not in the feed
    async def test_what_it_does_not_say(self, strangers: Strangers, address: str) -> None:
        strangers.answer = lambda *_: ok(FEED)
        found = await locate(strangers, address)
        assert found is not None
        assert found.claims == ()

    async def test_what_is_outside_the_block_is_not_believed(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(FEED)
        block = Registration(prefix="39.32.6.0/24", geofeed=URL)
        found = await locate(strangers, "39.32.6.1", block)
        assert found is not None
        assert (found.claims, found.outside) == ((), 6)

    async def test_two_entries_of_one_prefix_are_two_claims(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(b"39.32.0.0/16,PK,,,\n39.32.0.0/16,AE,,,\n39.32.0.0/16,PK,,,\n")
        found = await locate(strangers)
        assert found is not None
        assert [claim.country for claim in found.claims] == ["PK", "AE"]

    async def test_ipv6(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(
            b"2400:adc0:1::/48,PK,,Lahore,\n2400:adc0:1:1::1,AE,,,\n39.32.0.0/16,PK,,,\n"
        )
        block = Registration(prefix="2400:adc0::/32", geofeed=URL)
        found = await locate(strangers, "2400:adc0:1::1", block)
        assert found is not None
        assert [claim.prefix for claim in found.claims] == ["2400:adc0:1::/48"]
        found = await locate(strangers, "2400:adc0:1:1::1", block)
        assert found is not None
        assert [claim.prefix for claim in found.claims] == ["2400:adc0:1:1::1/128"]

    async def test_a_signature_is_told(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(SIGNED)
        found = await locate(strangers)
        assert found is not None
        assert found.signed
        assert found.claims[0].city == "Karachi"

    @pytest.mark.parametrize("redirected", [False, True])
    async def test_the_feed_of_a_relay_says_where_users_are(
        self, strangers: Strangers, redirected: bool
    ) -> None:
        relay = "https://mask-api.icloud.com/egress-ip-ranges.csv"
        strangers.answer = lambda path, _: ok(FEED) if "egress" in path else (302, {"Location": relay}, b"")
        found = await locate(
            strangers, block=BLOCK if redirected else Registration(prefix=BLOCK.prefix, geofeed=relay)
        )
        assert found is not None
        assert [claim.meaning for claim in found.claims] == ["user_egress"]

    async def test_lines_without_sense_are_counted(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(b"39.32.0.0/16,PK,,,\nx,PK,,,\n")
        found = await locate(strangers)
        assert found is not None
        assert (found.skipped, len(found.claims)) == (1, 1)

    async def test_without_a_reference_nothing_is_asked(self, strangers: Strangers) -> None:
        assert await locate(strangers, block=Registration(prefix="39.32.0.0/11")) is None
        assert strangers.asked == []

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            ((404, {}, b""), "refused"),
            ((200, {}, b"<html>\nno\nfeed"), "corrupt"),
            ((200, {}, b""), "corrupt"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", "unreachable"),
        ],
    )
    async def test_a_feed_that_cannot_be_had_is_tried_once(
        self, strangers: Strangers, answer: Answer | bytes, code: str
    ) -> None:
        strangers.answer = lambda *_: answer
        async with strangers.visitor(LAB) as visitor:
            feeds = Feeds(visitor)
            for address in ("39.32.0.1", "39.32.0.2"):
                with pytest.raises(GeodataError) as caught:
                    await feeds.lookup(address, BLOCK, deadline_s=5)
                assert caught.value.code == code
        assert len(strangers.asked) == 1

    async def test_a_publisher_that_hangs_costs_the_deadline_once(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: None
        async with strangers.visitor(LAB) as visitor:
            feeds = Feeds(visitor)
            results = await asyncio.gather(
                *(feeds.lookup(f"39.32.0.{last}", BLOCK, deadline_s=0.5) for last in range(5)),
                return_exceptions=True,
            )
        assert {getattr(each, "code", None) for each in results} == {"timeout"}
        assert len(strangers.asked) == 1


class TestKept:
    """A feed is got once, and then only asked for what is new, no oftener than its publisher says."""

    async def test_two_addresses_ask_once(self, strangers: Strangers) -> None:
        strangers.answer = lambda *_: ok(FEED)
        async with strangers.visitor(LAB) as visitor:
            feeds = Feeds(visitor)
            found = await asyncio.gather(
                *(feeds.lookup(f"39.32.{each}.1", BLOCK, deadline_s=5) for each in range(9))
            )
        assert len(strangers.asked) == 1
        assert [each.claims[0].city for each in found if each] == ["Karachi"] * 7 + ["Dubai", "Karachi"]

    @pytest.mark.parametrize(
        ("headers", "kept_s"),
        [
            ({}, MAX_FRESH_S),
            ({"Cache-Control": "max-age=0"}, MIN_FRESH_S),
            ({"Cache-Control": "max-age=200000"}, 200_000),
            ({"Cache-Control": "max-age=999999999"}, MAX_FRESH_S),
        ],
    )
    async def test_for_how_long(
        self, strangers: Strangers, tmp_path: Path, headers: dict[str, str], kept_s: float
    ) -> None:
        clock = Clock()
        strangers.answer = lambda *_: (200, headers, FEED)
        await locate(strangers, cache=tmp_path, clock=clock)
        clock.now += kept_s - 1
        found = await locate(strangers, "39.32.7.7", cache=tmp_path, clock=clock)
        assert found is not None
        assert found.claims[0].city == "Dubai"
        assert len(strangers.asked) == 1
        clock.now += 1
        await locate(strangers, cache=tmp_path, clock=clock)
        assert len(strangers.asked) == 2

    async def test_what_did_not_change_is_not_sent(self, strangers: Strangers, tmp_path: Path) -> None:
        clock = Clock()
        strangers.answer = lambda _, headers: (
            (304, {}, b"") if headers.get("if-none-match") == '"1"' else ok(FEED, ETag='"1"')
        )
        for _ in range(3):
            found = await locate(strangers, cache=tmp_path, clock=clock)
            assert found is not None
            assert found.claims[0].city == "Karachi"
            clock.now += MAX_FRESH_S
        assert ["if-none-match" in headers for _, _, headers in strangers.asked] == [False, True, True]

    async def test_a_damaged_copy_is_got_again(self, strangers: Strangers, tmp_path: Path) -> None:
        strangers.answer = lambda *_: ok(FEED, ETag='"1"')
        await locate(strangers, cache=tmp_path)
        (kept,) = (tmp_path / "geofeeds").iterdir()
        whole = kept.read_bytes()
        for octets in (b"", whole[:-9], b"x" * len(whole), whole.replace(b"PK", b"AE")):
            kept.write_bytes(octets)
            found = await locate(strangers, cache=tmp_path)
            assert found is not None
            assert found.claims[0].country == "PK"
            assert "if-none-match" not in strangers.asked[-1][2]
        assert len(strangers.asked) == 5

    async def test_a_copy_under_another_name_is_none(self, strangers: Strangers, tmp_path: Path) -> None:
        strangers.answer = lambda *_: ok(FEED, ETag='"1"')
        await locate(strangers, cache=tmp_path)
        (own,) = (tmp_path / "geofeeds").iterdir()
        second = Registration(prefix=BLOCK.prefix, geofeed="https://other.example/")
        await locate(strangers, block=second, cache=tmp_path)
        (other,) = set((tmp_path / "geofeeds").iterdir()) - {own}
        other.write_bytes(own.read_bytes())
        await locate(strangers, block=second, cache=tmp_path)
        assert ["if-none-match" in headers for _, _, headers in strangers.asked] == [False, False, False]

    async def test_a_cache_that_cannot_be_written_is_told_and_no_failure(
        self, strangers: Strangers, tmp_path: Path
    ) -> None:
        strangers.answer = lambda *_: ok(FEED)
        (tmp_path / "file").write_bytes(b"")
        async with strangers.visitor(LAB) as visitor:
            feeds = Feeds(visitor, cache=tmp_path / "file")
            assert await feeds.lookup("39.32.0.1", BLOCK, deadline_s=5) is not None
            assert feeds.trouble is not None
            assert feeds.trouble.code == "disk"

    def test_two_processes_share_a_cache(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=_process, args=(tmp_path, octet)) for octet in (1, 2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]


class TestHostile:
    """Whatever a feed says, its claims are of prefixes inside the block and around the address."""

    @settings(max_examples=50)
    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2**32 - 1) | st.integers(0x27200000, 0x273FFFFF),
                st.integers(0, 33),
                st.sampled_from(["PK", "AE", "", "ZZ", "x"]),
            ).map(lambda each: f"{ipaddress.IPv4Address(each[0])}/{each[1]},{each[2]},,,")
            | st.integers(8, 32).map(
                lambda length: f"{ipaddress.ip_network(('39.40.1.1', length), strict=False)},PK,,,"
            )
            | st.text(max_size=30),
            max_size=12,
        )
    )
    async def test_any_lines(self, lines: list[str]) -> None:
        feeds = Feeds(Told("\n".join(lines).encode("utf-8", "surrogatepass")))
        with contextlib.suppress(GeodataError):
            found = await feeds.lookup("39.40.1.1", BLOCK, deadline_s=60)
            assert found is not None
            for claim in found.claims:
                network = ipaddress.IPv4Network(claim.prefix)
                assert ipaddress.IPv4Address("39.40.1.1") in network
                assert network.subnet_of(ipaddress.IPv4Network(BLOCK.prefix))
                assert claim.asserted_by == "operator"
