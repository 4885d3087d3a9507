"""The report as a page: whole, inert, and in two languages."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
import zlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from geodata.claim import Meaning
from scanner import drift, verdict
from scanner.endpoint import DataClass, Deployment
from scanner.policy import SEVERITIES, FindingStatus
from scanner.report import page
from scanner.report.map import maps
from scanner.report.outline import frame_around, home_frame
from scanner.report.page import render_page
from scanner.report.words import LANGUAGES, shipped_words
from scanner.run import Run, VantageUsed
from tests.scanner.anyrun import HOSTILE, PAYLOADS, past, runs, sample

TEMPLATES = Path(page.__file__).parent / "templates"
VOID = {"meta", "link", "br", "input"}


class Tree(HTMLParser):
    """What a parser sees: tags, names of attributes, ids, and text outside of scripts and styles."""

    def __init__(self, octets: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(octets.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID and not tag.startswith(("rect", "path", "circle", "line")):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if self.open[-1] == tag:
            self.open.pop()
        elif tag not in {"path", "circle", "line", "rect"}:
            raise AssertionError(f"</{tag}> closes <{self.open[-1]}>")

    def handle_data(self, data: str) -> None:
        where = self.open[-1] if self.open else ""
        self.raw.get(where, self.text).append(data)


def meta(octets: bytes) -> str:
    (policy,) = re.findall(rb'http-equiv="Content-Security-Policy" content="([^"]*)"', octets)
    return str(policy.decode().replace("&#39;", "'"))


@cache
def plain() -> Tree:
    """A page of which nothing is hostile; made when it is first asked for, not by who only collects tests."""
    return Tree(render_page(sample(), sample(status="compliant"), history=past()))


@pytest.fixture(autouse=True, scope="module")
def _plain_first() -> None:
    """The page is made as it is, whichever test asks first and whatever that one has patched."""
    plain()


@cache
def own_tags() -> frozenset[str]:
    return frozenset(plain().tags)


class TestInert:
    """What was written by whoever is checked is shown, and does nothing."""

    def test_hostile_text_makes_no_tag_and_no_attribute(self) -> None:
        tree = Tree(
            render_page(
                sample(lambda _: HOSTILE),
                sample(lambda text: text + HOSTILE),
                history=past(lambda _: HOSTILE),
            )
        )
        assert set(tree.tags) <= own_tags()
        assert {name for name, _ in tree.attributes} <= {name for name, _ in plain().attributes}
        assert tree.tags.count("script") == 2
        assert tree.open == []
        assert "<script>window.owned=1</script>" in "".join(tree.text)

    @given(run=runs(st.one_of(st.text(max_size=20), st.sampled_from(PAYLOADS))))
    @settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    def test_no_run_makes_a_tag_that_the_templates_do_not_have(self, run: Run) -> None:
        octets = render_page(run, run)
        tree = Tree(octets)
        assert tree.open == []
        assert {name for name, _ in tree.attributes if name.startswith("on")} == set()
        assert set(tree.tags) <= own_tags() | {"br"}
        assert tree.tags.count("script") == 2
        kinds = {unicodedata.category(one) for one in octets.decode() if one != "\n"}
        assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

    def test_what_is_packed_is_as_inert(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(page, "MOST_UNPACKED", 1)
        monkeypatch.setattr(page, "_CHUNK", 2)
        tree = Tree(render_page(sample(lambda text: text + HOSTILE, endpoints=3)))
        chunks = [json.loads(zlib.decompress(base64.b64decode(one))) for one in tree.raw["script"][:2]]
        assert [len(chunk) for chunk in chunks] == [2, 1]
        for body in (body for chunk in chunks for body in chunk):
            inner = Tree(body.encode())
            assert set(inner.tags) <= own_tags()
            assert "<script>window.owned=1</script>" in "".join(inner.text)

    def test_what_is_no_text_is_escaped_too(self) -> None:
        shown = page._environment().from_string("{{ one }}{{ other }}").render(one=[HOSTILE], other=7)
        assert "<" not in shown
        assert shown.endswith("7")

    def test_an_address_of_a_link_is_never_the_runs(self) -> None:
        tree = Tree(render_page(sample(lambda _: "javascript:alert(1)")))
        links = [value for name, value in tree.attributes if name in {"href", "src"}]
        assert all(re.fullmatch(r"#[\w-]+|data:,", value) for value in links)


class TestPolicy:
    """The page may fetch nothing, and run nothing but its own script."""

    def test_the_digests_are_those_of_what_is_in_it(self) -> None:
        octets = render_page(sample())
        tree = Tree(octets)
        digests = {
            name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            for name, text in (("style", "".join(tree.raw["style"])), ("script", tree.raw["script"][-1]))
        }
        assert meta(octets) == (
            f"default-src 'none'; style-src 'sha256-{digests['style']}';"
            f" script-src 'sha256-{digests['script']}'; img-src data:; base-uri 'none'; form-action 'none'"
        )

    def test_no_style_stands_in_an_attribute(self) -> None:
        assert "style" not in {name for name, _ in Tree(render_page(sample())).attributes}


class TestWhole:
    """What the run knows is on the page."""

    def test_the_evidence_of_an_endpoint(self) -> None:
        text = " ".join(Tree(render_page(sample())).text)
        for part in (
            "It answered Singapore in 0.20 ms.",
            "territory",
            "It must be in the country.",
            "NOC 7",
            "198.18.0.1",
            "60.00",
            "Not PK.",
            "AS64500 Indus Net",
            "sin:tls",
            "key's holder answered in 0.900 ms",
            "1 198.18.9.1 0.10 ms → 2 * → 3 198.18.0.1 60.00 ms",
            "CN=indus.example; issued by CN=authority; for indus.example",
            "ptr.example",
            "server: nginx",
            "302 https://b.example/",
            "by alpha",
            "a notice",
        ):
            assert part in text, part

    def test_evidence_that_is_not_there_is_said_not_to_be(self) -> None:
        text = " ".join(Tree(render_page(replace(sample(), observations=()))).text)
        assert "not in this run" in text

    def test_what_changed(self) -> None:
        octets = render_page(sample(), sample(status="compliant", location="inside"))
        text = " ".join(Tree(octets).text)
        assert "inside (proved)" in text
        assert 'id="changes"' in octets.decode()
        assert 'id="changes"' not in render_page(sample()).decode()

    def test_what_it_depends_on_with_that_abroad_first(self) -> None:
        text = " ".join(Tree(render_page(sample())).text)
        for part in ("mx.example", "Takes its mail", "198.18.0.25 198.18.0.26", "Two families say so."):
            assert part in text, part
        assert text.index("mx.example") < text.index("ns.indus.example")

    def test_the_history_of_an_endpoint(self) -> None:
        text = " ".join(Tree(render_page(sample(), history=past())).text)
        for part in ("2026-10-01 00:00:00 UTC", "198.18.0.7 198.18.0.8", "It was inside then."):
            assert part in text, part
        assert text.index("It was outside then.") < text.index("It was inside then.")
        assert text.count("It was outside then.") == 1, "of the other endpoint nothing is known"
        assert shipped_words()["detail.history"]["en"] not in " ".join(Tree(render_page(sample())).text)

    def test_the_gravest_is_first(self) -> None:
        octets = render_page(sample(status="waived", endpoints=3)).decode()
        attention = octets[octets.index('id="attention"') : octets.index('id="map"')]
        assert re.findall(r"#e(\d+)", attention) == ["0"]

    def test_an_interrupted_run_says_so(self) -> None:
        assert b'data-t="incomplete"' in render_page(replace(sample(), complete=False))
        assert b'data-t="incomplete"' not in render_page(sample())

    def test_ids_are_unique_and_references_lead_somewhere(self) -> None:
        tree = Tree(render_page(sample(), sample()))
        ids = [value for name, value in tree.attributes if name == "id"]
        assert len(ids) == len(set(ids))
        used = [value[1:] for name, value in tree.attributes if name == "href" and value.startswith("#")]
        used += [value for name, value in tree.attributes if name == "aria-labelledby"]
        assert set(used) <= set(ids)

    def test_tables_have_captions_and_headers_have_scopes(self) -> None:
        text = render_page(sample(), sample()).decode()
        assert text.count("<table") == text.count("<caption")
        assert not re.search(r"<th(?! scope=)[ >]", text.replace("<thead", ""))


class TestWords:
    """Every fixed text is there in every language, and is used."""

    def test_every_text_has_every_language(self) -> None:
        for name, text in shipped_words().items():
            assert set(text) == set(LANGUAGES), name
            assert all(one.strip() for one in text.values()), name

    def test_urdu_is_in_its_letters(self) -> None:
        for name, text in shipped_words().items():
            if name not in {"none", "column.digest"}:
                assert re.search(r"[\u0600-\u06ff]", text["ur"]), name
                assert not re.search(r"[\u064a\u0643]", text["ur"]), f"{name}: Arabic yeh or kaf"

    def test_numbers_stand_in_no_text(self) -> None:
        for name, text in shipped_words().items():
            assert not re.search(r"\{|%[sd]", "".join(text.values())), name

    @pytest.mark.parametrize(
        ("group", "values"),
        [
            ("location", verdict.LOCATIONS),
            ("assurance", verdict.ASSURANCES),
            ("path", get_args(verdict.PathVerdict)),
            ("status", get_args(FindingStatus)),
            ("severity", SEVERITIES),
            ("class", get_args(DataClass)),
            ("deployment", get_args(Deployment)),
            ("meaning", get_args(Meaning)),
            ("change", get_args(drift.Kind)),
            ("relation", get_args(verdict.Relation)),
        ],
    )
    def test_every_value_of_a_run_has_a_word(self, group: str, values: tuple[str, ...]) -> None:
        assert {f"{group}.{value}" for value in values} <= set(shipped_words())

    def test_every_text_is_used(self) -> None:
        sources = "".join(one.read_text(encoding="utf-8") for one in TEMPLATES.glob("*.html"))
        # By a group's name and a value's: "group." + value, t.of("group", value), badge("group", value).
        groups = set(re.findall(r'"([\w.]+)\." \+|(?:t\.of|badge)\("(\w+)"', sources))
        known = {part for group in groups for part in group} | set(page.MEANT) | {"means", "rule"}
        for name in shipped_words():
            assert f'"{name}"' in sources or name.rpartition(".")[0] in known, name

    def test_a_page_in_urdu_runs_from_right_to_left(self) -> None:
        octets = render_page(sample(), language="ur")
        assert '<html lang="ur" dir="rtl">' in octets.decode()
        text = "".join(Tree(octets).text)
        assert "خلاف ورزی" in text
        assert '<p class="run verdict" id="e0" lang="en" dir="ltr">' in octets.decode()


class TestMap:
    """What is drawn is what was measured."""

    def test_pins_areas_and_ways(self) -> None:
        home, region = maps(sample())
        assert (home.name, len(home.pins)) == ("home", 2)
        assert (region.name, len(region.pins)) == ("region", 3)
        assert [(one.kind, one.vantage, one.addresses) for one in region.areas] == [
            ("inside", "Singapore", 1),
            ("outside", "Singapore", 1),
        ]
        assert [(one.kind, one.traces) for one in region.ways] == [("leaves", 2)]
        assert home.land.home
        assert region.land.foreign

    def test_a_claim_that_physics_rules_out_places_nothing(self) -> None:
        run = sample()
        far = replace(run.claims["198.18.0.1"][0], latitude=51.5, longitude=0.0)
        (_, region) = maps(replace(run, claims={"198.18.0.1": (far,)}))
        assert region.ways == ()

    def test_everything_at_home_needs_one_map(self) -> None:
        run = replace(sample(), vantages=sample().vantages[:2], observations=())
        assert [one.name for one in maps(run)] == ["home"]

    def test_an_unknown_country_without_vantages_has_no_map(self) -> None:
        assert maps(replace(sample(), country="ZZ", vantages=(), observations=())) == ()

    def test_a_vantage_nowhere_on_earth_is_left_out(self) -> None:
        lost = VantageUsed(id="x", latitude=1e300, longitude=0, location_error_km=5, kind="local")
        assert [len(one.pins) for one in maps(replace(sample(), vantages=(lost,)))] == [0]

    def test_labels_do_not_cover_each_other(self) -> None:
        one = sample().vantages[0]
        crowd = tuple(replace(one, id=f"v{number}", longitude=67 + number / 100) for number in range(20))
        (home, *_) = maps(replace(sample(), vantages=crowd))
        assert len(home.pins) == 20
        assert 0 < sum(pin.label is not None for pin in home.pins) < 20

    def test_places_keep_their_sides(self) -> None:
        frame = home_frame("PK")
        assert frame is not None
        karachi, gilgit = frame.point(24.86, 67.0), frame.point(35.92, 74.31)
        assert karachi[0] < gilgit[0]
        assert karachi[1] > gilgit[1]
        assert frame_around([(10.0, 20.0)]).holds(10.0, 20.0)
