"""Special-purpose addresses: nobody's place on the Internet, never probed, never looked up.

From the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190), with multicast. Entries
that the registries call globally reachable (``192.0.0.9``, AS112, AMT…) are ordinary addresses; they are in
the table because some lie inside wider entries that are not.
"""

from __future__ import annotations

import functools
import ipaddress
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class SpecialPurpose(msgspec.Struct, frozen=True):
    """A block of a special-purpose registry: its name, its prefix and the RFC that set it aside."""

    name: str
    prefix: str
    rfc: str


# prefix, name as the registry has it, RFC, globally reachable
_REGISTRY: Final = (
    ("0.0.0.0/8", "this network", "RFC 791", False),
    ("0.0.0.0/32", "unspecified", "RFC 1122", False),
    ("10.0.0.0/8", "private-use", "RFC 1918", False),
    ("100.64.0.0/10", "shared address space", "RFC 6598", False),
    ("127.0.0.0/8", "loopback", "RFC 1122", False),
    ("169.254.0.0/16", "link-local", "RFC 3927", False),
    ("172.16.0.0/12", "private-use", "RFC 1918", False),
    ("192.0.0.0/24", "IETF protocol assignments", "RFC 6890", False),
    ("192.0.0.0/29", "IPv4 service continuity prefix", "RFC 7335", False),
    ("192.0.0.8/32", "IPv4 dummy address", "RFC 7600", False),
    ("192.0.0.9/32", "port control protocol anycast", "RFC 7723", True),
    ("192.0.0.10/32", "traversal using relays around NAT anycast", "RFC 8155", True),
    ("192.0.0.170/31", "NAT64/DNS64 discovery", "RFC 8880", False),
    ("192.0.2.0/24", "documentation (TEST-NET-1)", "RFC 5737", False),
    ("192.31.196.0/24", "AS112-v4", "RFC 7535", True),
    ("192.52.193.0/24", "automatic multicast tunneling", "RFC 7450", True),
    ("192.88.99.0/24", "deprecated 6to4 relay anycast", "RFC 7526", False),
    ("192.168.0.0/16", "private-use", "RFC 1918", False),
    ("192.175.48.0/24", "direct delegation AS112 service", "RFC 7534", True),
    ("198.18.0.0/15", "benchmarking", "RFC 2544", False),
    ("198.51.100.0/24", "documentation (TEST-NET-2)", "RFC 5737", False),
    ("203.0.113.0/24", "documentation (TEST-NET-3)", "RFC 5737", False),
    ("224.0.0.0/4", "multicast", "RFC 5771", False),
    ("240.0.0.0/4", "reserved", "RFC 1112", False),
    ("255.255.255.255/32", "limited broadcast", "RFC 919", False),
    ("::/96", "deprecated IPv4-compatible", "RFC 4291", False),
    ("::/128", "unspecified", "RFC 4291", False),
    ("::1/128", "loopback", "RFC 4291", False),
    ("64:ff9b:1::/48", "IPv4-IPv6 translation, local use", "RFC 8215", False),
    ("100::/64", "discard-only", "RFC 6666", False),
    ("100:0:0:1::/64", "dummy IPv6 prefix", "RFC 9780", False),
    ("2001::/23", "IETF protocol assignments", "RFC 2928", False),
    ("2001:1::1/128", "port control protocol anycast", "RFC 7723", True),
    ("2001:1::2/128", "traversal using relays around NAT anycast", "RFC 8155", True),
    ("2001:1::3/128", "DNS-SD service registration protocol anycast", "RFC 9665", True),
    ("2001:2::/48", "benchmarking", "RFC 5180", False),
    ("2001:3::/32", "automatic multicast tunneling", "RFC 7450", True),
    ("2001:4:112::/48", "AS112-v6", "RFC 7535", True),
    ("2001:10::/28", "deprecated ORCHID", "RFC 4843", False),
    ("2001:20::/28", "ORCHIDv2", "RFC 7343", True),
    ("2001:30::/28", "drone remote ID protocol entity tags", "RFC 9374", True),
    ("2001:db8::/32", "documentation", "RFC 3849", False),
    ("2620:4f:8000::/48", "direct delegation AS112 service", "RFC 7534", True),
    ("3fff::/20", "documentation", "RFC 9637", False),
    ("5f00::/16", "segment routing (SRv6) SIDs", "RFC 9602", False),
    ("fc00::/7", "unique-local", "RFC 4193", False),
    ("fe80::/10", "link-local", "RFC 4291", False),
    ("fec0::/10", "deprecated site-local", "RFC 3879", False),
    ("ff00::/8", "multicast", "RFC 4291", False),
)

MAPPED: Final = 0xFFFF  # ::ffff:0:0/96, RFC 4291
NAT64: Final = 0x0064_FF9B << 64  # 64:ff9b::/96, RFC 6052
TEREDO: Final = 0x2001_0000  # 2001::/32, RFC 4380
SIX_TO_FOUR: Final = 0x2002  # 2002::/16, RFC 3056


@functools.cache
def _blocks(version: int) -> tuple[tuple[int, int, SpecialPurpose | None], ...]:
    """The registry of one version as (network, mask, block), most specific first; ``None`` is ordinary."""
    networks = ((ipaddress.ip_network(row[0]), row) for row in _REGISTRY)
    own = sorted(
        (one for one in networks if one[0].version == version), key=lambda one: one[0].prefixlen, reverse=True
    )
    return tuple(
        (
            int(network.network_address),
            int(network.netmask),
            None if row[3] else SpecialPurpose(row[1], row[0], row[2]),
        )
        for network, row in own
    )


@functools.lru_cache(maxsize=64)
def _ordinary(lab: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    networks = (ipaddress.ip_network(prefix) for prefix in lab)
    return tuple((one.version, int(one.network_address), int(one.netmask)) for one in networks)


def decode(address: str) -> Address:
    """The address that packets to ``address`` are really about, as an :mod:`ipaddress` value.

    An IPv4 address inside IPv4-mapped (RFC 4291), 6to4 (RFC 3056), NAT64 (RFC 6052) and Teredo (RFC 4380, the
    client's) forms is taken out; a zone (``%eth0``) is dropped. Raises ``ValueError`` for what is no address.
    """
    try:
        if ":" not in address:
            return ipaddress.IPv4Address(inet_pton(AF_INET, address))
        value = int.from_bytes(inet_pton(AF_INET6, address), "big")
    except (OSError, ValueError):  # a zone; or no address, which ipaddress says in better words
        value = int(ipaddress.ip_address(address))
    if value >> 32 == MAPPED or value >> 32 == NAT64:
        return ipaddress.IPv4Address(value & 0xFFFF_FFFF)
    if value >> 96 == TEREDO:
        return ipaddress.IPv4Address(~value & 0xFFFF_FFFF)
    if value >> 112 == SIX_TO_FOUR:
        return ipaddress.IPv4Address(value >> 80 & 0xFFFF_FFFF)
    return ipaddress.IPv6Address(value)


def special_purpose(address: str, lab: tuple[str, ...] = ()) -> SpecialPurpose | None:
    """The special-purpose block that ``address`` is in once decoded, or ``None`` if it is an ordinary one.

    Addresses in ``lab`` are ordinary: a simulated Internet lives in reserved prefixes, so that no packet of
    it could reach anybody. Raises ``ValueError`` for what is no address.
    """
    decoded = decode(address)
    value, version = int(decoded), decoded.version
    if any(version == one and value & mask == network for one, network, mask in _ordinary(lab)):
        return None
    for network, mask, block in _blocks(version):
        if value & mask == network:
            return block
    return None
