"""An endpoint: what a provider declared, as a value; and the grammar in which people declare it.

Names are checked as host names (RFC 1123, RFC 5890 for what is not ASCII, ``_`` tolerated because the DNS
has such names), URLs as RFC 3986 ones of ``http`` and ``https``, addresses and prefixes as IPv4 and IPv6.
Every refusal is a :class:`ValueError` whose text says what is wrong and what was probably meant.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import quote, urlsplit

import idna
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

DataClass = Literal["open", "public", "restricted", "confidential", "secret"]
Deployment = Literal["public", "government", "private", "hybrid"]
DATA_CLASSES: Final[tuple[DataClass, ...]] = ("open", "public", "restricted", "confidential", "secret")
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

# A declared prefix is probed address by address; more than these would be a sweep of somebody's network.
MAX_EXPANDED: Final = 16
_LONGEST_PREFIX: Final = {4: 28, 6: 124}
# The largest blocks that were ever delegated: IANA's IPv4 /8s, RIR IPv6 blocks of /12 with slack to /10.
_WIDEST_PREFIX: Final = {4: 8, 6: 10}
_MAX_URL: Final = 2048  # octets; RFC 9110 section 4.1 asks for 8000, no declared endpoint needs that
_MAX_NAME: Final = 253  # RFC 1035 section 3.1, as text without the root's dot
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_ASN: Final = re.compile(r"(?:AS)?\s?([0-9]{1,10})", re.IGNORECASE)
_ASDOT: Final = re.compile(r"(?:AS)?\s?([0-9]{1,5})\.([0-9]{1,5})", re.IGNORECASE)
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_PIN: Final = re.compile(r"(?:pin-)?sha256(?://?|=|:)", re.IGNORECASE)  # before a digest in base64
_MAX_KEY: Final = 200  # characters in which somebody may have written a digest
_NOT_IN_URL: Final = re.compile(r"[\s\x00-\x20\x7f-\x9f<>\"\\^`{|}]")
_UNROUTABLE_ASNS: Final = {
    0: "AS0 means that nobody may announce a prefix (RFC 7607)",
    23456: "AS23456 stands for any four-octet number (AS_TRANS, RFC 6793)",
    65535: "AS65535 is reserved (RFC 7300)",
    4294967295: "AS4294967295 is reserved (RFC 7300)",
}

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a provider declared and that is probed.

    Either ``host`` (an A-label name, lower case, no closing dot) or ``address`` is given. ``port``,
    ``scheme`` and ``url`` are None where they were not declared; a URL gives all three. ``declared`` is the
    text in the register (the prefix, for an address that comes of one). ``keys`` are those that it is to be
    served with (see :func:`parse_key`). ``asns`` and ``prefixes`` are those that the provider declared.
    ``line`` is the register's.
    """

    id: str
    provider: str
    service: str
    data_class: DataClass
    deployment: Deployment
    declared: str
    host: str | None = None
    address: str | None = None
    port: int | None = None
    scheme: str | None = None
    url: str | None = None
    site: str | None = None
    keys: tuple[str, ...] = ()
    asns: tuple[int, ...] = ()
    prefixes: tuple[str, ...] = ()
    line: int | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an endpoint is reached: the part of an :class:`Endpoint` that its declaration alone gives."""

    declared: str
    host: str | None = None
    address: str | None = None
    port: int | None = None
    scheme: str | None = None
    url: str | None = None

    def names(self) -> Iterator[str]:
        """Names of it, shortest first, for use when the shorter ones are somebody else's too.

        A port that is a URL's default is left out at first: ``portal.indus.example``, then
        ``portal.indus.example:443``, then ``portal.indus.example:443/path``.
        """
        base = self.host or self.address or ""
        bracketed = f"[{base}]" if ":" in base else base
        if self.port is None:
            yield base
            return
        if self.scheme is None or DEFAULT_PORTS[self.scheme] != self.port:
            yield f"{bracketed}:{self.port}"
        else:
            yield base
            yield f"{bracketed}:{self.port}"
        if self.url is not None:
            yield f"{bracketed}:{self.port}/{self.url.split('/', 3)[3]}"
            yield self.url


def parse_text(text: str) -> dict[str, str | int]:
    """The keys that one text stands for: a URL, ``host``, ``host:port``, an address, ``[address]:port``."""
    if "://" in text:
        return {"url": text}
    if "/" in text:
        try:
            ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{shown(text)} has a '/' but no scheme; did you mean https://…?") from None
        raise ValueError(f"{shown(text)} is a prefix; write it as {{prefix: {text}}}")
    host, port = _split_port(text)
    kind = "host" if _as_address(host) is None else "address"
    return {kind: host} if port is None else {kind: host, "port": port}


def parse_url(text: str) -> Place:
    """The place that an ``http`` or ``https`` URL names, with the URL normalised (RFC 3986 section 6.2)."""
    scheme, separator, rest = text.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:  # said first and without the value, so that no password gets into a log
        raise ValueError("holds a user name or password before '@'; a register is no place for credentials")
    if not separator:
        raise ValueError(f"{shown(text)} is not a URL; write https://…")
    if scheme.lower() not in DEFAULT_PORTS:
        raise ValueError(f"{shown(text)} has the scheme {scheme[:20]!r}; only http and https are probed")
    if len(text) > _MAX_URL:
        raise ValueError(f"is a URL of {len(text)} characters; at most {_MAX_URL} are read")
    if (bad := _NOT_IN_URL.search(text)) is not None:
        raise ValueError(f"{shown(text)} holds {bad[0]!r}, which no URL may; percent-encode it")
    if "#" in text:
        raise ValueError(f"{shown(text)} has a fragment (#…), which is never sent to a server; leave it out")
    if not authority:
        raise ValueError(f"{shown(text)} names no host")
    host, port = _split_port(authority)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not a URL: {error}") from None
    scheme = scheme.lower()
    address = _as_address(host)
    name = None if address is not None else parse_host(host)
    where = name or (f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address))
    port = port or DEFAULT_PORTS[scheme]
    shown_port = "" if port == DEFAULT_PORTS[scheme] else f":{port}"
    # '%' is kept: what is encoded already is not encoded twice.
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=-._~[]")
    return Place(
        declared=text,
        host=name,
        address=None if address is None else str(address),
        port=port,
        scheme=scheme,
        url=f"{scheme}://{where}{shown_port}{path}{'?' if query else ''}{query}",
    )


def parse_host(text: str) -> str:
    """A host name as its A-labels, in lower case and without the root's dot."""
    name = text.removesuffix(".")
    if _as_address(name) is not None:
        raise ValueError(f"{shown(text)} is an address, not a name; write it as {{address: {name}}}")
    if "://" in text:
        raise ValueError(f"{shown(text)} is a URL, not a name; give the URL by itself")
    if "*" in text:
        raise ValueError(f"{shown(text)} is a wildcard; declare each name that is served")
    if len(name) > _MAX_NAME:
        raise ValueError(f"is a name of {len(name)} characters; the DNS allows {_MAX_NAME}")
    ascii_name = name.lower() if name.isascii() else _to_ascii(name)
    if "." not in ascii_name:
        raise ValueError(f"{shown(text)} is not a full domain name (no dot in it)")
    if len(ascii_name) > _MAX_NAME:
        raise ValueError(f"{shown(text)} is {len(ascii_name)} octets as A-labels; the DNS allows {_MAX_NAME}")
    labels = ascii_name.split(".")
    for label in labels:
        _check_label(text, label)
    if labels[-1].isdigit() or re.fullmatch(r"0x[0-9a-f]*", labels[-1]):
        raise ValueError(f"{shown(text)} ends in a number, so it is neither a name nor an address")
    return ascii_name


