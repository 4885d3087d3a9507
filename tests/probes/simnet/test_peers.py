from __future__ import annotations

import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Literal

import pytest

from probes.simnet import kernel
from probes.simnet.packets import checksum

if TYPE_CHECKING:
    from tests.probes.simnet.conftest import Peer  # the fixtures' type

pytestmark = pytest.mark.net

GENEROUS_MS = 40  # what a busy machine may add to a round trip; nothing may be taken away from one
CLOCK_MS = 0.002  # tools print microseconds, rounded


def within(rtts: list[float], world: float) -> bool:
    return all(world - CLOCK_MS <= rtt for rtt in rtts) and min(rtts) <= world + GENEROUS_MS


def pings(namespace: str, destination: str, count: int, gap: float = 0.002) -> list[float]:
    """The round trips (ms) of the echo requests that were answered, sent without waiting for one another."""
    found: list[float] = []

    def send() -> None:
        with open(namespace, "rb") as there:  # noqa: PTH123 not a file to read
            setns(there.fileno())
        echo = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        with echo:
            sent: dict[int, float] = {}
            deadline = time.monotonic() + 2 + count * gap * 2
            while time.monotonic() < deadline and len(found) < count:
                if len(sent) < count:
                    message = struct.pack("!BBHHH", 8, 0, 0, 4242, len(sent))
                    message = message[:2] + checksum(message).to_bytes(2, "big") + message[4:]
                    sent[len(sent)] = time.perf_counter()
                    echo.sendto(message, (destination, 0))
                elif time.perf_counter() - sent[count - 1] > 1:
                    return
                if select.select([echo], [], [], gap)[0]:
                    reply = echo.recv(2048)
                    kind, _, _, identity, number = struct.unpack_from("!BBHHH", reply, 20)
                    if (kind, identity) == (0, 4242):
                        found.append((time.perf_counter() - sent[number]) * 1000)

    worker = threading.Thread(target=send)  # a thread of its own: it ends in that namespace
    worker.start()
    worker.join()
    return found


def setns(descriptor: int) -> None:
    assert kernel._libc.setns(descriptor, kernel.CLONE_NEWNET) == 0


class TestTraceroute:
    """traceroute sees the world's hops, whichever protocol it probes with, v4 and v6."""

    @pytest.mark.parametrize("method", ["-I", "-U", "-T"])
    @pytest.mark.parametrize(("family", "destination"), [(4, "203.0.113.2"), (6, "2001:db8:f::2")])
    def test_sees_the_hops_of_the_world(
        self, basics: Peer, method: str, family: Literal[4, 6], destination: str
    ) -> None:
        hops = basics.traceroute("v-lhe", method, f"-{family}", destination)
        world = basics.world_hops("v-lhe", "f-fra", family)
        assert len(hops) == len(world) + 1
        for (addresses, _, line), expected in zip(hops, [*world, (destination,)], strict=True):
            assert set(addresses) <= set(expected), line
            assert addresses, line

    @pytest.mark.parametrize(("family", "destination"), [(4, "203.0.113.2"), (6, "2001:db8:f::2")])
    def test_takes_as_long_as_the_world_says(
        self, basics: Peer, family: Literal[4, 6], destination: str
    ) -> None:
        hops = basics.traceroute("v-lhe", "-I", f"-{family}", destination)
        for (_, rtts, line), expected in zip(hops, basics.world_rtts("v-lhe", "f-fra", family), strict=True):
            assert within(rtts, expected), (line, expected)

    @pytest.mark.parametrize("destination", ["203.0.113.2", "2001:db8:f::2"])
    def test_shows_mpls_labels(self, basics: Peer, destination: str) -> None:
        hops = basics.traceroute("v-lhe", "-I", "-e", destination)
        assert all("MPLS:L=16001,E=3,S=0,T=1/L=24005,E=0,S=1,T=1" in line for _, _, line in hops[1:3])
        assert "MPLS" not in hops[0][2]

    @pytest.mark.parametrize("destination", ["203.0.113.1", "2001:db8:f::1"])
    def test_shows_silent_hops_as_stars(self, basics: Peer, destination: str) -> None:
        hops = basics.traceroute("v-khi", "-I", destination)
        assert hops[1][2].split()[1:] == ["*", "*", "*"]
        assert hops[-1][0] == [destination]

    def test_ends_at_the_hops_of_a_dead_host(self, basics: Peer) -> None:
        hops = basics.traceroute("v-lhe", "-m", "4", "203.0.113.66")
        assert [addresses[:1] for addresses, _, _ in hops] == [["198.18.2.1"], ["198.18.2.3"], [], []]

    def test_is_told_that_nobody_announces_an_address(self, basics: Peer) -> None:
        hops = basics.traceroute("v-lhe", "-m", "3", "240.9.9.9")
        assert "!N" in hops[0][2]
        assert hops[0][0] == ["198.18.2.1"]

    def test_ends_in_silence_in_an_announced_prefix(self, basics: Peer) -> None:
        hops = basics.traceroute("v-lhe", "-m", "3", "203.0.113.200")
        assert [addresses[:1] for addresses, _, _ in hops] == [["198.18.2.1"], [], []]

    def test_reaches_a_router_itself(self, basics: Peer) -> None:
        assert basics.traceroute("v-lhe", "-I", "198.18.3.1")[-1][0] == ["198.18.3.1"]
        assert basics.traceroute("v-lhe", "-U", "-6", "2001:db8:3::1")[-1][0] == ["2001:db8:3::1"]


