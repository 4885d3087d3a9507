"""The formats that a run is written in, by name; whoever has one more adds its renderer to this table."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from scanner import metrics
from scanner.run import encode, encode_observations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scanner.run import Run


def _later(module: str) -> Callable[[Run], bytes]:
    """The ``render`` of a module that is imported only when it is called for."""

    def render(run: Run) -> bytes:
        octets: bytes = importlib.import_module(f"scanner.report.{module}").render(run)
        return octets

    return render


FORMATS: Final[Mapping[str, Callable[[Run], bytes]]] = {
    "table": _later("table"),
    "json": encode,
    "jsonl": lambda run: encode_observations(run.observations),
    "csv": _later("spreadsheet"),
    "html": _later("page"),
    "junit": _later("junit"),
    "ocsf": _later("ocsf"),
    "oscal": _later("oscal"),
    "prometheus": metrics.render,
}
