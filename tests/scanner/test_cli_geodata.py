from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dns.asyncresolver
import dns.message
import dns.rrset
import pytest
from click.testing import CliRunner, Result

from geodata.errors import GeodataError
from geodata.fetched import Validators
from geodata.snapshot_writer import write_snapshot
from geodata.sources.feeds import Feeds
from geodata.sources.registration import Registration
from geodata.sources.registrations import Registrations
from geodata.visit import Page, Visitor
from scanner.cli.geodata import geodata
from scanner.cli.online import default_cache

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = "Evil \x1b]0;owned\x07\u202e<script>[bold red]"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(geodata, arguments)


@pytest.fixture
def directory(tmp_path: Path) -> str:
    record = {"prefix": "198.18.0.0/24", "asn": 64500, "network": HOSTILE, "country": "PK"}
    source = {
        "source": "bgp",
        "family": "bgp",
        "meaning": "origin",
        "records": [record],
        "attribution": HOSTILE,
    }
    write_snapshot(
        tmp_path, {"name": "test", "date": "2026-11-01", "lab": ["198.18.0.0/24"], "sources": [source]}
    )
    return str(tmp_path)


class TestStatus:
    """Every source with its version, date, age and licence."""

    def test_the_embedded_snapshot(self) -> None:
        result = _run("status", "--format", "json")
        assert result.exit_code == 0
        rows = {row["source"]: row for row in json.loads(result.stdout)}
        assert {"registry", "routeviews", "dbip-country", "amazon", "azure", "known-prefixes"} <= set(rows)
        assert rows["routeviews"]["freshness"] == "stale"
        assert rows["dbip-country"]["licence"] == "CC-BY-4.0"
        assert "https://db-ip.com" in rows["dbip-country"]["attribution"]
        assert 5_000_000 < rows["dbip-country"]["home4"] < 6_500_000
        assert all(row["version"] and row["date"] and row["licence"] for row in rows.values())
        # iptocc does not say how many records it has.
        assert [name for name, row in rows.items() if not row["records"]] == ["registry"]

    def test_a_table_says_it_too(self) -> None:
        result = _run("status")
        assert result.exit_code == 0
        assert "stale" in result.stdout
        assert "CC-BY-4.0" in result.stdout

    def test_a_snapshot_that_is_none_is_named(self, tmp_path: Path) -> None:
        result = _run("status", "--geodata", str(tmp_path))
        assert result.exit_code != 0
        assert "manifest.json" in result.stderr
        assert result.exception is None or isinstance(result.exception, SystemExit)


class TestLookup:
    """What the sources say of addresses, shown so that a terminal does not obey it."""

    def test_claims_and_special_purpose(self) -> None:
        result = _run("lookup", "39.32.0.1", "10.0.0.1", "--format", "json")
        first, second = json.loads(result.stdout)
        assert [claim["country"] for claim in first["claims"] if claim["country"]] == ["PK", "PK"]
        assert first["special"] is None
        assert second["special"]["name"] == "private-use"

    def test_a_table_names_both(self) -> None:
        result = _run("lookup", "39.32.0.1", "10.0.0.1", "203.0.113.1")
        assert "AS17557" in result.stdout
        assert "private-use (RFC 1918)" in result.stdout
        assert "documentation (TEST-NET-3) (RFC 5737)" in result.stdout

    @pytest.mark.parametrize("arguments", [("lookup", "198.18.0.1"), ("status",)])
    def test_hostile_text_is_shown_and_not_obeyed(self, directory: str, arguments: tuple[str, ...]) -> None:
        result = _run(*arguments, "--geodata", directory)
        assert result.exit_code == 0
        assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)
        assert "\\x1b" in result.stdout

    def test_what_is_no_address_is_a_message(self) -> None:
        result = _run("lookup", "\x1b[31mhost")
        assert result.exit_code != 0
        assert "is not an IP address" in result.stderr
        assert "\x1b" not in result.stderr


URL = "https://feed.example/geofeed.csv"


class Told(Visitor):
    """A visitor that gets one feed, without a network."""

    async def get(self, url: str, *, known: Validators, max_octets: int, deadline_s: float) -> Page:
        feed = (
            b"39.32.0.0/16,PK,PK-SD,Karachi,\n8.8.8.0/24,PK,,,\n# RPKI Signature: 39.32.0.0 - 39.63.255.255\n"
        )
        return Page(feed, url, Validators(modified="Mon, 02 Nov 2026 12:00:00 GMT"), None)