class TestEqualPaths:
    """Routers side by side share the flows, and a flow keeps to one of them."""

    def test_traceroute_sees_both_routers(self, basics: Peer) -> None:
        seen: set[str] = set()
        for _ in range(3):  # thirty flows that all take the same of two: one time in a hundred million
            seen |= set(basics.traceroute("v-khi", "-U", "-q", "10", "-m", "1", "203.0.113.2")[0][0])
        assert seen == {"198.18.1.1", "198.18.1.2"}

    @pytest.mark.parametrize("method", ["udp-paris", "icmp-paris"])
    def test_a_paris_trace_sees_one(self, basics: Peer, method: str) -> None:
        trace = basics.scamper("v-khi", f"trace -P {method} -w 1 -q 5 -Q 203.0.113.2")
        first = {hop["addr"] for hop in trace["hops"] if hop["probe_ttl"] == 1}
        assert len(first) == 1

    def test_scamper_enumerates_them_all(self, basics: Peer) -> None:
        found = basics.scamper("v-fra", "tracelb -P icmp-echo -c 99 -w 1 -W 15 203.0.113.7")
        links = [link for node in found["nodes"] for step in node["links"] for link in step]
        assert {link["addr"] for link in links} >= {"198.18.1.1", "198.18.1.2"}


class TestScamper:
    """scamper, which reads the replies' every field, agrees with the world."""

    @pytest.mark.parametrize(("family", "destination"), [(4, "203.0.113.2"), (6, "2001:db8:f::2")])
    @pytest.mark.parametrize("method", ["icmp-paris", "udp-paris"])
    def test_sees_hops_delays_and_labels(
        self, basics: Peer, family: Literal[4, 6], destination: str, method: str
    ) -> None:
        trace = basics.scamper("v-lhe", f"trace -P {method} -w 1 {destination}")
        world = [*basics.world_hops("v-lhe", "f-fra", family), (destination,)]
        rtts = basics.world_rtts("v-lhe", "f-fra", family)
        assert len(trace["hops"]) == len(world)
        for hop, expected, rtt in zip(trace["hops"], world, rtts, strict=True):
            assert hop["addr"] in expected
            assert within([hop["rtt"]], rtt)
        assert all(hop["icmp_q_ttl"] == 1 for hop in trace["hops"][:-1])
        assert [hop["reply_ttl"] for hop in trace["hops"][:-1]] == [255, 254, 253]
        labels = trace["hops"][1]["icmpext"][0]["mpls_labels"]
        assert [label["mpls_label"] for label in labels] == [16001, 24005]

    def test_pings_with_the_stated_round_trip(self, troubles: Peer) -> None:
        ping = troubles.scamper("v", "ping -c 3 -i 0.1 203.0.113.8")
        assert within([response["rtt"] for response in ping["responses"]], 40)


class TestMtr:
    """mtr sees every hop, none of it lost."""

    @pytest.mark.parametrize(("family", "destination"), [(4, "203.0.113.2"), (6, "2001:db8:f::2")])
    def test_sees_the_hops_of_the_world(self, basics: Peer, family: Literal[4, 6], destination: str) -> None:
        hubs = basics.mtr("v-lhe", f"-{family}", destination)
        world = [*basics.world_hops("v-lhe", "f-fra", family), (destination,)]
        assert [hub["host"] for hub in hubs] == [addresses[0] for addresses in world]
        for hub, rtt in zip(hubs, basics.world_rtts("v-lhe", "f-fra", family), strict=True):
            assert hub["Loss%"] == 0
            assert within([hub["Best"]], rtt)

    def test_shows_mpls_labels(self, basics: Peer) -> None:
        report = basics.tool("v-lhe", "mtr", "--raw", "-e", "-n", "-c", "1", "-G", "0.5", "203.0.113.2")
        assert "m 1 16001 3 0 1\nm 1 24005 0 1 1\n" in report


