"""Tests of the policy: what a verdict means for the class of data, control by control."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, get_args

import pytest

from scanner.declared import Known
from scanner.endpoint import DATA_CLASSES, Deployment
from scanner.policy import FindingStatus, judge
from scanner.verdict import ASSURANCES, LOCATIONS, AddressVerdict, Assurance, EndpointVerdict, Location
from tests.scanner.ruling import ACCREDITED, POLICY, TODAY, findings, register, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNING = "issuer: Cloud Office, reason: move, issued: 2026-01-01, expires: 2026-12-31"
ENDED = "issuer: Cloud Office, reason: move, expires: 2026-10-31"
COMING = "issuer: Cloud Office, reason: move, issued: 2026-11-02, expires: 2027-10-31"


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
