"""The hosts of a farm: real servers on real sockets, inside the farm's network namespace."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import AbstractAsyncContextManager, AsyncExitStack, closing
from typing import TYPE_CHECKING

from probes.simnet import nameserver, relay, web
from probes.simnet.authority import WITH_CERTIFICATE, subject_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from probes.simnet.authority import Credentials
    from probes.simnet.world import Farm, Host, Service, World

BACKLOG = 256
IPV6_FREEBIND = 78  # linux/in6.h; the socket module has no name for it
IP_FREEBIND = 15  # linux/in.h, the same


async def serve(farm: Farm, world: World, credentials: Credentials, ready: Callable[[], None]) -> None:
    """Run every service of every living host of ``farm`` until cancelled; call ``ready`` once all listen.

    An :class:`OSError` says that an address cannot be listened on.
    """
    names = nameserver.Directory(world.dns, world.vantages) if world.dns else None
    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as stack:
        for host in farm.hosts:
            for service in () if host.dead else host.services:
                await stack.enter_async_context(_service(host, service, credentials, names, tasks, stack))
        ready()
        await asyncio.Event().wait()


def _service(
    host: Host,
    service: Service,
    credentials: Credentials,
    names: nameserver.Directory | None,
    tasks: asyncio.TaskGroup,
    stack: AsyncExitStack,
) -> AbstractAsyncContextManager[None]:
    """The running service, for as long as the context lasts; its sockets are closed with ``stack``."""

    def listening(kind: socket.SocketKind) -> list[socket.socket]:
        return [
            stack.enter_context(closing(listen(address, service.port, kind))) for address in host.addresses
        ]

    sockets = listening(socket.SOCK_STREAM)
    tls = None
    if service.kind in WITH_CERTIFICATE:
        tls = credentials.context(subject_names(host, service), service.tls_max)
    match service.kind:
        case "http" | "https":
            return web.pages(service, sockets, tls, tasks)
        case "relay7":
            return web.proxy(service, sockets, tls, tasks, host.addresses)
        case "relay4":
            return relay.pass_through(service, sockets, tasks, host.addresses)
        case "tcp":
            return relay.greeter(service, sockets, tasks)
        case "dns":
            return nameserver.serving(names, listening(socket.SOCK_DGRAM), sockets, tasks)


def listen(address: str, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A socket bound to one address and port, listening where it is a stream's; does not block."""
    version = ipaddress.ip_address(address).version
    opened = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, kind)
    try:
        opened.settimeout(0)
        # The address may be given to the interface a moment later than this.
        if version == 4:
            opened.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((address, port))
        if kind == socket.SOCK_STREAM:
            opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise OSError(error.errno, f"{address} port {port}: {error.strerror}") from error
    return opened
