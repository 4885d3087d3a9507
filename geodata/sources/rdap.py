"""What a registry's RDAP server says of an address's block (RFC 9082, RFC 9083), through ipwhois.

The country of a block is free text of its holder, who may be the one under audit, so the claim is marked as
the operator's own. ipwhois blocks and, left alone, sleeps 120 s when rate-limited: it runs in two threads of
its own, asks once, never sleeps, and is given a bounded opener. Only the address's registry is asked (by way
of ARIN's bootstrap); no BGP service is told which address is of interest.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import ipaddress
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError
from urllib.response import addinfourl

from ipwhois import IPWhois
from ipwhois.exceptions import BaseIpwhoisException, HTTPRateLimitError, IPDefinedError

from geodata.claim import Claim
from geodata.sources.source import GeodataError, country, text, widest_block
from geodata.special import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

THREADS: Final = 2
MAX_ANSWER_OCTETS: Final = 1 << 20


class Rdap:
    """A client with threads of its own; use it as a context manager, or ``close`` it.

    ``opener`` makes the :mod:`urllib` opener of one look-up from its deadline (a monotonic time).
    """

    def __init__(self, opener: Callable[[float], urllib.request.OpenerDirector] | None = None) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="rdap")
        self._opener = bounded_opener if opener is None else opener

    async def lookup(self, address: str, *, deadline_s: float) -> Claim:
        """The claim for ``address`` within ``deadline_s`` seconds.

        Raises :class:`GeodataError` with the code ``address``, ``special``, ``timeout``, ``rate-limited``,
        ``unreachable`` (also where the registry has no answer) or ``malformed``.
        """
        try:
            decoded = str(decode(address))
        except ValueError as error:
            raise GeodataError(f"{address!r} is not an IP address", "address") from error
        loop = asyncio.get_running_loop()
        until = time.monotonic() + deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                result = await loop.run_in_executor(self._executor, self._ask, decoded, until)
        except TimeoutError as error:
            raise GeodataError(f"RDAP for {decoded}: no answer within {deadline_s:g} s", "timeout") from error
        return claim_of(result, decoded)

    def _ask(self, address: str, until: float) -> dict[str, Any]:
        left = until - time.monotonic()
        if left <= 0:
            raise GeodataError(f"RDAP for {address}: no thread was free in time", "timeout")
        try:
            result: dict[str, Any] = IPWhois(
                address, timeout=left, proxy_opener=self._opener(until)
            ).lookup_rdap(
                retry_count=0,
                rate_limit_timeout=0,
                depth=0,  # no contacts: personal data, and what registries limit most
                bootstrap=True,
                inc_nir=False,
                get_asn_description=False,
                root_ent_check=False,
            )
        except IPDefinedError as error:
            raise GeodataError(f"RDAP for {address}: {error}", "special") from error
        except HTTPRateLimitError as error:
            raise GeodataError(f"RDAP for {address}: rate-limited by the registry", "rate-limited") from error
        except BaseIpwhoisException as error:
            code = "unreachable" if "HTTP lookup failed" in str(error) else "malformed"
            raise GeodataError(f"RDAP for {address}: {error}", code) from error
        except (
            Exception
        ) as error:  # ipwhois trusts the shape of what it reads, and trips over it in many ways
            raise GeodataError(f"RDAP for {address}: malformed answer ({error!r})", "malformed") from error
        return result

    def close(self) -> None:
        """Let go of the threads; what still waits in them ends with its own deadline."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def claim_of(result: Mapping[str, Any], address: str) -> Claim:
    """The claim in a result of ``IPWhois.lookup_rdap``; raises :class:`GeodataError` for nonsense."""
    network = result.get("network")
    if not isinstance(network, dict):
        raise GeodataError(f"RDAP for {address}: no network in the answer", "malformed")
    return Claim(
        source="rdap",
        family="registry",
        prefix=_prefix(network, address),
        meaning="registrant",
        country=country(network.get("country")),
        network=text(network.get("name")) or text(network.get("handle")),
        asserted_by="operator",
        date=_changed(network.get("events")),
    )


def _prefix(network: Mapping[str, Any], address: str) -> str:
    """The widest CIDR block around ``address`` within the answer's range."""
    wanted = ipaddress.ip_address(address)
    try:
        first = type(wanted)(str(network.get("start_address")))
        last = type(wanted)(str(network.get("end_address")))
    except ValueError as error:
        raise GeodataError(f"RDAP for {address}: malformed range: {error}", "malformed") from error
    if not int(first) <= int(wanted) <= int(last):
        raise GeodataError(f"RDAP for {address}: the answer is of {first} to {last}", "malformed")
    base, length = widest_block(int(wanted), int(first), int(last), wanted.max_prefixlen)
    return f"{type(wanted)(base)}/{length}"


def _changed(events: object) -> str | None:
    """The day of the latest registration or change, or ``None``."""
    days = []
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict) and event.get("action") in {"last changed", "registration"}:
            try:
                days.append(dt.date.fromisoformat(str(event.get("timestamp"))[:10]))
            except ValueError:
                continue
    return max(days).isoformat() if days else None


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    """Registries refer to each other; only over TLS."""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        request = super().redirect_request(*arguments)
        if request is not None and request.type != "https":
            raise URLError(f"redirected to {request.type}, which is not followed")
        return request


class _Bounded(urllib.request.BaseHandler):
    """Reads at most ``MAX_ANSWER_OCTETS`` of an answer, and not beyond the deadline."""

    handler_order = 900  # before errors are made of statuses

    def __init__(self, until: float) -> None:
        self._until = until

    def https_response(self, _: urllib.request.Request, response: Any) -> Any:
        """The answer, read whole."""
        octets = bytearray()
        with response:
            while piece := response.read1(1 << 16):
                octets += piece
                if len(octets) > MAX_ANSWER_OCTETS:
                    raise URLError(f"more than {MAX_ANSWER_OCTETS} octets")
                if time.monotonic() > self._until:
                    raise URLError("the answer came too slowly")
        whole = addinfourl(io.BytesIO(octets), response.headers, response.url, response.status)
        whole.msg = response.msg  # type: ignore[attr-defined]  # as http.client's responses have it
        return whole

    http_response = https_response


def bounded_opener(until: float) -> urllib.request.OpenerDirector:
    """An opener for HTTP and HTTPS, with the environment's proxies, that stops reading at ``until``."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _HttpsOnly(),
        _Bounded(until),
    ):
        opener.add_handler(handler)
    return opener
