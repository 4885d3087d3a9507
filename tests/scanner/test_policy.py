"""Tests of the policy: what a verdict means for the class of data, control by control."""

from __future__ import annotations

from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
import pytest
import yaml

from probes.document import Document, DocumentError
from scanner.declared import Known
from scanner.demand import data_dates
from scanner.endpoint import DATA_CLASSES, Deployment
from scanner.policy import (
    CONTROLS,
    SEVERITIES,
    Finding,
    FindingStatus,
    Policy,
    Thresholds,
    json_schema,
    judge,
)
from scanner.register import Register, parse_register
from scanner.rulebook import load_policy
from scanner.verdict import ASSURANCES, LOCATIONS, AddressVerdict, Assurance, EndpointVerdict, Location
from tests.scanner.scene import claim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geodata.claim import Claim

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 1)
POLICY = load_policy()
ENDPOINT = "indus/web/a.example"
ACCREDITED = "{status: accredited, expires: 2029-05-31}"
RUNNING = "issuer: Cloud Office, reason: move, issued: 2026-01-01, expires: 2026-12-31"
ENDED = "issuer: Cloud Office, reason: move, expires: 2026-10-31"
COMING = "issuer: Cloud Office, reason: move, issued: 2026-11-02, expires: 2027-10-31"


def register(
    data_class: str = "restricted",
    deployment: str = "government",
    accreditation: str = ACCREDITED,
    waivers: tuple[str, ...] = (),
    declared: str = "",
) -> Register:
    text = f"""
version: 1
providers:
  - id: indus
    name: Indus
    accreditation: {accreditation}
    {declared}
    services:
      - {{id: web, deployment: {deployment}, data_class: {data_class}, endpoints: [https://a.example]}}
waivers: [{", ".join(f"{{endpoint: {ENDPOINT}, {waiver}}}" for waiver in waivers)}]
"""
    return parse_register(Document.parse(text.encode(), "register.yaml"), TODAY)


def verdict(location: Location, assurance: Assurance | None = None, **more: Any) -> EndpointVerdict:
    return EndpointVerdict(
        endpoint=ENDPOINT, location=location, assurance=assurance, rule="rule", reason="It is so.", **more
    )


def findings(
    given: EndpointVerdict | None, held: Register, origins: Mapping[str, Known] | None = None, **more: Any
) -> dict[str, Finding]:
    found = judge(POLICY, held, [given] if given else [], TODAY, origins, **more)
    assert all(one.endpoint == ENDPOINT and one.reason.endswith((".", "?")) for one in found)
    assert all(one.clause == POLICY.controls[one.control].clause for one in found)
    return {one.control: one for one in found}


def residency(given: EndpointVerdict | None, **held: Any) -> tuple[str, str, str]:
    found = findings(given, register(**held))
    (one,) = (found[control] for control in ("PCFP-RES-1", "PCFP-RES-2") if control in found)
    return one.control, one.status, one.severity


class TestResidency:
    """Where data must stay at home, only a verdict of ``inside`` that is sure enough complies."""

    @pytest.mark.parametrize(
        ("data_class", "assurance", "status"),
        [
            *(("restricted", assurance, "compliant") for assurance in ASSURANCES),
            *(("confidential", assurance, "compliant") for assurance in ASSURANCES[:3]),
            *(("secret", assurance, "compliant") for assurance in ASSURANCES[:3]),
            ("confidential", "claimed", "indeterminate"),
            ("secret", "claimed", "indeterminate"),
            ("restricted", None, "indeterminate"),
        ],
    )
    def test_inside(self, data_class: str, assurance: Assurance | None, status: str) -> None:
        control, found, _ = residency(verdict("inside", assurance), data_class=data_class)
        assert (control, found) == ("PCFP-RES-1", status)

    @pytest.mark.parametrize(
        ("data_class", "severity"),
        [("restricted", "high"), ("confidential", "critical"), ("secret", "critical")],
    )
    def test_outside(self, data_class: str, severity: str) -> None:
        for assurance in ASSURANCES:
            found = residency(verdict("outside", assurance), data_class=data_class)
            assert found == ("PCFP-RES-1", "violation", severity)

    @pytest.mark.parametrize(
        ("data_class", "severity"), [("restricted", "medium"), ("confidential", "high"), ("secret", "high")]
    )
    def test_behind_an_edge(self, data_class: str, severity: str) -> None:
        found = residency(verdict("edge", "proved"), data_class=data_class)
        assert found == ("PCFP-RES-2", "violation", severity)

    @pytest.mark.parametrize("location", ["conflicting", "undetermined", "unreachable"])
    def test_not_shown(self, location: Location) -> None:
        assert residency(verdict(location))[:2] == ("PCFP-RES-1", "indeterminate")

    def test_not_judged(self) -> None:
        assert residency(None)[:2] == ("PCFP-RES-1", "indeterminate")

    @pytest.mark.parametrize(("data_class", "location"), list(product(["open", "public"], LOCATIONS)))
    def test_of_no_concern_for_data_that_may_be_anywhere(self, data_class: str, location: Location) -> None:
        found = residency(verdict(location), data_class=data_class, deployment="public")
        assert found == ("PCFP-RES-1", "not_applicable", "informational")

    def test_of_concern_for_any_data_in_a_government_cloud(self) -> None:
        assert residency(verdict("outside"), data_class="public", deployment="government")[1] == "violation"
        reason = findings(verdict("outside"), register("public"))["PCFP-RES-1"].reason
        assert reason == "What is in a government cloud must be in PK and is abroad: It is so."

    def test_nothing_else_ever_complies(self) -> None:
        for location, assurance, data_class, deployment in product(
            LOCATIONS, (*ASSURANCES, None), DATA_CLASSES[2:], get_args(Deployment)
        ):
            _, status, _ = residency(
                verdict(location, assurance), data_class=data_class, deployment=deployment
            )
            assert (status == "compliant") <= (location == "inside" and assurance is not None)

    def test_reason_is_a_sentence_for_people(self) -> None:
        found = findings(verdict("outside", "proved"), register())["PCFP-RES-1"]
        assert found.reason == "Restricted data must be in PK and is abroad: It is so."
        found = findings(verdict("inside", "proved"), register())["PCFP-RES-1"]
        assert found.reason == "Restricted data must be in PK and is (proved): It is so."