def _check_label(text: str, label: str) -> None:
    if not label:
        raise ValueError(f"{shown(text)} has an empty label (two dots in a row, or one at the start)")
    if len(label) > 63:
        raise ValueError(f"{shown(text)} has a label of {len(label)} octets; the DNS allows 63")
    if label.startswith("-") or label.endswith("-"):
        raise ValueError(f"{shown(text)} has a label that begins or ends with '-'")
    if not _LABEL.fullmatch(label):
        odd = next(character for character in label if not re.match(r"[a-z0-9_-]", character))
        raise ValueError(f"{shown(text)} holds {odd!r}, which no host name may")
    if label.startswith("xn--"):
        try:
            idna.ulabel(label)
        except UnicodeError as error:
            raise ValueError(
                f"{shown(text)} has the label {label!r}, which encodes no name: {error}"
            ) from None


def _to_ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError(f"{shown(name)} is not an internationalised domain name: {error}") from None


def parse_address(text: str) -> str:
    """One IPv4 or IPv6 address in its canonical form (RFC 5952)."""
    address = _as_address(text)
    if address is not None:
        return str(address)
    if "/" in text:
        raise ValueError(f"{shown(text)} is a prefix; write it as {{prefix: {text[:60]}}}")
    if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", text):
        raise ValueError(
            f"{shown(text)} is not an IPv4 address: each part is 0 to 255, without leading zeros"
        )
    hint = "; a name is written as {host: …}" if re.search(r"[g-zG-Z]", text) else ""
    raise ValueError(f"{shown(text)} is not an IPv4 or IPv6 address{hint}")


