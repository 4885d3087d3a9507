"""Addresses and routes of this network namespace by rtnetlink: quick to start and to ask."""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import socket
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterable

TUN: Final = "/dev/net/tun"
MTU: Final = 1500
_QUEUE = 10_000  # packets that wait in a device for the router
_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
_NEWLINK, _NEWADDR, _NEWROUTE, _ERROR = 16, 20, 24, 2  # linux/rtnetlink.h, linux/netlink.h
_REQUEST, _ACK, _REPLACE, _CREATE = 0x1, 0x4, 0x100, 0x400
_IFF_UP = 1
_NODAD = 0x02  # IFA_F_NODAD: an IPv6 address serves at once
_IFLA_MTU, _IFLA_TXQLEN = 4, 13
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_RTA_OIF = 4
_TABLE_MAIN, _PROTO_STATIC, _SCOPE_LINK, _UNICAST = 254, 4, 253, 1

# Whatever a kernel or a container refuses of these, the net still works for root and without bursts.
_SETTINGS = {
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_msgs_per_sec": "1000000",
    "ipv4/icmp_msgs_burst": "1000000",
    "ipv6/icmp/ratelimit": "0",
    "ipv6/conf/all/disable_ipv6": "0",
    "ipv6/conf/default/disable_ipv6": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/default/autoconf": "0",
    "ipv6/conf/default/addr_gen_mode": "1",
}
_PING_GROUPS = ("0 2147483647", "0 0")  # everybody; in a user namespace only groups that it maps


def loopback_up() -> None:
    """Bring up ``lo`` of this namespace; OSError."""
    with _Socket() as netlink:
        netlink.ask(_NEWLINK, struct.pack("=BxHiII", 0, 0, socket.if_nametoindex("lo"), _IFF_UP, _IFF_UP))


def configure() -> None:
    """Set this namespace's kernel to answer without limits, and to let everybody ping."""
    for name, value in _SETTINGS.items():
        _set(name, value)
    for groups in _PING_GROUPS:
        if _set("ipv4/ping_group_range", groups):
            break


def open_device(name: str, addresses: Iterable[str]) -> int:
    """A TUN device in this namespace, up, with ``addresses`` and the default routes; its descriptor.

    It lasts as long as the descriptor. OSError.
    """
    descriptor = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
        index = socket.if_nametoindex(name)
        with _Socket() as netlink:
            link = struct.pack("=BxHiII", 0, 0, index, _IFF_UP, _IFF_UP)
            netlink.ask(_NEWLINK, link + _number(_IFLA_MTU, MTU) + _number(_IFLA_TXQLEN, _QUEUE))
            families = set()
            for address in map(ipaddress.ip_address, addresses):
                families.add(address.version)
                netlink.ask(_NEWADDR, _address(address, index))
            for version in families:
                family = socket.AF_INET if version == 4 else socket.AF_INET6
                scope = _SCOPE_LINK if version == 4 else 0
                route = struct.pack(
                    "=BBBBBBBBI", family, 0, 0, 0, _TABLE_MAIN, _PROTO_STATIC, scope, _UNICAST, 0
                )
                netlink.ask(_NEWROUTE, route + _number(_RTA_OIF, index))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _address(address: ipaddress.IPv4Address | ipaddress.IPv6Address, index: int) -> bytes:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    flags = _NODAD if address.version == 6 else 0
    header = struct.pack("=BBBBI", family, address.max_prefixlen, flags, 0, index)
    return (
        header
        + _attribute(_IFA_LOCAL, address.packed)
        + _attribute(_IFA_ADDRESS, address.packed)
        + _number(_IFA_FLAGS, flags)
    )


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value  # every value here is a multiple of 4 long


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _set(name: str, value: str) -> bool:
    try:
        Path("/proc/sys/net", name).write_text(value, encoding="utf-8")
    except OSError:
        return False
    return True


class _Socket:
    """An rtnetlink socket that waits for each request's acknowledgement."""

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.settimeout(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, kind: int, body: bytes) -> None:
        flags = _REQUEST | _ACK | (_REPLACE | _CREATE if kind != _NEWLINK else 0)
        self._socket.send(struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        answer = self._socket.recv(4096)
        _, answered, _, _, _ = struct.unpack_from("=IHHII", answer)
        number = -struct.unpack_from("=i", answer, 16)[0] if answered == _ERROR else errno.EPROTO
        if number:
            raise OSError(number, f"rtnetlink request {kind}: {os.strerror(number)}")
