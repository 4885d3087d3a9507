"""What a world's databases say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from probes.simnet.databases import describe
from probes.simnet.world import Database, Network, Place, Routers, World

DATABASES = (
    Database(id="registry", family="registry", meaning="registrant"),
    Database(id="origin", family="bgp", meaning="origin"),
    Database(id="geo", family="geo"),
)


def place(city: str, country: str, prefix: str) -> Place:
    return Place(city=city, country=country, latitude=1.5, longitude=2.5, routers=Routers(prefixes=(prefix,)))


def world(*networks: Network) -> World:
    places = {
        "karachi": place("Karachi", "PK", "198.19.0.0/24"),
        "dubai": place("Dubai", "AE", "10.9.0.0/24"),
    }
    return World.model_construct(
        version=1,
        country="PK",
        vantages=(),
        name="test",
        date="2026-11-01",
        places=places,
        databases=DATABASES,
        networks=networks,
    )


def network(says: str | dict[str, str | None] | None, **rest: Any) -> Network:
    values = {"id": "net", "asn": 64500, "name": "A Net", "prefixes": ["198.18.0.0/24"], "says": says}
    return Network.model_validate(values | rest)


def said(one: Network) -> dict[str, list[dict[str, Any]]]:
    return {source["source"]: source["records"] for source in describe(world(one))["sources"]}


class TestRecords:
    """Each database says what the world has it say."""

    def test_a_place_gives_servers_a_city_and_coordinates(self) -> None:
        assert said(network("karachi"))["geo"] == [
            {
                "prefix": "198.18.0.0/24",
                "country": "PK",
                "city": "Karachi",
                "latitude": 1.5,
                "longitude": 2.5,
                "asn": None,
                "network": None,
            }
        ]

    def test_a_registry_knows_no_city(self) -> None:
        (record,) = said(network("karachi"))["registry"]
        assert (record["country"], record["city"], record["latitude"]) == ("PK", None, None)

    def test_an_origin_names_the_network(self) -> None:
        (record,) = said(network("AE"))["origin"]
        assert (record["country"], record["asn"], record["network"]) == ("AE", 64500, "A Net")

    def test_what_is_said_can_differ_by_database(self) -> None:
        records = said(network({"all": "PK", "geo": "dubai", "registry": None}))
        assert records["geo"][0]["city"] == "Dubai"
        assert records["origin"][0]["country"] == "PK"
        assert records["registry"] == []

    def test_nothing_said_is_no_record_but_the_origin_is_known(self) -> None:
        records = said(network(None))
        assert (records["geo"], records["registry"]) == ([], [])
        assert records["origin"][0]["country"] is None
        assert records["origin"][0]["asn"] == 64500

    def test_every_prefix_has_its_record(self) -> None:
        records = said(network("PK", prefixes=["198.18.0.0/24", "2001:db8::/48"]))
        assert [record["prefix"] for record in records["geo"]] == ["198.18.0.0/24", "2001:db8::/48"]


class TestLab:
    """The world's ranges are to be taken for ordinary, but for those that reality has special too."""

    def test_networks_and_routers_are_listed(self) -> None:
        assert describe(world(network("PK")))["lab"] == ["198.18.0.0/24", "198.19.0.0/24"]

    @pytest.mark.parametrize("private", ["10.0.0.0/24", "192.168.1.0/24", "100.64.0.0/24", "fd00::/64"])
    def test_private_ranges_stay_special(self, private: str) -> None:
        assert private not in describe(world(network("PK", prefixes=[private])))["lab"]


class TestKnown:
    """Networks that lists of such networks have are listed once."""

    def test_known_networks(self) -> None:
        snapshot = describe(
            world(network("PK", known_as="cdn"), network("DE", id="two", known_as="cdn"), network("PK"))
        )
        assert snapshot["known"] == [{"asn": 64500, "name": "A Net", "kind": "cdn"}]

    def test_the_snapshot_is_plain_json(self) -> None:
        snapshot = describe(world(network({"all": "karachi", "geo": None})))
        assert json.loads(json.dumps(snapshot)) == snapshot
