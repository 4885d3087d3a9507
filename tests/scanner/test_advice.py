from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from geodata.claim import Claim
from geodata.sources.peeringdb import Facility
from geodata.territory import Disk, Territory
from scanner.advice import CANDIDATE_PEOPLE, advise, sentence
from scanner.run import EndpointResult, Run, Tool, VantageUsed, encode
from scanner.verdict import AddressVerdict, EndpointVerdict
from tests.scanner.test_cli import call

if TYPE_CHECKING:
    from pathlib import Path

PLACES = {"khi": (24.8607, 67.0011), "lhe": (31.5204, 74.3587), "isb": (33.6844, 73.0479)}
ADDRESS = "198.18.1.1"


@pytest.fixture(scope="module")
def pakistan() -> Territory:
    return Territory.load("PK")


def run(rtts_ms: dict[str, float], site: str | None = None, said: str = "PK", **verdict: Any) -> Run:
    """A run of one endpoint with one address, which a database puts in ``said``."""
    fields: dict[str, Any] = {"location": "inside", "assurance": "corroborated", "rule": "claims", **verdict}
    address = AddressVerdict(address=ADDRESS, reason="", rtts_ms=rtts_ms, **fields)
    result = EndpointResult(
        endpoint="indus/web/portal",
        provider="indus",
        service="web",
        data_class="restricted",
        deployment="government",
        declared="portal",
        site=site,
        status="compliant",
        severity="informational",
        verdict=EndpointVerdict(endpoint="indus/web/portal", reason="", addresses=(address,), **fields),
    )
    return Run(
        id="x",
        started="2026-11-24T00:00:00Z",
        finished="2026-11-24T00:01:00Z",
        complete=True,
        tool=Tool(version="0"),
        country="PK",
        vantages=tuple(
            VantageUsed(id=name, latitude=place[0], longitude=place[1], location_error_km=5, kind="recorded")
            for name, place in PLACES.items()
        ),
        sources=(),
        policy={"thresholds": {"speed_km_per_ms_rtt": 100.0}},
        endpoints=(result,),
        observations=(),
        claims={ADDRESS: (Claim(source="a", family="a", prefix="x", meaning="server", country=said),)},
    )


FAR = {"khi": 15.0, "lhe": 5.0, "isb": 6.0}


