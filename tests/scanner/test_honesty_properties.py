"""What holds of every verdict though a vantage lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.gathering import gather
from scanner.rules import judge_address
from tests.scanner.scene import PLACES, THRESHOLDS, VANTAGES, claim, pakistan
from tests.scanner.witnesses import addresses, doubts, seen

if TYPE_CHECKING:
    from scanner.evidence import AddressEvidence
    from scanner.verdict import AddressVerdict


def judge(of: list[AddressEvidence]) -> list[AddressVerdict]:
    found = doubts(of)
    refuted = [name for name, one in found.items() if one.refuted]
    return [judge_address(one.without(refuted), pakistan(), THRESHOLDS, found.keys()) for one in of]


others = st.integers(1, len(PLACES) - 1)  # all but the first, which lies


class TestProperties:
    """What holds whoever lies."""

    @given(
        st.permutations(sorted(PLACES)),
        st.lists(others, min_size=1, max_size=8),
        st.lists(st.tuples(others, others), max_size=4),
        others,
        st.booleans(),
    )
    @settings(max_examples=60, deadline=None)
    def test_one_lying_vantage_makes_no_false_inside(
        self,
        names: list[str],
        at: list[int],
        at_two: list[tuple[int, int]],
        truly: int,
        one_network: bool,
    ) -> None:
        """Every host has an honest vantage where it is, and all databases say that all are at home."""
        liar, really = names[0], names[truly]
        hosts = [names[index] for index in at]
        anycast = [(names[one], names[other]) for one, other in at_two]
        places: list[tuple[str, ...]] = [(host,) for host in hosts]
        places += [pair for pair in anycast if pair[0] != pair[1]]
        said = (claim("registry", "PK", meaning="registrant"), claim("alpha", "PK"))
        of: list[AddressEvidence] = []
        for number, where in enumerate(places):
            address = addresses(1, number)[0]
            asn = 64496 if one_network else 64496 + number
            observations = seen(address, *where, really={liar: really})
            claims = {address: (*said, claim("bgp", "PK", meaning="origin", asn=asn))}
            of += gather([address], observations, claims, {}, VANTAGES, THRESHOLDS).values()
        for where, verdict in zip(places, judge(of), strict=True):
            if set(where) & {"dxb", "sin", "fra"}:
                assert verdict.location != "inside", (where, verdict)
            elif len(where) == 1:
                assert (verdict.location, verdict.assurance) != ("outside", "proved"), (where, verdict)
