from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geoip2.database
import geoip2.errors
import pytest

from geodata.snapshot import GeodataError, Snapshot
from geodata.snapshot_writer import write_snapshot

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = {"country": None, "city": None, "latitude": None, "longitude": None, "asn": None, "network": None}
KARACHI = {"country": "PK", "city": "Karachi", "latitude": 24.8607, "longitude": 67.0011}
DESCRIBED: dict[str, Any] = {
    "name": "test",
    "date": "2026-11-01",
    "lab": ["198.18.0.0/15", "2001:db8::/32"],
    "sources": [
        {
            "source": "geo",
            "family": "geo",
            "meaning": "server",
            "version": "2026-11-01",
            "records": [
                # the more specific one first: it must win all the same
                {**NOTHING, **KARACHI, "prefix": "198.18.1.0/24"},
                {**NOTHING, "prefix": "198.18.0.0/16", "country": "DE"},
                {**NOTHING, "prefix": "2001:db8::/32", "country": "SG"},
                {**NOTHING, "prefix": "2001:db8:1::/48", "country": "PK"},
            ],
        },
        {
            "source": "bgp",
            "family": "bgp",
            "meaning": "origin",
            "version": "2026-11-01",
            "records": [
                {**NOTHING, "prefix": "198.18.0.0/15", "asn": 64500, "network": "Indus", "country": "PK"},
                {**NOTHING, "prefix": "198.19.0.0/16", "asn": 64501, "network": "Edge \x1b[31m"},
            ],
        },
        {
            "source": "rir",
            "family": "registry",
            "meaning": "registrant",
            "version": "2026-11-01",
            "records": [{**NOTHING, "prefix": "0.0.0.0/0", "country": "SC"}],
        },
    ],
    "known": [{"asn": 64501, "name": "Edge", "kind": "cdn"}],
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_snapshot(tmp_path / "geodata", DESCRIBED)
    return tmp_path / "geodata"


class TestDatabases:
    """The files are real MaxMind DB files that geoip2 itself reads."""

    def test_a_city_file_is_read_by_geoip2(self, directory: Path) -> None:
        with geoip2.database.Reader(directory / "source-0.mmdb") as reader:
            found = reader.city("198.18.1.9")
            assert (found.country.iso_code, found.city.name) == ("PK", "Karachi")
            assert (found.location.latitude, found.location.longitude) == (24.8607, 67.0011)
            assert reader.city("2001:db8:1::9").country.iso_code == "PK"
            with pytest.raises(geoip2.errors.AddressNotFoundError):
                reader.city("8.8.8.8")

    def test_an_origin_file_is_read_by_geoip2_as_asn_and_as_country(self, directory: Path) -> None:
        with geoip2.database.Reader(directory / "source-1.mmdb") as reader:
            found = reader.asn("198.18.1.9")
            assert (found.autonomous_system_number, found.autonomous_system_organization) == (64500, "Indus")
            assert reader.country("198.18.1.9").country.iso_code == "PK"

    def test_a_more_specific_prefix_wins_in_whatever_order_it_comes(self, directory: Path) -> None:
        with geoip2.database.Reader(directory / "source-0.mmdb") as reader:
            assert reader.city("198.18.2.1").country.iso_code == "DE"
            assert reader.city("198.18.1.1").country.iso_code == "PK"
            assert reader.city("2001:db8:2::1").country.iso_code == "SG"

    def test_a_prefix_may_be_the_whole_address_space(self, directory: Path) -> None:
        with geoip2.database.Reader(directory / "source-2.mmdb") as reader:
            assert reader.country("1.2.3.4").country.iso_code == "SC"
            assert reader.country("203.0.113.1").country.iso_code == "SC"


class TestManifest:
    """What was described comes back as claims."""

    def test_every_described_value_is_a_claim(self, directory: Path) -> None:
        with Snapshot.open(directory) as snapshot:
            claims = {claim.source: claim for claim in snapshot.claims("198.18.1.9")}
        geo = claims["geo"]
        assert (geo.country, geo.city, geo.latitude, geo.longitude) == ("PK", "Karachi", 24.8607, 67.0011)
        assert (geo.prefix, geo.meaning, geo.family) == ("198.18.1.0/24", "server", "geo")
        assert (geo.version, geo.date) == ("2026-11-01", "2026-11-01")
        assert (claims["bgp"].asn, claims["bgp"].network, claims["bgp"].country) == (64500, "Indus", "PK")
        assert claims["rir"].asserted_by == "registry"

    def test_a_meaning_that_does_not_exist_is_refused(self, tmp_path: Path) -> None:
        source = {**DESCRIBED["sources"][0], "meaning": "rumour"}
        with pytest.raises(GeodataError, match=r"sources\[0\]\.meaning"):
            write_snapshot(tmp_path, {**DESCRIBED, "sources": [source]})
