"""Host names as protocols carry them: ASCII, internationalised names encoded (IDNA 2008, RFC 5891)."""

from __future__ import annotations

import ipaddress

import dns.exception
import dns.name

from probes.failure import MeasureError


def parse(host: str) -> dns.name.Name:
    """The DNS name of a host; :class:`MeasureError` ``unsupported`` if it cannot be one."""
    try:
        name = dns.name.from_unicode(host, idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise MeasureError("unsupported", f"{host!r} is not a host name") from error
    if name == dns.name.root:
        raise MeasureError("unsupported", "the root is no host")
    return name


def present(name: dns.name.Name) -> str:
    r"""A name as records carry it: presentation format (RFC 1035, 5.1), other octets as ``\DDD``."""
    return name.to_text(omit_final_dot=len(name.labels) > 1)


def indication(host: str | None) -> str | None:
    """What a client asks for in TLS's server name indication; None for a bare address (RFC 6066, 3)."""
    if host is None or is_address(host):
        return None
    return present(parse(host))


def is_address(text: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
