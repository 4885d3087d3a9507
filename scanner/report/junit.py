"""A run as JUnit XML, for whatever shows tests: one test suite a provider, one test case an endpoint.

A violation is a failure of the type of its severity; what is indeterminate was skipped, as it is neither. The
rest passes, with its findings as output.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from scanner.report.text import printable

if TYPE_CHECKING:
    from scanner.run import EndpointResult, Run


def render(run: Run) -> bytes:
    """The XML document."""
    seconds = (datetime.fromisoformat(run.finished) - datetime.fromisoformat(run.started)).total_seconds()
    root = Element("testsuites", {"name": "sarhad", "time": f"{seconds:.3f}", **_counts(run.endpoints)})
    for provider, results in groupby(
        sorted(run.endpoints, key=lambda one: one.provider), key=lambda one: one.provider
    ):
        _suite(root, run, provider, tuple(results))
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _suite(root: Element, run: Run, provider: str, results: tuple[EndpointResult, ...]) -> None:
    started = f"{datetime.fromisoformat(run.started).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    attributes = {"name": printable(provider), "timestamp": started, "errors": "0", **_counts(results)}
    suite = SubElement(root, "testsuite", attributes)
    properties = SubElement(suite, "properties")
    for name, value in (("run", run.id), ("complete", str(run.complete).lower()), ("country", run.country)):
        SubElement(properties, "property", name=name, value=printable(value))
    for result in results:
        _case(suite, result)


def _counts(results: tuple[EndpointResult, ...]) -> dict[str, str]:
    return {
        "tests": str(len(results)),
        "failures": str(sum(one.status == "violation" for one in results)),
        "skipped": str(sum(one.status == "indeterminate" for one in results)),
    }


def _case(suite: Element, result: EndpointResult) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=printable(f"{result.provider}.{result.service}"),
        name=printable(result.endpoint),
        time="0",
    )
    decisive = [one for one in result.findings if one.status == result.status]
    message = printable(" ".join(f"{one.control}: {one.reason}" for one in decisive))
    if result.status == "violation":
        SubElement(case, "failure", type=result.severity, message=message)
    elif result.status == "indeterminate":
        SubElement(case, "skipped", message=message)
    output = SubElement(case, "system-out")
    output.text = "\n".join(
        printable(f"{one.control} {one.status} ({one.severity}): {one.reason}") for one in result.findings
    )
