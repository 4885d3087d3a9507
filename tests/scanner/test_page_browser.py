"""The report as a page in a real browser, by what is on it and where."""

from __future__ import annotations

import base64
import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from scanner.report import page
from scanner.report.page import render_page
from scanner.report.words import LANGUAGES, shipped_words
from tests.scanner.anyrun import HOSTILE, past, sample
from tests.scanner.browser import Tab, chromium

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scanner.report.words import Language
    from scanner.run import Run

pytestmark = pytest.mark.browser
CLICK_URDU: Final = "document.querySelector('[data-language=ur]').click()"
# The contrast of text with what is behind it (WCAG 2.2, 1.4.3), for everything that is shown, least first.
CONTRASTS: Final = """(() => {
  const light = (channel) => channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) =>
    0.2126 * light(r / 255) + 0.7152 * light(g / 255) + 0.0722 * light(b / 255);
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const found = colour(getComputedStyle(one).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility() || one instanceof SVGElement || one.closest("script")) continue;
    const style = getComputedStyle(one);
    const back = behind(one);
    const opacity = Number(style.opacity);
    const front = colour(style.color).slice(0, 3).map((c, i) => c * opacity + back[i] * (1 - opacity));
    const [a, b] = [luminance(front), luminance(back)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), `${one.tagName}.${one.className}: ${one.textContent.slice(0, 40)}`]);
  }
  return found.sort((a, b) => a[0] - b[0]);
})()"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("chromium is not installed")
    with chromium(program, tmp_path_factory.mktemp("profile")) as found:
        yield found


def written(directory: Path, run: Run, **options: Any) -> Path:
    path = directory / "report.html"
    path.write_bytes(render_page(run, **options))
    return path


class TestLoading:
    """The page is one file, and whatever stands in it does nothing."""

    async def test_nothing_is_fetched_and_nothing_complained_of(self, port: int, tmp_path: Path) -> None:
        path = written(
            tmp_path, sample(lambda text: text + HOSTILE), history=past(lambda text: text + HOSTILE)
        )
        async with Tab.open(port) as tab:
            await tab.load(path)
            await tab.value("for (const one of document.querySelectorAll('details')) one.open = true")
            await tab.value(CLICK_URDU)
            assert [one for one in tab.requests() if not one.startswith("data:,")] == [path.as_uri()]
            assert tab.complaints() == []
            assert await tab.value("typeof window.owned") == "undefined"
            assert await tab.value("document.images.length") == 0

    async def test_a_script_that_is_not_ours_does_not_run(self, port: int, tmp_path: Path) -> None:
        path = written(tmp_path, sample())
        path.write_bytes(
            path.read_bytes().replace(
                b"</main>", b"<script>window.owned=1</script><img src=http://127.0.0.1:9/x></main>"
            )
        )
        async with Tab.open(port) as tab:
            await tab.load(path)
            assert await tab.value("typeof window.owned") == "undefined"
            assert len(tab.complaints()) == 2

    async def test_without_scripts_everything_is_there(self, port: int, tmp_path: Path) -> None:
        async with Tab.open(port) as tab:
            await tab.call("Emulation.setScriptExecutionDisabled", value=True)
            await tab.load(written(tmp_path, sample()))
            await tab.call("Emulation.setScriptExecutionDisabled", value=False)
            assert await tab.value("document.querySelector('.find').checkVisibility()") is False
            shown = await tab.value(
                "[...document.querySelectorAll('details')].map((one) => { one.open = true;"
                " return one.querySelectorAll('table').length })"
            )
            assert shown == [7, 7]


class TestMap:
    """The map shows what there is."""

    async def test_pins_and_land(self, port: int, tmp_path: Path) -> None:
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample()))
            assert await tab.value("document.querySelectorAll('#map-region .pin').length") == 3
            names = await tab.value(
                "[...document.querySelectorAll('#map-region text')].map((one) => one.textContent)"
            )
            assert names == ["Karachi", "Lahore", "Singapore"]
            # Singapore is to the south-east of Karachi, and Pakistan is land of some size.
            east, south, width = await tab.value(
                "(() => { const [k,, s] = [...document.querySelectorAll('#map-region .pin')]"
                ".map((one) => one.getBoundingClientRect());"
                " return [s.x - k.x, s.y - k.y, document.querySelector('#map-home .home')"
                ".getBoundingClientRect().width] })()"
            )
            assert east > 50
            assert south > 50
            assert width > 200


class TestLanguages:
    """One button turns the page round."""

    async def test_urdu_and_back(self, port: int, tmp_path: Path) -> None:
        state = (
            "(() => { const root = document.documentElement, title = document.querySelector('h1'),"
            " side = document.querySelector('#attention thead th').getBoundingClientRect();"
            " return [root.lang, root.dir, title.textContent, document.title, side.x > innerWidth / 2,"
            " document.querySelector('nav').getAttribute('aria-label'),"
            " getComputedStyle(document.querySelector('p.verdict')).direction,"
            " document.querySelector('[aria-pressed=true]').lang] })()"
        )
        words = shipped_words()
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample()))
            english = await tab.value(state)
            await tab.value(CLICK_URDU)
            urdu = await tab.value(state)
            left = await tab.value(
                "[...document.querySelectorAll('[data-t]')].filter((one) =>"
                " one.textContent !== JSON.parse(document.getElementById('words').textContent)"
                "[one.dataset.t].ur).length"
            )
            await tab.value("document.querySelector('[data-language=en]').click()")
            assert await tab.value(state) == english
        title, contents = words["title"], words["contents"]
        assert english == ["en", "ltr", title["en"], title["en"], False, contents["en"], "ltr", "en"]
        assert urdu == ["ur", "rtl", title["ur"], title["ur"], True, contents["ur"], "ltr", "ur"]
        assert left == 0


class TestEvidence:
    """What was before, and what else an endpoint hangs on, stands in its tables, in either language."""

    @pytest.mark.parametrize("language", LANGUAGES)
    async def test_history_and_dependencies(self, port: int, tmp_path: Path, language: Language) -> None:
        table = (
            "(caption) => [...document.querySelectorAll('details')].map((one) => { one.open = true;"
            " const found = [...one.querySelectorAll('table')].find((each) => each.caption.textContent ==="
            " caption); return found ? [...found.tBodies[0].rows].map((row) => [...row.cells]"
            ".map((cell) => cell.textContent)) : null })"
        )
        words = {name: text[language] for name, text in shipped_words().items()}
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample(), history=past()))
            await tab.value(f"document.querySelector('[data-language={language}]').click()")
            first, other = await tab.value(f"({table})({json.dumps(words['detail.history'])})")
            assert [row[2:] for row in first] == [
                [
                    runs,
                    f"{words[f'location.{location}']} ({words['assurance.proved']})",
                    words["path.domestic"],
                    words[f"status.{status}"],
                    "198.18.0.7 198.18.0.8",
                    f"It was {location} then.",
                ]
                for runs, location, status in (("3", "outside", "violation"), ("9", "inside", "compliant"))
            ]
            assert first[0][:2] == ["2026-10-01 00:00:00 UTC", "2026-10-31 00:00:00 UTC"]
            assert other is None
            depends, _ = await tab.value(f"({table})({json.dumps(words['detail.dependencies'])})")
            assert [row[:2] for row in depends] == [
                ["mx.example", words["relation.mail"]],
                ["ns.indus.example", words["relation.nameserver"]],
            ]
            assert depends[0][2:4] == [
                "198.18.0.25 198.18.0.26",
                f"{words['location.outside']} ({words['assurance.corroborated']})",
            ]


class TestKeyboard:
    """Everything can be reached and opened without a mouse."""

    async def test_the_order_of_focus(self, port: int, tmp_path: Path) -> None:
        focused = "document.activeElement.textContent.trim().slice(0, 40)"
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample()))
            order = []
            for _ in range(5):
                await tab.press("Tab", 9)
                order.append(await tab.value(focused))
            assert order == ["Skip to the content", "English", "اردو", "Summary", "What needs attention"]
            outline = await tab.value("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"

    async def test_enter_opens_an_endpoint(self, port: int, tmp_path: Path) -> None:
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample()))
            await tab.value("document.querySelector('summary').focus()")
            await tab.press("Enter", 13)
            assert await tab.value("document.querySelector('details').open") is True

    async def test_a_link_to_an_endpoint_opens_it(self, port: int, tmp_path: Path) -> None:
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample()))
            await tab.value(
                "new Promise((done) => { addEventListener('hashchange', done);"
                " document.querySelector('#attention a').click() }).then(() => 0)"
            )
            opened = await tab.value("[...document.querySelectorAll('details')].map((one) => one.open)")
            assert opened == [True, False]
            assert await tab.value("document.activeElement.tagName") == "SUMMARY"


class TestFinding:
    """Endpoints are found by text and status."""

    async def test_by_text_and_by_status(self, port: int, tmp_path: Path) -> None:
        state = (
            "(() => { document.getElementById('find-text').dispatchEvent(new Event('input'));"
            " return [[...document.querySelectorAll('details')].map((one) => one.checkVisibility()),"
            " document.getElementById('find-count').value] })()"
        )
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample(endpoints=3)))
            await tab.value("document.getElementById('find-text').value = '2.INDUS'")
            assert await tab.value(state) == [[False, False, True], "1"]
            await tab.value("document.getElementById('find-text').value = ''")
            await tab.value("document.getElementById('find-status').value = 'violation'")
            assert await tab.value(state) == [[True, False, False], "1"]


class TestPacked:
    """Of many endpoints the evidence is packed, and unpacked when one is opened."""

    async def test_opening_shows_the_evidence_in_the_language_of_the_page(
        self, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(page, "MOST_UNPACKED", 1)
        path = written(tmp_path, sample(lambda text: text + HOSTILE, endpoints=3))
        async with Tab.open(port) as tab:
            await tab.load(path)
            await tab.value(CLICK_URDU)
            assert await tab.value("document.querySelectorAll('details table').length") == 0
            text = await tab.value(
                "new Promise((done) => { const one = document.querySelectorAll('details')[2];"
                " new MutationObserver(() => done(one.querySelector('.body').textContent))"
                ".observe(one, {childList: true, subtree: true}); one.open = true })"
            )
            assert shipped_words()["detail.findings"]["ur"] in text
            assert "2.indus.example" in await tab.value(
                "document.querySelectorAll('details')[2].querySelector('summary').textContent"
            )
            assert "198.18.0.1" in text
            assert "mx.example" in text
            assert await tab.value("typeof window.owned") == "undefined"
            assert tab.complaints() == []


class TestLooks:
    """It can be read: on paper, by day and by night, and on a telephone."""

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    async def test_contrast(self, port: int, tmp_path: Path, scheme: str) -> None:
        run = sample(endpoints=3)
        async with Tab.open(port) as tab:
            await tab.call(
                "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
            )
            await tab.load(written(tmp_path, run, previous=sample(status="waived")))
            await tab.value("for (const one of document.querySelectorAll('details')) one.open = true")
            found = await tab.value(CONTRASTS)
            assert len(found) > 100
            assert found[0][0] >= 4.5, found[:5]
            paper = await tab.value("getComputedStyle(document.body).backgroundColor")
            assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 20)"}[scheme]

    async def test_on_paper(self, port: int, tmp_path: Path) -> None:
        async with Tab.open(port) as tab:
            await tab.load(written(tmp_path, sample()))
            await tab.call("Emulation.setEmulatedMedia", media="print")
            shown = await tab.value(
                "['nav', '.find', '.languages', 'h1', '#map-home', 'summary']"
                ".map((one) => document.querySelector(one).checkVisibility())"
            )
            assert shown == [False, False, False, True, True, True]
            printed = await tab.call("Page.printToPDF")
            assert base64.b64decode(printed["data"]).startswith(b"%PDF-")

    @pytest.mark.parametrize("language", ["en", "ur"])
    async def test_nothing_is_wider_than_a_telephone(self, port: int, tmp_path: Path, language: str) -> None:
        async with Tab.open(port) as tab:
            await tab.call(
                "Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=False
            )
            await tab.load(written(tmp_path, sample(), language=language))
            await tab.value("for (const one of document.querySelectorAll('details')) one.open = true")
            assert await tab.value("document.documentElement.scrollWidth") <= 360
