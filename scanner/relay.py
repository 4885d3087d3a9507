"""Rule 4: a host that passes on what it is asked to a machine elsewhere.

The transport answers from near, an application from far. What a relay adds is the round trip to the machine
behind it, which hardly varies from try to try; a page that is slow to compute varies with the server's work,
by a share of its time. So lateness alone accuses nobody: it must be steady, and that of

- a page that nobody has (no cache holds it, and it takes little work) or a file that every site has (it takes
  none), which also counts where the declared page is late by the same time, as different work seldom takes
  the same; or
- the TLS handshake, unless pages or handshakes that resume come soon: then signing is slow, and not far.

A declared page that alone is late may be slow, or a front may answer by itself for what does not exist and
for files: then nobody is accused, and nothing supports that the page is made where the host is. The same goes
for whatever is late in tries too few to tell how steadily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scanner.case import WHO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scanner.case import Case
    from scanner.evidence import Excess, Layer
    from scanner.policy import Thresholds
    from scanner.verdict import AddressVerdict

_LEAST_TIMED: Final = 3  # fewer times cannot be even
_STEADY_MS: Final = 0.5  # what a kernel or a queue adds now and then
# The quickest eighth of round trips differ by no more on any way, however long: more is work.
_WAY_MS: Final = 5.0
# A page that is asked for over a connection that stands comes no sooner than so much of the handshake, where
# what takes the time is the way.
_SOON_SHARE: Final = 0.8
# What comes of a session or a request, with nothing to be signed.
_UNSIGNED: Final = frozenset({"page", "static", "error", "resumed"})


def relay(case: Case) -> AddressVerdict | None:
    """The least excess over all vantages counts: what a relay adds, it adds for everybody."""
    if case.transport.consistent and not case.transport.home:
        return None  # the front itself is proved abroad: rule 5 says so
    limits = case.thresholds
    found = _tried(case)
    tls, page = found.get("tls"), found.get("page")
    soon = _soonest_ms(case)
    if (
        tls is not None
        and tls.excess_ms > limits.tls_excess_ms
        and (soon is None or soon > limits.tls_excess_ms)  # a single one that came soon clears
        and (not _UNSIGNED.isdisjoint(found) or _steady(tls, limits))  # else it may be the signing
    ):
        hello = found.get("hello")
        passed_on = hello is not None and hello.excess_ms > limits.tls_excess_ms
        return _verdict(case, hello if hello is not None and passed_on else tls, limits.tls_excess_ms)
    for layer in ("error", "static", "resumed"):
        one = found.get(layer)
        if (
            one is not None
            and one.excess_ms > limits.relay_excess_ms
            and (_steady(one, limits) or _alike(one, page, limits))
        ):
            return _verdict(case, one, limits.relay_excess_ms)
    return None


def late_pages(case: Case) -> Iterator[Excess]:
    """What comes of an application so late, and so evenly, that it need not be made here.

    This accuses nobody: a page may take the same work each time. But neither does it support what sources
    claim of who makes it. Of few tries it is not known how evenly they come.
    """
    limit_ms = case.thresholds.claim_excess_ms
    return _late(case, dict.fromkeys(("port", "page", "static", "error"), limit_ms))


def far_pages(case: Case) -> Iterator[Excess]:
    """The same, so late that who makes it counts although the holder of the key is proved to be at home.

    A declared page may take any work, so that it must be as late as what accuses.
    """
    limits = case.thresholds
    return _late(
        case,
        {
            "page": limits.relay_excess_ms,
            "static": limits.late_file_ms,
            "error": limits.late_excess_ms,
        },
    )


def late_key(case: Case) -> Excess | None:
    """The same of the TLS handshake, where what needs no signature, if there is any, comes no sooner.

    Without pages what a session takes to be resumed is enough; without that, nothing tells work from way, and
    a handshake that is very late need not be even.
    """
    found, limits = _tried(case), case.thresholds
    tls = next((one for one in case.evidence.excesses if one.layer == "tls"), None)
    resumed, soon = found.get("resumed"), _soonest_ms(case)
    if (
        resumed is not None
        and "page" not in found
        and _even(resumed, limits.claim_excess_ms, limits.even_share)
    ):
        return resumed
    if tls is None:
        return None
    if soon is None and tls.excess_ms > limits.tls_excess_ms:
        return tls
    even = _even(tls, limits.claim_excess_ms, limits.even_share)
    return tls if even and (soon is None or soon > _SOON_SHARE * tls.excess_ms) else None


def _late(case: Case, late_ms: Mapping[Layer, float]) -> Iterator[Excess]:
    """The layers that come later than so much, and evenly."""
    limits = case.thresholds
    for one in case.evidence.excesses:
        least_ms = late_ms.get(one.layer)
        if least_ms is None:
            continue
        if is_few(one, limits):
            late = one.excess_ms > max(least_ms, limits.relay_excess_ms)
        elif one.layer == "page":
            late = _even(one, least_ms, limits.even_page_share, _STEADY_MS)
        else:
            late = _even(one, least_ms, limits.even_share)
        if late:
            yield one


def is_hidden(case: Case) -> bool:
    """Whether nothing that was measured shows where pages are made, not even the key's place.

    As they may come out of a cache, by their own headers, and nothing was timed that none holds; or as
    requests for such failed: a front may leave ours unanswered, and pass on everybody's.
    """
    found = case.evidence
    return bool(found.unanswered) or (
        found.cached is not None and not any(one.layer == "error" for one in found.excesses)
    )


def is_few(excess: Excess, thresholds: Thresholds) -> bool:
    """Whether a layer was tried too seldom to tell how steadily it is late."""
    return excess.tries < thresholds.relay_min_tries


def _tried(case: Case) -> dict[Layer, Excess]:
    """The layers that were tried often enough."""
    return {one.layer: one for one in case.evidence.excesses if not is_few(one, case.thresholds)}


def _soonest_ms(case: Case) -> float | None:
    """The least lateness of what needs no signature, however seldom it was tried."""
    return min((one.excess_ms for one in case.evidence.excesses if one.layer in _UNSIGNED), default=None)


def _even(excess: Excess, limit_ms: float, share: float, least_ms: float = 0.0) -> bool:
    return (
        excess.timed >= _LEAST_TIMED
        and excess.excess_ms > limit_ms
        and excess.spread_ms <= max(min(share * excess.excess_ms, _WAY_MS), least_ms)
    )


def _steady(excess: Excess, thresholds: Thresholds) -> bool:
    return excess.timed >= _LEAST_TIMED and excess.spread_ms <= max(
        thresholds.steady_share * excess.excess_ms, _STEADY_MS
    )


def _alike(one: Excess, page: Excess | None, thresholds: Thresholds) -> bool:
    """Whether two that take different work come equally late."""
    return page is not None and abs(page.excess_ms - one.excess_ms) <= max(
        thresholds.steady_share * one.excess_ms, _STEADY_MS
    )


def _verdict(case: Case, excess: Excess, limit_ms: float) -> AddressVerdict:
    distance_km = excess.excess_ms * case.thresholds.speed_km_per_ms_rtt
    place = excess.vantage.city or excess.vantage.id
    return case.verdict(
        "relay",
        "edge",
        "corroborated",
        f"The host answered {place} in {excess.transport_ms:.2f} ms, {WHO[excess.layer]} never less than"
        f" {excess.excess_ms:.1f} ms later, and steadily so in {excess.tries} tries: something in front"
        f" passes requests on, up to {distance_km:,.0f} km further; where the data is stored is not shown.",
        excess.evidence,
        excess_ms=limit_ms,
        steady_share=case.thresholds.steady_share,
    )
