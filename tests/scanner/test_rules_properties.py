"""What holds of a verdict whatever was measured and said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scanner.scene import PLACES, claim, http, judge, ping, tls

if TYPE_CHECKING:
    import random

    from geodata.claim import Claim
    from probes.observation import Observation


RAYS = tuple({"cf-ray": f"8c1a2b3c4d5e6f70-{airport}"} for airport in ("KHI", "SIN", "FRA"))
rtts = st.dictionaries(st.sampled_from(sorted(PLACES)), st.floats(0.05, 300), max_size=6)
countries = st.lists(st.sampled_from(["PK", "SG", "AE", "IN", "US"]), max_size=4)
sources = st.lists(
    st.tuples(
        st.sampled_from(["PK", "SG", "AE", "IN", "US", None]),
        st.sampled_from(["server", "registrant", "origin", "user_egress"]),
        st.sampled_from(["third-party", "registry", "operator"]),
    ),
    max_size=5,
)
layers = st.dictionaries(
    st.sampled_from(sorted(PLACES)),
    st.tuples(
        st.floats(0.05, 300),  # of the transport; then what the handshake, a page and an error take longer
        st.floats(0.1, 60),
        st.floats(0.1, 60),
        st.floats(0.1, 60),
        st.sampled_from([None, {}, *RAYS]),  # headers; without them no HTTP
    ),
    max_size=6,
)
Layers = dict[str, tuple[float, float, float, float, dict[str, str] | None]]


def _claims(countries: list[str]) -> tuple[Claim, ...]:
    return tuple(claim(f"f{index}", country) for index, country in enumerate(countries))


def _sources(said: list[tuple[str | None, str, str]]) -> tuple[Claim, ...]:
    return tuple(
        claim(f"f{index}", country, meaning=meaning, asserted_by=by)
        for index, (country, meaning, by) in enumerate(said)
    )


def _all(layers: Layers, number: int = 0) -> list[Observation]:
    """Pings, handshakes and pages; a second number gives other observations."""
    found: list[Observation] = []
    for name, (rtt_ms, handshake_ms, page_ms, error_ms, headers) in layers.items():
        found += [ping(name, rtt_ms, number=number), tls(name, rtt_ms, rtt_ms + handshake_ms, number=number)]
        if headers is not None:
            found.append(http(name, rtt_ms + page_ms, rtt_ms + error_ms, headers, number=number))
    return found


class TestProperties:
    """What holds of every verdict, whatever the evidence."""

    @given(layers, sources, st.randoms(use_true_random=False))
    @settings(max_examples=60, deadline=None)
    def test_the_order_of_observations_never_matters(
        self, layers: Layers, said: list[tuple[str | None, str, str]], shuffle: random.Random
    ) -> None:
        observations = _all(layers)
        again = observations.copy()
        shuffle.shuffle(again)
        assert judge(observations, _sources(said)) == judge(again, _sources(said))

    @given(layers, sources, st.lists(st.floats(0, 100), min_size=24, max_size=24))
    @settings(max_examples=60, deadline=None)
    def test_added_delay_never_creates_a_proof(
        self, layers: Layers, said: list[tuple[str | None, str, str]], delays: list[float]
    ) -> None:
        """On any of the times, each by itself."""
        before = judge(_all(layers), _sources(said))
        late = iter(delays)
        slower: Layers = {
            name: (rtt + next(late), tls + next(late), page + next(late), error + next(late), headers)
            for name, (rtt, tls, page, error, headers) in layers.items()
        }
        after = judge(_all(slower), _sources(said))
        if after.assurance == "proved" and after.rule == "territory":
            assert before.assurance == "proved"
            assert before.location in {after.location, "edge"}

    @given(layers, sources, layers, sources)
    @settings(max_examples=60, deadline=None)
    def test_more_evidence_never_turns_proved_outside_into_inside(
        self,
        first: Layers,
        said: list[tuple[str | None, str, str]],
        more: Layers,
        later: list[tuple[str | None, str, str]],
    ) -> None:
        before = judge(_all(first), _sources(said))
        after = judge([*_all(first), *_all(more, 1)], (*_sources(said), *_sources(later)))
        if (before.location, before.assurance) == ("outside", "proved"):
            assert after.location in {"outside", "edge"}

    @given(layers, sources)
    @settings(max_examples=60, deadline=None)
    def test_a_claim_that_physics_forbids_changes_no_verdict(
        self, layers: Layers, said: list[tuple[str | None, str, str]]
    ) -> None:
        """Nor does a point of presence that it forbids."""
        claims = _sources(said)
        with_all = judge(_all(layers), claims)
        aside = {one.source for one in with_all.set_aside}
        allowed = tuple(one for one in claims if one.source not in aside)
        nearer: Layers = {
            name: (*one[:4], {} if one[4] and _ruled_out(layers, name) else one[4])
            for name, one in layers.items()
        }
        without = judge(_all(nearer), allowed)
        assert (with_all.location, with_all.assurance, with_all.rule) == (
            without.location,
            without.assurance,
            without.rule,
        )


def _ruled_out(layers: Layers, name: str) -> bool:
    """Whether the point of presence that a response names is set aside."""
    alone = judge(_all({name: layers[name]}))
    return any(one.source == "http:cf-ray" for one in alone.set_aside)
