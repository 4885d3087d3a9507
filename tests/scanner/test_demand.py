"""What a class of data demands of the data that place an endpoint: that they are new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.demand import data_dates
from scanner.policy import Finding, judge
from scanner.verdict import AddressVerdict, Assurance, EndpointVerdict
from tests.scanner.ruling import POLICY, TODAY, register, verdict
from tests.scanner.scene import claim

if TYPE_CHECKING:
    from geodata.claim import Claim


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
