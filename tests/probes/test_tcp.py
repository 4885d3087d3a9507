"""TCP with real hosts and middle boxes in other network namespaces."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import pytest
from scapy.layers.inet import ICMP

from probes.target import Target
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from probes.session import Session
    from tests.probes.conftest import Chain

pytestmark = pytest.mark.net


@contextlib.contextmanager
def refuse_ports(router: str, device: str) -> Iterator[None]:
    """A middle box that says "port unreachable" to every SYN that comes in on ``device``."""
    with LocalVantage(Vantage(id="r", latitude=0, longitude=0, netns=router)) as vantage, vantage.inside():
        heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        heard.bind((device, 0x0800))
        said = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def refuse() -> None:
        packet = heard.recv(2048)
        if packet[9] == socket.IPPROTO_TCP:
            said.sendto(bytes(ICMP(type=3, code=3) / packet), (socket.inet_ntoa(packet[12:16]), 0))

    loop = asyncio.get_running_loop()
    with heard, said:
        loop.add_reader(heard, refuse)
        yield
        loop.remove_reader(heard)


class TestTcp:
    """Connects tell whether somebody listens, and how far away the host is either way."""

    @pytest.mark.parametrize("version", [4, 6])
    async def test_open_port(self, session: Session, chain: Chain, version: int) -> None:
        address = chain.host4 if version == 4 else chain.host6
        with chain.listen(address, 5432):
            seen = await chain.observe("tcp", Target("e", address=address, port=5432), session)
        assert (seen.error, seen.result.open, seen.result.sent, len(seen.result.rtts_ms)) == (
            None,
            True,
            5,
            5,
        )
        assert all(0 < rtt < 1000 for rtt in seen.result.rtts_ms)

    async def test_closed_port_is_an_answer(self, session: Session, chain: Chain) -> None:
        seen = await chain.observe("tcp", Target("e", address=chain.host4, port=5433), session)
        assert (seen.error, seen.result.open, len(seen.result.rtts_ms)) == ("refused", False, 5)

    async def test_router_that_refuses_does_not_answer_for_the_host(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.80.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "unreachable", "10.9.80.0/24")
        seen = await chain.observe("tcp", Target("e", address="10.9.80.1", port=443), session)
        assert (seen.error, seen.result.open, seen.result.rtts_ms) == ("unreachable", None, ())

    async def test_middle_box_that_says_port_unreachable_does_not_either(
        self, session: Session, chain: Chain
    ) -> None:
        chain.ip(chain.source, "route", "add", "10.9.81.0/24", "via", "10.9.0.2")
        chain.ip(chain.routers[0], "route", "add", "blackhole", "10.9.81.0/24")
        with refuse_ports(chain.routers[0], "b1"):
            seen = await chain.observe("tcp", Target("e", address="10.9.81.1", port=443), session)
        assert (seen.error, seen.result.open, seen.result.rtts_ms) == ("refused", None, ())
