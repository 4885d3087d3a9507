"""Which vantages are relied on."""

from __future__ import annotations

import json
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.snapshot import Snapshot
from geodata.sphere import distance_km
from probes.document import Document
from probes.vantages.vantage import Vantage
from scanner import metrics
from scanner.gathering import gather
from scanner.honesty import examine
from scanner.judge import Inputs, compose
from scanner.register import parse_register
from scanner.rulebook import load_policy
from scanner.rules import judge_address
from tests.scanner.scene import PLACES, THRESHOLDS, VANTAGES, claim, pakistan, ping

if TYPE_CHECKING:
    from probes.observation import Observation
    from scanner.doubt import Doubt
    from scanner.evidence import AddressEvidence
    from scanner.run import Run
    from scanner.verdict import AddressVerdict

# Round trips between places over fibre that is 1.6 times as long as the great circle.
_STRETCH = 1.6


def rtt_ms(one: str, other: str) -> float:
    here, there = PLACES[one], PLACES[other]
    km = float(distance_km(here[1], here[2], there[1], there[2]))
    return 0.4 + km * _STRETCH / 100


def addresses(count: int, network: int = 1) -> list[str]:
    return [f"198.{16 + network}.0.{number + 1}" for number in range(count)]


def seen(address: str, *sites: str, really: dict[str, str] | None = None) -> list[Observation]:
    """Pings of an address at some places, each vantage answered by the nearest.

    ``really`` says where vantages are that are not where they say.
    """
    where = {name: (really or {}).get(name, name) for name in VANTAGES}
    return [
        ping(name, min(rtt_ms(place, site) for site in sites), address=address)
        for name, place in where.items()
    ]


def evidence(
    observations: list[Observation], asn: int | None = None, vantages: dict[str, Vantage] | None = None
) -> list[AddressEvidence]:
    found = sorted({str(one.address) for one in observations})
    origin = () if asn is None else (claim("bgp", None, meaning="origin", asn=asn),)
    claims = dict.fromkeys(found, origin)
    return list(gather(found, observations, claims, {}, vantages or VANTAGES, THRESHOLDS).values())


def doubts(
    of: list[AddressEvidence],
    mutual: list[AddressEvidence] | None = None,
    vantages: dict[str, Vantage] | None = None,
) -> dict[str, Doubt]:
    return examine(of, mutual or [], vantages or VANTAGES, pakistan(), THRESHOLDS)


def networks(
    count: int, *sites: str, really: dict[str, str] | None = None, first: int = 0
) -> list[AddressEvidence]:
    """An address in each of several networks."""
    return [
        one
        for number in range(first, first + count)
        for one in evidence(seen(addresses(1, number)[0], *sites, really=really), asn=64496 + number)
    ]


ANSWERING = {
    name: vantage.model_copy(update={"addresses": (f"198.19.0.{number}",)})
    for number, (name, vantage) in enumerate(VANTAGES.items())
}
LANDMARK = Vantage(
    id="mark", latitude=24.86, longitude=67.0, kind="landmark", addresses=("198.19.1.1",), location_error_km=1
)


def mutual(*pairs: tuple[str, str, float]) -> list[AddressEvidence]:
    vantages = {**ANSWERING, "mark": LANDMARK}
    return evidence(
        [ping(one, rtt, address=vantages[other].addresses[0]) for one, other, rtt in pairs], vantages=vantages
    )


class TestMutual:
    """Vantages that answer each other sooner than light travels between them are not where they say."""

    def all_doubts(self, *pairs: tuple[str, str, float]) -> dict[str, bool]:
        found = doubts([], mutual(*pairs), {**ANSWERING, "mark": LANDMARK})
        return {name: one.refuted for name, one in found.items()}

    def test_honest_ones_do_not(self) -> None:
        pairs = [(one, other, rtt_ms(one, other)) for one in PLACES for other in PLACES if one != other]
        assert self.all_doubts(*pairs) == {}

    def test_who_contradicts_most_others_is_refuted_alone(self) -> None:
        pairs = [("khi", "fra", 0.5), ("fra", "lhe", 21.0), ("isb", "fra", 23.0), ("khi", "lhe", 21.0)]
        assert self.all_doubts(*pairs) == {"fra": True}

    def test_of_two_it_may_be_either(self) -> None:
        assert self.all_doubts(("khi", "fra", 0.5)) == {"khi": False, "fra": False}

    def test_a_landmark_is_believed(self) -> None:
        assert self.all_doubts(("fra", "mark", 0.5), ("khi", "mark", 0.4)) == {"fra": True}

    def test_but_not_against_many(self) -> None:
        pairs = [("fra", "mark", 0.5), ("sin", "mark", 0.4), ("khi", "mark", 0.4)]
        assert self.all_doubts(*pairs) == {"mark": True}

    def test_a_slow_answer_refutes_nobody(self) -> None:
        assert self.all_doubts(("khi", "fra", 500.0), ("khi", "mark", 300.0)) == {}

    def test_the_location_errors_of_both_count(self) -> None:
        vague = {**ANSWERING, "fra": ANSWERING["fra"].model_copy(update={"location_error_km": 6000})}
        found = evidence([ping("khi", 0.5, address="198.19.0.5")], vantages=vague)
        assert doubts([], found, vague) == {}


