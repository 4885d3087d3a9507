from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from geodata.snapshot_writer import write_snapshot
from scanner.cli.geodata import geodata

if TYPE_CHECKING:
    from pathlib import Path

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
