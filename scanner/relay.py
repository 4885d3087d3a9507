"""Rule 4: a host that passes on what it is asked to a machine elsewhere.

The transport answers from near, an application from far. What a relay adds is the round trip to the machine
behind it, which hardly varies from try to try; a page that is slow to compute varies with the server's work,
by a share of its time. So lateness alone accuses nobody: it must be steady, and that of

- a page that nobody has (no cache holds it, and it takes little work), which also counts where the declared
  page is late by the same time, as different work seldom takes the same; or
- the TLS handshake, unless pages come soon over the same connection: then signing is slow, and not far.

A declared page that alone is late may be slow, or a front may answer by itself for what does not exist: then
nobody is accused, and nothing supports that the page is made where the host is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from scanner.case import Case
    from scanner.evidence import Excess, Layer
    from scanner.policy import Thresholds
    from scanner.verdict import AddressVerdict

# To say of a page that does not exist that there is none takes a server less, or now more and now less.
_LATE_MS: Final = 2.5
_EVEN_SHARE: Final = 0.2
_PAGE_TRIES: Final = 10  # a declared page may do whatever it likes, also the same work some times
_STEADY_MS: Final = 0.5  # what a kernel or a queue adds now and then
_WHO: Final[dict[Layer, str]] = {
    "hello": "whoever greets for TLS",
    "tls": "the holder of its certificate's key",
    "page": "what makes its page",
    "error": "what answers for a page that nobody has",
}


def relay(case: Case) -> AddressVerdict | None:
    """The least excess over all vantages counts: what a relay adds, it adds for everybody."""
    if case.transport.consistent and not case.transport.home:
        return None  # the front itself is proved abroad: rule 5 says so
    limits = case.thresholds
    found = {one.layer: one for one in case.evidence.excesses if one.tries >= limits.relay_min_tries}
    tls, page, error = (found.get(layer) for layer in ("tls", "page", "error"))
    soon = min((one.excess_ms for one in (page, error) if one), default=None)
    if (
        tls is not None
        and tls.excess_ms > limits.tls_excess_ms
        and (_steady(tls, limits) if soon is None else soon > limits.tls_excess_ms)
    ):
        hello = found.get("hello")
        passed_on = hello is not None and hello.excess_ms > limits.tls_excess_ms
        return _verdict(case, hello if hello is not None and passed_on else tls, limits.tls_excess_ms)
    if (
        error is not None
        and error.excess_ms > limits.relay_excess_ms
        and (_steady(error, limits) or _alike(error, page, limits))
    ):
        return _verdict(case, error, limits.relay_excess_ms)
    return None


def may_pass_on(case: Case) -> Excess | None:
    """What comes so late, and so evenly, that it need not be made here.

    This accuses nobody: a page may take the same work each time, and what answers for a page that nobody has
    may be the front itself. But neither does it support that what makes the page is where the host is.
    """
    limits = case.thresholds
    for one in case.evidence.excesses:
        if one.tries < limits.relay_min_tries:
            continue
        if one.layer == "error" and one.excess_ms > _LATE_MS and one.spread_ms <= _EVEN_SHARE * one.excess_ms:
            return one
        if (
            one.layer == "page"
            and one.excess_ms > limits.page_excess_ms
            and one.tries >= _PAGE_TRIES
            and _steady(one, limits)
        ):
            return one
    return None


def _steady(excess: Excess, thresholds: Thresholds) -> bool:
    return excess.spread_ms <= max(thresholds.steady_share * excess.excess_ms, _STEADY_MS)


def _alike(error: Excess, page: Excess | None, thresholds: Thresholds) -> bool:
    """Whether two pages that take different work come equally late."""
    return page is not None and abs(page.excess_ms - error.excess_ms) <= max(
        thresholds.steady_share * error.excess_ms, _STEADY_MS
    )


def _verdict(case: Case, excess: Excess, limit_ms: float) -> AddressVerdict:
    distance_km = excess.excess_ms * case.thresholds.speed_km_per_ms_rtt
    place = excess.vantage.city or excess.vantage.id
    return case.verdict(
        "relay",
        "edge",
        "corroborated",
        f"The host answered {place} in {excess.transport_ms:.2f} ms, {_WHO[excess.layer]} never less than"
        f" {excess.excess_ms:.1f} ms later, and steadily so in {excess.tries} tries: something in front"
        f" passes requests on, up to {distance_km:,.0f} km further; where the data is stored is not shown.",
        excess.evidence,
        excess_ms=limit_ms,
        steady_share=case.thresholds.steady_share,
    )
