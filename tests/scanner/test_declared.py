"""What was declared of an address, its site and its networks, against what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.scanner.portal import HOME, Said, finding, register, run
from tests.scanner.scene import claim, ping

if TYPE_CHECKING:
    from probes.observation import Observation
    from scanner.policy import Finding


class TestSites:
    """A declared site that a round-trip time rules out is a finding, with the distances."""

    def site(self, site: str, *observations: Observation) -> Finding | None:
        held = register(endpoints=f"{{address: {HOME}, site: {site}}}")
        return finding(run(*observations, held=held), "PCFP-REG-4")

    def test_elsewhere(self) -> None:
        found = self.site("Karachi", ping("lhe", 0.5, address=HOME))
        assert found is not None
        assert (found.status, found.severity) == ("violation", "low")
        assert found.reason == (
            "Indus declared that it is in Karachi, and it is not there: 198.18.0.10 answered Lahore in"
            " 0.50 ms: at most 55 km away, and Karachi is 1,032 km from there."
        )

    @pytest.mark.parametrize(
        ("site", "vantage", "rtt_ms"),
        [
            ("Karachi", "khi", 0.5),
            ("karachi", "lhe", 10.1),  # 1,032 km away: with the margins of 1,015 km it may be
            ("Atlantis", "khi", 0.5),  # nobody knows where
            ("Hyderabad", "khi", 1.6),  # the one in Sindh, not that in India
        ],
    )
    def test_that_may_be(self, site: str, vantage: str, rtt_ms: float) -> None:
        assert self.site(site, ping(vantage, rtt_ms, address=HOME)) is None

    def test_of_a_name_that_is_a_citys_abroad_too_is_the_one_at_home(self) -> None:
        found = self.site("Hyderabad", ping("sin", 36, address=HOME))  # reaches Telangana, not Sindh
        assert found is not None
        assert found.status == "violation"

    def test_of_an_address_at_several_places_may_be(self) -> None:
        assert self.site("Karachi", ping("lhe", 0.5, address=HOME), ping("sin", 0.5, address=HOME)) is None

    def test_by_what_answered_nobody(self) -> None:
        assert self.site("Karachi", ping("lhe", address=HOME)) is None


class TestOrigins:
    """Every network that announces an address is looked at, and whether it may."""

    def held(self, control: str, *asns: int, **more: Any) -> Finding | None:
        origins = tuple(claim("bgp", "PK", meaning="origin", asn=asn, **more) for asn in asns)
        held = register("asns: [64500]", f"{{address: {HOME}}}")
        return finding(
            run(ping("khi", 0.5, address=HOME), held=held, snapshot=Said({HOME: origins})), control
        )

    @pytest.mark.parametrize(
        ("asns", "status"),
        [
            ((64500,), "compliant"),
            ((64501,), "violation"),
            ((64501, 64500), "indeterminate"),
            ((64500, 64501), "indeterminate"),
            ((), "indeterminate"),
        ],
    )
    def test_of_several(self, asns: tuple[int, ...], status: str) -> None:
        found = self.held("PCFP-REG-2", *asns)
        assert found is not None
        assert found.status == status

    def test_that_was_not_declared_is_named(self) -> None:
        found = self.held("PCFP-REG-2", 64501, 64500)
        assert found is not None
        assert found.reason == "198.18.0.10 is announced by AS64501 too, which Indus did not declare."

    def test_against_the_signed_word(self) -> None:
        found = self.held("PCFP-REG-5", 64500, rpki="invalid")
        assert found is not None
        assert (found.status, found.severity) == ("violation", "medium")
        assert "198.18.0.10 by AS64500" in found.reason
        assert self.held("PCFP-REG-5", 64500, rpki="valid") is None

    def test_is_no_place(self) -> None:
        origins = (claim("bgp", "SG", meaning="origin", asn=64500, rpki="invalid"),)
        found = run(
            ping("khi", 0.5, address=HOME),
            held=register(endpoints=f"{{address: {HOME}}}"),
            snapshot=Said({HOME: origins}),
        )
        assert found.endpoints[0].verdict.location == "inside"
