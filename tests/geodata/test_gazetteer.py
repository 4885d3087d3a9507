from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.airport import METRO_RADIUS_KM, shipped_airports
from geodata.gazetteer import cities_named, plain
from geodata.hub import hubs
from geodata.place import NOWHERE, at_airport, country_of, in_country
from geodata.sphere import distance_km


class TestGazetteer:
    """Cities are found however a network writes them."""

    @pytest.mark.parametrize(
        ("written", "name", "country"),
        [
            ("Karachi", "Karachi", "PK"),
            ("SAOPAULO", "São Paulo", "BR"),
            ("frankfurt", "Frankfurt am Main", "DE"),
            ("new-york", "New York City", "US"),
            ("Zürich", "Zürich", "CH"),
            ("zurich", "Zürich", "CH"),
            ("bangalore", "Bengaluru", "IN"),
        ],
    )
    def test_named(self, written: str, name: str, country: str) -> None:
        city = cities_named(plain(written))[0]
        assert (city.name, city.country) == (name, country)

    def test_the_largest_first_and_of_one_country(self) -> None:
        assert [city.country for city in cities_named("hyderabad")] == ["IN", "PK"]
        assert [city.country for city in cities_named("hyderabad", "PK")] == ["PK"]
        assert cities_named("atlantis") == ()

    @given(st.text(max_size=50))
    def test_any_name(self, name: str) -> None:
        assert plain(plain(name)) == plain(name)
        assert plain(name) == "" or plain(name).isalnum()


class TestAirports:
    """Codes of airports have their city, its country and coordinates near it."""

    @pytest.mark.parametrize(
        ("code", "city", "country"),
        [
            *(("KHI", "Karachi", "PK"), ("LHE", "Lahore", "PK"), ("ISB", "Islamabad", "PK")),
            *(("PEW", "Peshawar", "PK"), ("LYP", "Faisalabad", "PK"), ("UET", "Quetta", "PK")),
            *(("MFG", "Muzaffarabad", "PK"), ("GIL", "Gilgit", "PK"), ("SXR", "Srinagar", "IN")),
            ("LHR", "London", "GB"),
            ("LON", "London", "GB"),  # a city's code
            ("QPG", "Singapore", "SG"),  # airportsdata has no city for it
            ("SLU", "Castries", "LC"),  # and the wrong country for its city's code
            ("KIV", "Chișinău", "MD"),  # no longer an airport's
        ],
    )
    def test_codes(self, code: str, city: str, country: str) -> None:
        airport = shipped_airports()[code]
        assert (airport.city, airport.country) == (city, country)

    def test_large_airports_are_near_their_city(self) -> None:
        for code in ("KHI", "LHE", "ISB", "FRA", "NRT", "DXB", "SIN", "BOM", "LHR", "IAD"):
            airport = shipped_airports()[code]
            city = max(
                (each for each in cities_named(plain(airport.city), airport.country)),
                key=lambda each: each.population,
            )
            apart = distance_km(airport.latitude, airport.longitude, city.latitude, city.longitude)
            assert float(apart) <= METRO_RADIUS_KM, code

    def test_nobody_knows_them(self) -> None:
        assert at_airport("QQQ") == NOWHERE
        assert at_airport("") == NOWHERE


class TestPlaces:
    """A country that is none is nowhere; a city that is not known is where it is said to be."""

    def test_countries(self) -> None:
        assert (country_of("pk"), country_of("UK"), country_of("gb")) == ("PK", "GB", "GB")
        assert [country_of(code) for code in ("qq", "zz", "eu", "", "pak")] == [None] * 5

    def test_cities(self) -> None:
        assert in_country("PK", "karachi").city == "Karachi"
        assert in_country("PK", "ATLANTIS") == ("PK", "Atlantis", None, None)
        assert in_country("QQ", "Karachi") == NOWHERE
        assert in_country(None, "Karachi") == NOWHERE
        assert in_country("PK") == ("PK", None, None, None)


class TestHubs:
    """Cities that are known to hold data centres are known cities."""

    def test_each_is_a_city(self) -> None:
        assert len({(hub.city.name, hub.city.country) for hub in hubs()}) == len(hubs())

    def test_pakistans(self) -> None:
        home = [hub for hub in hubs() if hub.city.country == "PK"]
        assert [hub.city.name for hub in home] == ["Karachi", "Lahore", "Islamabad"]
        assert all("exchange" in hub.kinds and "cloud" not in hub.kinds for hub in home)

    @pytest.mark.parametrize("name", ["Dubai", "Muscat", "Mumbai", "Singapore", "Doha", "Fujairah", "Delhi"])
    def test_those_around_it(self, name: str) -> None:
        assert name in {hub.city.name for hub in hubs()}
