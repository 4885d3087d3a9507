"""MaxMind DB files: what is read of each kind, and what is compiled of it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import maxminddb
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from geodata.snapshot import GeodataError
from geodata.sources import geoip
from geodata.sources.mmdb import Mmdb
from geodata.sources.parsed import Entry
from geodata.sources.source import Found
from geodata.sources.table import Table
from geodata.sources.table_writer import table_octets
from tests.geodata.found import FOUR, only, said

if TYPE_CHECKING:
    from pathlib import Path


def _mmdb(path: Path, kind: str, records: dict[str, Any], version: int = 6) -> Path:
    writer = MMDBWriter(ip_version=version, ipv4_compatible=version == 6, database_type=kind)
    for prefix, record in records.items():
        writer.insert_network(IPSet([prefix]), record)
    writer.to_db_file(str(path))
    return path


def _look_up(path: Path, address: str) -> Found | None:
    reader = Mmdb(path)
    try:
        return reader.look_up(ipaddress.ip_address(address))
    finally:
        reader.close()


class TestMmdb:
    """Each schema of a MaxMind DB file is read for what it says, and for nothing else."""

    def test_a_registered_country_is_not_a_country(self, tmp_path: Path) -> None:
        """GeoLite2 has nothing but that for most anycast addresses: unknown, not the holder's country."""
        record = {"registered_country": {"iso_code": "US"}, "represented_country": {"iso_code": "US"}}
        for kind in ("GeoLite2-Country", "GeoLite2-City"):
            path = _mmdb(tmp_path / kind, kind, {"198.18.0.0/24": record})
            assert only(_look_up(path, "198.18.0.1")).country is None

    def test_a_city_record_has_place_and_radius(self, tmp_path: Path) -> None:
        record = {
            "country": {"iso_code": "PK"},
            "city": {"names": {"en": "Lahore"}},
            "location": {"latitude": 31.5, "longitude": 74.3, "accuracy_radius": 20},
            "traits": {"is_anycast": True},
        }
        path = _mmdb(tmp_path / "x", "GeoIP2-City", {"198.18.0.0/24": record})
        place = Entry(country="PK", city="Lahore", latitude=31.5, longitude=74.3, radius_km=20)
        found = Found("198.18.0.0/24", (place, Entry(meaning="anycast")))
        assert _look_up(path, "198.18.0.1") == found
        compiled = Table("x", table_octets(geoip.parse(path.read_bytes()).ranges, None, None))
        assert compiled.look_up(FOUR("198.18.0.1")) == found

    def test_an_asn_record_has_network_and_number(self, tmp_path: Path) -> None:
        record = {"autonomous_system_number": 64500, "autonomous_system_organization": "Indus"}
        path = _mmdb(tmp_path / "x", "GeoLite2-ASN", {"2001:db8::/32": record})
        found = _look_up(path, "2001:db8::1")
        assert found == said("2001:db8::/32", asn=64500, network="Indus")

    def test_flat_files_are_read_without_geoip2(self, tmp_path: Path) -> None:
        path = _mmdb(tmp_path / "x", "ipvAll", {"198.18.0.0/24": {"country_code": "PK", "asn": "AS64500"}})
        assert _look_up(path, "198.18.0.1") == said("198.18.0.0/24", country="PK", asn=64500)

    def test_who_hides_others_is_no_place_of_a_server(self, tmp_path: Path) -> None:
        records = {
            "198.18.0.0/24": {"is_anonymous": True, "is_anonymous_vpn": True, "is_tor_exit_node": True},
            "198.18.1.0/24": {"is_anonymous": True, "is_hosting_provider": True},
            "198.18.2.0/24": {"is_public_proxy": "yes", "is_residential_proxy": True},
        }
        path = _mmdb(tmp_path / "x", "GeoIP2-Anonymous-IP", records)
        table = Table("x", table_octets(geoip.parse(path.read_bytes()).ranges, None, None))
        assert [table.look_up(FOUR(f"198.18.{third}.1")) for third in range(3)] == [
            said("198.18.0.0/24", meaning="user_egress", network="Tor exit, VPN"),
            None,
            said("198.18.2.0/24", meaning="user_egress", network="residential proxy"),
        ]

    def test_an_ipv6_address_is_not_in_an_ipv4_file(self, tmp_path: Path) -> None:
        path = _mmdb(tmp_path / "x", "GeoLite2-Country", {"198.18.0.0/24": {}}, version=4)
        assert _look_up(path, "2001:db8::1") is None

    @pytest.mark.parametrize(
        "record",
        [
            {"country": {"iso_code": 5}},
            {"country": {"iso_code": "Pakistan"}},
            {"country": {"iso_code": "EU"}},
            {"country": {}, "location": {"latitude": 91.0, "longitude": 0.0}},
            {"country": {}, "location": {"latitude": "north", "longitude": True}},
            {"country": {}, "location": {"latitude": 24.9}},
            {"city": {"names": {"en": 7}}},
        ],
    )
    def test_values_that_make_no_sense_are_unknown(self, tmp_path: Path, record: dict[str, object]) -> None:
        path = _mmdb(tmp_path / "x", "GeoLite2-City", {"198.18.0.0/24": record})
        assert _look_up(path, "198.18.0.1") == said("198.18.0.0/24")

    @pytest.mark.parametrize("record", ["PK", ["PK"], {"country": ["PK"]}, {"location": 3}, {"city": "x"}])
    def test_records_of_another_shape_are_an_error_that_names_the_file(
        self, tmp_path: Path, record: object
    ) -> None:
        path = _mmdb(tmp_path / "odd.mmdb", "GeoLite2-City", {"198.18.0.0/24": record})
        with pytest.raises(GeodataError, match=r"odd\.mmdb"):
            _look_up(path, "198.18.0.1")


class TestCompile:
    """Compiling joins neighbours and drops nothing but what is finer than a /64."""

    def test_every_address_says_the_same_as_in_the_source(self, tmp_path: Path) -> None:
        said = {
            "198.18.0.0/24": "PK",
            "198.18.1.0/24": "PK",
            "198.18.2.0/25": "DE",
            "255.255.255.0/24": "SG",
            "2001:db8::/48": "PK",
            "2001:db8:1::/64": "PK",
            "2001:db8:2::/80": "DE",
            "2001:db8:3:0:8000::/65": "DE",
            "2001:db8:3:1::/64": "DE",
            "ffff:ffff:ffff:ffff::/64": "SG",
        }
        source = _mmdb(
            tmp_path / "x.mmdb", "flat", {prefix: {"country_code": code} for prefix, code in said.items()}
        )
        table = Table("x", table_octets(geoip.parse(source.read_bytes()).ranges, None, None))
        with maxminddb.open_database(source) as reader:
            for prefix in said:
                network = ipaddress.ip_network(prefix)
                for address in (network[0], network[-1]):
                    record = reader.get(address)
                    found = table.look_up(address)
                    if network.prefixlen <= 64:
                        want = record["country_code"] if isinstance(record, dict) else None
                        assert only(found).country == want, address
                    else:
                        assert found is None
        for unsaid in ("198.17.255.255", "198.18.2.128", "255.255.254.255", "2001:db8:1:1::", "::1"):
            assert table.look_up(ipaddress.ip_address(unsaid)) is None
        joined = table.look_up(FOUR("198.18.0.7"))
        assert joined is not None
        assert joined.prefix == "198.18.0.0/23"
