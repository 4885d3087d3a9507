"""Vantages that are strangers where they are said to be."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from scanner.rules import judge_address
from tests.scanner.scene import THRESHOLDS, VANTAGES, pakistan, ping
from tests.scanner.witnesses import addresses, doubts, evidence, rtt_ms

if TYPE_CHECKING:
    from scanner.doubt import Doubt
    from scanner.evidence import AddressEvidence


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
