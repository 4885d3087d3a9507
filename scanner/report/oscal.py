"""A run as OSCAL assessment results (NIST, version 1.2): one set of results a provider.

An endpoint is an inventory item, its verdict an observation whose relevant evidence are the run's own
observations, by id. A finding is a control's, over all of a provider's endpoints: satisfied only where none
of them deviates or is undecided. Every endpoint that does not comply is a risk, with the clause it goes
against. Controls that apply to none of the endpoints have no finding. All identifiers follow from the run's.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from scanner.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scanner.policy import Finding, FindingStatus
    from scanner.run import EndpointResult, Run

VERSION: Final = "1.2.1"
NAMESPACE: Final = "urn:sarhad:oscal"
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)
_RISKS: Final[Mapping[FindingStatus, str]] = {
    "violation": "open",
    "waived": "deviation-approved",
    "indeterminate": "investigating",
}
# What marks text up in a line of OSCAL's Markdown, and its parameter insertions.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>&~^$])")


def render(run: Run) -> bytes:
    """The document as JSON."""
    return json.dumps(_without_empty(_document(run)), ensure_ascii=False, indent=1).encode() + b"\n"


def _without_empty(value: Any) -> Any:
    """A document without its empty lists, which OSCAL does not have."""
    if isinstance(value, dict):
        return {name: _without_empty(each) for name, each in value.items() if each != []}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def _document(run: Run) -> dict[str, Any]:
    policy = _line(str(run.policy.get("name", "policy")))
    by_provider: defaultdict[str, list[EndpointResult]] = defaultdict(list)
    for result in run.endpoints:
        by_provider[result.provider].append(result)
    plan = _uuid(run, "plan")
    return {
        "assessment-results": {
            "uuid": _uuid(run, "assessment-results"),
            "metadata": {
                "title": f"Data residency: {policy}",
                "last-modified": _time(run.finished),
                "version": _value(run.id),
                "oscal-version": VERSION,
                "props": list(_properties(tool=run.tool.name, version=run.tool.version, country=run.country)),
            },
            "import-ap": {"href": f"#{plan}", "remarks": "The policy, as the run applied it."},
            "results": [_Results(run, *each).document() for each in by_provider.items()] or [_nothing(run)],
            "back-matter": {
                "resources": [
                    {
                        "uuid": plan,
                        "title": policy,
                        "description": _line(f"Thresholds: {json.dumps(run.policy.get('thresholds'))}"),
                    },
                    *(
                        {
                            "uuid": _uuid(run, "file", one.name),
                            "title": _line(one.name),
                            "props": list(_properties(sha256=one.sha256)),
                        }
                        for one in run.files
                    ),
                ]
            },
        }
    }


class _Results:
    """The results of one provider."""

    def __init__(self, run: Run, provider: str, results: Sequence[EndpointResult]) -> None:
        self.run = run
        self.provider = provider
        self.results = results
        self.by_control: defaultdict[str, list[tuple[EndpointResult, Finding]]] = defaultdict(list)
        for result in results:
            for finding in result.findings:
                if finding.status != "not_applicable":
                    self.by_control[finding.control].append((result, finding))

    def document(self) -> dict[str, Any]:
        return {
            **_head(self.run, self.provider),
            "local-definitions": {"inventory-items": [self._item(one) for one in self.results]},
            "reviewed-controls": _reviewed(sorted(self.by_control)),
            "observations": [self._observation(one) for one in self.results],
            "risks": [
                self._risk(*one) for each in self.by_control.values() for one in each if _at_stake(one[1])
            ],
            "findings": [self._finding(*each) for each in sorted(self.by_control.items())],
        }

    def _item(self, result: EndpointResult) -> dict[str, Any]:
        return {
            "uuid": self._id("endpoint", result.endpoint),
            "description": _line(f"{result.endpoint}, declared as {result.declared}"),
            "props": list(
                _properties(
                    endpoint=result.endpoint,
                    provider=result.provider,
                    service=result.service,
                    data_class=result.data_class,
                    deployment=result.deployment,
                    site=result.site,
                )
            ),
        }

    def _observation(self, result: EndpointResult) -> dict[str, Any]:
        verdict = result.verdict
        cited = dict.fromkeys((*verdict.evidence, *verdict.path_evidence))
        return {
            "uuid": self._id("observation", result.endpoint),
            "title": _line(f"Verdict on {result.endpoint}"),
            "description": _line(f"{verdict.location}: {verdict.reason}"),
            "props": list(
                _properties(
                    location=verdict.location,
                    assurance=verdict.assurance,
                    rule=verdict.rule,
                    path=verdict.path,
                    status=result.status,
                )
            ),
            "methods": ["TEST-AUTOMATED"],
            "types": ["control-objective"],
            "subjects": [
                {"subject-uuid": self._id("endpoint", result.endpoint), "type": "inventory-item"},
            ],
            "relevant-evidence": [
                {
                    "href": f"urn:sarhad:run:{quote(self.run.id, safe='')}#{quote(one, safe='')}",
                    "description": _line(f"Observation {one}"),
                }
                for one in cited
            ],
            "collected": _time(self.run.finished),
        }

    def _finding(self, control: str, each: Sequence[tuple[EndpointResult, Finding]]) -> dict[str, Any]:
        bad = [one for one in each if _at_stake(one[1])]
        failed = any(finding.status == "violation" for _, finding in bad)
        state = {
            "state": "not-satisfied" if bad else "satisfied",
            "reason": "fail" if failed else "other" if bad else "pass",
        }
        return {
            "uuid": self._id("finding", control),
            "title": _line(f"{control} of {self.provider}"),
            "description": _line(
                f"{len(bad)} of {len(each)} endpoints do not show that they comply. {each[0][1].clause}"
            ),
            "target": {"type": "objective-id", "target-id": f"{control}_obj", "status": state},
            "related-observations": [
                {"observation-uuid": self._id("observation", result.endpoint)} for result, _ in each
            ],
            "related-risks": [{"risk-uuid": self._id("risk", result.endpoint, control)} for result, _ in bad],
        }

    def _risk(self, result: EndpointResult, finding: Finding) -> dict[str, Any]:
        return {
            "uuid": self._id("risk", result.endpoint, finding.control),
            "title": _line(f"{finding.control}: {result.endpoint}"),
            "description": _line(finding.reason),
            "statement": _line(finding.clause),
            "props": list(
                _properties(
                    status=finding.status,
                    severity=finding.severity,
                    data_class=finding.data_class,
                    waiver=finding.waiver,
                )
            ),
            "status": _RISKS[finding.status],
            "related-observations": [{"observation-uuid": self._id("observation", result.endpoint)}],
        }

    def _id(self, *what: str) -> str:
        return _uuid(self.run, self.provider, *what)


def _head(run: Run, provider: str | None) -> dict[str, Any]:
    whole = "The scan was complete." if run.complete else "The scan was interrupted and is not complete."
    return {
        "uuid": _uuid(run, "results", provider or ""),
        "title": _line(f"Endpoints of {provider}") if provider else "No endpoint",
        "description": f"Measured and judged by {_line(run.tool.name)} {_line(run.tool.version)}. {whole}",
        "start": _time(run.started),
        "end": _time(run.finished),
    }


def _nothing(run: Run) -> dict[str, Any]:
    return {**_head(run, None), "reviewed-controls": _reviewed(())}


def _reviewed(controls: Sequence[str]) -> dict[str, Any]:
    if not controls:
        return {"control-selections": [{"include-all": {}}]}
    return {"control-selections": [{"include-controls": [{"control-id": one} for one in controls]}]}


def _at_stake(finding: Finding) -> bool:
    return finding.status in _RISKS


def _properties(**values: str | None) -> Iterator[dict[str, str]]:
    """Properties of our namespace; OSCAL's cannot be empty."""
    for name, value in values.items():
        if value:
            yield {"name": name.replace("_", "-"), "ns": NAMESPACE, "value": _value(value)}


def _value(text: str) -> str:
    """A string of OSCAL: one line, not empty, no blank at its ends."""
    return printable(text).strip() or "?"


def _line(text: str) -> str:
    """The same where Markdown is read."""
    return _MARKUP.sub(r"\\\1", _value(text))


def _time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def _uuid(run: Run, *what: str) -> str:
    return str(uuid.uuid5(_SPACE, "\n".join((run.id, *what))))
