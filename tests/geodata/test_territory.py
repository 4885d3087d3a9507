from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.city import shipped_cities
from geodata.disk import grown
from geodata.errors import GeodataError
from geodata.sphere import EARTH_RADIUS_KM, distance_km, unit
from geodata.territory import BORDER_ERROR_KM, SPHERE_MARGIN, Disk, Territory

if TYPE_CHECKING:
    import numpy.typing as npt

    from geodata.sphere import Floats

KARACHI = (24.8607, 67.0011)
LAHORE = (31.5204, 74.3587)
ISLAMABAD = (33.6844, 73.0479)
DUBAI = (25.2048, 55.2708)
SINGAPORE = (1.3521, 103.8198)

latitudes = st.floats(-90, 90)
longitudes = st.floats(-180, 180)


@pytest.fixture(scope="module")
def pakistan() -> Territory:
    return Territory.load("PK")


class TestBorders:
    """The land that is home is the land that is administered."""

    @pytest.mark.parametrize(
        ("latitude", "longitude", "country"),
        [
            (35.92, 74.31, "PK"),  # Gilgit
            (35.297, 75.633, "PK"),  # Skardu
            (34.37, 73.47, "PK"),  # Muzaffarabad
            (33.148, 73.75, "PK"),  # Mirpur
            (34.083, 74.797, "IN"),  # Srinagar
            (20.0, 65.0, None),  # the Arabian Sea
            (42.66, 21.16, "??"),  # Pristina: land without a code is land
        ],
    )
    def test_places_are_where_they_are_administered(
        self, pakistan: Territory, latitude: float, longitude: float, country: str | None
    ) -> None:
        assert pakistan.country_at(latitude, longitude) == country
        assert pakistan.contains(latitude, longitude) == (country == "PK")

    def test_a_city_whose_code_has_no_land_is_whose_land_it_is_on(self) -> None:
        """Réunion is France by its borders, and RE by its code."""
        around = Territory.load("FR").assess([Disk(-20.88, 55.45, 150)])
        assert (around.home, len(around.foreign_cities)) == (True, 0)
        assert {city.country for city in around.home_cities} == {"RE"}

    @pytest.mark.parametrize(
        ("country", "latitude", "longitude", "home"),
        [
            ("PK", 24.80, 67.03, True),  # Clifton, Karachi: half a kilometre off the map's coast
            ("PK", 24.81, 66.98, True),  # its port
            ("US", 25.7617, -80.1918, True),  # Miami
            ("PK", *KARACHI, True),
            ("PK", 31.634, 74.872, False),  # Amritsar
            ("PK", 24.70, 66.90, False),  # at sea
            ("SG", 1.4655, 103.7578, False),  # Johor Bahru, a kilometre from Singapore
        ],
    )
    def test_who_is_on_the_coast_is_at_home(
        self, country: str, latitude: float, longitude: float, home: bool
    ) -> None:
        assert Territory.load(country).is_home(latitude, longitude) == home

    @pytest.mark.parametrize(
        ("latitude", "longitude", "distance"),
        [
            (24.8607, 67.0011, 163),  # Karachi
            (30.1956, 71.4753, 180),  # Multan
            (31.4504, 73.1350, 130),  # Faisalabad
            (33.6844, 73.0479, 84),  # Islamabad
            (30.1798, 66.9750, 67),  # Quetta
            (34.0151, 71.5249, 42),  # Peshawar
            (31.5204, 74.3587, 20),  # Lahore
            (32.4945, 74.5229, 12),  # Sialkot
        ],
    )
    def test_foreign_land_is_as_far_as_known(
        self, pakistan: Territory, latitude: float, longitude: float, distance: float
    ) -> None:
        assert pakistan.nearest_foreign_km(latitude, longitude) == pytest.approx(distance, abs=3)
        assert pakistan.nearest_home_km(latitude, longitude) == 0

    @pytest.mark.parametrize(
        ("latitude", "longitude", "country"),
        [
            (66.5, -175.0, "RU"),  # Chukotka, beyond the antimeridian
            (66.9, 180.0, "RU"),
            (66.9, -180.0, "RU"),
            (68.97, 33.08, "RU"),  # Murmansk, on the parallel where a ring of Russia leaves the map
            (65.6, 22.0, "SE"),  # and Sweden, on the same
            (-16.6, 179.3, "FJ"),
            (-16.5, 145.0, "AU"),  # on the parallels of Fiji
            (-89.0, 77.0, "AQ"),
            (-90.0, 0.0, "AQ"),
            (90.0, 0.0, None),
        ],
    )
    def test_the_antimeridian_and_the_poles_are_places_as_others(
        self, pakistan: Territory, latitude: float, longitude: float, country: str | None
    ) -> None:
        assert pakistan.country_at(latitude, longitude) == country

    def test_no_city_is_farther_from_its_land_than_the_error_that_is_allowed_for(
        self, pakistan: Territory
    ) -> None:
        """Cities on land of a dispute aside, which has no code, or another country's than GeoNames says."""
        land = pakistan.land
        apart = {
            (city.name, city.country): land.nearest(unit(city.latitude, city.longitude), own)
            * EARTH_RADIUS_KM
            for city in shipped_cities().all
            if city.country in land.codes
            and pakistan.country_at(city.latitude, city.longitude) != city.country
            for own in [np.array(land.codes) == city.country]
        }
        far = {name: km for name, km in apart.items() if km > BORDER_ERROR_KM}
        assert {country for _, country in far} <= {"SO", "UA", "EH"}, far
        assert len(apart) > 20

    @pytest.mark.parametrize("country", ["FR", "US", "RU", "NZ", "SG"])
    def test_any_country_may_be_home(self, country: str) -> None:
        territory = Territory.load(country)
        city = next(city for city in shipped_cities().all if city.country == country)
        assert territory.contains(city.latitude, city.longitude)
        found = territory.assess([Disk(city.latitude, city.longitude, 2.0)])
        assert found.home
        assert country in found.countries
        assert city in found.home_cities

    @pytest.mark.parametrize("country", ["XX", "", "pk", "Pakistan"])
    def test_an_unknown_country_is_named(self, country: str) -> None:
        with pytest.raises(GeodataError, match=f"{country!r} is no country"):
            Territory.load(country)


