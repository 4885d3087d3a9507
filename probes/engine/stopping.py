"""How many probes show, with a stated confidence, that all next hops of a router have been seen.

The stopping points of the Multipath Detection Algorithm (Veitch, Augustin, Teixeira, Friedman: Failure
control in multipath route tracing, INFOCOM 2009): where n(k) probes of different flows showed k interfaces
and no more, one stops. Computed for interfaces that are equally likely, so that a router with any number of
them is taken to have fewer with a probability of at most 1 - confidence, all earlier stops counted.
"""

from __future__ import annotations

import functools
import itertools


@functools.cache
def stopping_points(most: int, confidence: float) -> tuple[int, ...]:
    """n(1), n(2), … up to the first that is more than ``most`` probes; ``confidence`` is between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError("confidence must be between 0 and 1")
    points: list[int] = []
    while not points or points[-1] <= most:
        points.append(_next(points, len(points) + 2, 1 - confidence))
    return tuple(points)


def _next(points: list[int], interfaces: int, failure: float) -> int:
    """The least number of probes after which to stop with one interface unseen, given the stops before."""
    # seen[j]: the probability of having seen j of them by now without having stopped.
    seen = [0.0, 1.0, *[0.0] * (interfaces - 1)]
    stopped = 0.0
    for probes in itertools.count(1):
        for found, point in enumerate(points, 1):
            if probes == point:
                stopped += seen[found]
                seen[found] = 0.0
        if probes > (points[-1] if points else 0) and stopped + seen[interfaces - 1] <= failure:
            return probes
        seen = [
            seen[found] * found / interfaces + seen[found - 1] * (interfaces - found + 1) / interfaces
            if found
            else 0.0
            for found in range(interfaces + 1)
        ]
    raise AssertionError("it counts for ever")


def confidence(found: int, probes: int) -> float:
    """How surely there is not one interface more than the ``found``, after so many probes of different flows.

    One minus the probability that ``probes`` draws of ``found`` + 1 equally likely ones miss one of them.
    """
    most = found + 1
    seen = [1.0, *[0.0] * most]
    for _ in range(probes):
        seen = [
            seen[number] * number / most + (seen[number - 1] * (most - number + 1) / most if number else 0.0)
            for number in range(most + 1)
        ]
    return min(1.0, max(0.0, seen[most]))
