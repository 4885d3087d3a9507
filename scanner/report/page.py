"""A run as one page of HTML that needs nothing else: no network, no server, and no script to be read.

Much of a run was written by whoever is checked. Every value goes through
:func:`scanner.report.text.printable` and is escaped, whatever template shows it, and the page's own
Content-Security-Policy lets it fetch nothing and run nothing but the one script of ours, by its digest. The
script is for convenience: it changes the language, finds endpoints, and opens them all.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import jinja2
import msgspec
from jinja2.compiler import CodeGenerator
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape

from scanner.drift import drift
from scanner.metrics import STATUSES
from scanner.policy import SEVERITIES
from scanner.report.cited import Cited
from scanner.report.map import maps
from scanner.report.text import printable
from scanner.report.words import DIRECTIONS, LANGUAGES, NAMES, Words, shipped_words
from scanner.verdict import ASSURANCES, LOCATIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from geodata.claim import Claim
    from scanner.drift import Change
    from scanner.report.words import Language
    from scanner.run import EndpointResult, Run
    from scanner.store import History, Period
    from scanner.verdict import AddressVerdict, Dependency, EndpointVerdict, SetAside

# Gravest first: what an endpoint's status asks of whoever reads.
ATTENTION: Final = ("violation", "indeterminate", "waived")
MOST_UNPACKED: Final = 500  # endpoints of a page with all in plain sight
_CHUNK: Final = 100  # endpoints that are packed together
_REMEMBERED: Final = 4096  # texts, as they are shown: most of what a run says it says many times
MEANT: Final = {"location": LOCATIONS, "assurance": ASSURANCES, "status": STATUSES}
POLICY: Final = (
    "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)
_V = TypeVar("_V")


def render(run: Run) -> bytes:
    """The page in English, without a previous run."""
    return render_page(run)


def render_page(
    run: Run,
    previous: Run | None = None,
    language: Language = "en",
    history: History | None = None,
) -> bytes:
    """The page as UTF-8; with ``previous`` also what changed since, with ``history`` what was before.

    ``language`` is what it begins in.
    """
    changes = () if previous is None else drift(previous, run)
    words = Words(language)
    bodies = _Bodies(run, words, changes, {} if history is None else history.periods)
    page = _environment().get_template("page.html")
    return page.render(
        t=words,
        badge=words.badge,
        run=run,
        body=bodies,
        chunks=bodies.chunks,
        packed=bodies.packed,
        previous=previous,
        changes=changes,
        history=history,
        languages=[(one, NAMES[one], DIRECTIONS[one]) for one in LANGUAGES],
        language=language,
        direction=DIRECTIONS[language],
        policy_name=_text(run.policy.get("name")),
        controls=list(_controls(run)),
        totals=Tally.of("", run.endpoints),
        providers=_tallies((one.provider, one) for one in run.endpoints),
        classes=_tallies((one.data_class, one) for one in run.endpoints),
        attention=_attention(run),
        groups=_grouped((one.provider, (number, one)) for number, one in enumerate(run.endpoints)),
        maps=maps(run),
    ).encode()


class _Bodies:
    """What is shown of each endpoint when it is opened.

    Of many endpoints it is kept apart, some of them together, compressed: they are much alike.
    """

    def __init__(
        self,
        run: Run,
        words: Words,
        changes: Iterable[Change],
        periods: Mapping[str, tuple[Period, ...]],
    ) -> None:
        environment = _environment()
        self.packed = len(run.endpoints) > MOST_UNPACKED
        self._body = environment.get_template("body.html")
        self._shared = {
            "t": words,
            "badge": words.badge,
            "heads": environment.get_template("heads.html").make_module({"t": words}),
            "cited": Cited(run),
            "claims_of": partial(_claims, run),
            "changes_of": _grouped((one.endpoint, one) for one in changes),
            "periods_of": periods,
        }
        self._chunks: list[Markup] = []
        self._chunk: list[str] = []

    def __call__(self, one: EndpointResult) -> Markup:
        """The body of an endpoint, or the place for it."""
        body = self._body.render(self._shared, one=one)
        if not self.packed:
            return Markup(body)  # noqa: S704  rendered by a template, which escaped it
        self._chunk.append(body)
        place = Markup('<div data-chunk="{}" data-at="{}"></div>').format(
            len(self._chunks), len(self._chunk) - 1
        )
        if len(self._chunk) == _CHUNK:
            self._pack()
        return place

    def chunks(self) -> list[Markup]:
        """What was kept apart, in Base64."""
        if self._chunk:
            self._pack()
        return self._chunks

    def _pack(self) -> None:
        packed = base64.b64encode(zlib.compress(msgspec.json.encode(self._chunk), 4))
        self._chunks.append(Markup(packed.decode()))  # noqa: S704  Base64
        self._chunk = []


@dataclass(frozen=True, slots=True)
class Tally:
    """How many endpoints of a provider, or of a class of data, have which status and location."""

    name: str
    endpoints: int
    statuses: Counter[str]
    locations: Counter[str]

    @classmethod
    def of(cls, name: str, results: Collection[EndpointResult]) -> Self:
        """The tally of some endpoints."""
        return cls(
            name,
            len(results),
            Counter(one.status for one in results),
            Counter(one.verdict.location for one in results),
        )


def _tallies(results: Iterable[tuple[str, EndpointResult]]) -> list[Tally]:
    return [Tally.of(name, each) for name, each in _grouped(results).items()]


def _grouped(values: Iterable[tuple[str, _V]]) -> dict[str, list[_V]]:
    groups: dict[str, list[_V]] = {}
    for name, value in values:
        groups.setdefault(name, []).append(value)
    return groups


def _attention(run: Run) -> list[tuple[int, EndpointResult]]:
    """Endpoints with their number, those that are gravest first."""
    found = [(number, one) for number, one in enumerate(run.endpoints) if one.status in ATTENTION]
    return sorted(
        found, key=lambda each: (ATTENTION.index(each[1].status), -SEVERITIES.index(each[1].severity))
    )


def _controls(run: Run) -> Iterator[tuple[str, str, str]]:
    """Every control of the run's policy: id, title, clause. The policy's form is that of its own version."""
    controls = run.policy.get("controls")
    for name, control in controls.items() if isinstance(controls, dict) else ():
        if isinstance(control, dict):
            yield str(name), _text(control.get("title")), _text(control.get("clause"))


@lru_cache(maxsize=_REMEMBERED)
def _run_text(text: str) -> Markup:
    """Words of the run itself, which are English."""
    return Markup(f'<span class="run" lang="en" dir="ltr">{escape(printable(text))}</span>')  # noqa: S704


@lru_cache(maxsize=_REMEMBERED)
def _moment(time: str) -> str:
    """A run's time for people, who read it in UTC and to the second."""
    return f"{datetime.fromisoformat(time).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _claims(run: Run, verdict: EndpointVerdict) -> list[tuple[str, tuple[Claim, ...]]]:
    each = ((one.address, run.claims.get(one.address, ())) for one in verdict.addresses)
    return [(address, claims) for address, claims in each if claims]


