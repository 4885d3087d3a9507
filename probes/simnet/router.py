"""The router of a simulated Internet: every hop of every path, as arithmetic on packets.

No I/O: packets and the time go in, a queue of what is due when comes out; the loop is in ``forwarding``.
"""

from __future__ import annotations

import heapq
import ipaddress
import random
import zlib
from typing import TYPE_CHECKING

from probes.simnet import packets
from probes.simnet.oddities import Odd
from probes.simnet.plan import MILLISECOND, NOWHERE, Bucket, Luck, Plan, PlannedHop
from probes.simnet.topology import Hop, Return, Trouble
from probes.simnet.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from probes.simnet.packets import Layers
    from probes.simnet.topology import Family, Path, Topology
    from probes.simnet.world import Host

_QUEUE = 200_000  # packets on their way at most; what comes then is dropped, as full routers do
_SESSIONS = 2**18  # flows remembered for hosts behind a filter, and destinations worked out


class Router:
    """The routers of a world between ``sites`` (their ids; packets name them by index)."""

    def __init__(self, topology: Topology, sites: Sequence[str]) -> None:
        self.topology = topology
        self.sites = list(sites)
        self.queue: list[tuple[int, int, int, bytes | bytearray]] = []  # due (ns), number, site, packet
        self._index = {site: index for index, site in enumerate(self.sites)}
        self._random = random.Random(topology.world.seed)  # noqa: S311 a simulation is to be repeatable
        self._plans: list[dict[bytes, Plan]] = [{} for _ in self.sites]
        self._own = [_addresses(topology, site) for site in self.sites]
        self._trees = [Tree(spec, topology.world.seed) for spec in topology.world.trees]
        self._tree_hops: dict[tuple[Tree, int], PlannedHop] = {}
        self._luck = {tree: self._tree_luck(tree) for tree in self._trees}
        self._buckets: dict[str, Bucket] = {}
        self._sessions: dict[tuple[bytes, bytes, int, bytes], None] = {}
        self._guarded = {
            ipaddress.ip_address(address).packed
            for address, farms in topology.hosts.items()
            if any(host.allow is not None for host in farms.values())
        }
        self._number = 0

    def receive(self, site: int, packet: bytes, now: int) -> None:
        """Take a packet that ``site`` sent at ``now`` (nanoseconds) and queue what comes of it."""
        whole = packets.whole(packet)
        if whole is None:
            return
        packet = whole
        if packet[0] >> 4 == 4:
            source, destination, ttl = packet[12:16], packet[16:20], packet[8]
        else:
            source, destination, ttl = packet[8:24], packet[24:40], packet[7]
        if source not in self._own[site]:
            return  # BCP 38: nobody sends from what is not his; so do neighbour and router discovery end here
        plan = self._plans[site].get(destination)
        if plan is None:
            plan = self._plan(site, destination)
        if ttl > plan.routers and plan.plain and source not in self._guarded:
            self._push(now + plan.delay_ns, plan.out, packets.aged(packet, plan.routers))
        else:
            self._slowly(plan, packet, source, ttl, site, now)

    def _push(self, due: int, site: int, packet: bytes | bytearray) -> None:
        if len(self.queue) < _QUEUE:
            self._number += 1
            heapq.heappush(self.queue, (due, self._number, site, packet))

    def _slowly(self, plan: Plan, packet: bytes, source: bytes, ttl: int, site: int, now: int) -> None:
        found = packets.layers(packet)
        if plan.filter_icmp and found.protocol in {packets.ICMP, packets.ICMPV6}:
            return
        if source in self._guarded:
            self._remember(packet, found)
        reach = max(1, ttl)
        if reach > min(plan.refused, plan.loops):
            self._turned_back(plan, packet, found, reach, site, now)
        elif reach <= plan.routers:
            if reach <= min(len(plan.hops), plan.black_hole):
                kind = (11, 0) if packet[0] >> 4 == 4 else (3, 0)  # time exceeded in transit
                self._answer(plan.hops[reach - 1], packet, found, kind, site, now)
        elif plan.here is not None:
            self._local(plan, plan.here, packet, found, site, now)
        elif plan.out >= 0 and plan.black_hole >= plan.routers:
            if plan.host is not None and not self._allowed(plan.host, packet, found):
                return
            late = plan.luck.draw() if plan.luck is not None else 0
            if late >= 0:
                self._push(now + plan.delay_ns + late, plan.out, packets.aged(packet, plan.routers))

    def _turned_back(self, plan: Plan, packet: bytes, found: Layers, reach: int, site: int, now: int) -> None:
        """A packet that one hop refuses, or sends back to the one before until its TTL ends."""
        version4 = packet[0] >> 4 == 4
        if plan.refused <= plan.loops:
            kind, hop = (3 if version4 else 1, plan.refusal), plan.hops[plan.refused - 1]
        else:
            kind = (11, 0) if version4 else (3, 0)
            hop = plan.hops[plan.loops - 1 - (reach - plan.loops) % 2]
        self._answer(hop, packet, found, kind, site, now)

    def _local(self, plan: Plan, hop: PlannedHop, packet: bytes, found: Layers, site: int, now: int) -> None:
        """A packet for a router itself, or for an address to which it knows no route."""
        version4 = packet[0] >> 4 == 4
        if plan.unreachable:
            self._answer(hop, packet, found, (3, 0) if version4 else (1, 0), site, now)
        elif found.protocol == packets.UDP:
            self._answer(hop, packet, found, (3, 3) if version4 else (1, 4), site, now)
        else:
            source = None if hop.odd is None else hop.odd.source(packet)
            reply = packets.echo_reply(packet, found, hop.ttl, source)
            reply = reply or packets.reset(packet, found, hop.ttl)
            if reply is not None:
                self._send(hop, 0, reply, site, now)

    def _answer(
        self, hop: PlannedHop, packet: bytes, found: Layers, kind: tuple[int, int], site: int, now: int
    ) -> None:
        version4 = packet[0] >> 4 == 4
        later_fragment = version4 and int.from_bytes(packet[6:8], "big") & 0x1FFF
        if later_fragment or packets.is_icmp_error(packet, found):
            return
        choice = hop.choose(packets.flow(packet, found)) if len(hop.mute) > 1 else 0
        odd = hop.odd
        if odd is not None:
            choice = odd.choose(choice, len(hop.mute))
        if hop.mute[choice]:
            return
        quoted, source = packets.expired(packet), hop.addresses[choice]
        if odd is not None:
            quoted, source = odd.quoted(quoted, found), odd.source(packet) or source
        reply = packets.error(quoted, source, kind, hop.ttl, hop.extension)
        self._send(hop, choice, reply, site, now)

    def _send(self, hop: PlannedHop, choice: int, reply: bytes, site: int, now: int) -> None:
        if hop.mute[choice]:
            return
        forth, back = hop.forth.draw(), hop.back.draw()
        if forth < 0 or back < 0:
            return
        bucket = hop.buckets[choice]
        if bucket is None or bucket.take(now):
            due = now + hop.delay_ns + forth + back
            for late in (0,) if hop.odd is None else hop.odd.delays():
                self._push(due + late, site, reply)

    def _allowed(self, host: Host, packet: bytes, found: Layers) -> bool:
        """Whether the filter before a host lets a packet in, as itself or as an answer to the host's own."""
        if not found.offset:
            return True  # a later fragment is of no use without its first
        icmp = found.protocol in {packets.ICMP, packets.ICMPV6}
        if icmp:
            if packets.is_icmp_error(packet, found):
                return True  # it answers something that the host sent, and nothing answers it
            rule = "icmp"
        else:
            port = int.from_bytes(packet[found.offset + 2 : found.offset + 4], "big")
            rule = f"{'tcp' if found.protocol == packets.TCP else 'udp'}/{port}"
            if found.protocol not in {packets.TCP, packets.UDP}:
                return False
        return rule in (host.allow or ()) or self._session(packet, found, answer=True) in self._sessions

    def _remember(self, packet: bytes, found: Layers) -> None:
        if not found.offset:
            return
        if len(self._sessions) >= _SESSIONS:
            self._sessions.clear()
        self._sessions[self._session(packet, found, answer=False)] = None

    @staticmethod
    def _session(packet: bytes, found: Layers, *, answer: bool) -> tuple[bytes, bytes, int, bytes]:
        if packet[0] >> 4 == 4:
            source, destination = packet[12:16], packet[16:20]
        else:
            source, destination = packet[8:24], packet[24:40]
        at = found.offset
        if found.protocol in {packets.ICMP, packets.ICMPV6}:
            ends = packet[at + 4 : at + 6]  # the identifier
        else:
            ends = packet[at : at + 4]
            ends = ends[2:] + ends[:2] if answer else ends
        pair = (destination, source) if answer else (source, destination)
        return *pair, found.protocol, ends

    def _plan(self, site: int, destination: bytes) -> Plan:
        plan = self._worked_out(self.sites[site], ipaddress.ip_address(destination))
        plans = self._plans[site]
        if len(plans) >= _SESSIONS:
            plans.clear()  # a scan of a whole address space must not fill the memory
        plans[destination] = plan
        return plan

    def _worked_out(self, asker: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Plan:
        plan = Plan()
        if (
            address.is_multicast
            or address.is_link_local
            or address == ipaddress.ip_address("255.255.255.255")
        ):
            return plan
        text = str(address)
        family: Family = 4 if address.version == 4 else 6
        for tree in self._trees:
            if tree.holds(address):
                self._in_tree(plan, tree, address)
                return plan
        nearest = self.topology.nearest(asker, text)
        if nearest is not None and nearest != asker:
            self._towards_site(plan, self.topology.path(asker, nearest, family), text, family)
        elif (router := self.topology.router(asker, text)) is not None:
            self._towards_router(plan, *router, family)
        else:
            hop = self.topology.core(self.topology.place_of[asker], family)
            plan.hops = [self._hop(hop, None, 1, family)]
            plan.routers = 1
            if not self.topology.announced(text):
                plan.here, plan.unreachable, plan.routers = plan.hops[0], True, 0
        return plan

    def _towards_site(self, plan: Plan, path: Path, address: str, family: Family) -> None:
        plan.hops = [self._hop(hop, path, position, family) for position, hop in enumerate(path.hops, 1)]
        plan.routers = len(plan.hops)
        plan.delay_ns = int(path.delay_ms * MILLISECOND)
        plan.luck = Luck(path.trouble, self._random) or None
        plan.black_hole = NOWHERE if path.black_hole is None else path.black_hole
        plan.filter_icmp = path.trouble.filter_icmp
        host = self.topology.hosts.get(address, {}).get(path.end)
        if host is not None and host.allow is not None:
            plan.host = host
        if host is None or not host.dead:
            plan.out = self._index[path.end]
        plan.plain = (
            plan.out >= 0
            and plan.luck is None
            and path.black_hole is None
            and not plan.filter_icmp
            and plan.host is None
        )

    def _towards_router(self, plan: Plan, path: Path, position: int, family: Family) -> None:
        self._towards_site(plan, path, "", family)
        plan.plain, plan.out, plan.host = False, -1, None
        plan.here = plan.hops[position - 1]
        plan.hops = plan.hops[: position - 1]
        plan.routers = position - 1
        if path.black_hole is not None and path.black_hole < position:
            plan.here = None

    def _tree_luck(self, tree: Tree) -> tuple[Luck, Luck]:
        """What befalls probes and answers: all of it the answers."""
        spec = tree.spec
        trouble = Trouble(spec.loss, spec.jitter_ms, spec.jitter_share)
        return Luck(Trouble(), self._random), Luck(trouble, self._random)

    def _in_tree(self, plan: Plan, tree: Tree, target: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
        """A path in a tree: its routers, which other paths have too, and its target, played by the router."""
        for ttl, step in enumerate(tree.steps(int(target)), 1):
            hop = self._tree_hops.get((tree, step))
            if hop is None:
                hop = self._tree_hops[tree, step] = self._tree_hop(tree, tree.routers(step), ttl, tree.silent)
            plan.hops.append(hop)
        plan.routers = len(plan.hops)
        plan.here = self._tree_hop(tree, (str(target),), plan.routers + 1, tree.dead)
        for position, hop in enumerate(plan.hops, 1):
            oddity = None if hop.odd is None else hop.odd.oddity
            if oddity is not None and oddity.loops:
                plan.loops = min(plan.loops, position)
            if oddity is not None and oddity.refuses is not None and plan.refused == NOWHERE:
                plan.refused, plan.refusal = position, oddity.refuses

    def _tree_hop(
        self, tree: Tree, addresses: tuple[str, ...], ttl: int, mute: Callable[[str], bool]
    ) -> PlannedHop:
        target = mute == tree.dead
        rate = None if target else tree.spec.rate_limit
        at = "target" if target else ttl
        oddity = next((oddity for oddity in tree.spec.oddities if oddity.at == at), None)
        made = Hop(addresses, None, 2 * ttl * tree.spec.hop_ms, mpls=oddity.mpls if oddity else ())
        luck, lucky = self._luck[tree]
        buckets = [self._bucket(address, rate) for address in addresses]
        salt = zlib.crc32(addresses[0].encode(), self.topology.world.seed & 0xFFFFFFFF)
        hop = PlannedHop(made, luck, lucky, Return(0, ttl - 1), buckets, salt)
        hop.mute = tuple(map(mute, addresses))
        hop.odd = None if oddity is None else Odd(oddity, self._random)
        return hop

    def _hop(self, hop: Hop, path: Path | None, position: int, family: Family) -> PlannedHop:
        way_back = Return(hop.delay_ms, 0) if path is None else self.topology.way_back(path, position, family)
        crossed = path is not None and position > path.troubled_step
        forth = Luck(path.trouble if path is not None else Trouble(), self._random, applies=crossed)
        back = Luck(way_back.trouble, self._random)
        salt = zlib.crc32(" ".join(hop.addresses).encode(), self.topology.world.seed & 0xFFFFFFFF)
        buckets = [self._bucket(address, hop.rate_limit) for address in hop.addresses]
        return PlannedHop(hop, forth, back, way_back, buckets, salt)

    def _bucket(self, address: str, rate: float | None) -> Bucket | None:
        if rate is None:
            return None
        return self._buckets.setdefault(address, Bucket(rate))


def _addresses(topology: Topology, site: str) -> frozenset[bytes]:
    found = {address for address, vantage in topology.vantages.items() if vantage == site}
    found |= {address for address, farms in topology.hosts.items() if site in farms}
    return frozenset(ipaddress.ip_address(address).packed for address in found)
