"""Which vantages are relied on."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pytest

from geodata.snapshot import Snapshot
from probes.document import Document
from probes.vantages.vantage import Vantage
from scanner import metrics
from scanner.gathering import gather
from scanner.judge import Inputs, compose
from scanner.register import parse_register
from scanner.rulebook import load_policy
from scanner.rules import judge_address
from tests.scanner.scene import PLACES, THRESHOLDS, VANTAGES, claim, pakistan, ping
from tests.scanner.witnesses import (
    ANSWERING,
    LANDMARK,
    addresses,
    doubts,
    evidence,
    mutual,
    networks,
    rtt_ms,
    seen,
)

if TYPE_CHECKING:
    from probes.observation import Observation
    from scanner.run import Run
    from scanner.verdict import AddressVerdict


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


class TestFile:
    """Landmarks and addresses stand in the file of vantages."""

    def test_a_landmark_is_no_vantage_to_scan_from(self) -> None:
        assert not LANDMARK.probes
        assert VANTAGES["khi"].probes

    @pytest.mark.parametrize("text", ["{}", json.dumps({"addresses": ["198.19.0.300"]})])
    def test_faults(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"addresses|IP address"):
            Vantage(id="a", latitude=0, longitude=0, kind="landmark", **json.loads(text))
