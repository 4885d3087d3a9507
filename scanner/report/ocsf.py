"""A run as OCSF events (Open Cybersecurity Schema Framework): one Compliance Finding a line, for a SIEM.

``finding_info.uid`` is the same in every run for the same endpoint and control, so that a finding can be
followed; ``metadata.uid`` is that of the event.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from scanner.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.policy import Finding, FindingStatus, Severity
    from scanner.run import EndpointResult, Run

VERSION: Final = "1.5.0"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:sarhad:ocsf")
_SEVERITIES: Final[Mapping[Severity, int]] = {
    "informational": 1,
    "low": 2,
    "medium": 3,
    "high": 4,
    "critical": 5,
}
# compliance.status_id: 1 Pass, 2 Warning (no result, as something is missing), 3 Fail, 99 Other.
_STATUSES: Final[Mapping[FindingStatus, tuple[int, str]]] = {
    "compliant": (1, "Pass"),
    "indeterminate": (2, "Warning"),
    "violation": (3, "Fail"),
    "waived": (99, "Waived"),
    "not_applicable": (99, "Not applicable"),
}


def render(run: Run) -> bytes:
    """The events, in the order of the run's findings."""
    time = int(datetime.fromisoformat(run.finished).timestamp() * 1000)
    return b"".join(
        msgspec.json.encode(_event(run, result, finding, time)) + b"\n"
        for result in run.endpoints
        for finding in result.findings
    )


def _event(run: Run, result: EndpointResult, finding: Finding, time: int) -> dict[str, Any]:
    status_id, status = _STATUSES[finding.status]
    suppressed = finding.status == "waived"
    return {
        "activity_id": 1,
        "activity_name": "Create",
        "category_name": "Findings",
        "category_uid": 2,
        "class_name": "Compliance Finding",
        "class_uid": 2003,
        "type_name": "Compliance Finding: Create",
        "type_uid": 200301,
        "time": time,
        "severity": finding.severity.capitalize(),
        "severity_id": _SEVERITIES[finding.severity],
        "status": "Suppressed" if suppressed else "New",
        "status_id": 3 if suppressed else 1,
        "message": printable(finding.reason),
        "metadata": {
            "version": VERSION,
            "uid": _uid(run.id, finding),
            "correlation_uid": printable(run.id),
            "product": {"name": "Sarhad", "vendor_name": "Sarhad", "version": printable(run.tool.version)},
        },
        "finding_info": {
            "uid": _uid("", finding),
            "title": f"{finding.control}: {printable(finding.endpoint)}",
            "desc": printable(finding.reason),
            "created_time": time,
            "types": ["Data residency"],
            "data_sources": [printable(one.source) for one in run.sources],
        },
        "compliance": {
            "control": finding.control,
            "desc": printable(finding.clause),
            "requirements": [printable(finding.clause)],
            "standards": [printable(str(run.policy.get("name", "policy")))],
            "status": status,
            "status_id": status_id,
        },
        "evidences": [{"data": {"rule": result.verdict.rule, "observations": _evidence(result, finding)}}],
        "resources": [_resource(result)],
        "unmapped": {"status": finding.status, "waiver": finding.waiver and printable(finding.waiver)},
    }


def _resource(result: EndpointResult) -> dict[str, Any]:
    verdict = result.verdict
    return {
        "uid": printable(result.endpoint),
        "name": printable(result.declared),
        "type": "Endpoint",
        "namespace": printable(result.service),
        "group": {"name": printable(result.provider)},
        "labels": [
            f"data_class:{printable(result.data_class)}",
            f"deployment:{printable(result.deployment)}",
        ],
        "data": {
            "location": verdict.location,
            "assurance": verdict.assurance,
            "path": verdict.path,
            "addresses": [printable(one.address) for one in verdict.addresses],
        },
    }


def _evidence(result: EndpointResult, finding: Finding) -> list[str]:
    ids = result.verdict.path_evidence if finding.control == "PCFP-RES-4" else result.verdict.evidence
    return [printable(one) for one in ids]


def _uid(run: str, finding: Finding) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{run}\n{finding.endpoint}\n{finding.control}"))
