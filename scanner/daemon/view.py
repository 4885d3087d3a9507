"""What is known now: the newest verdict of every registered endpoint, as one run.

Classes of data are scanned at times of their own, so the newest verdicts may be of several runs. Metrics and
the page are rendered from this value and nothing else; what is stored are the runs themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scanner.register import DataClass, Register
    from scanner.run import EndpointResult, Run


def view(register: Register, runs: Mapping[DataClass, Run]) -> Run | None:
    """The newest verdicts by each class's last run; None before the first.

    What is not registered any more is not in it.
    """
    if not runs:
        return None
    several = sorted({run.id: run for run in runs.values()}.values(), key=lambda one: one.started)
    newest = several[-1]
    results: dict[tuple[str, str], EndpointResult] = {}
    for name, run in runs.items():
        results.update(((name, one.endpoint), one) for one in run.endpoints if one.data_class == name)
    found = [results.get((one.data_class, one.id)) for one in register.endpoints]
    older = tuple(
        f"{name} data: as of run {run.id}, which began at {run.started}"
        for name, run in runs.items()
        if run is not newest and run.id != newest.id
    )
    return msgspec.structs.replace(
        newest,
        complete=all(one.complete for one in several),
        endpoints=tuple(one for one in found if one is not None),
        observations=tuple(one for run in several for one in run.observations),
        claims={address: said for run in several for address, said in run.claims.items()},
        special={address: name for run in several for address, name in run.special.items()},
        notices=(*older, *newest.notices),
    )
