"""Vantages as witnesses: what they see of hosts from where they are in truth, and how they are doubted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geodata.sphere import distance_km
from probes.vantages.vantage import Vantage
from scanner.gathering import gather
from scanner.honesty import examine
from tests.scanner.scene import PLACES, THRESHOLDS, VANTAGES, claim, pakistan, ping

if TYPE_CHECKING:
    from probes.observation import Observation
    from scanner.doubt import Doubt
    from scanner.evidence import AddressEvidence

# Round trips between places over fibre that is 1.6 times as long as the great circle.
_STRETCH = 1.6


def rtt_ms(one: str, other: str) -> float:
    here, there = PLACES[one], PLACES[other]
    km = float(distance_km(here[1], here[2], there[1], there[2]))
    return 0.4 + km * _STRETCH / 100


def addresses(count: int, network: int = 1) -> list[str]:
    return [f"198.{16 + network}.0.{number + 1}" for number in range(count)]


def seen(address: str, *sites: str, really: dict[str, str] | None = None) -> list[Observation]:
    """Pings of an address at some places, each vantage answered by the nearest.

    ``really`` says where vantages are that are not where they say.
    """
    where = {name: (really or {}).get(name, name) for name in VANTAGES}
    return [
        ping(name, min(rtt_ms(place, site) for site in sites), address=address)
        for name, place in where.items()
    ]


def evidence(
    observations: list[Observation], asn: int | None = None, vantages: dict[str, Vantage] | None = None
) -> list[AddressEvidence]:
    found = sorted({str(one.address) for one in observations})
    origin = () if asn is None else (claim("bgp", None, meaning="origin", asn=asn),)
    claims = dict.fromkeys(found, origin)
    return list(gather(found, observations, claims, {}, vantages or VANTAGES, THRESHOLDS).values())


def doubts(
    of: list[AddressEvidence],
    mutual: list[AddressEvidence] | None = None,
    vantages: dict[str, Vantage] | None = None,
) -> dict[str, Doubt]:
    return examine(of, mutual or [], vantages or VANTAGES, pakistan(), THRESHOLDS)


def networks(
    count: int, *sites: str, really: dict[str, str] | None = None, first: int = 0
) -> list[AddressEvidence]:
    """An address in each of several networks."""
    return [
        one
        for number in range(first, first + count)
        for one in evidence(seen(addresses(1, number)[0], *sites, really=really), asn=64496 + number)
    ]


ANSWERING = {
    name: vantage.model_copy(update={"addresses": (f"198.19.0.{number}",)})
    for number, (name, vantage) in enumerate(VANTAGES.items())
}
LANDMARK = Vantage(
    id="mark", latitude=24.86, longitude=67.0, kind="landmark", addresses=("198.19.1.1",), location_error_km=1
)


def mutual(*pairs: tuple[str, str, float]) -> list[AddressEvidence]:
    vantages = {**ANSWERING, "mark": LANDMARK}
    return evidence(
        [ping(one, rtt, address=vantages[other].addresses[0]) for one, other, rtt in pairs], vantages=vantages
    )