class TestContradictions:
    """A contradiction that hangs on one vantage is doubted; one that does not is anycast."""

    really = {"fra": "khi"}  # noqa: RUF012  not changed

    def test_addresses_of_many_networks_refute(self) -> None:
        found = doubts(networks(5, "khi", really=self.really))
        assert {name: one.refuted for name, one in found.items()} == {"fra": True}
        assert "5 addresses in 5 networks cannot be near its place" in found["fra"].reason

    def test_those_of_a_few_make_doubtful(self) -> None:
        found = doubts(networks(3, "khi", really=self.really))
        assert {name: one.refuted for name, one in found.items()} == {"fra": False}

    def test_those_of_one_network_say_nothing_of_a_vantage(self) -> None:
        """However many it has: it may announce all of them at two places."""
        observations = [one for address in addresses(20) for one in seen(address, "khi", "fra")]
        assert doubts(evidence(observations, asn=64496)) == {}

    def test_what_is_near_there_and_does_not_contradict_speaks_for_it(self) -> None:
        """Anycast of six networks at Karachi and Frankfurt, and hosts in Karachi alone."""
        both, alone = networks(6, "khi", "fra"), networks(4, "khi", first=10)
        assert set(doubts(both)) == {"fra"}, "nothing else is known, and nothing rests on it"
        assert doubts([*both, *alone]) == {}

    def test_times_that_go_with_the_distances_from_its_place_speak_for_it(self) -> None:
        """Dubai is too near to Karachi for all that is there to contradict a vantage that is not in Dubai."""
        both, alone = networks(3, "khi", "dxb"), networks(12, "khi", first=10)
        assert set(doubts(both)) == {"dxb"}
        assert doubts([*both, *alone]) == {}

    def test_several_may_be_at_wrong_places(self) -> None:
        really = {"fra": "khi", "sin": "isb"}
        of = [*networks(5, "khi", really=really), *networks(5, "isb", really=really, first=10)]
        assert set(doubts(of)) == {"fra", "sin"}

    def test_one_against_more_than_twenty_is_doubtful_by_one_address(self) -> None:
        many = {
            f"v{number}": VANTAGES["khi"].model_copy(update={"id": f"v{number}"}) for number in range(22)
        } | {"fra": VANTAGES["fra"]}
        observations = [ping(name, 1.0) for name in many]
        assert {name: one.refuted for name, one in doubts(evidence(observations, vantages=many)).items()} == {
            "fra": False
        }

    def test_what_is_known_as_anycast_contradicts_nobody(self) -> None:
        known = (claim("known-networks", None, meaning="anycast", asn=64500),)
        observations = [one for number in range(6) for one in seen(addresses(1, number)[0], "khi", "fra")]
        found = sorted({str(one.address) for one in observations})
        of = gather(found, observations, dict.fromkeys(found, known), {}, VANTAGES, THRESHOLDS)
        assert doubts(list(of.values())) == {}


class TestDoubtful:
    """What is said of a place must hold with and without a doubtful vantage."""

    @staticmethod
    def judge(doubtful: str, *observations: Observation, country: str = "PK") -> AddressVerdict:
        address = str(observations[0].address)
        claims = {address: (claim("alpha", country), claim("beta", country))}
        (of,) = gather([address], observations, claims, {}, VANTAGES, THRESHOLDS).values()
        return judge_address(of, pakistan(), THRESHOLDS, {doubtful})

    def test_a_contradiction_that_hangs_on_it_is_undetermined(self) -> None:
        verdict = self.judge("fra", ping("khi", 0.5), ping("fra", 0.5))
        assert (verdict.location, verdict.rule) == ("undetermined", "doubtful-vantage")
        assert verdict.reason.startswith(
            "That vantage fra is where it is said to be is in doubt; if so, this is"
        )

    def test_one_that_does_not_is_an_edge(self) -> None:
        verdict = self.judge("fra", ping("khi", 0.5), ping("fra", 0.5), ping("sin", 0.5))
        assert (verdict.location, verdict.assurance) == ("edge", "proved")

    def test_its_proof_is_none(self) -> None:
        assert self.judge("khi", ping("khi", 0.5), ping("isb", 23)).location == "undetermined"
        assert self.judge("sin", ping("khi", 95), ping("sin", 0.4), country="SG").assurance == "corroborated"

    def test_without_it_nothing_gets_better(self) -> None:
        """Abroad and nearest: what sources have at home is not believed, though the vantage is doubtful."""
        verdict = self.judge("dxb", ping("khi", 30), ping("dxb", 26))
        assert (verdict.location, verdict.rule) == ("undetermined", "unsupported-claim")

    def test_what_others_prove_stays_proved(self) -> None:
        verdict = self.judge("isb", ping("khi", 0.5), ping("isb", 23))
        assert (verdict.location, verdict.assurance) == ("inside", "proved")


