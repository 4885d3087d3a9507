"""A run in the formats that others read."""

from __future__ import annotations

import csv
import io
import json
import re
import uuid
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scanner.cli import job
from scanner.report.formats import FORMATS
from scanner.report.spreadsheet import COLUMNS
from tests.scanner.anyrun import HOSTILE, PAYLOADS, runs, sample

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.policy import FindingStatus
    from scanner.run import Run

TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(PAYLOADS))
ANY = runs(TEXTS)
slowly = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def rows(run: Run) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(FORMATS["csv"](run).decode("utf-8-sig"), newline="")))


def junit(run: Run) -> ET.Element:
    return ET.fromstring(FORMATS["junit"](run))  # noqa: S314  our own


def ocsf(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in FORMATS["ocsf"](run).splitlines()]


def oscal(run: Run) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FORMATS["oscal"](run))["assessment-results"]
    return document


class TestFormats:
    """There is one table of formats, and all that stands there can be written."""

    @pytest.mark.parametrize("name", ["table", "json", "jsonl"])
    @given(run=ANY)
    @slowly
    def test_any_run_is_written(self, name: str, run: Run) -> None:
        assert isinstance(FORMATS[name](run), bytes)

    @pytest.mark.parametrize("name", FORMATS)
    def test_the_same_run_gives_the_same_octets(self, name: str) -> None:
        assert FORMATS[name](sample()) == FORMATS[name](sample())

    @pytest.mark.parametrize("name", FORMATS)
    def test_a_file_is_replaced_and_nothing_is_left_beside_it(self, name: str, tmp_path: Path) -> None:
        target = tmp_path / "run"
        target.write_text("old")
        job.write(sample(), job.Output(name, target))
        assert target.read_bytes() == FORMATS[name](sample())
        assert list(tmp_path.iterdir()) == [target]


class TestCsv:
    """One row for every endpoint, address and vantage, and no cell that computes."""

    def test_a_row_for_each_vantage_with_its_time_if_it_got_an_answer(self) -> None:
        found = rows(sample(endpoints=1))
        assert [(row["vantage"], row["rtt_ms"]) for row in found] == [
            ("khi", "60.0"),
            ("lhe", ""),
            ("sin", "0.2"),
        ]
        assert {row["controls"] for row in found} == {"PCFP-RES-1 violation"}

    def test_an_endpoint_without_address_has_one_row(self) -> None:
        run = sample(endpoints=1)
        bare = _without_addresses(run)
        assert [(row["endpoint"], row["address"]) for row in rows(bare)] == [(run.endpoints[0].endpoint, "")]

    @given(run=ANY)
    @slowly
    def test_no_cell_begins_as_a_formula(self, run: Run) -> None:
        for row in rows(run):
            assert set(row) == set(COLUMNS)
            for name, cell in row.items():
                assert name == "rtt_ms" or cell.lstrip()[:1] not in set("=+-@\t\r\uff1d\uff0b\uff0d\uff20")


def _without_addresses(run: Run) -> Run:
    return replace(
        run,
        endpoints=tuple(replace(one, verdict=replace(one.verdict, addresses=())) for one in run.endpoints),
    )


class TestJunit:
    """One test case an endpoint: a violation fails, what is indeterminate is skipped, the rest passes."""

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("violation", ["failure", "system-out"]),
            ("indeterminate", ["skipped", "system-out"]),
            ("waived", ["system-out"]),
            ("compliant", ["system-out"]),
            ("not_applicable", ["system-out"]),
        ],
    )
    def test_outcomes(self, status: FindingStatus, outcome: list[str]) -> None:
        root = junit(sample(status=status))
        first, second = root.iter("testcase")
        assert [one.tag for one in first] == outcome
        assert [one.tag for one in second] == ["system-out"]
        assert root.get("tests") == "2"
        assert (root.get("failures"), root.get("skipped")) == (
            str(int(status == "violation")),
            str(int(status == "indeterminate")),
        )

    def test_a_failure_names_the_control_and_why(self) -> None:
        failure = next(junit(sample()).iter("failure"))
        assert failure.get("type") == "high"
        assert failure.get("message") == "PCFP-RES-1: It is abroad."

    @given(run=ANY)
    @slowly
    def test_any_run_is_well_formed(self, run: Run) -> None:
        assert len(list(junit(run).iter("testcase"))) == len(run.endpoints)


