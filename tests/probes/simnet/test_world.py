from __future__ import annotations

from pathlib import Path

import pytest

from probes.document import DocumentError
from probes.simnet.loading import load_world
from probes.simnet.simnet import shipped_world
from probes.simnet.topology import Topology, TopologyError

WORLDS = Path(__file__).with_name("worlds")
PLAIN = """\
version: 1
name: plain
country: PK
places:
  khi: {city: Karachi, country: PK, latitude: 24.9, longitude: 67.0, routers: {prefixes: [198.18.1.0/28]}}
vantages:
  - {id: v, place: khi, addresses: [192.0.2.1]}
farms:
  - {id: f, place: khi, hosts: [{addresses: [203.0.113.1]}]}
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "world.yaml"
    path.write_text(text, encoding="utf-8")
    return path


class TestShippedWorlds:
    """Every world in the repository can be used."""

    @pytest.mark.parametrize(
        "path", [shipped_world(), *WORLDS.glob("*.yaml")], ids=lambda path: str(path.stem)
    )
    def test_loads_and_has_a_path_between_all_sites(self, path: Path) -> None:
        topology = Topology(load_world(path))
        for start in topology.sites:
            for end in topology.sites:
                if start != end:
                    assert topology.path(start, end, 4).delay_ms > 0


class TestFaults:
    """A faulty world is refused with the line, the field and what was meant."""

    @pytest.mark.parametrize(
        ("old", "new", "line", "message"),
        [
            ("place: khi, addresses", "place: lhe, addresses", 7, "no place 'lhe'"),
            ("id: v, place: khi", "id: v, place: khi, truly_at: lhe", 7, "no place 'lhe'"),
            ("id: f", "id: v", 9, "'v' is taken by another vantage, farm or place"),
            ("id: f", "id: khi", 9, "'khi' is taken by another vantage, farm or place"),
            ("203.0.113.1", "192.0.2.1", 9, "192.0.2.1 is already at 'v'"),
            ("[203.0.113.1]", "[203.0.113.1, 203.0.113.1]", 9, "203.0.113.1 is already at 'f'"),
            ("203.0.113.1", "8.8.8.8", 9, "could be somebody's"),
            ("farms:", "paths: [{start: x, end: f}]\nfarms:", 8, "no vantage, farm or place 'x'"),
            ("farms:", "paths: [{start: v, end: f, via: [x]}]\nfarms:", 8, "no place 'x'"),
            (
                "farms:",
                "paths: [{start: v, end: f, hops: [{addresses: [10.0.0.1], place: x}]}]\nfarms:",
                8,
                "no place 'x'",
            ),
            (
                "farms:",
                "networks: [{id: n, asn: 1, name: N, prefixes: [203.0.113.0/24], says: nowhere}]\nfarms:",
                8,
                "'nowhere' is neither a country nor a place",
            ),
            (
                "farms:",
                "networks: [{id: n, asn: 1, name: N, prefixes: [203.0.113.0/24], says: {x: PK}}]\nfarms:",
                8,
                "no database 'x'",
            ),
            (
                "farms:",
                "dns: {resolver: 203.0.113.1, names: [{name: a.test, answers: [{to: [x]}]}]}\nfarms:",
                8,
                "no vantage 'x'",
            ),
        ],
    )
    def test_names_what_is_wrong(self, tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
        path = written(tmp_path, PLAIN.replace(old, new, 1))
        with pytest.raises(DocumentError) as caught:
            load_world(path)
        assert f"{path}:{line}: " in str(caught.value)
        assert message in str(caught.value)

    def test_one_address_at_two_farms_is_anycast(self, tmp_path: Path) -> None:
        text = PLAIN + "  - {id: g, place: khi, hosts: [{addresses: [203.0.113.1]}]}\n"
        assert len(load_world(written(tmp_path, text)).farms) == 2

    def test_a_prefix_must_hold_its_routers(self, tmp_path: Path) -> None:
        world = load_world(written(tmp_path, PLAIN.replace("198.18.1.0/28", "198.18.1.0/30")))
        with pytest.raises(TopologyError, match=r"198\.18\.1\.0/30 has too few addresses for 1 core routers"):
            Topology(world)
