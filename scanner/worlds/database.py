"""What the databases of a random world say: families that copy each other, wrong together and apart.

A provider's whole space is often registered at home wherever its machines are, leased space abroad wherever
they are, and what one database has wrong its family has wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from scanner.worlds.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.worlds.gazetteer import Gazetteer

_FAMILIES: Final = ("alif", "bay", "jim", "dal")
_MEANINGS: Final = {"registry": "registrant", "bgp": "origin"}


@dataclass(frozen=True, slots=True)
class Network:
    """A prefix, its AS, and the country where its machines are (None where they are in several)."""

    prefix: str
    asn: int
    name: str
    country: str | None
    router: bool = False
    known_as: Literal["anycast", "cdn", "scrubbing"] | None = None


@dataclass(frozen=True, slots=True)
class Databases:
    """The databases of a world: the registry, the routing table, and families of one to three members."""

    seed: int
    gazetteer: Gazetteer
    home: str
    members: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, seed: int, gazetteer: Gazetteer, home: str) -> Databases:
        """The databases of the world with that seed."""
        chance = Chance(seed, "databases")
        members: dict[str, tuple[str, ...]] = {"registry": ("registry",), "bgp": ("bgp",)}
        for family in _FAMILIES[: chance.whole(2, 4)]:
            members[family] = tuple(f"{family}-{number}" for number in range(1, chance.whole(1, 3) + 1))
        return cls(seed, gazetteer, home, members)

    def describe(
        self, name: str, date: str, lab: Sequence[str], networks: Sequence[Network]
    ) -> dict[str, Any]:
        """A snapshot in plain values, as :func:`geodata.snapshot_writer.write_snapshot` takes it."""
        records: dict[str, list[dict[str, Any]]] = {
            source: [] for sources in self.members.values() for source in sources
        }
        known: dict[int, dict[str, Any]] = {}
        for network in networks:
            for source, country in self._said(network).items():
                origin = source == "bgp"
                if country is not None or origin:
                    records[source].append(
                        {
                            "prefix": network.prefix,
                            "country": country,
                            "asn": network.asn if origin else None,
                            "network": network.name if origin else None,
                        }
                    )
            if network.known_as is not None:
                known[network.asn] = {"asn": network.asn, "name": network.name, "kind": network.known_as}
        return {
            "name": name,
            "date": date,
            "lab": list(lab),
            "sources": [
                {
                    "source": source,
                    "family": family,
                    "meaning": _MEANINGS.get(family, "server"),
                    "version": date,
                    "format": "table",
                    "records": records[source],
                }
                for family, sources in self.members.items()
                for source in sources
            ],
            "known": [known[asn] for asn in sorted(known)],
        }

    def _said(self, network: Network) -> dict[str, str | None]:
        chance = Chance(self.seed, "said", network.prefix)
        said: dict[str, str | None] = {}
        by_family = self._by_family(network, chance)
        for family, sources in self.members.items():
            for source in sources:
                # Who copies is behind now and then, or leaves out what it is not sure of.
                copied = len(sources) == 1 or chance.happens(0.94)
                said[source] = by_family[family] if copied else None
        return said

    def _by_family(self, network: Network, chance: Chance) -> dict[str, str | None]:
        true, home = network.country, self.home
        other = self.gazetteer.abroad(chance).country
        if true is None:
            true = other
        if network.router:
            # Carriers' routers abroad often stand in the books of their head office.
            share = {"true": 70.0, "home": 12.0, "mixed": 10.0, "nothing": 8.0}
        elif true == home:
            share = {"true": 68.0, "other": 12.0, "mixed": 13.0, "nothing": 7.0}
        else:
            share = {"true": 25.0, "home": 42.0, "mixed": 25.0, "nothing": 8.0}
        case = chance.weighted(share)
        if case == "mixed":
            voices: dict[str | None, float] = {true: 45, home if true != home else other: 40, None: 15}
            return {family: chance.weighted(voices) for family in self.members}
        said = {"true": true, "home": home, "other": other, "nothing": None}[case]
        families: dict[str, str | None] = dict.fromkeys(self.members, said)
        if case == "nothing":
            families["registry"] = home
        return families
