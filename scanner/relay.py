"""Rule 4: a host that passes on what it is asked to a machine elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.case import Case
    from scanner.evidence import Excess
    from scanner.policy import Thresholds
    from scanner.verdict import AddressVerdict


def relay(case: Case) -> AddressVerdict | None:
    """The transport answers from near, the application from far.

    The least excess over the vantages counts: what a relay adds, it adds for everybody, while a busy moment
    at one vantage is not the server's distance.
    """
    if case.transport.consistent and not case.transport.home:
        return None  # the front itself is proved abroad: rule 5 says so
    for layer, limit in (
        ("tls", case.thresholds.tls_excess_ms),
        ("http", case.thresholds.relay_excess_ms),
    ):
        found = [
            excess
            for excess in case.evidence.excesses
            if excess.layer == layer and excess.tries >= case.thresholds.relay_min_tries
        ]
        least = min(found, key=lambda excess: (excess.excess_ms, excess.vantage.id), default=None)
        if least is not None and least.excess_ms > limit:
            return case.verdict(
                "relay",
                "edge",
                "corroborated",
                _reason(least, case.thresholds),
                [excess.evidence for excess in found],
                excess_ms=limit,
            )
    return None


def _reason(excess: Excess, thresholds: Thresholds) -> str:
    what = {
        "tls": "the holder of its certificate's key",
        "http": "the application behind it (also for a page that nobody has)",
    }[excess.layer]
    distance_km = excess.excess_ms * thresholds.speed_km_per_ms_rtt
    return (
        f"The host answered {_place(excess)} in {excess.transport_ms:.2f} ms, {what} only"
        f" {excess.excess_ms:.1f} ms later, in each of {excess.tries} tries: something in front passes"
        f" requests on, up to {distance_km:,.0f} km further, and where the data is stored is not shown."
    )


def _place(excess: Excess) -> str:
    return excess.vantage.city or excess.vantage.id
