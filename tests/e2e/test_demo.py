"""The main job over the shipped world, as a user sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from geodata.snapshot_writer import write_snapshot
from probes.simnet.databases import describe
from probes.simnet.loading import load_world
from scanner.run import Run, decode, encode, json_schema, observation_schema
from scanner.truth import compare

if TYPE_CHECKING:
    from tests.e2e.conftest import Demo

pytestmark = [pytest.mark.net, pytest.mark.e2e, pytest.mark.timeout(300)]
SARHAD = Path(sys.executable).with_name("sarhad")
SHIPPED = files("probes").joinpath("simnet", "worlds", "pakistan.yaml")
# Whoever collects tests reads it: with yaml's own parser that took a third of a second.
WORLD: dict[str, Any] = yaml.load(SHIPPED.read_bytes(), yaml.CSafeLoader)
TRUTH = {endpoint: one["location"] for endpoint, one in WORLD["truth"].items()}


def result(demo: Demo, ending: str) -> Any:
    """The one endpoint whose id ends so."""
    (found,) = [one for one in demo.run.endpoints if one.endpoint.endswith(ending)]
    return found


class TestTruth:
    """Every verdict is right or honestly weaker."""

    def test_the_world_is_large_enough_to_mean_something(self) -> None:
        assert len(TRUTH) >= 30
        assert len(WORLD["register"]["providers"]) >= 8

    def test_nothing_abroad_or_behind_an_edge_is_called_inside(self, demo: Demo) -> None:
        false_inside = [
            one.endpoint
            for one in demo.run.endpoints
            if one.verdict.location == "inside" and TRUTH[one.endpoint] != "inside"
        ]
        assert false_inside == []

    def test_nothing_at_home_is_called_outside(self, demo: Demo) -> None:
        false_outside = [
            one.endpoint
            for one in demo.run.endpoints
            if one.verdict.location == "outside" and TRUTH[one.endpoint] != "outside"
        ]
        assert false_outside == []

    def test_four_fifths_equal_the_truth_and_the_rest_claims_no_place(self, demo: Demo) -> None:
        comparison = compare(demo.run.endpoints, TRUTH)
        assert comparison.wrong == ()
        assert len(comparison.equal) >= 0.8 * len(TRUTH), str(comparison)

    def test_the_vantages_ping_each_other_and_all_are_where_they_say(self, demo: Demo) -> None:
        pairs = {
            (one.vantage, one.endpoint)
            for one in demo.run.observations
            if one.endpoint.startswith("vantage/") and one.error is None
        }
        names = [one.id for one in demo.run.vantages]
        assert pairs == {(one, f"vantage/{other}") for one in names for other in names if one != other}
        assert all(one.location_ok for one in demo.run.vantages)

    def test_the_path_that_leaves_is_seen_to_leave(self, demo: Demo) -> None:
        leaving = [name for name, one in WORLD["truth"].items() if one.get("path") == "leaves"]
        assert leaving
        found = {one.endpoint: one.verdict.path for one in demo.run.endpoints}
        assert {name: found[name] for name in leaving} == dict.fromkeys(leaving, "leaves")

    def test_no_path_that_stays_is_said_to_leave(self, demo: Demo) -> None:
        staying = [name for name, one in WORLD["truth"].items() if one.get("path") == "domestic"]
        assert staying
        found = {one.endpoint: one.verdict.path for one in demo.run.endpoints}
        assert "leaves" not in {found[name] for name in staying}

    def test_what_they_depend_on_abroad_is_found_and_nothing_else(self, demo: Demo) -> None:
        abroad = {name: set(one.get("abroad", ())) for name, one in WORLD["truth"].items()}
        assert sum(map(bool, abroad.values())) >= 10
        assert {
            one.endpoint: {each.host for each in one.verdict.dependencies if each.location == "outside"}
            for one in demo.run.endpoints
        } == abroad

    def test_what_they_depend_on_was_never_probed(self, demo: Demo) -> None:
        own = {each.address for one in demo.run.endpoints for each in one.verdict.addresses}
        probed = {
            one.address
            for one in demo.run.observations
            if one.address is not None and not one.endpoint.startswith("vantage/")
        }
        assert probed <= own

    def test_a_private_address_in_an_answer_was_never_probed(self, demo: Demo) -> None:
        probed = {one.address for one in demo.run.observations if one.address is not None}
        assert not [address for address in probed if address.startswith(("10.", "192.168.", "fd"))]


class TestOutputs:
    """What is written is complete, valid and safe to show."""

    def test_it_ends_with_status_1_because_there_are_violations(self, demo: Demo) -> None:
        assert demo.status == 1
        assert any(one.status == "violation" for one in demo.run.endpoints)

    def test_the_table_has_every_endpoint_with_verdict_assurance_and_reason(self, demo: Demo) -> None:
        lines = demo.stdout.splitlines()
        for one in demo.run.endpoints:
            (at,) = [number for number, line in enumerate(lines) if line.split()[:1] == [one.endpoint]]
            assert one.verdict.location in lines[at].split()
            assert (one.verdict.assurance or "-") in lines[at].split()
            assert lines[at + 1].strip()
            assert one.verdict.reason.startswith(lines[at + 1].strip()[:40])

    def test_nothing_shown_can_drive_a_terminal(self, demo: Demo) -> None:
        unsafe = {character for character in demo.stdout if not character.isprintable()} - {"\n"}
        assert unsafe == set()

    def test_the_run_is_valid_by_its_schema(self, demo: Demo) -> None:
        document = json.loads((demo.directory / "run.json").read_bytes())
        Draft202012Validator.check_schema(dict(json_schema()))
        errors = list(Draft202012Validator(dict(json_schema())).iter_errors(document))
        assert [error.message[:200] for error in errors] == []

    def test_every_observation_is_valid_by_its_schema(self, demo: Demo) -> None:
        validator = Draft202012Validator(dict(observation_schema()))
        lines = (demo.directory / "observations.jsonl").read_bytes().splitlines()
        assert len(lines) == len(demo.run.observations)
        for line in lines:
            validator.validate(json.loads(line))

    def test_a_run_survives_its_own_encoding(self, demo: Demo) -> None:
        assert msgspec.json.decode(encode(demo.run), type=Run) == demo.run

    def test_evidence_ids_lead_to_observations(self, demo: Demo) -> None:
        ids = [one.id for one in demo.run.observations]
        assert len(ids) == len(set(ids))
        for one in demo.run.endpoints:
            assert set(one.verdict.evidence) <= set(ids)
            assert set(one.verdict.path_evidence) <= set(ids)

    def test_every_kind_of_probe_was_made_from_every_vantage(self, demo: Demo) -> None:
        kinds = Counter((type(one).__name__, one.vantage) for one in demo.run.observations if one.result)
        names = {name for name, _ in kinds}
        assert names == {f"{kind}Observation" for kind in ("Dns", "Ping", "Trace", "Tcp", "Tls", "Http")}
        assert len(kinds) == len(names) * len(demo.run.vantages)

    def test_metrics_have_one_series_for_each_possible_location(self, demo: Demo) -> None:
        text = (demo.directory / "residency.prom").read_text()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = families["residency_endpoint_location"].samples
        assert len(samples) == 6 * len(demo.run.endpoints)
        found = {one.labels["endpoint"]: one.labels["location"] for one in samples if one.value == 1}
        assert found == {one.endpoint: one.verdict.location for one in demo.run.endpoints}


class TestJudge:
    """The same observations judged again offline give the same verdicts."""

    def test_observations_can_be_judged_again_without_a_network(self, demo: Demo, tmp_path: Path) -> None:
        register, vantages = tmp_path / "register.yaml", tmp_path / "vantages.yaml"
        register.write_text(yaml.safe_dump(WORLD["register"]))
        places = WORLD["places"]
        recorded = [
            {
                "id": one["id"],
                "city": places[one["place"]]["city"],
                "latitude": places[one["place"]]["latitude"],
                "longitude": places[one["place"]]["longitude"],
                "location_error_km": one.get("location_error_km", 5),
                "addresses": one["addresses"],
                "kind": "recorded",
            }
            for one in WORLD["vantages"]
        ]
        vantages.write_text(yaml.safe_dump({"vantages": recorded}))
        snapshot = tmp_path / "geodata"
        with as_file(SHIPPED) as path:
            write_snapshot(snapshot, describe(load_world(path)))
        command: list[str | Path] = [
            "unshare",
            "--net",
            SARHAD,
            "judge",
            demo.directory / "observations.jsonl",
            f"--register={register}",
            f"--vantages={vantages}",
            f"--geodata={snapshot}",
            "--format=json",
        ]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        again = decode(done.stdout)
        assert [one.verdict for one in again.endpoints] == [one.verdict for one in demo.run.endpoints]