class TestExplained:
    """Where a vantage would be in truth explains its contradictions, or does not."""

    def test_what_is_near_there_is_explained_and_anycast_is_not(self) -> None:
        """A vantage of Frankfurt that is in Karachi: it is no witness of what answers Karachi only."""
        really = {"fra": "khi"}
        of = networks(5, "khi", really=really)
        (doubt,) = doubts(of).values()
        assert doubt.refuted
        assert all(doubt.explains(one) for one in of)
        (anycast,) = networks(1, "khi", "dxb", really={**really, "lhe": "dxb"}, first=30)
        seen_abroad = anycast.without({"khi", "isb", "sin"})
        assert not doubt.explains(seen_abroad), "near Karachi and near Lahore and Dubai at once"

    def test_by_round_trips_between_vantages_all_is(self) -> None:
        found = doubts([], mutual(("fra", "mark", 0.5)), {**ANSWERING, "mark": LANDMARK})
        assert found["fra"].explains(networks(1, "khi")[0])


REGISTER = """
version: 1
country: PK
providers:
  - id: indus
    name: Indus
    accreditation: {status: accredited, certificate: CO-1, issued: 2026-06-01, expires: 2029-05-31}
    services:
      - {id: web, deployment: government, data_class: restricted, endpoints: [{address: 39.32.0.7}]}
"""


def run(observations: list[Observation], vantages: dict[str, Vantage]) -> Run:
    today = date(2026, 11, 1)
    inputs = Inputs(
        register=parse_register(Document.parse(REGISTER.encode(), "register.yaml"), today),
        vantages=tuple(vantages.values()),
        policy=load_policy(),
        snapshot=Snapshot.open(None),
        territory=pakistan(),
        today=today,
    )
    return compose(inputs, observations, "2026-11-01T00:00:00Z", complete=True)


class TestRun:
    """A run says which vantages it did not rely on, and why."""

    observations = [  # noqa: RUF012  not changed
        ping("khi", 0.5, address="39.32.0.7"),
        ping("fra", 0.6, address="39.32.0.7"),
        ping("fra", 0.7, address="198.19.1.1"),  # the landmark, in Karachi
    ]

    def test_a_refuted_vantage_constrains_nothing(self) -> None:
        found = run(self.observations, {**ANSWERING, "mark": LANDMARK})
        (result,) = found.endpoints
        assert (result.verdict.location, result.verdict.assurance) == ("inside", "proved")
        assert {one.id for one in found.vantages if not one.location_ok} == {"fra"}
        assert any(
            notice.startswith("vantage fra is not used: between it and 'mark'") for notice in found.notices
        )
        assert not any("observations are of endpoints" in notice for notice in found.notices)

    def test_without_the_landmark_it_is_an_edge(self) -> None:
        found = run(self.observations[:2], ANSWERING)
        assert found.endpoints[0].verdict.location == "edge"

    def test_what_only_a_refuted_vantage_saw_is_undetermined(self) -> None:
        found = run(self.observations[1:], {**ANSWERING, "mark": LANDMARK})
        verdict = found.endpoints[0].verdict
        assert (verdict.location, verdict.rule) == ("undetermined", "doubtful-vantage")

    def test_metrics(self) -> None:
        text = metrics.render(run(self.observations, {**ANSWERING, "mark": LANDMARK})).decode()
        assert 'residency_vantage_location_ok{vantage="fra"} 0.0' in text
        assert 'residency_vantage_location_ok{vantage="khi"} 1.0' in text


def judge(of: list[AddressEvidence]) -> list[AddressVerdict]:
    found = doubts(of)
    refuted = [name for name, one in found.items() if one.refuted]
    return [judge_address(one.without(refuted), pakistan(), THRESHOLDS, found.keys()) for one in of]


others = st.integers(1, len(PLACES) - 1)  # all but the first, which lies


