"""A registration, from what a registry answered."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ipwhois.net import Net
from ipwhois.rdap import RDAP

from geodata.snapshot import GeodataError
from geodata.sources.registration import Registration
from tests.geodata.registries import ADDRESS, ANSWER


def _claim(answer: dict[str, Any], address: str = ADDRESS) -> Any:
    """Through ipwhois's own parser, as an answer from the network goes."""
    return _registration(answer, address).claim()


def _registration(answer: dict[str, Any], address: str = ADDRESS) -> Registration:
    result = RDAP(Net(address)).lookup(response=answer, bootstrap=True, root_ent_check=False, inc_raw=True)
    return Registration.of(result, address)


class TestRegistration:
    """A registry's answer becomes one claim, marked as what the holder says."""

    def test_an_answer(self) -> None:
        claim = _claim(ANSWER)
        assert (claim.source, claim.family, claim.meaning) == ("rdap", "registry", "registrant")
        assert (claim.country, claim.network, claim.prefix) == ("PK", "PTCL-PK", "39.32.0.0/11")
        assert (claim.date, claim.asserted_by) == ("2021-02-17", "operator")
        assert claim.version == "2021-02-17"
        assert claim.licence

    def test_an_ipv6_answer(self) -> None:
        answer = {**ANSWER, "startAddress": "2a00::", "endAddress": "2a00:ffff::", "ipVersion": "v6"}
        assert _claim(answer, "2a00::1").prefix == "2a00::/17"

    def test_a_range_that_is_no_prefix_gives_the_widest_one_around_the_address(self) -> None:
        answer = {**ANSWER, "startAddress": "39.32.0.1", "endAddress": "39.32.0.6"}
        assert _claim(answer, "39.32.0.3").prefix == "39.32.0.2/31"

    def test_a_country_that_is_none_is_unknown(self) -> None:
        for value in (None, "", "Pakistan", "EU", "P\x1b"):
            assert _claim({**ANSWER, "country": value}).country is None

    def test_events_that_are_none_have_no_day(self) -> None:
        network = {"start_address": "39.32.0.0", "end_address": "39.63.255.255"}
        for events in (None, 5, [5], [{"action": ["registration"]}], [{"action": "registration"}]):
            assert Registration.of({"network": {**network, "events": events}}, ADDRESS).date is None

    def test_hostile_text_stays_one_short_value(self) -> None:
        claim = _claim({**ANSWER, "name": "\x1b[2J<script>" + "x" * 10_000})
        assert claim.network is not None
        assert len(claim.network) == 200

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"startAddress": "10.0.0.0", "endAddress": "10.0.0.255"}, "answer is of 10.0.0.0"),
            ({"startAddress": "39.63.255.255", "endAddress": "39.32.0.0"}, "answer is of 39.63"),
            ({"startAddress": "::", "endAddress": "ffff::", "ipVersion": "v6"}, "malformed range"),
            ({"startAddress": "x", "endAddress": "y", "ipVersion": "v6"}, "malformed range"),
        ],
    )
    def test_an_answer_of_another_range_is_refused(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(GeodataError, match=message) as caught:
            _claim({**ANSWER, **changed})
        assert caught.value.code == "malformed"

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.text(max_size=8)
            | st.sampled_from(["39.32.0.0", "::"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        [
                            "network",
                            "start_address",
                            "end_address",
                            "country",
                            "name",
                            "handle",
                            "events",
                            "action",
                            "timestamp",
                        ]
                    ),
                    inner,
                )
            ),
            max_leaves=20,
        ).filter(lambda value: isinstance(value, dict))
    )
    def test_any_result_gives_a_claim_or_an_error_with_a_code(self, result: dict[str, Any]) -> None:
        with contextlib.suppress(GeodataError):
            assert Registration.of(result, ADDRESS).claim().prefix
