"""Cities of Pakistan and around it that are known to hold data centres or exchanges.

Territory's cities (`geodata.city`) are all of 100,000 people, as any may hold a machine; of these it is
known, by public lists of cloud providers' regions, of Cloudflare's, Fastly's and Amazon CloudFront's points
of presence, of Internet exchanges and of data centres for hire. What is not here is not known, which proves
nothing: of Rawalpindi, Faisalabad, Peshawar, Multan and Quetta no list that was read had any. PeeringDB's
facilities (`geodata.sources.peeringdb`) are exact and newer, where somebody has fetched them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from geodata.gazetteer import cities_named, plain

if TYPE_CHECKING:
    from geodata.city import City

Kind = Literal["cloud", "colocation", "exchange", "pop"]

# PKIX (pkix.pk) is in Islamabad (2016), Karachi (2019) and Lahore; data centres for hire are 10 in Karachi, 8
# in Lahore and 4 in Islamabad (Data Center Dynamics). No list of a cloud's regions has one in Pakistan.
_KNOWN: Final[tuple[tuple[str, str, tuple[Kind, ...]], ...]] = (
    ("Karachi", "PK", ("colocation", "exchange", "pop")),
    ("Lahore", "PK", ("colocation", "exchange", "pop")),
    ("Islamabad", "PK", ("colocation", "exchange", "pop")),
    ("Dubai", "AE", ("cloud", "colocation", "exchange", "pop")),
    ("Abu Dhabi", "AE", ("cloud", "colocation")),
    ("Fujairah", "AE", ("colocation", "pop")),
    ("Muscat", "OM", ("colocation", "pop")),
    ("Doha", "QA", ("cloud", "pop")),
    ("Manama", "BH", ("cloud", "pop")),
    ("Riyadh", "SA", ("cloud", "pop")),
    ("Jeddah", "SA", ("cloud", "pop")),
    ("Dammam", "SA", ("cloud", "pop")),
    ("Mumbai", "IN", ("cloud", "colocation", "exchange", "pop")),
    ("Delhi", "IN", ("cloud", "colocation", "exchange", "pop")),
    ("Chennai", "IN", ("cloud", "colocation", "exchange", "pop")),
    ("Hyderabad", "IN", ("cloud", "colocation", "pop")),
    ("Pune", "IN", ("cloud", "colocation")),
    ("Bengaluru", "IN", ("colocation", "pop")),
    ("Kolkata", "IN", ("colocation", "pop")),
    ("Ahmedabad", "IN", ("pop",)),
    ("Colombo", "LK", ("pop",)),
    ("Tashkent", "UZ", ("pop",)),
    ("Singapore", "SG", ("cloud", "colocation", "exchange", "pop")),
)


class Hub(NamedTuple):
    """A city, and what is known to be in it."""

    city: City
    kinds: tuple[Kind, ...]


@cache
def hubs() -> tuple[Hub, ...]:
    """Pakistan's, then those of other countries."""
    return tuple(Hub(cities_named(plain(name), country)[0], kinds) for name, country, kinds in _KNOWN)
