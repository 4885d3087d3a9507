"""TLS handshakes with an address: how far away is whoever holds the certificate's key.

What is timed is always the same thing: from the moment the client handed the last flight that the server's
signature covers to the kernel, until the kernel received the last octet of the server's flight that holds
the signature.

- TLS 1.3 (RFC 8446): from the ClientHello, or after a HelloRetryRequest the second one, to the flight with
  CertificateVerify and Finished, upon which the client's handshake is complete.
- TLS 1.2 (RFC 5246): from the ClientHello to the flight that ends in ServerHelloDone and holds the
  ServerKeyExchange, upon which the client has its next flight to send.

- One that resumes a session (RFC 8446 section 2.2, RFC 5077): until the flight with the server's Finished. It
  is made of that session's keys, and nothing is signed, which takes a server less time.

The signature covers the client's random number, so it cannot be made ahead. Only suites with an ephemeral
key exchange are offered: without one, TLS 1.2 has no such signature. Whether a certificate is trusted is no
condition for measuring: that is asked afterwards, in a handshake of its own.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from probes import certificate, hostname
from probes.failure import MeasureError
from probes.observation import TlsObservation, TlsResult, now
from probes.stream import Refused, Stream, connect
from probes.tcp import port_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target

# Old servers are measured too (SECLEVEL=0), but only with a signature over an ephemeral key.
CIPHERS: Final = (
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!PSK:@SECLEVEL=0"
)
_MAX_OCTETS: Final = 2**18  # of a server's flights
# For a ticket is waited as long as so many handshakes, and a little: it comes a round trip later, if at all.
_TICKET_ROUNDS: Final = 3.0
_TICKET_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Handshake:
    """One handshake: ``seconds`` as the module says, the version, and the certificate in DER.

    ``hello_seconds`` run from the first ClientHello to the first octets of the answer. ``resumed`` says
    whether it resumed a session, ``ticket`` is what the next may resume, where that was waited for.
    """

    seconds: float
    hello_seconds: float
    version: str
    der: bytes | None
    resumed: bool = False
    ticket: ssl.SSLSession | None = None


@dataclass(slots=True)
class _Tries:
    """The connections to one port so far, and how they went."""

    address: str
    port: int
    name: str | None
    rtts: list[float] = field(default_factory=list)
    handshakes: list[Handshake] = field(default_factory=list)
    resumed: list[Handshake] = field(default_factory=list)
    begun: int = 0

    @property
    def ticket(self) -> ssl.SSLSession | None:
        return next((one.ticket for one in self.handshakes if one.ticket is not None), None)


async def probe(target: Target, session: Session, settings: Settings) -> list[TlsObservation]:
    """One observation: the minima over several handshakes, and what the certificate says.

    Nothing for a target without address or port, or declared as plain HTTP.
    """
    port = port_of(target)
    if target.address is None or port is None or target.scheme == "http":
        return []
    time = now()
    error: ErrorCode | None = None
    verified: bool | None = None
    tries = _Tries(target.address, port, None)
    try:
        tries.name = hostname.indication(target.host)
        for _ in range(settings.tls_count):
            tries.begun += 1
            await _try(tries, session, settings)
        await _resume(tries, session, settings)
        verified = await _verify(target, target.address, port, session, settings)
    except MeasureError as failure:
        error = None if tries.handshakes else failure.code
    fastest = min(tries.handshakes, key=lambda each: each.seconds, default=None)
    read = None if fastest is None or fastest.der is None else certificate.read(fastest.der)
    result = TlsResult(
        port=port,
        sent=tries.begun,
        tcp_rtt_ms=_ms(min(tries.rtts)) if tries.rtts else None,
        hello_ms=min((_ms(each.hello_seconds) for each in tries.handshakes), default=None),
        handshake_ms=None if fastest is None else _ms(fastest.seconds),
        handshakes_ms=tuple(_ms(each.seconds) for each in tries.handshakes),
        resumed_ms=tuple(_ms(each.seconds) for each in tries.resumed),
        version=None if fastest is None else fastest.version,
        certificate_sha256=None if read is None else read.sha256,
        key_sha256=None if read is None else read.key_sha256,
        other_keys_sha256=_others(tries.handshakes, None if read is None else read.key_sha256),
        subject=None if read is None else read.subject,
        issuer=None if read is None else read.issuer,
        sans=() if read is None else read.sans,
        verified=verified,
    )
    return [
        TlsObservation(
            id=session.observation_id(target, "tls", f"{target.address}:{port}"),
            vantage=session.id,
            endpoint=target.endpoint,
            address=target.address,
            time=time,
            error=error,
            result=result,
        )
    ]


def _others(handshakes: Iterable[Handshake], key: str | None) -> tuple[str, ...]:
    """The keys that were shown beside ``key``, by digest."""
    shown = {certificate.read(der).key_sha256 for der in {each.der for each in handshakes} if der is not None}
    return tuple(sorted(each for each in shown if each not in {None, key}))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 4)


@functools.cache
def measuring_context() -> ssl.SSLContext:
    """A client context that trusts everybody, for measuring."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    return context


