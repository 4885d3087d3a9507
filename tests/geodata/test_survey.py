from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.city import shipped_cities
from geodata.disk import grown
from geodata.forest import Forest
from geodata.sphere import distance_km, segments_meet, unit
from geodata.territory import BORDER_ERROR_KM, SPHERE_MARGIN, Disk, Territory

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from geodata.sphere import Floats

    Grid = tuple[Floats, npt.NDArray[np.str_]]

KARACHI = (24.8607, 67.0011)
LAHORE = (31.5204, 74.3587)
ISLAMABAD = (33.6844, 73.0479)
DUBAI = (25.2048, 55.2708)
SINGAPORE = (1.3521, 103.8198)

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)
places = st.tuples(st.floats(20, 40), st.floats(58, 82))


@pytest.fixture(scope="module")
def pakistan() -> Territory:
    return Territory.load("PK")


class TestManyPoints:
    """What land many points are on is found as for one."""

    @given(places=st.lists(st.tuples(latitudes, longitudes), min_size=1, max_size=40))
    @settings(max_examples=50, deadline=None)
    def test_anywhere(self, pakistan: Territory, places: list[tuple[float, float]]) -> None:
        self._check(pakistan, places)

    def test_on_the_edges_of_the_map_and_of_the_strips(self, pakistan: Territory) -> None:
        columns = [-180.0, 180.0, -179.98, 179.98, 0.0, 74.36, 74.38, 179.9999999, -179.9999999]
        self._check(pakistan, [(row, column) for row in np.arange(-90.0, 91.0, 2.5) for column in columns])

    def test_near_borders(self, pakistan: Territory) -> None:
        chance = np.random.default_rng(7)
        rings = chance.choice(len(pakistan.land.rings), 500)
        self._check(
            pakistan,
            [
                (ring.latitude[at] + chance.normal(0, 0.01), ring.longitude[at] + chance.normal(0, 0.01))
                for ring in (pakistan.land.rings[each] for each in rings)
                for at in [chance.integers(len(ring.latitude))]
            ],
        )

    def test_their_countries(self, pakistan: Territory, tmp_path: Path) -> None:
        """Of cities, of land without a code, of the sea, and of another's land that a home takes."""
        cities = [(city.latitude, city.longitude) for city in shipped_cities().all[::20]]
        places = np.array([*cities, (42.66, 21.16), (20.0, 65.0), LAHORE])
        around = [[74.0, 31.2], [74.6, 31.2], [74.6, 31.8], [74.0, 31.8], [74.0, 31.2]]
        path = tmp_path / "home.json"
        path.write_text(json.dumps({"type": "Polygon", "coordinates": [around]}))
        for territory, country in ((pakistan, "PK"), (Territory.load("IN", path), "IN")):
            found = territory.countries_at(*places.T)
            assert found == [territory.country_at(*place) for place in places.tolist()]
            assert found[-3:] == ["??", None, country]

    def _check(self, territory: Territory, places: list[tuple[float, float]]) -> None:
        vectors = unit(*np.array(places).T)
        number, feature = territory.land.features_of(vectors)
        for place, vector in enumerate(vectors):
            assert tuple(feature[number == place]) == territory.land.features_at_vector(vector)


class TestForest:
    """A forest finds the segments that a region meets, as looking at each of them does."""

    @given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([1, 7, 9, 60, 700]), groups=st.integers(1, 4))
    @settings(max_examples=100, deadline=None)
    def test_as_one_by_one(self, seed: int, size: int, groups: int) -> None:
        """Lines and lone segments, short and long, near and far apart, of groups that may be empty."""
        chance = np.random.default_rng(seed)
        steps = chance.normal(0, chance.choice([1e-4, 1e-2, 0.3]), (size, 3))
        start = chance.normal(0, 1, 3) + np.cumsum(steps, axis=0)
        end = np.roll(start, -1, axis=0)
        alone = chance.random(size) < 0.2
        end[alone] = start[alone] + steps[alone]
        start, end = (each / np.linalg.norm(each, axis=1)[:, None] for each in (start, end))
        group = np.sort(chance.integers(0, groups, size))
        centres = start[chance.integers(0, size, 3)] + chance.normal(0, 0.3, (3, 3))
        centres /= np.linalg.norm(centres, axis=1)[:, None]
        radii = chance.choice([1e-3, 0.1, 1.0]) * chance.random((20, 3))
        radii[chance.random((20, 3)) < 0.2] = np.inf
        asked = chance.random((20, groups)) < 0.8
        met = Forest(start, end, group, groups).meets(centres, radii, asked)
        for row, region in enumerate(radii):
            each = segments_meet(centres, region, start, end)
            for column in range(groups):
                assert met[row, column] == (asked[row, column] and each[group == column].any())