class TestProperties:
    """What holds whoever lies."""

    @given(
        st.permutations(sorted(PLACES)),
        st.lists(others, min_size=1, max_size=8),
        st.lists(st.tuples(others, others), max_size=4),
        others,
        st.booleans(),
    )
    @settings(max_examples=60, deadline=None)
    def test_one_lying_vantage_makes_no_false_inside(
        self,
        names: list[str],
        at: list[int],
        at_two: list[tuple[int, int]],
        truly: int,
        one_network: bool,
    ) -> None:
        """Every host has an honest vantage where it is, and all databases say that all are at home."""
        liar, really = names[0], names[truly]
        hosts = [names[index] for index in at]
        anycast = [(names[one], names[other]) for one, other in at_two]
        places: list[tuple[str, ...]] = [(host,) for host in hosts]
        places += [pair for pair in anycast if pair[0] != pair[1]]
        said = (claim("registry", "PK", meaning="registrant"), claim("alpha", "PK"))
        of: list[AddressEvidence] = []
        for number, where in enumerate(places):
            address = addresses(1, number)[0]
            asn = 64496 if one_network else 64496 + number
            observations = seen(address, *where, really={liar: really})
            claims = {address: (*said, claim("bgp", "PK", meaning="origin", asn=asn))}
            of += gather([address], observations, claims, {}, VANTAGES, THRESHOLDS).values()
        for where, verdict in zip(places, judge(of), strict=True):
            if set(where) & {"dxb", "sin", "fra"}:
                assert verdict.location != "inside", (where, verdict)
            elif len(where) == 1:
                assert (verdict.location, verdict.assurance) != ("outside", "proved"), (where, verdict)


class TestFile:
    """Landmarks and addresses stand in the file of vantages."""

    def test_a_landmark_is_no_vantage_to_scan_from(self) -> None:
        assert not LANDMARK.probes
        assert VANTAGES["khi"].probes

    @pytest.mark.parametrize("text", ["{}", json.dumps({"addresses": ["198.19.0.300"]})])
    def test_faults(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"addresses|IP address"):
            Vantage(id="a", latitude=0, longitude=0, kind="landmark", **json.loads(text))


class TestStrangers:
    """Who is said to be where another vantage is, and is near to nothing there, proves nothing alone."""

    TWO = MappingProxyType({**VANTAGES, "isb2": VANTAGES["isb"].model_copy(update={"id": "isb2"})})

    def seen(self, count: int, site: str, really: str = "sin", first: int = 0) -> list[AddressEvidence]:
        """An address in each of several networks, at one place; ``isb2`` is somewhere else in truth."""
        return [
            one
            for number in range(first, first + count)
            for one in evidence(
                [
                    ping(name, rtt_ms(really if name == "isb2" else name, site), address=address)
                    for name in ("khi", "isb", "isb2")
                    for address in addresses(1, number)
                ],
                asn=64496 + number,
                vantages=dict(self.TWO),
            )
        ]

    def doubts(self, *found: AddressEvidence) -> dict[str, Doubt]:
        return doubts(list(found), vantages=dict(self.TWO))

    def test_one_abroad_that_is_said_to_be_at_home(self) -> None:
        found = self.doubts(*self.seen(3, "isb"))
        assert {name: one.refuted for name, one in found.items()} == {"isb2": False}
        assert found["isb2"].reason == (
            "another vantage shows 3 addresses in 3 networks to be near its place, and none answered it as a"
            f" neighbour does: 198.16.0.1, at most 50 km away, took {rtt_ms('sin', 'isb'):.2f} ms"
        )

    def test_what_it_alone_is_near_to_is_not_proved_to_be_at_home(self) -> None:
        """Without the others nothing would speak against a host in Singapore that it calls a neighbour."""
        abroad = self.seen(1, "sin", first=7)
        found = self.doubts(*self.seen(3, "isb"), *abroad)
        land = pakistan()
        assert judge_address(abroad[0], land, THRESHOLDS).location == "inside"
        assert judge_address(abroad[0], land, THRESHOLDS, found.keys()).location != "inside"

    def test_two_that_are_far_from_each_other_are_both_doubtful(self) -> None:
        assert set(self.doubts(*self.seen(3, "isb"), *self.seen(3, "sin", first=3))) == {"isb", "isb2"}

    def test_one_neighbour_clears_it(self) -> None:
        quick = self.seen(1, "isb", really="isb", first=3)
        assert self.doubts(*self.seen(3, "isb"), *quick) == {}

    def test_few_networks_do_not_tell(self) -> None:
        assert self.doubts(*self.seen(2, "isb")) == {}
        assert self.doubts(*(one for one in self.seen(1, "isb") for _ in range(5))) == {}

    def test_detours_of_a_city_are_no_other_country(self) -> None:
        """From Lahore's distance everything may come and go over another city."""
        assert self.doubts(*self.seen(5, "isb", really="lhe")) == {}

    def test_what_is_far_from_its_place_does_not_tell(self) -> None:
        assert self.doubts(*self.seen(5, "khi"), *self.seen(5, "fra", first=5)) == {}