class TestOcsf:
    """One Compliance Finding an object, by numbers that SIEMs know."""

    @pytest.mark.parametrize(
        ("status", "numbers"),
        [
            ("compliant", (1, 1, 1)),
            ("violation", (4, 3, 1)),
            ("indeterminate", (1, 2, 1)),
            ("waived", (1, 99, 3)),
            ("not_applicable", (1, 99, 1)),
        ],
    )
    def test_numbers(self, status: FindingStatus, numbers: tuple[int, int, int]) -> None:
        event = ocsf(sample(status=status))[0]
        assert (event["class_uid"], event["type_uid"]) == (2003, 200301)
        assert (event["severity_id"], event["compliance"]["status_id"], event["status_id"]) == numbers
        assert event["time"] == 1793491290000

    def test_a_finding_keeps_its_name_over_runs_and_an_event_does_not(self) -> None:
        one, other = ocsf(sample())[0], ocsf(replace(sample(), id="another"))[0]
        assert one["finding_info"]["uid"] == other["finding_info"]["uid"]
        assert one["metadata"]["uid"] != other["metadata"]["uid"]

    @given(run=ANY)
    @slowly
    def test_the_model_of_others_takes_it(self, run: Run) -> None:
        model = pytest.importorskip(
            "py_ocsf_models.events.findings.compliance_finding",
            reason="the dependency group oscal is not installed",
        ).ComplianceFinding
        for event in ocsf(run):
            model.model_validate(event)


class TestOscal:
    """Assessment results: observations with evidence, findings by control, risks."""

    def test_a_violation_is_an_open_risk_and_a_control_not_satisfied(self) -> None:
        (results,) = oscal(sample())["results"]
        (finding,) = results["findings"]
        assert finding["target"] == {
            "type": "objective-id",
            "target-id": "PCFP-RES-1_obj",
            "status": {"state": "not-satisfied", "reason": "fail"},
        }
        (risk,) = results["risks"]
        assert risk["status"] == "open"
        assert finding["related-risks"] == [{"risk-uuid": risk["uuid"]}]
        assert len(finding["related-observations"]) == 2

    @pytest.mark.parametrize(
        ("status", "state", "risks"),
        [
            ("compliant", "satisfied", []),
            ("waived", "not-satisfied", ["deviation-approved"]),
            ("indeterminate", "not-satisfied", ["investigating"]),
        ],
    )
    def test_what_else_a_control_comes_to(self, status: FindingStatus, state: str, risks: list[str]) -> None:
        (results,) = oscal(sample(status=status))["results"]
        assert results["findings"][0]["target"]["status"]["state"] == state
        assert [one["status"] for one in results.get("risks", ())] == risks

    def test_a_control_that_applies_to_nothing_has_no_finding(self) -> None:
        (results,) = oscal(sample(status="not_applicable", endpoints=1))["results"]
        assert "findings" not in results

    def test_evidence_is_named_by_run_and_observation(self) -> None:
        run = sample()
        evidence = oscal(run)["results"][0]["observations"][0]["relevant-evidence"]
        assert evidence[0]["href"] == (
            "urn:sarhad:run:2026-11-01T000000Z-abc#indus%2Fweb%2F0.indus.example%40sin%3Aping"
        )
        assert len(evidence) == 3

    def test_no_text_of_the_run_is_markup(self) -> None:
        marked = {"title", "description", "statement", "remarks"}
        for name, value in _pairs(oscal(sample(lambda _: PAYLOADS[11] + HOSTILE))):
            if name in marked and isinstance(value, str):
                assert not re.search(r"(?<!\\)[\[<`*{]", value), value

    @given(run=ANY)
    @slowly
    def test_identifiers_are_of_version_5_and_references_lead_somewhere(self, run: Run) -> None:
        document = oscal(run)
        defined, used = set(), set()
        for name, value in _pairs(document):
            if name == "uuid":
                assert uuid.UUID(value).version == 5
                defined.add(value)
            elif name.endswith("-uuid"):
                used.add(value)
        assert used <= defined

    @given(run=ANY)
    @slowly
    def test_the_model_of_others_takes_it(self, run: Run) -> None:
        model = pytest.importorskip(
            "trestle.oscal.assessment_results", reason="the dependency group oscal is not installed"
        ).Model
        model.model_validate_json(FORMATS["oscal"](run))


def _pairs(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [*value.items(), *(pair for each in value.values() for pair in _pairs(each))]
    return [pair for each in value for pair in _pairs(each)] if isinstance(value, list) else []