@pytest.fixture(scope="module")
def grids(pakistan: Territory) -> tuple[Grid, Grid]:
    """Points of the subcontinent every half a degree, and of the world every two; the country of each."""
    near = [(la, lo) for la in np.arange(20, 40, 0.5) for lo in np.arange(58, 82, 0.5)]
    far = [(la, lo) for la in np.arange(-89.0, 90, 2) for lo in np.arange(-179.0, 180, 2)]
    return _grid(pakistan, near), _grid(pakistan, far)


def _grid(territory: Territory, points: list[tuple[float, float]]) -> Grid:
    countries = [
        territory.country_at(float(latitude), float(longitude)) or "" for latitude, longitude in points
    ]
    return unit(*np.array(points).T), np.array(countries)


class TestManyHosts:
    """What is assessed in bulk is what would have been assessed one by one."""

    VANTAGES = (KARACHI, LAHORE, ISLAMABAD, DUBAI)

    def _check(
        self,
        territory: Territory,
        radii: Floats,
        vantages: tuple[tuple[float, float], ...] = VANTAGES,
    ) -> None:
        many = territory.assess_many(vantages, radii)
        codes, feasible = territory.countries_of_many(vantages, radii)
        each = [
            territory.assess([Disk(*place, radius) for place, radius in zip(vantages, row, strict=True)])
            for row in radii.tolist()
        ]
        assert many.consistent.tolist() == [one.consistent for one in each]
        assert many.home.tolist() == [one.home for one in each]
        assert many.foreign.tolist() == [one.foreign for one in each]
        assert many.home_city.tolist() == [bool(one.home_cities) for one in each]
        assert many.foreign_city.tolist() == [bool(one.foreign_cities) for one in each]
        assert [set(np.array(codes)[row]) for row in feasible] == [one.countries for one in each]

    @given(
        rows=st.lists(
            st.lists(st.floats(0, 3000) | st.just(float("inf")), min_size=4, max_size=4),
            min_size=1,
            max_size=12,
        )
    )
    @settings(max_examples=100, deadline=None)
    def test_of_any_radii(self, pakistan: Territory, rows: list[list[float]]) -> None:
        self._check(pakistan, np.array(rows))

    @given(
        truths=st.lists(places, min_size=1, max_size=12),
        excess=st.lists(st.floats(0, 200), min_size=48, max_size=48),
    )
    @settings(max_examples=100, deadline=None)
    def test_of_hosts_somewhere(
        self, pakistan: Territory, truths: list[tuple[float, float]], excess: list[float]
    ) -> None:
        hosts = np.array(truths)
        distances = np.stack([distance_km(*place, *hosts.T) for place in self.VANTAGES], axis=1)
        self._check(pakistan, distances + np.array(excess).reshape(12, 4)[: len(hosts)])

    @given(
        truths=st.lists(st.tuples(latitudes, longitudes), min_size=1, max_size=6),
        vantages=st.lists(st.tuples(latitudes, longitudes), min_size=2, max_size=10),
        excess=st.lists(st.floats(-50, 500) | st.just(float("inf")), min_size=60, max_size=60),
    )
    @settings(max_examples=100, deadline=None)
    def test_of_hosts_and_vantages_anywhere(
        self,
        pakistan: Territory,
        truths: list[tuple[float, float]],
        vantages: list[tuple[float, float]],
        excess: list[float],
    ) -> None:
        hosts = np.array(truths)
        distances = np.stack([distance_km(*place, *hosts.T) for place in vantages], axis=1)
        more = np.array(excess).reshape(6, 10)[: len(hosts), : len(vantages)]
        self._check(pakistan, np.maximum(distances + more, 0), tuple(vantages))

    @pytest.mark.parametrize(
        ("country", "vantages"),
        [
            ("FR", ((48.85, 2.35), (43.30, 5.37), (-20.88, 55.45), (4.92, -52.31))),  # Réunion, Cayenne
            ("US", ((40.7, -74.0), (34.05, -118.24), (61.2, -149.9), (52.9, 173.2))),  # Anchorage, Attu
            ("MV", ((4.18, 73.51), (-0.6, 73.1), (6.93, 79.85), (8.52, 76.94))),
            ("FJ", ((-18.14, 178.44), (-16.7, 179.9), (-16.7, -179.9), (-21.2, -175.2))),
            ("AQ", ((-90.0, 0.0), (-77.85, 166.67), (-62.2, -58.9), (-53.16, -70.9))),
            ("VA", ((41.90, 12.45), (41.9, 12.6), (43.94, 12.46), (45.46, 9.19))),
            ("PK", ((31.5204, 74.3587), (32.4945, 74.5229), (35.3, 75.6), (35.4, 77.05))),  # and Siachen
        ],
    )
    def test_of_another_home_and_near_borders(
        self, country: str, vantages: tuple[tuple[float, float], ...]
    ) -> None:
        chance = np.random.default_rng(7)
        hosts = np.array(vantages)[chance.integers(0, 4, 60)] + chance.normal(0, 0.5, (60, 2))
        distances = np.stack([distance_km(*place, *hosts.T) for place in vantages], axis=1)
        radii = distances * chance.uniform(1, 1.1, (60, 4)) + chance.exponential(20, (60, 4))
        radii[chance.random((60, 4)) < 0.2] = np.inf
        self._check(Territory.load(country), radii, vantages)

    def test_of_a_home_from_a_file(self, tmp_path: Path) -> None:
        """Land that is left out, and land of others that is taken, are as one by one."""
        boxes = [(23.5, 65.5, 28, 70), (33.9, 74.6, 34.3, 75.0)]  # of Sindh, and around Srinagar
        rings = [[[w, s], [e, s], [e, n], [w, n], [w, s]] for s, w, n, e in boxes]
        path = tmp_path / "home.json"
        path.write_text(json.dumps({"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}))
        own = Territory.load("PK", path)
        vantages = (KARACHI, LAHORE, (28.0, 67.5), (34.1, 74.8))
        chance = np.random.default_rng(7)
        hosts = np.array(vantages)[chance.integers(0, 4, 60)] + chance.normal(0, 0.5, (60, 2))
        distances = np.stack([distance_km(*place, *hosts.T) for place in vantages], axis=1)
        self._check(own, distances + chance.exponential(5, (60, 4)), vantages)
        self._check(own, distances[:, :1] + chance.exponential(5, (60, 1)), vantages[:1])

    @pytest.mark.parametrize("excess_km", [1, 300])
    def test_no_land_of_a_grid_and_no_city_is_missed(
        self, pakistan: Territory, grids: tuple[Grid, Grid], excess_km: int
    ) -> None:
        """Of hosts near home, and of hosts anywhere: what of a grid is in all disks is feasible."""
        chance = np.random.default_rng(excess_km)
        vantages = np.array([KARACHI, LAHORE, ISLAMABAD, (30.1798, 66.975), DUBAI, SINGAPORE, (50.1, 8.7)])
        centres = unit(*vantages.T)
        cities = shipped_cities()
        home = np.array([city.country == "PK" for city in cities.all])
        for (points, countries), (south, west, north, east) in zip(
            grids, [(20, 58, 40, 82), (-60, -180, 75, 180)], strict=True
        ):
            hosts = chance.uniform((south, west), (north, east), (100, 2))
            distances = np.stack([distance_km(*place, *hosts.T) for place in vantages], axis=1)
            radii = distances + chance.exponential(excess_km, distances.shape)
            many = pakistan.assess_many(vantages.tolist(), radii)
            codes, feasible = pakistan.countries_of_many(vantages.tolist(), radii)
            assert many.consistent.all()
            for host, row in enumerate(radii):
                reach = np.cos(np.minimum(grown(row), np.pi))
                held = set(countries[np.all(points @ centres.T >= reach, axis=1)]) - {""}
                assert held <= set(np.array(codes)[feasible[host]])
                assert many.home[host] >= ("PK" in held)
                assert many.foreign[host] >= bool(held - {"PK"})
                near = np.all(cities.where @ centres.T >= reach, axis=1)
                assert many.home_city[host] >= (near & home).any()
                assert many.foreign_city[host] >= (near & ~home).any()

    def test_what_is_beyond_every_doubt_is_not_feasible(self, pakistan: Territory) -> None:
        """No answer is "all is feasible": disks that end a kilometre before foreign land have none."""
        for place in (KARACHI, LAHORE, ISLAMABAD):
            border = pakistan.nearest_foreign_km(*place)
            safe = (border - BORDER_ERROR_KM) / (1 + SPHERE_MARGIN)
            found = pakistan.assess_many([place, DUBAI], np.array([[safe - 1, 9000.0], [safe + 1, 9000.0]]))
            assert found.foreign.tolist() == [False, True]
            assert found.home.tolist() == [True, True]

    def test_of_disks_that_are_as_large_as_hemispheres(self, pakistan: Territory) -> None:
        """Two of these, opposite each other, meet in a band around the Earth that has no corners."""
        opposite = (KARACHI, (-KARACHI[0], KARACHI[1] - 180))
        radii = np.array([[10_030.0, 10_030.0], [10_000.0, 10_030.0], [100.0, 19_000.0], [100.0, 19_900.0]])
        self._check(pakistan, radii, opposite)
        assert pakistan.assess_many(opposite, radii).consistent.tolist() == [True, True, False, True]

    def test_of_none_and_of_nothing_measured(self, pakistan: Territory) -> None:
        assert pakistan.assess_many(self.VANTAGES, np.empty((0, 4))).home.tolist() == []
        self._check(pakistan, np.array([[np.inf] * 4, [np.nan] * 4, [20_000.0] * 4]))


@pytest.fixture(scope="module")
def prepared(pakistan: Territory) -> Territory:
    """Another of the same land, that was asked for so many that it is ready for more."""
    made = Territory("PK", pakistan.land)
    made.prepare([[Disk(*KARACHI, radius_km)] for radius_km in range(1000)])
    return made


class TestPrepared:
    """What is prepared of many is what is assessed of each."""

    @given(
        hosts=st.lists(
            st.lists(
                st.tuples(
                    st.sampled_from([KARACHI, LAHORE, ISLAMABAD, DUBAI, SINGAPORE]), st.floats(0, 25_000)
                ),
                max_size=7,
            ),
            min_size=1,
            max_size=12,
        )
    )
    @settings(max_examples=60, deadline=None)
    def test_of_any_disks(
        self,
        pakistan: Territory,
        prepared: Territory,
        hosts: list[list[tuple[tuple[float, float], float]]],
    ) -> None:
        """Also of several disks around one place, of none, and of some that bound nothing."""
        disks = [[Disk(*place, radius_km) for place, radius_km in host] for host in hosts]
        prepared._known.clear()
        prepared.prepare(disks)
        known = len(prepared._known)
        for each in disks:
            key = [disk for disk in each if disk.radius_km < 9_900]
            if key:
                assert prepared.assess(each) == pakistan.assess(each)
        assert len(prepared._known) == known

    def test_what_it_takes_for_many_is_not_spent_on_few(self, pakistan: Territory) -> None:
        made = Territory("PK", pakistan.land)
        for first in range(0, 600, 100):
            made.prepare([[Disk(*KARACHI, first + more)] for more in range(100)])
            assert len(made._known) == (0 if first < 400 else 100 * (first // 100 - 3))

    def test_of_very_many_vantages_nothing_is_prepared(self, prepared: Territory) -> None:
        """Then most disks hold others, which is looked at first."""
        prepared._known.clear()
        prepared.prepare([[Disk(latitude, 60.0, 500.0)] for latitude in range(40)])
        assert not prepared._known
