"""The policy's file: the one that is shipped, and somebody's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from probes.document import Document, DocumentError
from scanner.endpoint import DATA_CLASSES
from scanner.policy import CONTROLS, SEVERITIES, Policy, Thresholds, json_schema
from scanner.rulebook import load_policy
from tests.scanner.ruling import POLICY

ROOT = Path(__file__).parents[2]


class TestFile:
    """``policy.yaml`` is data: shipped, documented, and checked when it is somebody's own."""

    def test_the_copy_for_people_is_the_one_that_is_used(self) -> None:
        used = ROOT / "scanner" / "data" / "policy.yaml"
        assert (ROOT / "config" / "policy.yaml").read_bytes() == used.read_bytes()

    def test_names_every_threshold_with_its_default(self) -> None:
        raw = Document.read(ROOT / "config" / "policy.yaml").value
        assert raw["thresholds"] == Thresholds().model_dump()

    def test_names_every_control(self) -> None:
        assert tuple(POLICY.controls) == CONTROLS

    def test_an_edge_is_never_worse_than_abroad(self) -> None:
        for data_class in DATA_CLASSES:
            rule = getattr(POLICY.classes, data_class)
            assert SEVERITIES.index(rule.edge_severity) <= SEVERITIES.index(rule.severity)

    def test_fits_its_schema(self) -> None:
        jsonschema.Draft202012Validator.check_schema(json_schema())
        jsonschema.validate(Document.read(ROOT / "config" / "policy.yaml").value, json_schema())

    def changed(self, tmp_path: Path, **keys: Any) -> Policy:
        raw = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text())
        path = tmp_path / "policy.yaml"
        path.write_text(yaml.safe_dump({**raw, **keys}))
        return load_policy(path)

    def test_one_of_ones_own(self, tmp_path: Path) -> None:
        found = self.changed(tmp_path, thresholds={"stale_days": 7})
        assert found.thresholds == Thresholds(stale_days=7)

    @pytest.mark.parametrize(
        ("keys", "words"),
        [
            ({"version": 2}, "version: 2 is not one of 1"),
            ({"controls": {}}, "has no PCFP-RES-1 and no PCFP-RES-2"),
            ({"controls": {"PCFP-RES-9": {"title": "a", "clause": "b"}}}, "is not one of PCFP-RES-1"),
            ({"thresholds": {"stale_dayz": 7}}, "did you mean 'stale_days'?"),
            (
                {"thresholds": {"speed_km_per_ms_rtt": 66.7}},
                "thresholds.speed_km_per_ms_rtt: should be greater",
            ),
            ({"thresholds": {"speed_km_per_ms_rtt": float("nan")}}, "thresholds.speed_km_per_ms_rtt"),
            ({"classes": {"open": {"location": "any"}}}, "classes.secret: is missing"),
            ({"fail": {"severity": "hihg"}}, "did you mean 'high'?"),
        ],
    )
    def test_one_that_is_wrong(self, tmp_path: Path, keys: dict[str, Any], words: str) -> None:
        with pytest.raises(DocumentError) as caught:
            self.changed(tmp_path, **keys)
        assert words in str(caught.value)