class TestAssessment:
    """What is feasible for a host that is in all disks."""

    def test_a_small_disk_proves_its_city(self, pakistan: Territory) -> None:
        found = pakistan.assess([Disk(*KARACHI, 100)])
        assert (found.consistent, found.home, found.foreign) == (True, True, False)
        assert found.countries == {"PK"}
        assert "Karachi" in [city.name for city in found.home_cities]
        assert not found.foreign_cities

    @pytest.mark.parametrize("place", [KARACHI, LAHORE, ISLAMABAD])
    def test_a_proof_ends_before_the_border_is_reached(
        self, pakistan: Territory, place: tuple[float, float]
    ) -> None:
        border = pakistan.nearest_foreign_km(*place)
        safe = (border - BORDER_ERROR_KM) / (1 + SPHERE_MARGIN)
        assert pakistan.assess([Disk(*place, safe + 0.01)]).foreign
        assert not pakistan.assess([Disk(*place, safe - 0.01)]).foreign

    def test_an_island_is_land_and_the_sea_is_nobodys(self, pakistan: Territory) -> None:
        assert pakistan.assess([Disk(-21.1, 55.5, 5)]).countries == {"FR"}  # Réunion
        sea = pakistan.assess([Disk(20, 65, 50)])
        assert (sea.consistent, sea.home, sea.foreign, sea.countries) == (True, False, False, frozenset())

    def test_a_disk_inside_a_country_without_a_border_in_it_is_that_countrys(
        self, pakistan: Territory
    ) -> None:
        assert pakistan.assess([Disk(26.0, 80.0, 30)]).countries == {"IN"}
        assert pakistan.assess([Disk(-80, 20, 300)]).countries == {"AQ"}

    def test_two_vantages_prove_what_neither_does(self, pakistan: Territory) -> None:
        """A host between Karachi and Lahore: each disk reaches India, their intersection does not."""
        multan = (30.1956, 71.4753)
        disks = [
            Disk(*place, 1.02 * float(distance_km(*place, *multan)))
            for place in (KARACHI, LAHORE, (30.1798, 66.9750))
        ]
        assert all(pakistan.assess([disk]).foreign for disk in disks)
        found = pakistan.assess(disks)
        assert found.home
        assert not found.foreign

    def test_disks_apart_have_no_land(self, pakistan: Territory) -> None:
        found = pakistan.assess([Disk(*KARACHI, 50), Disk(*DUBAI, 50)])
        assert not found.consistent
        assert not found.home
        assert not found.foreign
        assert found.cities == ()

    def test_three_disks_may_meet_pairwise_and_yet_not_all(self, pakistan: Territory) -> None:
        disks = [Disk(0, 0, 600), Disk(0, 10, 600), Disk(9, 5, 600)]
        for left_out in range(3):
            pair = [disk for index, disk in enumerate(disks) if index != left_out]
            assert pakistan.assess(pair).consistent
        assert not pakistan.assess(disks).consistent

    def test_disputed_land_is_feasible_for_home_and_foreign_at_once(self, pakistan: Territory) -> None:
        siachen = Disk(35.4, 77.05, 1)
        for home in ("PK", "IN"):
            found = Territory.load(home).assess([siachen])
            assert found.home
            assert found.foreign
        assert not Territory.load("FR").assess([siachen]).home
        assert not pakistan.contains(siachen.latitude, siachen.longitude)

    @pytest.mark.parametrize("radius", [float("inf"), float("nan"), 10_000, 9_950, 40_000])
    def test_what_bounds_nothing_changes_nothing(self, pakistan: Territory, radius: float) -> None:
        small = Disk(*KARACHI, 100)
        assert pakistan.assess([small, Disk(*SINGAPORE, radius)]) == pakistan.assess([small])

    @pytest.mark.parametrize(
        ("radius", "consistent"), [(9_940, False), (10_000, False), (19_700, False), (19_800, True)]
    )
    def test_what_is_wider_than_a_hemisphere_does_not_hold_its_antipode(
        self, pakistan: Territory, radius: float, *, consistent: bool
    ) -> None:
        antipode = Disk(-KARACHI[0], KARACHI[1] - 180, radius)
        assert pakistan.assess([antipode, Disk(*KARACHI, 100)]).consistent == consistent
        more = [Disk(*KARACHI, 100 + index) for index in range(9)]
        assert pakistan.assess([antipode, *more]).consistent == consistent

    def test_without_disks_everything_is_feasible(self, pakistan: Territory) -> None:
        found = pakistan.assess([])
        assert found.consistent
        assert found.home
        assert found.foreign
        assert len(found.countries) > 200
        assert len(found.cities) > 5_000

    def test_a_disk_of_no_size_is_still_its_place(self, pakistan: Territory) -> None:
        assert pakistan.assess([Disk(*KARACHI, 0)]).countries == {"PK"}
        assert pakistan.assess([Disk(*KARACHI, -5)]).countries == {"PK"}

    @pytest.mark.parametrize("longitude", [180.0, -180.0, 179.95, -179.95])
    def test_disks_reach_across_the_antimeridian(self, pakistan: Territory, longitude: float) -> None:
        assert pakistan.assess([Disk(66.9, longitude, 20)]).countries == {"RU"}
        assert "RU" in pakistan.assess([Disk(70.0, longitude, 200)]).countries

    def test_a_disk_around_a_pole_has_the_land_around_it(self, pakistan: Territory) -> None:
        assert pakistan.assess([Disk(90, 0, 100)]).countries == frozenset()
        assert {"GL", "CA", "RU", "NO"} <= pakistan.assess([Disk(90, 0, 1500)]).countries
        assert pakistan.assess([Disk(-90, 0, 100)]).countries == {"AQ"}

    def test_the_same_disks_in_another_order_are_the_same(self, pakistan: Territory) -> None:
        disks = [Disk(*KARACHI, 700), Disk(*LAHORE, 700), Disk(*DUBAI, 1500)]
        assert pakistan.assess(disks) == pakistan.assess(disks[::-1]) == pakistan.assess([*disks, disks[0]])