def parse_prefix(text: str) -> IPNetwork:
    """A declared prefix, of any size that anybody was ever delegated."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(_why_no_prefix(text, error)) from None
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{shown(text)} is an IPv4-mapped prefix; write it as IPv4")
    if network.prefixlen < _WIDEST_PREFIX[network.version]:
        raise ValueError(
            f"{shown(text)} is wider than anything that is delegated (/{_WIDEST_PREFIX[network.version]})"
        )
    return network


def _why_no_prefix(text: str, error: ValueError) -> str:
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{shown(text)} is not a prefix such as 203.0.113.0/24 or 2001:db8::/32: {error}"
    address = text.partition("/")[0]
    return (
        f"{shown(text)} has host bits set; did you mean {str(loose)!r},"
        f" or the one address '{address}/{loose.max_prefixlen}'?"
    )


def expand(network: IPNetwork) -> tuple[str, ...]:
    """Every address of a prefix that is an endpoint; larger ones than the stated limit are refused."""
    limit = _LONGEST_PREFIX[network.version]
    if network.prefixlen < limit:
        first = next(network.subnets(new_prefix=limit))
        raise ValueError(
            f"{str(network)!r} is larger than /{limit} ({MAX_EXPANDED} addresses), the most that is probed"
            f" for one endpoint; split it into prefixes such as {first} or list the addresses that serve"
            f" (space that is only held goes into the provider's prefixes)"
        )
    return tuple(map(str, network))


def parse_asn(value: object) -> int:
    """An AS number from ``64500``, ``"64500"`` or ``AS64500`` (RFC 5396 asplain)."""
    if isinstance(value, float) or (isinstance(value, str) and _ASDOT.fullmatch(value)):
        match = _ASDOT.fullmatch(str(value))
        meant = f"; did you mean {int(match[1]) * 65536 + int(match[2])}?" if match else ""
        raise ValueError(f"{value!r} is not an AS number in plain form (no dot){meant}")
    number = value
    if isinstance(value, str) and (match := _ASN.fullmatch(value)):
        number = int(match[1])
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(  # noqa: TRY004  # pydantic turns only a ValueError into a message
            f"{shown(value)} is not an AS number such as 64500 or AS64500"
        )
    if number in _UNROUTABLE_ASNS:
        raise ValueError(f"{_UNROUTABLE_ASNS[number]}, it is no provider's")
    if not 0 < number < 2**32:
        raise ValueError(f"{number} is not an AS number; they run from 1 to 4294967294")
    return number


def parse_port(value: object) -> int:
    """A port from 1 to 65535."""
    if isinstance(value, str) and _PORT.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError(f"{shown(value)} is not a port; they run from 1 to 65535")
    return value


def parse_key(value: object) -> str:
    """A key by the SHA-256 of its SubjectPublicKeyInfo (RFC 7469 section 2.4): 64 digits, in lower case.

    It is not the certificate's own digest, which is another at each renewal, every few weeks where machines
    renew: it would be wrong more often than right. A renewal may keep its key, and one that is to come can be
    made, and declared, before it is used.
    """
    if isinstance(value, str) and _KEY.fullmatch(value):
        return value
    meant = _as_key(value) if isinstance(value, str) and len(value) <= _MAX_KEY else None
    hint = f"; did you mean {meant!r}?" if meant else ""
    raise ValueError(
        f"{shown(value)} is not the SHA-256 of a key in 64 hexadecimal digits (a-f in lower case){hint}"
    )


def _as_key(text: str) -> str | None:
    """What a digest is that somebody wrote as openssl, curl or HTTP do."""
    digits = re.sub(r"[:\s]", "", text).lower()
    if _KEY.fullmatch(digits):
        return digits
    try:
        octets = base64.b64decode(_PIN.sub("", text).strip('"'), validate=True)
    except ValueError:
        return None
    return octets.hex() if len(octets) == 32 else None


def shown(value: object) -> str:
    """A value as messages show it: escaped, and cut where it is long."""
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:100]}…{text[-1]}"


def _split_port(text: str) -> tuple[str, int | None]:
    """``host:port``, ``[v6]:port``, ``host``, ``v6`` in parts."""
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"{shown(text)} has a '[' that no ']' or ']:port' closes")
        if not isinstance(_as_address(inner), ipaddress.IPv6Address):
            raise ValueError(f"{shown(text)} has no IPv6 address between its brackets")
        return inner, parse_port(rest[1:]) if rest else None
    if text.count(":") != 1:
        return text, None
    host, _, port = text.partition(":")
    return host, parse_port(port)


def _as_address(text: str) -> IPAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{shown(text)} has a zone (%…), which means something on one machine only")
        if address.ipv4_mapped is not None:
            raise ValueError(f"{shown(text)} is an IPv4-mapped address; write {str(address.ipv4_mapped)!r}")
    return address
