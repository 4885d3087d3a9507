"""The measure of verdicts measures what it says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from geodata.claim import Claim
from geodata.sphere import EARTH_RADIUS_KM, angle, unit
from geodata.territory import Territory
from scanner.run import Run, Tool, VantageUsed
from scanner.verdict import AddressVerdict, EndpointVerdict
from tests.bench.claim import Claim as Asked
from tests.bench.claim import Evidence, fact
from tests.bench.table import placed
from tests.bench.verdicts import claims, tables
from tests.bench.verdicts.exhibit import Exhibit, Judged, Truth, is_wrong
from tests.bench.verdicts.methods import CBG, MAJORITY, Seen, look, middle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.verdicts.methods import Looked

KARACHI = (24.8607, 67.0011)
DUBAI = (25.2048, 55.2708)


def judged(true: str, location: str, **more: object) -> Judged:
    fields: dict[str, object] = {"kind": "honest", **more}
    kept = {name: fields.pop(name) for name in ("assurance", "rule", "looked", "endpoint") if name in fields}
    return Judged(
        endpoint=str(kept.get("endpoint", "e")),
        truth=Truth(location=true, **fields),  # type: ignore[arg-type]  # fields of many types
        location=location,
        assurance=kept.get("assurance"),  # type: ignore[arg-type]
        rule=str(kept.get("rule", "claims")),
        reason="Because.",
        looked=kept.get("looked", {}),  # type: ignore[arg-type]
    )


class TestWrong:
    """Wrong is what claims a place that is not true."""

    @pytest.mark.parametrize(
        ("true", "accept", "found", "wrong"),
        [
            ("inside", (), "inside", False),
            ("inside", (), "outside", True),
            ("inside", (), "undetermined", False),
            ("edge", (), "inside", True),
            ("edge", ("outside",), "outside", False),
            ("outside", (), "nothing", False),
        ],
    )
    def test_cases(self, true: str, accept: tuple[str, ...], found: str, *, wrong: bool) -> None:
        assert is_wrong(Truth(true, accept=accept), found) is wrong


class TestMethods:
    """The simpler methods find what they would find."""

    def run(self, *said: tuple[str, str | None]) -> Run:
        found = tuple(
            Claim(source=family, family=family, prefix="198.18.0.0/24", meaning="server", country=country)
            for family, country in said
        )
        return Run(
            id="r",
            started="2026-11-01T00:00:00Z",
            finished="2026-11-01T00:00:00Z",
            complete=True,
            tool=Tool(version="0"),
            country="PK",
            vantages=(
                VantageUsed(
                    id="khi", latitude=KARACHI[0], longitude=KARACHI[1], location_error_km=5, kind="local"
                ),
                VantageUsed(
                    id="dxb", latitude=DUBAI[0], longitude=DUBAI[1], location_error_km=5, kind="local"
                ),
            ),
            sources=(),
            endpoints=(),
            observations=(),
            claims={"198.18.0.1": found},
        )

    def look(self, run: Run, **rtts_ms: float) -> dict[str, Looked]:
        verdict = AddressVerdict(
            address="198.18.0.1", location="inside", rule="claims", reason="", rtts_ms=rtts_ms
        )
        endpoint = EndpointVerdict(
            endpoint="e", location="inside", rule="claims", reason="", addresses=(verdict,)
        )
        return look(run, endpoint, Territory.load("PK"))

    def test_databases(self) -> None:
        found = self.look(self.run(("a", "PK"), ("b", "AE"), ("c", "PK"), ("d", None)))
        assert (found["a"], found["b"], found[MAJORITY]) == ("inside", "outside", "inside")
        assert "d" not in found

    def test_a_tie_is_nothing(self) -> None:
        assert self.look(self.run(("a", "PK"), ("b", "AE")))[MAJORITY] == "nothing"

    def test_the_middle_of_the_disks(self) -> None:
        assert self.look(self.run(), khi=0.5)[CBG] == "inside"
        assert self.look(self.run(), khi=12.0, dxb=0.5)[CBG] == "outside"
        assert self.look(self.run())[CBG] == "nothing"

    def test_where_the_middle_is(self) -> None:
        centre = unit(*KARACHI)
        alone = middle([Seen(centre, 3.0)])
        assert float(angle(alone, centre)) * EARTH_RADIUS_KM < 5
        east = unit(KARACHI[0], KARACHI[1] + 5)
        between = middle([Seen(centre, 4.0), Seen(east, 4.0)])
        longitude = math.degrees(math.atan2(between[1], between[0]))
        assert abs(longitude - KARACHI[1] - 2.5) < 0.2
        assert np.isclose(np.linalg.norm(between), 1)

    def test_disks_that_do_not_meet_have_a_least_bad_point(self) -> None:
        assert middle([Seen(unit(*KARACHI), 0.5), Seen(unit(*DUBAI), 0.5)]).shape == (3,)


class TestNumbers:
    """What is asked of random worlds is counted over those of whom it is asked."""

    def test_worlds(self) -> None:
        facts = claims.of_worlds(
            Exhibit(
                "w",
                "w",
                [
                    judged("inside", "inside", assurance="proved", metro=True, provable=True),
                    judged("inside", "undetermined", metro=True),
                    judged("inside", "edge", rule="relay"),
                    judged("outside", "inside", assurance="proved"),
                    judged("edge", "edge", kind="relay4", relay_km=900.0),
                    judged("edge", "inside", kind="relay7-cached", relay_km=500.0),
                    judged("edge", "inside", kind="relay7", relay_km=499.0),
                    judged("inside", "edge", kind="relay-home", rule="relay"),
                ],
            )
        )
        assert facts["false inside"] == 3
        assert facts["false inside, proved"] == 1
        assert facts["false outside, proved"] == 0
        assert facts["metro proved"] == 0.5
        assert facts["provable proved"] == 1
        assert facts["far relays found"] == 0.5
        assert facts["honest accused"] == 0.25

    def test_what_was_not_measured_is_no_success(self) -> None:
        assert claims.of_worlds(Exhibit("w", "w"))["false inside"] == 0
        missing = Evidence({}, claims.of_traceroutes(Exhibit("t", "t", missing="no file")))
        assert [claim.met(missing) for claim in claims.TRACEROUTES] == [None] * len(claims.TRACEROUTES)


class TestTables:
    """The tables say what was found, and of every class of error an example."""

    def exhibit(self) -> Exhibit:
        looked = {"a": "inside", MAJORITY: "nothing", CBG: "outside"}
        return Exhibit(
            "some",
            "Some evidence",
            [
                judged("inside", "inside", assurance="proved", looked=looked),
                judged("outside", "inside", assurance="claimed", endpoint="bad", note="Dubai", looked=looked),
            ],
        )

    def test_summary(self) -> None:
        asked = (Asked("false inside", "=", 0, fact("x"), "{:.0f}"),)
        missing = Exhibit("other", "Other", missing="no such file")
        text = tables.summary("Here", [("some", asked, Evidence({}, {"x": 1}))], [self.exhibit(), missing])
        assert "| some | false inside | = 0 | 1 | **not met** |" in text
        assert "| some | 50.0% (1) | 50.0% (1) a | 0.0% (0) | 50.0% (0) |" in text
        assert "other: not measured, no such file." in text

    def test_details(self) -> None:
        text = tables.details("Here", [self.exhibit()])
        assert "| inside | 1 |  |  |  |  |  |" in text
        assert "| outside | 1 |  |  |  |  |  |" in text
        assert "- 1 of kind honest called inside (claimed) by rule claims, such as" in text
        assert "  - bad (Dubai): Because." in text

    def test_its_place(self, tmp_path: Path) -> None:
        del tmp_path
        text = "a\n<!-- bench-verdict -->\nold\n<!-- /bench-verdict -->\nb\n"
        assert "old" not in placed(text, "new\n", "bench-verdict")
        with pytest.raises(ValueError, match="bench-verdict"):
            placed("nothing", "new\n", "bench-verdict")
