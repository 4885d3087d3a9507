"""Which place of a content network answered, as the headers of an HTTP response tell (forms: ``form``).

Whoever answers writes what they like. A point of presence *at home* proves nothing: anybody can send
``cf-ray: …-KHI``, and an edge at home says nothing of the origin. One *abroad* is an admission.

A claim's ``region`` is the place as the header has it; its ``source`` is ``http:`` and the header's name, and
its ``version`` that of the codes. It is as old as the response.
``meaning`` is ``edge_pop`` for who talked to the client, and ``server`` for what stood behind: a shield, a
parent cache, the region in which a function ran. A code that nobody knows gives a claim without country, and
so does a header that names its network and no place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from geodata.airport import LICENCE, METRO_RADIUS_KM, VERSION
from geodata.claim import Claim
from geodata.place import Place, at_airport, in_country
from geodata.sources.form import FORMS, OWN
from geodata.sources.source import alone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geodata.claim import Meaning
    from geodata.sources.form import Form

FAMILY: Final = "http-pop"
MAX_VALUE: Final = 512  # characters of a header that are read
_TELLING: Final = {form.header for form in FORMS} | {form.beside[0] for form in FORMS if form.beside}


def pop_claims(address: str, headers: Mapping[str, str]) -> tuple[Claim, ...]:
    """What the headers of a response from ``address`` say of who answered; names are in lower case.

    The claims are of that address alone and of that moment: the next response may come from elsewhere. A
    network that no header places has one claim. Raises
    :class:`~geodata.errors.GeodataError` for what is no address.
    """
    telling = headers.keys() & _TELLING
    return _claims(address, tuple((name, headers[name][:MAX_VALUE]) for name in sorted(telling)))


@lru_cache(maxsize=1 << 12)  # one answers all vantages alike
def _claims(address: str, told: tuple[tuple[str, str], ...]) -> tuple[Claim, ...]:
    prefix, headers = alone(address), dict(told)
    claims: dict[Claim, None] = {}
    known: set[str] = set()
    for form in FORMS:
        if form.header not in headers:
            continue
        value = headers[form.header]
        if form.beside is not None:
            name, beginning = form.beside
            value = value if headers.get(name, "").startswith(beginning) else ""
        if "region" not in form.pattern.groupindex and form.network in known:
            continue
        for meaning, region, place in _hops(form, value):
            known.add(form.network)
            claims[
                Claim(
                    source=f"http:{form.header}",
                    family=FAMILY,
                    prefix=prefix,
                    meaning=meaning,
                    country=place.country,
                    city=place.city,
                    region=region,
                    latitude=place.latitude,
                    longitude=place.longitude,
                    radius_km=None if place.latitude is None else METRO_RADIUS_KM,
                    network=form.network,
                    asserted_by="operator",
                    version=VERSION,
                    licence=LICENCE,
                )
            ] = None
    return tuple(claims)


def _hops(form: Form, value: str) -> Iterator[tuple[Meaning, str | None, Place]]:
    """What each hop that a header names is, its place as written, and where that is."""
    matches = list(form.pattern.finditer(value))
    edges = {"all": matches, "first": matches[:1], "last": matches[-1:], "none": []}[form.edge]
    for match in matches:
        groups = match.groupdict()
        edge = match in edges and groups.get("inner") is None
        yield "edge_pop" if edge else "server", groups.get("region"), _place(form.network, groups)


def _place(network: str, groups: Mapping[str, str | None]) -> Place:
    if (iata := groups.get("iata")) is not None:
        return at_airport(iata)
    if (own := groups.get("own")) is not None:
        city, country = OWN[network].get(own, (None, None))
        return in_country(country, city)
    return in_country(groups.get("country"), groups.get("city"))
