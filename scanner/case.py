"""A case: one address with all that the rules look at, and the words in which they say why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scanner.verdict import AddressVerdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from geodata.claim import Claim
    from geodata.territory import Feasibility, Territory
    from probes.vantages.vantage import Vantage
    from scanner.evidence import AddressEvidence, Basis, Constraint, Layer, Pop
    from scanner.policy import Thresholds
    from scanner.verdict import Assurance, Location, SetAside, Site


# Who answered, by whom a constraint binds or which layer was late.
WHO: Final[Mapping[Basis | Layer, str]] = {
    "transport": "it",
    "port": "its port",
    "hello": "whoever greets for TLS",
    "key": "the holder of its certificate's key",
    "tls": "the holder of its certificate's key",
    "session": "the holder of its TLS session's keys",
    "resumed": "the holder of its TLS session's keys",
    "page": "what makes its page",
    "static": "what serves its files",
    "error": "what answers for a page that nobody has",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One address with all that the rules look at, each thing computed once."""

    evidence: AddressEvidence
    transport: Feasibility  # of the host that answers packets
    key: Feasibility | None  # of the holder of the certificate's key, where TLS was measured
    possible: tuple[Claim, ...]  # claims of a place that physics allows
    pops: tuple[Pop, ...]  # the same of points of presence
    set_aside: tuple[SetAside, ...]
    territory: Territory
    thresholds: Thresholds

    def verdict(
        self,
        rule: str,
        location: Location,
        assurance: Assurance | None,
        reason: str,
        evidence: Sequence[str] = (),
        countries: Collection[str] = (),
        sites: tuple[Site, ...] = (),
        **thresholds: float,
    ) -> AddressVerdict:
        """The verdict of a rule on this case."""
        return AddressVerdict(
            address=self.evidence.address,
            location=location,
            assurance=assurance,
            rule=rule,
            reason=reason,
            evidence=tuple(dict.fromkeys(evidence)),
            countries=tuple(sorted(set(countries))),
            rtts_ms={one.vantage.id: one.rtt_ms for one in self.evidence.transport},
            keys=self.evidence.keys,
            set_aside=self.set_aside,
            sites=sites,
            # Numbers as JSON gives them back, so that a run that is read and written is the same.
            thresholds={name: float(value) for name, value in thresholds.items()},
        )

    def at_home(self, vantage: Vantage) -> bool:
        """Whether a vantage is at home, by its declared place."""
        return self.territory.is_home(vantage.latitude, vantage.longitude)

    @property
    def home(self) -> str:
        """ISO code of the country that data must stay in."""
        return self.territory.country


def up(km: float) -> str:
    """A bound in whole kilometres, rounded so that it stays true."""
    return f"{math.ceil(km):,}"


def down(km: float) -> str:
    """The same for what something is away at least."""
    return f"{math.floor(km):,}"


def of(constraint: Constraint) -> str:
    """Which vantage was answered how soon."""
    return f"{constraint.vantage.city or constraint.vantage.id} in {constraint.rtt_ms:.2f} ms"


def counted(count: int, one: str, several: str) -> str:
    """How many there are of something."""
    return f"{count} {one if count == 1 else several}"
