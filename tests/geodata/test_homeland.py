from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.territory import Disk, Territory
from tests.geodata.test_territory import ISLAMABAD, KARACHI, LAHORE, pakistan

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["pakistan"]  # a fixture


def _write(path: Path, rings: list[list[list[float]]]) -> Path:
    path.write_text(
        json.dumps(
            {
                "type": "Feature",
                "geometry": {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]},
            }
        )
    )
    return path


def _rings(territory: Territory, country: str) -> list[list[list[float]]]:
    return [
        np.stack([ring.longitude, ring.latitude], axis=1).tolist()
        for ring in territory.land.rings
        if territory.land.codes[ring.feature] == country
    ]


def _box(south: float, west: float, north: float, east: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


class TestHomeFromFile:
    """A deployment may say itself what home is."""

    def test_the_same_land_gives_the_same_answers(self, pakistan: Territory, tmp_path: Path) -> None:
        own = Territory.load("PK", _write(tmp_path / "home.json", _rings(pakistan, "PK")))
        for place in (KARACHI, LAHORE, ISLAMABAD):
            assert own.contains(*place)
            assert own.nearest_foreign_km(*place) == pytest.approx(
                pakistan.nearest_foreign_km(*place), abs=0.1
            )
            for radius in (5, 50, 150, 600):
                disk = Disk(*place, radius)
                assert own.assess([disk]) == pakistan.assess([disk])

    def test_a_map_that_is_drawn_a_little_otherwise_makes_no_land_foreign(
        self, pakistan: Territory, tmp_path: Path
    ) -> None:
        moved = [[[x + 0.008, y - 0.008] for x, y in ring] for ring in _rings(pakistan, "PK")]
        own = Territory.load("PK", _write(tmp_path / "home.json", moved))
        found = own.assess([Disk(*KARACHI, 100)])
        assert found.home
        assert not found.foreign
        assert own.nearest_foreign_km(*KARACHI) == pytest.approx(163, abs=4)

    def test_a_sliver_between_two_maps_of_one_border_stays_home(
        self, pakistan: Territory, tmp_path: Path
    ) -> None:
        rings = _rings(pakistan, "PK")
        moved = [[[x + 0.008, y - 0.008] for x, y in ring] for ring in rings]
        own = Territory.load("PK", _write(tmp_path / "home.json", moved))
        slivers = [(y - 0.002, x + 0.002) for ring in rings for x, y in ring]
        slivers = [place for place in slivers if pakistan.contains(*place)]
        assert len(slivers) > 500
        assert {own.country_at(*place) for place in slivers} == {"PK"}

    def test_a_ring_around_a_pole_has_the_pole_in_it(self, tmp_path: Path) -> None:
        ring = [[float(longitude), -70.0] for longitude in range(-175, 180, 10)]
        own = Territory.load("AQ", _write(tmp_path / "home.json", [[*ring, ring[0]]]))
        for longitude in (-180.0, -177.0, 0.0, 178.0):
            assert own.contains(-75.0, longitude)
            assert own.contains(-89.9, longitude)
            assert not own.contains(-60.0, longitude)
        assert own.assess([Disk(-90, 0, 100)]).home

    def test_land_that_is_left_out_is_foreign(self, tmp_path: Path) -> None:
        """Home is Sindh's rectangle alone: Lahore, which the shipped borders call home, is then not."""
        own = Territory.load("PK", _write(tmp_path / "home.json", [_box(23.5, 65.5, 28, 70)]))
        assert own.contains(*KARACHI)
        assert not own.contains(*LAHORE)
        assert own.country_at(*LAHORE) == "??"
        lahore = own.assess([Disk(*LAHORE, 10)])
        assert (lahore.home, lahore.foreign) == (False, True)
        assert [city.name for city in lahore.foreign_cities if city.name == "Lahore"]
        assert own.assess([Disk(*KARACHI, 60)]).foreign is False
        assert own.assess([Disk(27.0, 66.5, 130)]).foreign is True  # what is left out begins 111 km north
        assert own.nearest_foreign_km(27.0, 67.0) == pytest.approx(111, abs=2)

    def test_land_of_others_that_is_taken_is_both(self, pakistan: Territory, tmp_path: Path) -> None:
        rings = [*_rings(pakistan, "PK"), _box(33.9, 74.6, 34.3, 75.0)]
        own = Territory.load("PK", _write(tmp_path / "home.json", rings))
        assert own.contains(34.083, 74.797)
        found = own.assess([Disk(34.083, 74.797, 3)])
        assert found.home
        assert found.foreign

    def test_a_home_across_the_antimeridian_is_read_with_a_jump_or_cut(self, tmp_path: Path) -> None:
        cut = [_box(-20, 175, -15, 180), _box(-20, -180, -15, -175)]
        jump = [[[175, -20], [-175, -20], [-175, -15], [175, -15], [175, -20]]]
        for name, rings in (("cut", cut), ("jump", jump)):
            own = Territory.load("FJ", _write(tmp_path / name, rings))  # type: ignore[arg-type]  # int is a number
            for longitude in (176.0, 179.99, -179.99, -176.0):
                assert own.contains(-18.0, longitude)
            assert not own.contains(-18.0, 0.0)
            assert not own.contains(-18.0, -174.0)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "no GeoJSON"),
            ("[]", "no GeoJSON"),
            ("{}", "no GeoJSON"),
            ('{"type": "Point", "coordinates": [1, 2]}', "has no polygon"),
            ('{"type": "FeatureCollection", "features": []}', "has no polygon"),
            ('{"type": "Feature", "geometry": null}', "has no polygon"),
            ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]}', "at least four points"),
            (
                '{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]}',
                "ends where it begins",
            ),
            ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 99], [0, 0]]]}', "degrees"),
            ('{"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, NaN], [0, 0]]]}', "finite"),
            ('{"type": "Polygon", "coordinates": [[[0], [1], [1], [0]]]}', "no GeoJSON"),
            ('{"type": "Polygon", "coordinates": [["ab", "cd", "ef", "ab"]]}', "no GeoJSON"),
            ('{"type": "Polygon", "coordinates": 7}', "no GeoJSON"),
        ],
    )
    def test_what_is_no_geojson_is_refused_with_the_files_name(
        self, tmp_path: Path, text: str, said: str
    ) -> None:
        path = tmp_path / "home.geojson"
        path.write_text(text)
        with pytest.raises(GeodataError, match=said) as caught:
            Territory.load("PK", path)
        assert "home.geojson" in str(caught.value)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(GeodataError, match=r"nowhere\.json: cannot be read"):
            Territory.load("PK", tmp_path / "nowhere.json")

    def test_nesting_without_end_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.json"
        path.write_text('{"type":"GeometryCollection","geometries":[' * 200 + "]}" * 200)
        with pytest.raises(GeodataError, match="no GeoJSON"):
            Territory.load("PK", path)

    json_values = st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.text(max_size=5)
        | st.sampled_from(["Polygon", "Feature"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["type", "coordinates", "features", "geometry"]), inner, max_size=4
            )
        ),
        max_leaves=20,
    )

    @given(document=json_values)
    @settings(max_examples=150, deadline=None)
    def test_no_document_makes_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, document: object
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.json"
        path.write_text(json.dumps(document))
        with pytest.raises(GeodataError):
            Territory.load("PK", path)
