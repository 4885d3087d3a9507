"""What a registry's RDAP server says of an address's block (RFC 9082, RFC 9083), through ipwhois.

ipwhois blocks and, left alone, sleeps 120 s when rate-limited: it runs in two threads of its own, asks once,
never sleeps, and is given a bounded opener. Each registry has a budget, a registry that answers 429 is left
alone for as long as it says (else for five minutes), and what was answered is not asked again for a week.
Only the address's registry is asked (by way of ARIN's redirector); no BGP service is told which address is of
interest.

WHOIS (RFC 3912), which ipwhois speaks too, is not asked: all five registries answer RDAP from the same
database, and WHOIS has no TLS, no form that is the same everywhere, and limits that are only met by running
into them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.response import addinfourl

from ipwhois import IPWhois
from ipwhois.exceptions import BaseIpwhoisException, HTTPRateLimitError, IPDefinedError

from geodata.http_time import retry_after_s
from geodata.sources.budget import HOLD_S, Budget, registry_of
from geodata.sources.registration import Registration
from geodata.sources.registrations import Registrations
from geodata.sources.source import GeodataError
from geodata.special import decode, special_purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from geodata.claim import Claim
    from geodata.sources.budget import Registry
    from geodata.special import Address

THREADS: Final = 2
MAX_ANSWER_OCTETS: Final = 1 << 20
_SERVERS: Final[Mapping[str, Registry]] = {
    "rdap.afrinic.net": "afrinic",
    "rdap.apnic.net": "apnic",
    "rdap.arin.net": "arin",
    "rdap-bootstrap.arin.net": "arin",  # the redirector
    "rdap.lacnic.net": "lacnic",
    "rdap.db.ripe.net": "ripencc",
}


class Rdap:
    """A client with threads of its own; use it as a context manager, or ``close`` it.

    ``cache`` is a directory, shared among processes, for answers and for the registries' budgets.
    ``opener`` makes the opener of one look-up from its deadline (a monotonic time). ``trouble`` is why an
    answer could not be kept, where one could not; look-ups go on.
    """

    def __init__(
        self,
        opener: Callable[[float], Opener] | None = None,
        *,
        cache: Path | None = None,
        budget: Budget | None = None,
    ) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="rdap")
        self._opener = bounded_opener if opener is None else opener
        self._known = None if cache is None else Registrations(cache / "rdap")
        self._budget = budget or Budget(None if cache is None else cache / "budget")
        self.trouble: GeodataError | None = None

    async def lookup(self, address: str, *, deadline_s: float) -> Claim:
        """The claim for ``address`` within ``deadline_s`` seconds; raises as :meth:`registration`."""
        return (await self.registration(address, deadline_s=deadline_s)).claim()

    async def registration(self, address: str, *, deadline_s: float) -> Registration:
        """The registration around ``address`` within ``deadline_s`` seconds.

        Raises :class:`GeodataError` with the code ``address``, ``special``, ``timeout``, ``rate-limited``,
        ``unreachable`` (also where the registry has no answer) or ``malformed``.
        """
        try:
            decoded, special = decode(address), special_purpose(address)
        except ValueError as error:
            raise GeodataError(f"{address!r} is not an IP address", "address") from error
        if special is not None:
            raise GeodataError(f"RDAP for {decoded}: {special.prefix} is {special.name}", "special")
        if self._known is not None and (known := self._known.find(decoded)) is not None:
            return known
        until = time.monotonic() + deadline_s
        registry = registry_of(decoded)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(deadline_s):
                # ARIN's redirector is asked first, whoever's the address is.
                for asked in dict.fromkeys(("arin", registry)):
                    if asked is not None:
                        await asyncio.sleep(self._budget.take(asked, until - time.monotonic()))
                return await loop.run_in_executor(self._executor, self._look_up, decoded, registry, until)
        except TimeoutError as error:
            raise GeodataError(f"RDAP for {decoded}: no answer within {deadline_s:g} s", "timeout") from error

    def _look_up(self, address: Address, registry: Registry | None, until: float) -> Registration:
        """Ask, and keep what is answered; in a thread."""
        opener = self._opener(until)
        try:
            found = Registration.of(_ask(str(address), opener, until), str(address))
        except GeodataError as error:
            if error.code == "rate-limited":
                self._hold(opener, registry)
            elif opener.answers and opener.answers[-1].status < 500 and not opener.late:
                failure = error
                self._keep(lambda known: known.keep_failure(address, failure))
            raise
        finally:
            for other in {_SERVERS.get(one.host) for one in opener.answers} - {None, "arin", registry}:
                assert other is not None
                self._budget.charge(other)  # it was referred to
        self._keep(lambda known: known.keep(found))
        return found

    def _hold(self, opener: Opener, registry: Registry | None) -> None:
        """Leave the registry alone that answered last."""
        last = opener.answers[-1] if opener.answers else None
        held = registry or "arin" if last is None else _SERVERS.get(last.host, registry or "arin")
        wait_s = None if last is None else retry_after_s(last.retry_after, dt.datetime.now(dt.UTC))
        self._budget.hold(held, HOLD_S if wait_s is None else wait_s)

    def _keep(self, keep: Callable[[Registrations], None]) -> None:
        if self._known is not None:
            try:
                keep(self._known)
            except GeodataError as error:
                self.trouble = error

    def close(self) -> None:
        """Let go of the threads; what still waits in them ends with its own deadline."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _ask(address: str, opener: Opener, until: float) -> dict[str, Any]:
    """What ipwhois makes of the answer; raises :class:`GeodataError`."""
    left = until - time.monotonic()
    if left <= 0:
        raise GeodataError(f"RDAP for {address}: no thread was free in time", "timeout")
    try:
        result: dict[str, Any] = IPWhois(address, timeout=left, proxy_opener=opener).lookup_rdap(
            inc_raw=True,  # the relations of links, which ipwhois leaves out
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
    except Exception as error:  # ipwhois trusts the shape of what it reads, and trips over it in many ways
        raise GeodataError(f"RDAP for {address}: malformed answer ({error!r})", "malformed") from error
    return result


class Answer(NamedTuple):
    """Who answered, and when they want to be asked again."""

    host: str
    status: int
    retry_after: str | None


class Opener(urllib.request.OpenerDirector):
    """An opener that remembers who answered; ``late`` is whether it stopped reading at its deadline."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer] = []
        self.late = False


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

    def __init__(self, until: float, opener: Opener) -> None:
        self._until = until
        self._opener = opener

    def https_response(self, _: urllib.request.Request, response: Any) -> Any:
        """The answer, read whole."""
        host = urlsplit(response.url).hostname or ""
        self._opener.answers.append(Answer(host, response.status, response.headers.get("Retry-After")))
        octets = bytearray()
        with response:
            while piece := response.read1(1 << 16):
                octets += piece
                if len(octets) > MAX_ANSWER_OCTETS:
                    raise URLError(f"more than {MAX_ANSWER_OCTETS} octets")
                if time.monotonic() > self._until:
                    self._opener.late = True
                    raise URLError("the answer came too slowly")
        whole = addinfourl(io.BytesIO(octets), response.headers, response.url, response.status)
        whole.msg = response.msg  # type: ignore[attr-defined]  # as http.client's responses have it
        return whole

    http_response = https_response


def bounded_opener(until: float) -> Opener:
    """An opener for HTTP and HTTPS, with the environment's proxies, that stops reading at ``until``."""
    opener = Opener()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _HttpsOnly(),
        _Bounded(until, opener),
    ):
        opener.add_handler(handler)
    return opener