@pytest.fixture
def cache(tmp_path: Path) -> str:
    """Answers that were got before: a registration with a feed, one without, and a failure."""
    known = Registrations(tmp_path / "rdap")
    one = Registration(prefix="39.32.0.0/11", country="PK", network=HOSTILE, date="2021-02-17", geofeed=URL)
    known.keep(one)
    known.keep(Registration(prefix="8.8.8.0/24", country="US"))
    failed = GeodataError("RDAP for 9.9.9.9: HTTP lookup failed \x1b[2J", "unreachable")
    known.keep_failure(ipaddress.ip_address("9.9.9.9"), failed)
    asyncio.run(Feeds(Told(), cache=tmp_path).lookup("39.32.0.1", one, deadline_s=60))
    return str(tmp_path)


@contextlib.contextmanager
def _name_server(monkeypatch: pytest.MonkeyPatch, *records: str) -> Iterator[None]:
    """A DNS server on loopback that gives every name these texts, as the system's resolver."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while len(wire := server.recvfrom(4096)) and wire[0]:
            query = dns.message.from_wire(wire[0])
            response = dns.message.make_response(query)
            texts = [f'"{record}"' for record in records]
            if texts:
                response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "TXT", *texts))
            server.sendto(response.to_wire(), wire[1])

    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = ["127.0.0.1"]
    made.port = server.getsockname()[1]
    monkeypatch.setattr(dns.asyncresolver, "Resolver", lambda: made)
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname())
        thread.join(10)
        server.close()


class TestAskedOfOthers:
    """What registries, operators and Team Cymru say, where it is asked for; a failure is only said."""

    def _claims(self, result: Result) -> list[list[dict[str, Any]]]:
        assert result.exit_code == 0, result.stderr
        told = {"rdap", "geofeed", "cymru"}
        return [
            [claim for claim in each["claims"] if claim["source"] in told]
            for each in json.loads(result.stdout)
        ]

    def test_a_registration_and_its_geofeed(self, cache: str) -> None:
        result = _run(
            "lookup", "39.32.0.1", "8.8.8.8", "--rdap", "--geofeed", "--cache", cache, "--format", "json"
        )
        (rdap, feed), (other,) = self._claims(result)
        assert (rdap["source"], rdap["country"], rdap["asserted_by"]) == ("rdap", "PK", "operator")
        assert (feed["source"], feed["city"], feed["date"]) == ("geofeed", "Karachi", "2026-11-02")
        assert other["country"] == "US"
        assert "1 of its entries are outside 39.32.0.0/11" in result.stderr
        assert "signature was not verified" in result.stderr
        assert "8.8.8.8: the registration of 8.8.8.0/24 names no geofeed" in result.stderr

    def test_a_geofeed_alone(self, cache: str) -> None:
        result = _run("lookup", "39.32.0.1", "--geofeed", "--cache", cache, "--format", "json")
        assert [claim["source"] for claim in self._claims(result)[0]] == ["geofeed"]

    def test_a_failure_is_said_and_gives_no_claim(self, cache: str) -> None:
        result = _run("lookup", "9.9.9.9", "10.0.0.1", "--rdap", "--cache", cache, "--format", "json")
        assert self._claims(result) == [[], []]
        assert "RDAP for 9.9.9.9: HTTP lookup failed" in result.stderr
        assert "\x1b" not in result.stderr

    def test_hostile_text_is_shown_and_not_obeyed(self, cache: str) -> None:
        result = _run("lookup", "39.32.0.1", "--rdap", "--cache", cache)
        assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)

    def test_team_cymru(self, cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
        record = "64500 64501 | 39.32.0.0/16 | PK | apnic | 2011-01-13"
        with _name_server(monkeypatch, record):
            result = _run("lookup", "39.32.0.1", "--cymru", "--cache", cache, "--format", "json")
        (claims,) = self._claims(result)
        assert [claim["asn"] for claim in claims] == [64500, 64501, None]
        assert [claim["family"] for claim in claims] == ["bgp", "bgp", "registry"]

    def test_that_nobody_announces_it_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with _name_server(monkeypatch):
            result = _run("lookup", "39.32.0.1", "--cymru", "--format", "json")
        assert self._claims(result) == [[]]
        assert "no network that announces it" in result.stderr

    def test_a_bad_answer_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with _name_server(monkeypatch, "nonsense"):
            result = _run("lookup", "39.32.0.1", "--cymru", "--format", "json")
        assert self._claims(result) == [[]]
        assert "Team Cymru on 39.32.0.1: 1 fields" in result.stderr


class TestDefaultCache:
    """Where answers are kept, as the XDG Base Directory Specification says."""

    def test_it_is_the_users(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        assert default_cache() == tmp_path / ".cache" / "sarhad"
        monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
        assert default_cache() == Path("/elsewhere/sarhad")

    @pytest.mark.parametrize("given", ["", "relative"])
    def test_what_is_no_absolute_path_is_ignored(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CACHE_HOME", given)
        assert default_cache() == tmp_path / ".cache" / "sarhad"