class TestAdvice:
    """A city is advised where a vantage would prove what none proves now, with the time it must see."""

    def test_the_declared_site_comes_first(self, pakistan: Territory) -> None:
        first = advise(run(FAR, site="Faisalabad"), pakistan)[0]
        assert (first.country, first.proves, first.endpoints) == ("PK", "inside", ("indus/web/portal",))
        assert first.expected == pytest.approx(1.0, abs=0.05)
        assert first.city == "Faisalabad"
        assert first.rtt_ms == pytest.approx(1.21, abs=0.03)  # foreign land is 130 km away

    def test_what_is_advised_would_be_a_proof(self, pakistan: Territory) -> None:
        """And a little more than the time that it names would be none."""
        for given in (run(FAR), run(FAR, said="IN", location="outside"), run({"khi": 25.0}, said="OM")):
            for one in advise(given, pakistan):
                near, far = (
                    pakistan.assess([Disk(one.latitude, one.longitude, one.rtt_ms * 100 * share + 5)])
                    for share in (0.99, 1.01)
                )
                against = (near.foreign, far.foreign) if one.proves == "inside" else (near.home, far.home)
                assert against == (False, True), one

    def test_a_foreign_city_proves_that_it_is_abroad(self, pakistan: Territory) -> None:
        found = advise(run({"khi": 25.0}, said="AE", location="outside"), pakistan)
        assert {one.country for one in found if one.proves == "outside"} == {"AE"}
        assert "Dubai" in {one.city for one in found}

    def test_where_a_vantage_is_none_is_advised(self, pakistan: Territory) -> None:
        assert not {"Karachi", "Lahore", "Islamabad", "Rawalpindi"} & {
            one.city for one in advise(run(FAR), pakistan)
        }

    @pytest.mark.parametrize(
        "given",
        [
            run(FAR, assurance="proved", rule="territory"),
            run(FAR, location="edge", rule="anycast"),
            run({}, location="unreachable", rule="unreachable"),
            run({}, location="undetermined", rule="bogon"),
            run({"khi": 0.2, "isb": 0.2}, location="undetermined"),
        ],
    )
    def test_none_where_it_would_not_help(self, given: Run, pakistan: Territory) -> None:
        assert advise(given, pakistan) == ()

    def test_of_equals_a_city_with_a_house_comes_first(self, pakistan: Territory) -> None:
        """Two cities that would settle the same: where the only facility is, there it can be put."""
        plain = advise(run(FAR), pakistan)
        first, *others = [one for one in plain if one.expected < plain[0].expected]
        equal = [one for one in others if round(one.expected, 1) == round(first.expected, 1)]
        last = equal[-1]
        house = Facility("House", last.city, last.country, last.latitude + 0.01, last.longitude)
        found = advise(run(FAR), pakistan, [house, house._replace(latitude=None)])
        assert {one.city: one.facilities for one in found if one.facilities} == {last.city: 1}
        order = [one.city for one in found]
        assert order.index(last.city) < order.index(first.city)
        assert sentence(found[order.index(last.city)], "Pakistan").endswith("knows 1 facility there.")

    def test_a_small_city_with_a_house_is_one_more(self, pakistan: Territory) -> None:
        disks = [Disk(*PLACES[name], rtt_ms * 100 + 5) for name, rtt_ms in FAR.items()]
        possible = pakistan.assess(disks).home_cities
        small = max(
            (one for one in possible if one.population < CANDIDATE_PEOPLE),
            key=lambda one: pakistan.nearest_foreign_km(one.latitude, one.longitude),
        )
        house = Facility("House", None, "PK", small.latitude, small.longitude)
        given = run(FAR, site=small.name)
        assert small.name not in {one.city for one in advise(given, pakistan)}
        assert small.name == advise(given, pakistan, [house])[0].city

    def test_what_settles_next_to_nothing_is_no_advice(self, pakistan: Territory) -> None:
        """Nobody puts a machine where it "would settle 0.0 of the unproved endpoints"."""
        found = advise(run(FAR), pakistan)
        assert found
        assert all(" settle 0.0 " not in sentence(one, "Pakistan") for one in found)

    def test_what_is_known_of_a_city(self, pakistan: Territory) -> None:
        found = {one.city: one for one in advise(run({"khi": 25.0}, said="AE", location="outside"), pakistan)}
        assert "exchange" in found["Dubai"].known
        assert "Known there: a cloud's region, data centres for hire" in sentence(found["Dubai"], "Pakistan")

    def test_sentence(self, pakistan: Territory) -> None:
        said = sentence(advise(run(FAR, site="Multan"), pakistan)[0], "Pakistan")
        assert said.startswith("A vantage in Multan that sees less than 1.7")
        assert "it would settle 1.0 of the unproved endpoints (indus/web/portal)." in said
        assert said.endswith("No data centre is known there.")


class TestCommand:
    """``sarhad advise`` reads a run, and says what is wrong with one."""

    def test_advice(self, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        path.write_bytes(encode(run(FAR, site="Multan")))
        assert "A vantage in Multan" in call("advise", path).stdout
        assert json.loads(call("advise", path, "--format=json").stdout)[0]["city"] == "Multan"

    def test_facilities(self, tmp_path: Path) -> None:
        path, houses = tmp_path / "run.json", tmp_path / "fac.json"
        path.write_bytes(encode(run(FAR, site="Multan")))
        record = {"name": "House", "country": "PK", "latitude": 30.19, "longitude": 71.47, "clli": ""}
        houses.write_text(json.dumps({"data": [record]}))
        done = call("advise", path, "--facilities", houses)
        assert "PeeringDB knows 1 facility there." in done.stdout
        houses.write_text("[1")
        done = call("advise", path, "--facilities", houses)
        assert (done.returncode, f"{houses}: PeeringDB: " in done.stderr) == (2, True)
        houses.write_text('{"data": [{"prefix": "192.0.2.0/24"}]}')
        done = call("advise", path, "--facilities", houses)
        assert (done.returncode, "has no facilities" in done.stderr) == (2, True)

    @pytest.mark.parametrize("octets", [b"", b"{}", b'{"schema":"sarhad.run/2"}', b"[" * 9999, b"\xff"])
    def test_no_run(self, octets: bytes, tmp_path: Path) -> None:
        path = tmp_path / "run.json"
        path.write_bytes(octets)
        found = call("advise", path)
        assert found.returncode == 2
        assert "run.json: is no run of sarhad" in found.stderr