@functools.cache
def verifying_context(trust: Path | None) -> ssl.SSLContext:
    """A client context with the system's authorities, and those of the PEM file ``trust``."""
    context = ssl.create_default_context()
    if trust is not None:
        context.load_verify_locations(trust)
    return context


async def handshake(
    stream: Stream,
    context: ssl.SSLContext,
    name: str | None,
    timeout_s: float,
    *,
    resume: ssl.SSLSession | None = None,
    wanted: bool = False,
) -> Handshake:
    """Shake hands over an open connection; :class:`MeasureError`, or ``ssl.SSLError`` where TLS failed.

    ``resume`` is a session of the same context to resume; a server may decline. For what the next may resume
    is waited, where that is ``wanted``.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name, session=resume)
    sent: list[float] = []
    answered: list[float] = []  # when that came upon which the client sent its next flight
    received, hello, total = 0.0, 0.0, 0
    async with asyncio.timeout(timeout_s):
        while True:
            try:
                client.do_handshake()
            except ssl.SSLWantReadError:
                if outgoing.pending:
                    answered.append(received)
                    sent.append(await stream.send(outgoing.read()))
                octets, received = await stream.receive()
                hello = hello or received
                total += len(octets)
                if not octets or total > _MAX_OCTETS:
                    raise MeasureError("reset" if not octets else "protocol") from None
                incoming.write(octets)
            else:
                break
    version, resumed = client.version() or "", bool(client.session_reused)
    at_once = resumed or version == "TLSv1.3"  # the client's last flight answers, and is not answered
    seconds = received - sent[-1] if at_once else answered[1] - sent[0]
    wait_s = _TICKET_ROUNDS * seconds + _TICKET_S
    return Handshake(
        seconds=seconds,
        hello_seconds=hello - sent[0],
        version=version,
        der=client.getpeercert(binary_form=True),
        resumed=resumed,
        ticket=await _ticket(stream, client, incoming, outgoing, wait_s) if wanted else None,
    )


async def _ticket(
    stream: Stream, client: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, timeout_s: float
) -> ssl.SSLSession | None:
    """What the server gives to be resumed by, if it does in time: in TLS 1.3 after our last flight only."""
    if client.version() != "TLSv1.3":
        return client.session
    total = 0
    try:
        async with asyncio.timeout(timeout_s):
            await stream.send(outgoing.read())
            while total <= _MAX_OCTETS:
                try:
                    if not client.read(_MAX_OCTETS):
                        return None
                except ssl.SSLWantReadError:
                    if client.session is not None and client.session.has_ticket:
                        return client.session
                    octets, _ = await stream.receive()
                    if not octets:
                        return None
                    total += len(octets)
                    incoming.write(octets)
    except (MeasureError, TimeoutError, ssl.SSLError):
        pass
    return None


async def _try(
    tries: _Tries, session: Session, settings: Settings, resume: ssl.SSLSession | None = None
) -> bool:
    """One connection and handshake; whether it was as asked, which resuming need not be."""
    await session.pace.turn(tries.address)
    found = await connect(session.vantage, tries.address, tries.port, settings.tls_timeout_s)
    if isinstance(found, Refused):
        raise MeasureError("refused")
    with found as stream:
        tries.rtts.append(stream.rtt_s)
        try:
            made = await handshake(
                stream,
                measuring_context(),
                tries.name,
                settings.tls_timeout_s,
                resume=resume,
                wanted=bool(settings.tls_resumed) and not tries.handshakes,
            )
        except TimeoutError as error:
            raise MeasureError("timeout") from error
        except ssl.SSLError as error:
            raise MeasureError("tls", str(error)) from error
    (tries.resumed if made.resumed else tries.handshakes).append(made)
    return made.resumed == (resume is not None)


async def _resume(tries: _Tries, session: Session, settings: Settings) -> None:
    """Resume the first session as often as is wanted, or until the server declines."""
    with suppress(MeasureError):
        for _ in range(settings.tls_resumed):
            if tries.ticket is None:
                return
            if not await _try(tries, session, settings, tries.ticket):
                tries.begun += 1  # a whole handshake after all
                return


async def _verify(
    target: Target, address: str, port: int, session: Session, settings: Settings
) -> bool | None:
    """Whether the certificate is valid for the host (or address) that was declared; None if unknown."""
    name = hostname.indication(target.host) or target.host or address
    await session.pace.turn(address)
    try:
        context = await asyncio.to_thread(verifying_context, settings.trust)  # reads files once
        found = await connect(session.vantage, address, port, settings.tls_timeout_s)
        if isinstance(found, Refused):
            return None
        with found as stream:
            await handshake(stream, context, name, settings.tls_timeout_s)
    except ssl.SSLCertVerificationError:
        return False
    except (MeasureError, TimeoutError, OSError, ValueError):
        return None
    return True
