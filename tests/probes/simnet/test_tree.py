from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6TimeExceeded, IPv6

from probes.document import DocumentError
from probes.simnet.loading import load_world
from probes.simnet.router import Router
from probes.simnet.topology import Topology
from probes.simnet.tree import Tree
from probes.simnet.world import TreeSpec

WORLD = Path(__file__).with_name("worlds") / "tree.yaml"
HERE = "203.0.113.1"


def trees() -> list[Tree]:
    world = load_world(WORLD)
    return [Tree(spec, world.seed) for spec in world.trees]


def answers(packet: IP | IPv6) -> list[tuple[float, bytes]]:
    """Milliseconds and octets of what a router sends in answer."""
    topology = Topology(load_world(WORLD))
    router = Router(topology, list(topology.sites))
    router.receive(0, bytes(packet), 0)
    return [(due / 1e6, bytes(octets)) for due, _, _, octets in router.queue]


class TestTree:
    """A tree says of each of its targets which routers lead there, always the same ones."""

    def test_paths(self) -> None:
        tree, _ = trees()
        paths = {target: tree.hops(target) for target in tree.targets}
        assert paths == {target: trees()[0].hops(target) for target in tree.targets}
        assert len(paths) == 100
        assert {len(path) for path in paths.values()} == {4, 5, 6, 7, 8, 9}
        assert all(path[-1] == (target,) for target, path in paths.items())

    def test_near_routers_are_shared_and_far_ones_are_not(self) -> None:
        tree, _ = trees()
        paths = [tree.hops(target)[:-1] for target in tree.targets]
        different = [len({path[ttl] for path in paths if ttl < len(path)}) for ttl in range(8)]
        assert different[:4] == [1, 1, 4, 16]
        assert different[4] > 40  # some paths end before
        assert [len(step) for step in paths[0][:3]] == [1, 1, 4]

    def test_a_router_stands_at_one_step_only(self) -> None:
        tree, _ = trees()
        steps = {(ttl, step) for target in tree.targets for ttl, step in enumerate(tree.hops(target))}
        routers = [router for _, step in steps for router in step]
        assert len(routers) == len(set(routers))

    def test_shares_are_about_as_stated(self) -> None:
        tree, other = trees()
        assert 10 <= sum(map(tree.dead, tree.targets)) <= 30
        routers = {router for target in tree.targets for step in tree.hops(target)[:-1] for router in step}
        assert 0.15 <= sum(map(tree.silent, routers)) / len(routers) <= 0.25
        assert not any(map(other.dead, other.targets))


class TestOddities:
    """An oddity that no path can show is a mistake in the file."""

    @pytest.mark.parametrize(
        ("oddities", "words"),
        [
            ([{"at": 9, "copies": 2}], "no path has a router at 9"),
            ([{"at": 2, "copies": 2}, {"at": 2, "late_ms": 5}], "two of them are at the same hop"),
            ([{"at": 1, "loops": True}], "it needs a router, and one before it"),
            ([{"at": "target", "refuses": 1}], "a target has nothing to pass on"),
            ([{"at": 2, "quote": ["backwards"]}], "header_only"),
        ],
    )
    def test_refused(self, oddities: list[dict[str, object]], words: str) -> None:
        spec = {"prefix": "198.18.0.0/24", "targets": 9, "routers": "10.0.0.0/16", "hops": [4, 9]}
        with pytest.raises(ValueError, match=words):
            TreeSpec.model_validate({**spec, "oddities": oddities})


class TestRouting:
    """What the router answers is what the tree says."""

    def test_each_hop_answers_in_its_time(self) -> None:
        tree, _ = trees()
        target = next(target for target in tree.targets if not tree.dead(target))
        for ttl, step in enumerate(tree.hops(target), 1):
            found = answers(IP(src=HERE, dst=target, ttl=ttl) / ICMP(id=7, seq=ttl) / b"12345678")
            if not found:
                assert any(map(tree.silent, step))
                continue
            ((due, octets),) = found
            assert due == pytest.approx(3 * ttl)
            assert IP(octets).src in step
            assert not tree.silent(IP(octets).src)
            assert IP(octets)[ICMP].type == (0 if step == (target,) else 11)

    def test_version_6(self) -> None:
        _, tree = trees()
        ((due, octets),) = answers(
            IPv6(src="2001:db8:2::1", dst=tree.targets[3], hlim=2) / ICMPv6EchoRequest(id=1)
        )
        assert due == pytest.approx(6)
        assert (IPv6(octets).src,) == tree.hops(tree.targets[3])[1]
        assert ICMPv6TimeExceeded in IPv6(octets)

    def test_a_target_refuses_connections_and_datagrams(self) -> None:
        tree, _ = trees()
        target = next(target for target in tree.targets if not tree.dead(target))
        ((_, octets),) = answers(
            IP(src=HERE, dst=target) / TCP(sport=99, dport=443, seq=2**32 - 1, flags="S")
        )
        reset = IP(octets)[TCP]
        assert (reset.sport, reset.dport, reset.ack, str(reset.flags)) == (443, 99, 0, "RA")
        written = IP(octets)
        del written.chksum, written[TCP].chksum
        assert bytes(written) == octets  # scapy computes the same checksums
        ((_, octets),) = answers(IP(src=HERE, dst=target) / UDP(sport=99, dport=33434))
        assert (IP(octets)[ICMP].type, IP(octets)[ICMP].code) == (3, 3)

    def test_nobody_is_at_a_dead_target(self) -> None:
        tree, _ = trees()
        assert answers(IP(src=HERE, dst=next(filter(tree.dead, tree.targets))) / ICMP()) == []


class TestFaults:
    """A tree that cannot be is refused with file, line and reason."""

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("targets: 100", "targets: 1000", "prefix: 198.18.0.0/24 is too small for 1000 addresses"),
            ("10.0.0.0/16", "10.0.0.0/24", "routers: 10.0.0.0/24 is too small for 3600 addresses"),
            ("10.0.0.0/16", "198.18.0.0/15", "overlap"),
            ("hops: [4, 9], shared", "hops: [9, 4], shared", "the least, 9, is more than the most, 4"),
            ("198.18.0.0/24", "203.0.113.0/24", "holds 203.0.113.1, which a site has"),
            ('"2001:db8:4::/64"', "10.1.0.0/16", "different IP versions"),
        ],
    )
    def test_faults(self, tmp_path: Path, old: str, new: str, message: str) -> None:
        file = tmp_path / "world.yaml"
        file.write_text(WORLD.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        with pytest.raises(DocumentError, match=r"world\.yaml") as caught:
            load_world(file)
        assert message in str(caught.value)
