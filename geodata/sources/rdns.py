"""Hints of a place in the names that an address's reverse zone has for it.

Whoever holds the reverse zone writes the name: the operator, who may be the audited party, and nobody checks
it. So a hint is the operator's claim, of that very address and never of its neighbours (a study of Pakistan's
exchange had to take back what it had concluded of a /24), and worth something only where the measured times
allow it. Precision comes before recall: of two places in one name (links are named after both ends), of words
that are codes too, and of a name's first label alone (servers are called ``paris`` and ``ams1``), nothing is
said. Names are of any octets; what is no host name (RFC 1123, underscores allowed) is not read.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from geodata.airport import LICENCE, METRO_RADIUS_KM, VERSION, shipped_airports
from geodata.claim import Claim
from geodata.gazetteer import cities_named, plain
from geodata.place import NOWHERE, Place, at_airport, country_of, in_country
from geodata.sources.convention import (
    CITY_WORDS,
    CONVENTIONS,
    COUNTRY_LABELS,
    HUBS,
    LOCODE_WORDS,
    SECOND_LEVEL,
    SHORT_CITIES,
)
from geodata.sources.source import alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geodata.sources.convention import Convention

MAX_NAMES: Final = 16  # of an address, that are read
MAX_NAME: Final = 253  # characters (RFC 1035, 2.3.4)
# Of several cities of a name in different countries the largest is meant if it is so many times larger than
# any other: London, not the one in Ontario; but neither Hyderabad.
DOMINANT: Final = 20
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_TOKEN: Final = re.compile(r"(?P<letters>[a-z]+)(?P<number>[0-9]{0,4})(?:[a-z][0-9]{0,3})?\Z")
_APART: Final = re.compile(r"[-_]+")


class Hint(NamedTuple):
    """A place, and the part of a name that tells it; what is not ``sure`` can only contradict another."""

    token: str
    place: Place
    sure: bool = True


class _Token(NamedTuple):
    text: str
    letters: str
    number: str
    alone: bool  # all of its label
    first: bool  # in the name's first label


def name_claims(address: str, names: Iterable[str]) -> tuple[Claim, ...]:
    """What the reverse names of ``address`` hint at: one claim, or none where they do not agree.

    Raises :class:`~geodata.errors.GeodataError` for what is no address.
    """
    prefix = alone(address)
    found = [(name, hint) for name in itertools.islice(names, MAX_NAMES) for hint in hints(name)]
    sure = [(name, hint) for name, hint in found if hint.sure]
    if not sure or len({hint.place.country for _, hint in found}) != 1:
        return ()
    name, first = sure[0]
    # What tells the city as well, if all that do tell the same.
    exact = [hint.place for _, hint in found if hint.place.city is not None]
    place = exact[0] if len({each.city for each in exact}) == 1 else NOWHERE
    return (
        Claim(
            source="rdns",
            family="rdns",
            prefix=prefix,
            meaning="server",
            country=first.place.country,
            city=place.city,
            region=first.token,
            latitude=place.latitude,
            longitude=place.longitude,
            radius_km=None if place.latitude is None else METRO_RADIUS_KM,
            network=".".join(_labels(name)[-_domain(_labels(name)) :]),
            asserted_by="operator",
            version=VERSION,
            licence=LICENCE,
        ),
    )


def hints(name: str) -> tuple[Hint, ...]:
    """The places that a name tells, with the part that tells each; they may contradict each other."""
    labels = _labels(name)
    host = labels[: -_domain(labels)] if labels else []
    if not host:
        return ()
    whole = ".".join(labels)
    for convention in CONVENTIONS:
        if whole.endswith(f".{convention.suffix}"):
            return tuple(_by_convention(convention, whole.removesuffix(f".{convention.suffix}")))
    return tuple(_by_tokens(_tokens(host), host[-1]))


def _labels(name: str) -> list[str]:
    if len(name) > MAX_NAME + 1:
        return []
    labels = name.lower().removesuffix(".").split(".")
    return labels if all(_LABEL.match(label) for label in labels) else []


def _domain(labels: Sequence[str]) -> int:
    """How many labels at the end are the name that the operator was given, and no place."""
    country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in SECOND_LEVEL
    return 3 if country else 2


def _by_convention(convention: Convention, host: str) -> Iterator[Hint]:
    for match in convention.pattern.finditer(host):
        groups = match.groupdict()
        code = groups.get("own") or groups.get("iata")
        country = groups.get("country")
        if code is not None and code in convention.codes:
            city, home = convention.codes[code]
            place = in_country(home, city)
        elif groups.get("iata") is not None:
            place = at_airport(groups["iata"])
        elif groups.get("city") is not None:
            place = _city(plain(groups["city"]))
        else:
            place = in_country(country)
        if country is not None and place.country != country_of(country):
            place = NOWHERE
        if place.country is not None:
            yield Hint(match[0].strip(".-"), place)


def _tokens(host: Sequence[str]) -> list[_Token]:
    found = []
    for place, label in enumerate(host):
        parts = [part for part in _APART.split(label) if part]
        for part in parts:
            match = _TOKEN.match(part)
            letters, number = match.group("letters", "number") if match else ("", "")
            found.append(_Token(part, letters, number, len(parts) == 1, place == 0))
    return found


def _by_tokens(tokens: Sequence[_Token], last: str) -> Iterator[Hint]:
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        near = {
            country_of(each.text)
            for each in (before, after)
            if each is not None and each.text in COUNTRY_LABELS
        }
        text, place = token.text, _code(token, near) if len(token.letters) == 3 else _locode(token)
        if place.country is None:
            text, place = _written(token, after)
        if place.country is not None:
            # Servers are called ams1 and paris: a label of its own is a place only further on in a name.
            yield Hint(text, place, sure=place.country in near or not (token.first and token.alone))
    if last in COUNTRY_LABELS:
        yield Hint(last, in_country(last))


def _code(token: _Token, near: set[str | None]) -> Place:
    """An airport's code: beside its country, or with a number one of those that are known to be used."""
    airport = shipped_airports().get(token.letters.upper())
    if airport is None:
        return NOWHERE
    named = token.letters in HUBS and token.number
    return at_airport(token.letters) if named or airport.country in near else NOWHERE


def _locode(token: _Token) -> Place:
    """A country and an airport of it in one, as UN/LOCODE has most large cities: ``defra``, ``pkkhi``."""
    if len(token.letters) != 5 or token.letters in LOCODE_WORDS:
        return NOWHERE
    country, place = country_of(token.letters[:2]), at_airport(token.letters[2:])
    return place if place.country is not None and place.country == country else NOWHERE


def _written(token: _Token, after: _Token | None) -> tuple[str, Place]:
    """A city's name, in one or two parts of a label."""
    names = [(token.text, token.letters)]
    if after is not None and not (token.number or token.alone or after.alone):
        names.append((f"{token.text}-{after.text}", token.letters + after.letters))
    for text, name in names:
        if (len(name) >= 5 or name in SHORT_CITIES) and name not in CITY_WORDS:
            place = _city(name)
            if place.country is not None:
                return text, place
    return token.text, NOWHERE


def _city(name: str) -> Place:
    """The city of that name, if it is clear which; in alphabets and spellings of GeoNames."""
    cities = cities_named(name)
    if not cities:
        return NOWHERE
    largest, *others = cities
    abroad = max((city.population for city in others if city.country != largest.country), default=0)
    if largest.population < DOMINANT * abroad:
        return NOWHERE
    return Place(largest.country, largest.name, largest.latitude, largest.longitude)