def _aside(verdict: EndpointVerdict) -> list[tuple[str, SetAside]]:
    return [(one.address, claim) for one in verdict.addresses for claim in one.set_aside]


def _dependencies(verdict: EndpointVerdict) -> list[Dependency]:
    return sorted(verdict.dependencies, key=lambda one: one.location != "outside")


def _sites(verdict: EndpointVerdict) -> list[tuple[str, Any]]:
    return [(one.address, site) for one in verdict.addresses for site in one.sites]


def _nearest(one: AddressVerdict) -> list[tuple[str, float]]:
    return sorted(one.rtts_ms.items(), key=lambda each: (each[1], each[0]))


def _network(claim: Claim) -> str:
    number = "" if claim.asn is None else f"AS{claim.asn}"
    return " ".join(part for part in (number, claim.network) if part)


@lru_cache(maxsize=_REMEMBERED)
def _escaped(text: str) -> Markup:
    """Text as it is shown."""
    return escape(printable(text))


def _shown(value: Any) -> Markup:
    """A value as every template shows it."""
    if type(value) is Markup:
        return value
    return _escaped(value) if type(value) is str else escape(value)


class _Generator(CodeGenerator):
    """Leaves it to :func:`_shown` to escape a value: to ask twice takes as long as all the rest."""

    def _output_child_pre(self, *_: object) -> None:
        self.write("environment.finalize(")

    def _output_child_post(self, *_: object) -> None:
        self.write(")")


class _Environment(jinja2.Environment):
    code_generator_class = _Generator


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("scanner.report")
    environment = _Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (
        loader.get_source(environment, name)[0].replace("\r\n", "\n") for name in ("page.css", "page.js")
    )
    words = shipped_words()
    environment.globals.update(
        style=Markup(style),  # noqa: S704  ours
        script=Markup(script),  # noqa: S704  ours
        words=htmlsafe_json_dumps(words, ensure_ascii=False),
        policy=POLICY.format(style=_digest(style), script=_digest(script)),
        statuses=STATUSES,
        locations=LOCATIONS,
        meant=MEANT,
        rules=sorted(name.removeprefix("rule.") for name in words if name.startswith("rule.")),
        trusted=lambda vantage: vantage.location_ok,
        scrubbed=lambda verdict: verdict.scrubbed,
        aside_of=_aside,
        dependencies_of=_dependencies,
        sites_of=_sites,
        nearest=_nearest,
    )
    environment.filters.update(network=_network, run_text=_run_text, moment=_moment, spaced=" ".join)
    return environment


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
