"""TLS handshakes with an address: how far away is whoever holds the certificate's key.

What is timed is always the same thing: from the moment the client handed the last flight that the server's
signature covers to the kernel, until the kernel received the last octet of the server's flight that holds
the signature.

- TLS 1.3 (RFC 8446): from the ClientHello, or after a HelloRetryRequest the second one, to the flight with
  CertificateVerify and Finished, upon which the client's handshake is complete.
- TLS 1.2 (RFC 5246): from the ClientHello to the flight that ends in ServerHelloDone and holds the
  ServerKeyExchange, upon which the client has its next flight to send.

The signature covers the client's random number, so it cannot be made ahead. Only suites with an ephemeral
key exchange are offered: without one, TLS 1.2 has no such signature. Whether a certificate is trusted is no
condition for measuring: that is asked afterwards, in a handshake of its own.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from probes import certificate, hostname
from probes.failure import MeasureError
from probes.observation import TlsObservation, TlsResult, now
from probes.stream import Refused, Stream, connect
from probes.tcp import port_of

if TYPE_CHECKING:
    from pathlib import Path

    from probes.observation import ErrorCode
    from probes.session import Session
    from probes.target import Settings, Target

# Old servers are measured too (SECLEVEL=0), but only with a signature over an ephemeral key.
CIPHERS: Final = (
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!PSK:@SECLEVEL=0"
)
_MAX_OCTETS: Final = 2**18  # of a server's flights


@dataclass(frozen=True, slots=True)
class Handshake:
    """One handshake: ``seconds`` as the module says, the version, and the certificate in DER.

    ``hello_seconds`` run from the first ClientHello to the first octets of the answer.
    """

    seconds: float
    hello_seconds: float
    version: str
    der: bytes | None


async def probe(target: Target, session: Session, settings: Settings) -> list[TlsObservation]:
    """One observation: the minima over several handshakes, and what the certificate says.

    Nothing for a target without address or port, or declared as plain HTTP.
    """
    port = port_of(target)
    if target.address is None or port is None or target.scheme == "http":
        return []
    time = now()
    error: ErrorCode | None = None
    rtts: list[float] = []
    handshakes: list[Handshake] = []
    tries = 0
    verified: bool | None = None
    try:
        name = hostname.indication(target.host)
        for _ in range(settings.tls_count):
            tries += 1
            await _try(target.address, port, name, session, settings, rtts, handshakes)
        verified = await _verify(target, target.address, port, session, settings)
    except MeasureError as failure:
        error = None if handshakes else failure.code
    fastest = min(handshakes, key=lambda each: each.seconds, default=None)
    read = None if fastest is None or fastest.der is None else certificate.read(fastest.der)
    result = TlsResult(
        port=port,
        sent=tries,
        tcp_rtt_ms=_ms(min(rtts)) if rtts else None,
        hello_ms=min((_ms(each.hello_seconds) for each in handshakes), default=None),
        handshake_ms=None if fastest is None else _ms(fastest.seconds),
        handshakes_ms=tuple(_ms(each.seconds) for each in handshakes),
        version=None if fastest is None else fastest.version,
        certificate_sha256=None if read is None else read.sha256,
        key_sha256=None if read is None else read.key_sha256,
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


async def handshake(stream: Stream, context: ssl.SSLContext, name: str | None, timeout_s: float) -> Handshake:
    """Shake hands over an open connection; :class:`MeasureError`, or ``ssl.SSLError`` where TLS failed."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
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
    version = client.version() or ""
    seconds = received - sent[-1] if version == "TLSv1.3" else answered[1] - sent[0]
    return Handshake(seconds, hello - sent[0], version, client.getpeercert(binary_form=True))


async def _try(
    address: str,
    port: int,
    name: str | None,
    session: Session,
    settings: Settings,
    rtts: list[float],
    handshakes: list[Handshake],
) -> None:
    await session.pace.turn(address)
    found = await connect(session.vantage, address, port, settings.tls_timeout_s)
    if isinstance(found, Refused):
        raise MeasureError("refused")
    with found as stream:
        rtts.append(stream.rtt_s)
        try:
            handshakes.append(await handshake(stream, measuring_context(), name, settings.tls_timeout_s))
        except TimeoutError as error:
            raise MeasureError("timeout") from error
        except ssl.SSLError as error:
            raise MeasureError("tls", str(error)) from error


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