class TestWaivers:
    """A waiver that is in date turns a violation into a waived one; one that is not is named."""

    @pytest.mark.parametrize("location", ["outside", "edge"])
    def test_in_date(self, location: Location) -> None:
        found = findings(verdict(location), register(waivers=(RUNNING,)))
        one = found["PCFP-RES-1" if location == "outside" else "PCFP-RES-2"]
        assert one.status == "waived"
        assert one.waiver == "Cloud Office, until 2026-12-31: move"
        assert one.severity in {"high", "medium"}
        assert one.reason.endswith("Waived by Cloud Office until 2026-12-31.")
        assert found["PCFP-REG-3"].status == "compliant"

    @pytest.mark.parametrize(
        ("waiver", "words"), [(ENDED, "ended on 2026-10-31."), (COMING, "begins on 2026-11-02 only.")]
    )
    def test_not_in_date(self, waiver: str, words: str) -> None:
        found = findings(verdict("outside"), register(waivers=(waiver,)))
        assert found["PCFP-RES-1"].status == "violation"
        assert found["PCFP-RES-1"].reason.endswith(words)
        assert found["PCFP-RES-1"].waiver is not None
        assert found["PCFP-REG-3"].status == "violation"

    def test_of_several_that_ended_the_last_is_named(self) -> None:
        earlier = "issuer: CO, reason: x, expires: 2025-10-31"
        found = findings(verdict("outside"), register(waivers=(earlier, ENDED)))["PCFP-RES-1"]
        assert found.waiver == "Cloud Office, until 2026-10-31: move"
        assert found.reason.endswith("The waiver of Cloud Office ended on 2026-10-31.")

    @pytest.mark.parametrize("waivers", list(product((ENDED, COMING, RUNNING), repeat=2)))
    def test_one_in_date_is_enough(self, waivers: tuple[str, ...]) -> None:
        status = findings(verdict("outside"), register(waivers=waivers))["PCFP-RES-1"].status
        assert status == ("waived" if RUNNING in waivers else "violation")

    def test_the_one_that_holds_is_named(self) -> None:
        """And not another that ends later and has not begun."""
        held = register(waivers=(COMING.replace("Cloud Office", "Other Office"), RUNNING))
        found = findings(verdict("outside", "proved"), held)
        assert found["PCFP-REG-3"].reason == "A waiver of Cloud Office holds."
        assert (
            found["PCFP-REG-3"].waiver == found["PCFP-RES-1"].waiver == "Cloud Office, until 2026-12-31: move"
        )

    def test_not_needed(self) -> None:
        found = findings(verdict("inside", "proved"), register(waivers=(ENDED,)))
        assert found["PCFP-RES-1"].waiver is None
        assert found["PCFP-REG-3"].status == "not_applicable"

    def test_does_not_settle_what_is_not_shown(self) -> None:
        found = findings(verdict("undetermined"), register(waivers=(RUNNING,)))
        assert found["PCFP-RES-1"].status == "indeterminate"

    def test_does_not_accredit(self) -> None:
        held = register(accreditation="{status: revoked}", waivers=(RUNNING,))
        assert findings(verdict("outside"), held)["PCFP-REG-1"].status == "violation"

    def test_its_only_day_counts(self) -> None:
        waiver = "issuer: CO, reason: x, issued: 2026-11-01, expires: 2026-11-01"
        assert findings(verdict("outside"), register(waivers=(waiver,)))["PCFP-RES-1"].status == "waived"


