from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from probes.simnet.geography import great_circle_km
from probes.simnet.loading import load_world
from probes.simnet.topology import Topology, TopologyError
from probes.simnet.world import World

WORLDS = Path(__file__).with_name("worlds")
CITIES = {
    "khi": ("Karachi", "PK", 24.8607, 67.0011),
    "lhe": ("Lahore", "PK", 31.5204, 74.3587),
    "fra": ("Frankfurt", "DE", 50.1109, 8.6821),
}


def world(*paths: dict[str, Any], **more: Any) -> World:
    places = {
        name: {
            "city": city,
            "country": country,
            "latitude": latitude,
            "longitude": longitude,
            "routers": {"prefixes": [f"198.18.{n}.0/24", f"2001:db8:{n}::/64"]},
        }
        for n, (name, (city, country, latitude, longitude)) in enumerate(CITIES.items())
    }
    base = {
        "version": 1,
        "name": "test",
        "country": "PK",
        "places": places,
        "vantages": [
            {"id": "v", "place": "khi", "addresses": ["192.0.2.1"]},
            {"id": "w", "place": "fra", "addresses": ["192.0.2.2"]},
        ],
        "farms": [
            {"id": "f", "place": "lhe", "hosts": [{"addresses": ["203.0.113.1"]}]},
            {"id": "g", "place": "khi", "hosts": [{"addresses": ["203.0.113.2"]}]},
        ],
        "paths": list(paths),
    }
    return World.model_validate(base | more)


def addresses(topology: Topology, start: str, end: str, family: Any = 4) -> list[str]:
    return [" ".join(hop.addresses) for hop in topology.path(start, end, family).hops]


class TestGeography:
    """Delays are those of light in fibre, and no path is faster than that."""

    def test_karachi_and_lahore_are_as_far_apart_as_they_are(self) -> None:
        places = world().places
        assert great_circle_km(places["khi"], places["lhe"]) == pytest.approx(1031, abs=4)

    @pytest.mark.parametrize("name", ["basics", "troubles"])
    def test_nothing_is_faster_than_light_in_fibre(self, name: str) -> None:
        topology = Topology(load_world(WORLDS / f"{name}.yaml"))
        places = topology.world.places
        for start in topology.sites:
            for end in topology.sites:
                if start == end:
                    continue
                path = topology.path(start, end, 4)
                apart = great_circle_km(places[topology.place_of[start]], places[topology.place_of[end]])
                assert path.delay_ms >= apart / 200
                delays = [0, *(hop.delay_ms for hop in path.hops), path.delay_ms]
                assert delays == sorted(delays)

    def test_sites_of_one_place_are_five_kilometres_apart(self) -> None:
        topology = Topology(world(hop_ms=0))
        assert topology.path("v", "g", 4).delay_ms == pytest.approx(5 * 1.5 / 200)

    def test_each_router_costs_its_time(self) -> None:
        with_routers, without = Topology(world(hop_ms=1)), Topology(world(hop_ms=0))
        assert with_routers.path("v", "f", 4).delay_ms - without.path("v", "f", 4).delay_ms == pytest.approx(
            3
        )

    def test_both_directions_take_as_long(self) -> None:
        topology = Topology(world())
        assert topology.path("v", "f", 4).delay_ms == pytest.approx(topology.path("f", "v", 4).delay_ms)


