"""Odd answers as trees of a simulated Internet, and traces in it beside the truth."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any, Literal

from probes.engine.pacing import Rates
from probes.observation import TraceResult
from probes.simnet.tree import Tree

if TYPE_CHECKING:
    from probes.engine.engine import Engine
    from probes.simnet.simnet import Simnet
    from probes.vantages.local import LocalVantage

Method = Literal["icmp", "tcp", "udp"]
METHODS: tuple[Method, ...] = ("icmp", "udp", "tcp")
NAMED = "header_only", "ports", "checksum"  # a quote that but for the identification could be anybody's

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "ecmp": {"ecmp": 4, "hops": [8, 8], "shared": 2},
    "late": {"oddities": [{"at": 3, "late_ms": 500}]},
    "out of order": {"oddities": [{"at": 2, "late_ms": 60}, {"at": 4, "late_ms": 30}]},
    "copies": {"oddities": [{"at": 2, "copies": 3}, {"at": "target", "copies": 20}]},
    "short quotes": {"oddities": [{"at": at, "quote": ["header_only"]} for at in (1, 2, 3, "target")]},
    "translated": {"oddities": [{"at": at, "quote": ["ports", "checksum"]} for at in (1, 2, 3, "target")]},
    "quoted ttl": {"oddities": [{"at": at, "quote": ["ttl"]} for at in (1, 2, 3)]},
    "named": {
        "oddities": [
            {"at": 1, "quote": NAMED},
            {"at": 2, "quote": [*NAMED, "identification_plus_one"]},
            {"at": 3, "quote": [*NAMED, "identification_swapped"]},
            {"at": 4, "quote": [*NAMED, "identification_zero"]},
        ]
    },
    "damaged": {"oddities": [{"at": 2, "quote": ["truncated"]}, {"at": 3, "quote": ["garbage"]}]},
    "in the target's name": {"oddities": [{"at": 1, "source": "target"}, {"at": 4, "source": "target"}]},
    "from elsewhere": {"oddities": [{"at": "target", "source": "ELSEWHERE"}]},
    "middle box": {"oddities": [{"at": 3, "refuses": "PORT"}]},
    "no host": {"oddities": [{"at": 3, "refuses": "HOST"}]},
    "filter": {"oddities": [{"at": 3, "refuses": "PROHIBITED"}]},
    "labels": {"oddities": [{"at": 2, "mpls": [{"label": 29657, "ttl": 1}, {"label": 25437, "ttl": 2}]}]},
    "loop": {"oddities": [{"at": 4, "loops": True}]},
    "silence": {"silent": 0.5, "hops": [8, 12], "targets": 40},
    "limited": {"rate_limit": 200, "targets": 100, "shared": 1},
    "by packet": {"ecmp": 3, "oddities": [{"at": 4, "per_packet": True}]},
    "change": {"ecmp": 2, "targets": 1, "hops": [8, 8], "oddities": [{"at": 4, "changes_after": 1}]},
    "lossy": {"loss": 0.1, "targets": 100},
}
CODES = {4: {"PORT": 3, "HOST": 1, "PROHIBITED": 13}, 6: {"PORT": 4, "HOST": 3, "PROHIBITED": 1}}
ELSEWHERE = {4: "192.0.2.77", 6: "2001:db8:1::77"}


def tree(number: int, version: int, **spec: Any) -> dict[str, Any]:
    """A tree of its own prefixes, and what is said of it in terms of this IP version."""
    given = json.dumps({"hops": [6, 9], "targets": 8, "shared": 2, "hop_ms": 1, "oddities": [], **spec})
    for word, code in CODES[version].items():
        given = given.replace(f'"{word}"', str(code))
    prefixes = (f"198.18.{number}.0/24", f"10.{number}.0.0/16")
    if version == 6:
        prefixes = (f"2001:db8:a{number:02x}::/64", f"2001:db8:b{number:02x}::/64")
    return {
        "prefix": prefixes[0],
        "routers": prefixes[1],
        **json.loads(given.replace("ELSEWHERE", ELSEWHERE[version])),
    }


WORLD = {
    "version": 1,
    "name": "cases",
    "country": "PK",
    "places": {
        "here": {
            "city": "Karachi",
            "country": "PK",
            "latitude": 24.86,
            "longitude": 67.0,
            "routers": {"prefixes": ["192.0.2.0/24", "2001:db8:1::/64"]},
        }
    },
    "vantages": [{"id": "v", "place": "here", "addresses": ["203.0.113.1", "2001:db8:2::1"]}],
    "trees": [
        *(tree(number, 4, **spec) for number, spec in enumerate(CASES.values())),
        *(tree(number, 6, **spec) for number, spec in enumerate(CASES.values())),
        {
            "prefix": "100.64.0.0/14",
            "targets": 67_000,
            "routers": "240.0.0.0/5",
            "hops": [12, 14],
            "hop_ms": 1,
            "dead": 0.99,
        },
    ],
}
RATES = Rates(process=20_000, vantage=20_000, target=20_000)


class Odd:
    """The running world, and an engine in it."""

    def __init__(self, net: Simnet, vantage: LocalVantage, engine: Engine) -> None:
        self.net = net
        self.vantage = vantage
        self.engine = engine

    def tree(self, case: str, version: int = 4) -> Tree:
        number = list(CASES).index(case) + (len(CASES) if version == 6 else 0)
        return Tree(self.net.world.trees[number], self.net.world.seed)

    async def trace(self, case: str, method: Method = "icmp", version: int = 4, **more: Any) -> Seen:
        """A trace to the first target of a case."""
        made = self.tree(case, version)
        target = made.targets[0]
        return Seen(made, target, await self.engine.trace(target, method, port(method), **more))

    async def traces(self, case: str, method: Method = "icmp", **more: Any) -> list[Seen]:
        """Those to all of them, at once."""
        made, found = self.tree(case), []
        async for target, result in self.engine.traces(made.targets, method, port(method), **more):
            assert isinstance(result, TraceResult)
            found.append(Seen(made, target, result))
        assert len(found) == len(made.targets)
        return found


class Seen:
    """A trace, and the truth."""

    def __init__(self, made: Tree, target: str, result: TraceResult) -> None:
        self.result = result
        self.target = target
        self.true = made.hops(target)
        self.found = [[reply.address for reply in hop.replies] for hop in result.hops]
        self.silent = [all(map(made.silent, step)) for step in self.true[:-1]] + [False]

    def right(self, *odd: int) -> bool:
        """Whether each hop up to the target is one true answer, or rightly silent; the ``odd`` ones aside."""
        if not self.result.reached or len(self.found) != len(self.true):
            return False
        hops = zip(itertools.count(1), self.found, self.true, self.silent, strict=False)
        return all(
            ttl in odd or (found == [] if silent else len(found) == 1 and found[0] in true)
            for ttl, found, true, silent in hops
        )


def port(method: Method) -> int | None:
    return 443 if method == "tcp" else None