class TestAccreditation:
    """The provider's accreditation is current and covers the class of data."""

    @pytest.mark.parametrize(
        ("accreditation", "data_class", "status", "words"),
        [
            ("{status: accredited}", "secret", "compliant", "Indus is accredited."),
            (ACCREDITED, "public", "compliant", "until 2029-05-31."),
            ("{status: registered}", "open", "compliant", "Indus is registered."),
            ("{status: registered}", "public", "violation", "public data asks for accredited"),
            ("{status: applied}", "open", "violation", "not accredited yet (status applied)"),
            ("{status: screening}", "open", "violation", "not accredited yet"),
            ("{status: audit}", "secret", "violation", "not accredited yet"),
            ("{status: suspended}", "open", "violation", "has the status suspended"),
            ("{status: revoked}", "restricted", "violation", "has the status revoked"),
            ("{status: expired}", "restricted", "violation", "has the status expired"),
            ("{status: withdrawn}", "restricted", "violation", "has the status withdrawn"),
            ("{status: accredited, expires: 2026-10-31}", "open", "violation", "that ended on 2026-10-31"),
            ("{status: accredited, expires: 2026-11-01}", "open", "compliant", "until 2026-11-01"),
            ("{status: accredited, issued: 2026-11-02}", "open", "violation", "begins on 2026-11-02 only"),
            (
                "{status: accredited, classes: [open, public]}",
                "restricted",
                "violation",
                "for open, public data, not for restricted",
            ),
            (
                "{status: accredited, classes: [sensitive]}",
                "confidential",
                "compliant",
                "for confidential data",
            ),
        ],
    )
    def test_is_held_against_the_class(
        self, accreditation: str, data_class: str, status: FindingStatus, words: str
    ) -> None:
        held = register(data_class, accreditation=accreditation)
        found = findings(verdict("inside", "proved"), held)["PCFP-REG-1"]
        assert found.status == status
        assert words in found.reason
        assert (found.severity == "informational") == (status == "compliant")


class TestPath:
    """A way that leaves the country is reported and is no violation."""

    def test_that_leaves(self) -> None:
        given = verdict("inside", "proved", path="leaves", path_reason="It goes over Muscat.")
        found = findings(given, register())["PCFP-RES-4"]
        assert (found.status, found.severity) == ("not_applicable", "informational")
        assert found.reason == "The way to it leaves PK. It goes over Muscat."

    @pytest.mark.parametrize("path", ["domestic", "unknown"])
    def test_that_stays_or_is_not_known(self, path: str) -> None:
        assert "PCFP-RES-4" not in findings(verdict("inside", "proved", path=path), register())

    def test_of_data_that_may_be_anywhere(self) -> None:
        assert "PCFP-RES-4" not in findings(verdict("inside", path="leaves"), register("open", "public"))

    @pytest.mark.parametrize(
        ("path", "status", "severity", "words"),
        [
            ("leaves", "violation", "medium", "The way to it leaves PK. Over Muscat."),
            (
                "domestic",
                "compliant",
                "informational",
                "The way to it must stay in PK and does. Over Muscat.",
            ),
            (
                "unknown",
                "indeterminate",
                "medium",
                "The way to it must stay in PK; whether it does, is not shown. Over Muscat.",
            ),
        ],
    )
    @pytest.mark.parametrize("data_class", ["restricted", "open"])
    def test_where_the_class_asks_that_it_stays(
        self, path: str, status: str, severity: str, words: str, data_class: str
    ) -> None:
        rule = POLICY.classes.restricted.model_copy(update={"path": "domestic"})
        strict = POLICY.model_copy(update={"classes": POLICY.classes.model_copy(update={data_class: rule})})
        given = verdict("inside", "proved", path=path, path_reason="Over Muscat.")
        held = register(data_class, "public")
        (found,) = [one for one in judge(strict, held, [given], TODAY) if one.control == "PCFP-RES-4"]
        assert (found.status, found.severity, found.reason) == (status, severity, words)