places = st.tuples(st.floats(20, 40), st.floats(58, 82))
near = st.lists(st.tuples(places, st.floats(0, 900)), min_size=1, max_size=5)
anywhere = st.lists(st.tuples(st.tuples(latitudes, longitudes), st.floats(0, 9000)), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def grid(pakistan: Territory) -> tuple[Floats, npt.NDArray[np.str_]]:
    """Points of the subcontinent every 0.25 degrees, as vectors, and the country of each."""
    points = [(la, lo) for la in np.arange(20, 40, 0.25) for lo in np.arange(58, 82, 0.25)]
    countries = [pakistan.country_at(float(la), float(lo)) or "" for la, lo in points]
    return unit(*np.array(points).T), np.array(countries)


class TestAgainstBruteForce:
    """A grid of points of land: whatever of it is in all disks must be feasible, and the other way round."""

    @given(disks=near)
    @settings(max_examples=150, deadline=None)
    def test_no_point_of_the_grid_is_missed(
        self,
        pakistan: Territory,
        grid: tuple[Floats, npt.NDArray[np.str_]],
        disks: list[tuple[tuple[float, float], float]],
    ) -> None:
        found = pakistan.assess([Disk(*place, radius) for place, radius in disks])
        within = np.ones(len(grid[1]), dtype=bool)
        loosely = within.copy()
        for place, radius in disks:
            angles = np.arccos(np.clip(grid[0] @ unit(*place), -1, 1)) * EARTH_RADIUS_KM
            within &= angles <= radius * (1 + SPHERE_MARGIN)
            loosely &= angles <= radius * (1 + SPHERE_MARGIN) + BORDER_ERROR_KM + 40
        reached = set(grid[1][within]) - {""}
        assert reached <= found.countries
        assert found.home >= ("PK" in reached)
        assert found.foreign >= bool(reached - {"PK"})
        assert found.consistent or not within.any()
        # Nothing is feasible far from everything: the grid's points are 40 km apart at most.
        inner = [lo > 58.5 and lo < 81.5 and la > 20.5 and la < 39.5 for (la, lo), _ in disks]
        if all(inner) and max(radius for _, radius in disks) < 50 and not loosely.any():
            assert not found.consistent

    @given(disks=anywhere)
    @settings(max_examples=150, deadline=None)
    def test_a_city_in_all_disks_is_feasible_and_so_is_its_land(
        self, pakistan: Territory, disks: list[tuple[tuple[float, float], float]]
    ) -> None:
        cities = shipped_cities()
        within = np.ones(len(cities.all), dtype=bool)
        for place, radius in disks:
            within &= np.arccos(np.clip(cities.where @ unit(*place), -1, 1)) * EARTH_RADIUS_KM <= radius
        reached = [cities.all[index] for index in np.flatnonzero(within)]
        found = pakistan.assess([Disk(*place, radius) for place, radius in disks])
        assert set(reached) <= set(found.cities)
        assert found.home >= any(city.country == "PK" for city in reached)
        assert found.foreign >= any(city.country not in {"PK", ""} for city in reached)

    @given(
        truth=st.tuples(latitudes, longitudes),
        vantages=st.lists(st.tuples(latitudes, longitudes), min_size=1, max_size=6),
        excess=st.lists(st.floats(0, 500), min_size=6, max_size=6),
    )
    @settings(max_examples=200, deadline=None)
    def test_where_the_host_truly_is_stays_feasible(
        self,
        pakistan: Territory,
        truth: tuple[float, float],
        vantages: list[tuple[float, float]],
        excess: list[float],
    ) -> None:
        disks = [
            Disk(*place, float(distance_km(*place, *truth)) + more)
            for place, more in zip(vantages, excess, strict=False)
        ]
        found = pakistan.assess(disks)
        country = pakistan.country_at(*truth)
        assert found.consistent
        assert country is None or country in found.countries
        assert found.home >= (country == "PK")
        assert found.foreign >= (country not in {None, "PK"})

    @given(
        truth=places,
        vantages=st.lists(places, min_size=9, max_size=16),
        excess=st.lists(st.floats(-100, 300), min_size=16, max_size=16),
    )
    @settings(max_examples=150, deadline=None)
    def test_of_many_disks_those_that_hold_others_do_not_matter(
        self,
        pakistan: Territory,
        truth: tuple[float, float],
        vantages: list[tuple[float, float]],
        excess: list[float],
    ) -> None:
        disks = [
            Disk(*place, max(float(distance_km(*place, *truth)) + more, 0))
            for place, more in zip(vantages, excess, strict=False)
        ]
        found = pakistan.assess(disks)
        latitudes, longitudes, radii = np.array(disks).T
        land = pakistan.land_in(unit(latitudes, longitudes), grown(radii))
        assert found.consistent == (land is not None)
        if land is not None:
            assert found.home == bool((land & pakistan.home_features).any())
            assert found.foreign == bool((land & pakistan.foreign_features).any())

    def test_many_names_of_one_disk_are_one_disk(self, pakistan: Territory) -> None:
        """At a pole, all longitudes are one place; disks that are equal must not leave each other out."""
        found = pakistan.assess([Disk(-90, longitude, 100) for longitude in range(12)])
        assert found.consistent
        assert found.countries == {"AQ"}

    @given(centre=places, step=st.floats(-1e-5, 1e-5), radius=st.floats(1, 500), more=st.floats(-0.01, 0.01))
    @settings(max_examples=100, deadline=None)
    def test_vantages_beside_each_other_are_as_one(
        self, pakistan: Territory, centre: tuple[float, float], step: float, radius: float, more: float
    ) -> None:
        """Circles that nearly coincide cross in no place that can be computed well."""
        one = Disk(*centre, radius)
        other = Disk(centre[0] + step, centre[1] - step, radius + more)
        alone, both = pakistan.assess([one]), pakistan.assess([one, other])
        assert both.consistent
        assert both.countries <= alone.countries
        assert pakistan.assess([Disk(*centre, max(radius - 1, 0))]).countries <= both.countries