class TestHops:
    """Hops are the core of each place on the way, then the access router of the destination."""

    def test_of_an_automatic_path(self) -> None:
        topology = Topology(world())
        assert addresses(topology, "v", "f") == ["198.18.0.1", "198.18.1.1", "198.18.1.2"]
        assert addresses(topology, "v", "f", 6) == ["2001:db8::1", "2001:db8:1::1", "2001:db8:1::2"]
        assert addresses(topology, "v", "g") == ["198.18.0.1", "198.18.0.3"]

    def test_of_a_detour_in_both_directions(self) -> None:
        topology = Topology(world({"start": "v", "end": "f", "via": ["fra"]}))
        assert addresses(topology, "v", "f") == ["198.18.0.1", "198.18.2.1", "198.18.1.1", "198.18.1.2"]
        assert addresses(topology, "f", "v") == ["198.18.1.1", "198.18.2.1", "198.18.0.1", "198.18.0.2"]
        assert topology.path("v", "f", 4).delay_ms > 40

    def test_of_two_stops_in_both_orders(self) -> None:
        topology = Topology(world({"start": "v", "end": "f", "via": ["fra", "khi"]}))
        assert [hop.place for hop in topology.path("v", "f", 4).hops] == ["khi", "fra", "khi", "lhe", "lhe"]
        assert [hop.place for hop in topology.path("f", "v", 4).hops] == ["lhe", "khi", "fra", "khi", "khi"]

    def test_of_a_one_way_detour(self) -> None:
        topology = Topology(world({"start": "v", "end": "f", "via": ["fra"], "one_way": True}))
        assert len(addresses(topology, "v", "f")) == 4
        assert len(addresses(topology, "f", "v")) == 3

    def test_stated_hops_come_back_reversed(self) -> None:
        hops = [{"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.2"], "delay_ms": 4}]
        topology = Topology(world({"start": "v", "end": "f", "hops": hops, "delay_ms": 10, "black_hole": 1}))
        back = topology.path("f", "v", 4)
        assert addresses(topology, "f", "v") == ["10.0.0.2", "10.0.0.1"]
        assert (back.hops[0].delay_ms, back.delay_ms, back.black_hole) == (6, 10, 1)

    def test_the_first_path_that_fits_is_taken_and_one_as_written_before_one_reversed(self) -> None:
        reverse = {"start": "f", "end": "v", "delay_ms": 9}
        first, second = {"start": "khi", "end": "*", "delay_ms": 5}, {"start": "v", "end": "f", "delay_ms": 7}
        assert Topology(world(reverse, first, second)).path("v", "f", 4).delay_ms == 5
        assert Topology(world(reverse, second)).path("v", "f", 4).delay_ms == 7
        assert Topology(world(reverse)).path("v", "f", 4).delay_ms == 9

    def test_a_place_without_the_family_is_silent_in_it(self) -> None:
        base = world()
        places = {name: place.model_dump() for name, place in base.places.items()}
        places["khi"]["routers"]["prefixes"] = ["198.18.0.0/24"]
        assert addresses(Topology(world(places=places)), "v", "f", 6)[0] == ""

    def test_an_unknown_site_is_named(self) -> None:
        with pytest.raises(TopologyError, match="no site 'x'"):
            Topology(world()).path("v", "x", 4)


class TestAnswers:
    """A router's answer takes the way that the world gives it back."""

    def test_over_the_same_path(self) -> None:
        topology = Topology(world())
        path = topology.path("v", "f", 4)
        assert [topology.way_back(path, n, 4).delay_ms for n in (1, 2, 3)] == [
            hop.delay_ms for hop in path.hops
        ]

    def test_over_another_where_the_return_is_another(self) -> None:
        topology = Topology(world({"start": "f", "end": "v", "one_way": True, "delay_ms": 50}))
        path = topology.path("v", "f", 4)
        backs = [topology.way_back(path, n, 4).delay_ms for n in (1, 2, 3)]
        assert backs[0] == path.hops[0].delay_ms
        assert backs[1:] == [pytest.approx(50, abs=0.1), pytest.approx(50, abs=0.1)]

    def test_is_lost_with_the_return(self) -> None:
        topology = Topology(world({"start": "f", "end": "v", "one_way": True, "black_hole": 0}))
        path = topology.path("v", "f", 4)
        assert [topology.way_back(path, n, 4).lost for n in (1, 2, 3)] == [False, True, True]

    def test_is_filtered_with_the_return(self) -> None:
        topology = Topology(world({"start": "v", "end": "f", "filter_icmp": True}))
        path = topology.path("v", "f", 4)
        assert all(topology.way_back(path, n, 4).trouble.filter_icmp for n in (1, 2, 3))

    def test_an_added_delay_is_on_the_last_step(self) -> None:
        topology = Topology(world({"start": "v", "end": "f", "added_delay_ms": 40}))
        plain, path = Topology(world()).path("v", "f", 4), topology.path("v", "f", 4)
        assert [hop.delay_ms for hop in path.hops] == [hop.delay_ms for hop in plain.hops]
        assert path.delay_ms == pytest.approx(plain.delay_ms + 40)
        back = topology.path("f", "v", 4)
        assert back.hops[0].delay_ms > 40
        assert back.delay_ms == pytest.approx(path.delay_ms)


class TestNearest:
    """Packets to an address of several farms come to the one with the least delay."""

    @pytest.mark.parametrize(("asker", "farm"), [("v", "g"), ("f", "f"), ("w", "g")])
    def test_of_two_farms(self, asker: str, farm: str) -> None:
        farms = [
            {"id": "f", "place": "lhe", "hosts": [{"addresses": ["203.0.113.9"]}]},
            {"id": "g", "place": "khi", "hosts": [{"addresses": ["203.0.113.9"]}]},
        ]
        slow = {"start": "w", "end": "f", "added_delay_ms": 100}
        assert Topology(world(slow, farms=farms)).nearest(asker, "203.0.113.9") == farm

    def test_nobody_has_an_address(self) -> None:
        assert Topology(world()).nearest("v", "203.0.113.200") is None