class TestFreshness:
    """Where a class asks for it, "inside" by what sources claim counts only while their data are new."""

    @staticmethod
    def address(assurance: Assurance, number: int = 1) -> AddressVerdict:
        return AddressVerdict(
            address=f"198.18.0.{number}", location="inside", assurance=assurance, rule="rule", reason="So."
        )

    @staticmethod
    def held(days: int | None, given: EndpointVerdict, *claims: Claim) -> Finding:
        rule = POLICY.classes.restricted.model_copy(update={"freshness_days": days})
        classes = POLICY.classes.model_copy(update={"restricted": rule})
        said = dict.fromkeys(("198.18.0.1", "198.18.0.2"), claims)
        found = judge(
            POLICY.model_copy(update={"classes": classes}),
            register(),
            [given],
            TODAY,
            dated=data_dates([given], said, "PK"),
        )
        return next(one for one in found if one.control == "PCFP-RES-1")

    @pytest.mark.parametrize(
        ("assurance", "days", "status"),
        [
            ("claimed", 2, "compliant"),
            ("claimed", 1, "indeterminate"),
            ("corroborated", 30, "indeterminate"),
            ("corroborated", 31, "compliant"),
            ("corroborated", None, "compliant"),
            ("bounded", 1, "compliant"),
            ("proved", 1, "compliant"),
        ],
    )
    def test_the_data_that_it_needs_count(self, assurance: Assurance, days: int | None, status: str) -> None:
        given = verdict("inside", assurance, addresses=(self.address(assurance),))
        claims = (
            claim("a", "PK", date="2026-10-30"),
            claim("b", "PK", date="2026-10-01"),
            claim("b", "PK", date="2020-01-01"),
            claim("c", "PK"),
            claim("d", "IN", date="2026-11-01"),
        )
        assert self.held(days, given, *claims).status == status

    def test_reasons(self) -> None:
        given = verdict("inside", "claimed", addresses=(self.address("claimed"), self.address("proved", 2)))
        assert self.held(7, given, claim("a", "PK", date="2026-10-01")).reason == (
            "Restricted data must be in PK; the data that place it are 31 days old, and 7 days are the most:"
            " It is so."
        )
        assert self.held(7, given, claim("a", "PK", date="soon")).reason == (
            "Restricted data must be in PK; how old the data are that place it is not known, and 7 days are"
            " the most: It is so."
        )


class TestDeclaration:
    """Every observed address lies in what the provider declared, as far as that is known."""

    DECLARED = "asns: [64500]\n    prefixes: [203.0.113.0/24]"

    def status(self, declared: str, origins: Mapping[str, set[int]] | None, *addresses: str) -> str | None:
        each = tuple(
            AddressVerdict(address=address, location="inside", rule="rule", reason="So.")
            for address in addresses
        )
        announced = None
        if origins is not None:
            announced = {address: Known(frozenset(asns)) for address, asns in origins.items()}
        found = findings(verdict("inside", "proved", addresses=each), register(declared=declared), announced)
        return found["PCFP-REG-2"].status if "PCFP-REG-2" in found else None

    def test_in_a_declared_prefix(self) -> None:
        assert self.status(self.DECLARED, {}, "203.0.113.7") == "compliant"

    def test_announced_by_a_declared_network(self) -> None:
        assert (
            self.status(self.DECLARED, {"2001:db8::1": {64500}}, "203.0.113.7", "2001:db8::1") == "compliant"
        )

    def test_somewhere_else(self) -> None:
        assert self.status(self.DECLARED, {"192.0.2.1": {64501}}, "203.0.113.7", "192.0.2.1") == "violation"
        assert self.status("prefixes: [203.0.113.0/24]", {}, "192.0.2.1") == "violation"

    def test_announced_by_who_knows_whom(self) -> None:
        assert self.status(self.DECLARED, {}, "192.0.2.1") == "indeterminate"

    def test_nothing_declared_or_nothing_known(self) -> None:
        assert self.status("", {}, "192.0.2.1") is None
        assert self.status(self.DECLARED, None, "192.0.2.1") is None


class TestJudging:
    """Findings come in the register's order and only for its endpoints."""

    def test_a_verdict_for_nobody_is_a_mistake(self) -> None:
        stranger = EndpointVerdict(endpoint="x/y/z", location="inside", rule="rule", reason="So.")
        with pytest.raises(KeyError):
            judge(POLICY, register(), [stranger], TODAY)

    def test_every_endpoint_is_held_against_location_and_accreditation(self) -> None:
        assert [one.control for one in judge(POLICY, register(), [], TODAY)] == ["PCFP-RES-1", "PCFP-REG-1"]

    def test_is_a_function_of_its_arguments(self) -> None:
        given = [verdict("outside", "proved", path="leaves")]
        held = register(waivers=(RUNNING, ENDED))
        assert judge(POLICY, held, given, TODAY) == judge(POLICY, held, given, TODAY)


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