class TestAnycast:
    """One address at two farms: everybody comes to the one that is nearer."""

    @pytest.mark.parametrize("destination", ["203.0.113.9", "2001:db8:f::9"])
    @pytest.mark.parametrize(("vantage", "farm"), [("v-lhe", "f-lhe"), ("v-fra", "f-fra")])
    def test_each_vantage_reaches_its_own(
        self, basics: Peer, destination: str, vantage: str, farm: str
    ) -> None:
        hops = basics.traceroute(vantage, "-I", destination)
        family: Literal[4, 6] = 6 if ":" in destination else 4
        assert [addresses[0] for addresses, _, _ in hops[:-1]] == [
            addresses[0] for addresses in basics.world_hops(vantage, farm, family)
        ]
        assert min(hops[-1][1]) < GENEROUS_MS


class TestTroubles:
    """What worlds do to packets shows in the tools as it would on the Internet."""

    def test_a_share_of_the_pings_is_lost(self, troubles: Peer) -> None:
        answered = pings(troubles.net.sites["v"], "203.0.113.1", 800)
        assert 0.81 - 0.06 < len(answered) / 800 < 0.81 + 0.06  # 0.9 each way; 4 standard deviations

    def test_jitter_delays_a_share_and_hastens_none(self, troubles: Peer) -> None:
        rtts = sorted(pings(troubles.net.sites["v"], "203.0.113.2", 300))
        world = troubles.world_rtts("v", "jittery")[-1]
        assert len(rtts) == 300
        assert rtts[0] >= world
        assert rtts[30] < world + 3  # an undisturbed quarter has no jitter either way
        assert rtts[270] > world + 6

    def test_an_added_delay_shows_at_the_last_step_only(self, troubles: Peer) -> None:
        hops = troubles.traceroute("v", "-I", "203.0.113.3")
        assert min(hops[-2][1]) < 60
        assert min(hops[-1][1]) >= troubles.world_rtts("v", "delayed")[-1] - CLOCK_MS >= 80

    def test_a_black_hole_swallows_what_comes_after(self, troubles: Peer) -> None:
        hops = troubles.traceroute("v", "-I", "-m", "5", "203.0.113.4")
        assert [bool(addresses) for addresses, _, _ in hops] == [True, True, False, False, False]

    def test_filtered_icmp_hides_the_path_but_not_tcp(self, troubles: Peer) -> None:
        assert not any(
            addresses for addresses, _, _ in troubles.traceroute("v", "-I", "-m", "5", "203.0.113.5")
        )
        hops = troubles.traceroute("v", "-T", "-m", "6", "203.0.113.5")
        assert [bool(addresses) for addresses, _, _ in hops] == [False, False, False, True]

    def test_a_rate_limit_leaves_gaps(self, troubles: Peer) -> None:
        hops = troubles.traceroute("v", "-N", "1", "-q", "10", "-f", "2", "-m", "2", "203.0.113.6")
        assert 2 <= len(hops[0][1]) < 10

    def test_an_asymmetric_return_adds_to_the_hops_at_the_far_end(self, troubles: Peer) -> None:
        hops = troubles.traceroute("v", "-I", "203.0.113.7")
        rtts = troubles.world_rtts("v", "round")
        assert rtts[0] < 2
        assert all(rtt > 35 for rtt in rtts[1:])
        for (_, found, line), expected in zip(hops, rtts, strict=True):
            assert within(found, expected), (line, expected)

    def test_stated_hops_are_seen_as_stated(self, troubles: Peer) -> None:
        both: tuple[tuple[Literal[4, 6], str], ...] = ((4, "203.0.113.8"), (6, "2001:db8:f::8"))
        for family, destination in both:
            hops = troubles.traceroute("v", "-U", "-q", "8", "-e", destination)
            world = troubles.world_hops("v", "stated", family)
            assert len(hops) == 5
            for (addresses, _, line), expected in zip(hops, [*world, (destination,)], strict=True):
                assert set(addresses) <= set(expected), line
            assert [bool(addresses) for addresses, _, _ in hops] == [True, True, False, True, True]
            assert min(hops[1][1]) >= 10

    def test_a_filter_before_a_host_lets_one_port_through(self, troubles: Peer) -> None:
        assert not troubles.traceroute("v", "-I", "-m", "4", "203.0.113.9")[-1][0]
        assert not troubles.traceroute("v", "-T", "-p", "80", "-m", "4", "203.0.113.9")[-1][0]
        assert troubles.traceroute("v", "-T", "-p", "443", "-m", "4", "203.0.113.9")[-1][0] == ["203.0.113.9"]

    def test_a_filtered_host_gets_the_answers_to_its_own_questions(self, troubles: Peer) -> None:
        hops = troubles.traceroute("walled", "-T", "-p", "80", "-s", "203.0.113.9", "192.0.2.1")
        assert hops[-1][0] == ["192.0.2.1"]

    def test_a_lying_vantage_is_where_it_truly_is(self, troubles: Peer) -> None:
        hops = troubles.traceroute("liar", "-I", "203.0.113.10")
        assert hops[0][0][0] == "198.18.3.1"
        assert min(hops[-1][1]) < GENEROUS_MS
