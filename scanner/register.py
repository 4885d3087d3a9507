"""The register: providers, their accreditation, services and declared endpoints, and the waivers.

A register is a YAML file that people write (``config/register.example.yaml``). :func:`load_register` gives
it as values, or a :class:`probes.document.DocumentError` that lists everything wrong with it by file, line
and field. What is not wrong but will count against somebody (an accreditation or waiver that has run out)
is a :class:`Notice`.
"""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from geodata.gazetteer import cities_named, nearest_name, plain
from probes.document import Document, DocumentError, Fault
from scanner.declaration import Accreditation, Provider, RegisterFile, Service, Waiver
from scanner.endpoint import DATA_CLASSES, DataClass, Deployment, Endpoint, Place, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from pathlib import Path

__all__ = [
    "DATA_CLASSES",
    "Accreditation",
    "DataClass",
    "Deployment",
    "Endpoint",
    "Notice",
    "Provider",
    "Register",
    "Service",
    "Waiver",
    "json_schema",
    "load_register",
    "parse_register",
]
NoticeCode = Literal[
    "accreditation-expired",
    "accreditation-not-begun",
    "class-out-of-scope",
    "site-unknown",
    "waiver-expired",
    "waiver-not-begun",
]
_Path = tuple[str | int, ...]
# Names are compared with each other to say what was meant; for more wrong ones than this it would take long.
_MAX_SUGGESTIONS: Final = 20


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something in a register that is no mistake but that its keeper should know."""

    code: NoticeCode
    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        """``file:line: field: message``."""
        return str(Fault(self.file, self.line, self.field, self.message))


@dataclass(frozen=True)
class Register:
    """A register that is in order. ``country`` is the home that data must stay in."""

    file: str
    country: str
    providers: tuple[Provider, ...]
    waivers: tuple[Waiver, ...]
    endpoints: tuple[Endpoint, ...]
    notices: tuple[Notice, ...]
    _waived: Mapping[str, tuple[Waiver, ...]] = field(default_factory=dict, repr=False)

    @cached_property
    def _providers(self) -> dict[str, Provider]:
        return {provider.id: provider for provider in self.providers}

    @cached_property
    def _endpoints(self) -> dict[str, Endpoint]:
        return {endpoint.id: endpoint for endpoint in self.endpoints}

    def provider(self, id_: str) -> Provider:
        """The provider with that id; KeyError where there is none."""
        return self._providers[id_]

    def endpoint(self, id_: str) -> Endpoint:
        """The endpoint with that id; KeyError where there is none."""
        return self._endpoints[id_]

    def waivers_of(self, endpoint: str) -> tuple[Waiver, ...]:
        """The waivers that name an endpoint by its id, whether they hold or not; the latest to end first."""
        return self._waived.get(endpoint, ())


def load_register(path: Path, today: date) -> Register:
    """The register in a file, with notices as of ``today``; a ``DocumentError`` lists all that is wrong."""
    return parse_register(Document.read(path), today)


def parse_register(document: Document, today: date) -> Register:
    """The register in a document that is read already; errors as of :func:`load_register`."""
    file = document.validate(RegisterFile)
    faults = list(_repeated(document, file.providers))
    endpoints, repeated = _name(document, list(_declared(document, file)))
    faults += repeated
    waived, unknown = _resolve(document, file.waivers, endpoints)
    faults += unknown
    if faults:
        raise DocumentError(faults)
    return Register(
        file=document.file,
        country=file.country,
        providers=file.providers,
        waivers=file.waivers,
        endpoints=endpoints,
        notices=tuple(_notices(document, file, today)),
        _waived=waived,
    )


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``register.yaml``, for editors; :func:`load_register` knows more."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sarhad:register:1",
        **RegisterFile.model_json_schema(),
        "title": "sarhad.register/1",
    }


def _declared(document: Document, file: RegisterFile) -> Iterator[tuple[_Path, Endpoint, Place]]:
    """Every declared place, as an endpoint that has no id of its own yet, and where it stands."""
    for p, provider in enumerate(file.providers):
        for s, service in enumerate(provider.services):
            for e, declaration in enumerate(service.endpoints):
                where = ("providers", p, "services", s, "endpoints", e)
                for place in declaration.places:
                    yield (
                        where,
                        Endpoint(
                            id=f"{provider.id}/{service.id}",
                            provider=provider.id,
                            service=service.id,
                            data_class=service.data_class,
                            deployment=service.deployment,
                            declared=place.declared,
                            host=place.host,
                            address=place.address,
                            port=place.port,
                            scheme=place.scheme,
                            url=place.url,
                            site=declaration.site,
                            keys=declaration.keys or (),
                            asns=provider.asns,
                            prefixes=provider.prefixes,
                            line=document.line(where),
                        ),
                        place,
                    )


def _name(
    document: Document, declared: list[tuple[_Path, Endpoint, Place]]
) -> tuple[tuple[Endpoint, ...], list[Fault]]:
    """Give each endpoint the shortest id that is its alone; a fault where two are one and the same.

    All that would share an id take a longer one, so that an id in a waiver never quietly comes to mean
    another endpoint when lines change their order.
    """
    first: dict[tuple[str | int | None, ...], int] = {}
    faults: list[Fault] = []
    single: list[tuple[Endpoint, list[str]]] = []
    for where, one, place in declared:
        key = (one.id, one.host, one.address, one.port, one.scheme, one.url)
        earlier = first.setdefault(key, len(single))
        if earlier == len(single):
            single.append((one, [f"{one.id}/{name}" for name in place.names()]))
        else:
            line = single[earlier][0].line
            faults.append(
                document.fault(where, f"{place.declared!r} is declared twice; first on line {line}")
            )
    level = [0] * len(single)
    while longer := _shared([names[level[index]] for index, (_, names) in enumerate(single)]):
        grown = [index for index in longer if level[index] + 1 < len(single[index][1])]
        if not grown:
            break
        for index in grown:
            level[index] += 1
    return tuple(
        msgspec.structs.replace(one, id=names[level[index]]) for index, (one, names) in enumerate(single)
    ), faults


def _shared(names: list[str]) -> list[int]:
    """The places of the names that more than one has."""
    counts = Counter(names)
    return [index for index, name in enumerate(names) if counts[name] > 1]


def _repeated(document: Document, providers: tuple[Provider, ...]) -> Iterator[Fault]:
    """Faults for providers, and services of one provider, that have the same id."""
    yield from _twice(document, [(("providers", p, "id"), one.id) for p, one in enumerate(providers)])
    for p, provider in enumerate(providers):
        services = enumerate(provider.services)
        yield from _twice(document, [(("providers", p, "services", s, "id"), one.id) for s, one in services])


def _twice(document: Document, ids: list[tuple[_Path, str]]) -> Iterator[Fault]:
    first: dict[str, _Path] = {}
    for place, id_ in ids:
        earlier = first.setdefault(id_, place)
        if earlier != place:
            kind = str(place[-3]).removesuffix("s")
            yield document.fault(
                place, f"{kind} {id_!r} stands twice; first on line {document.line(earlier)}"
            )


def _resolve(
    document: Document, waivers: tuple[Waiver, ...], endpoints: tuple[Endpoint, ...]
) -> tuple[dict[str, tuple[Waiver, ...]], list[Fault]]:
    """The waivers of each endpoint; a fault for every waiver that names none."""
    if not waivers:
        return {}, []
    known: dict[str, list[str]] = {}
    for endpoint in endpoints:
        known.setdefault(endpoint.id, []).append(endpoint.id)
        if "/" in endpoint.declared and endpoint.url is None:
            known.setdefault(f"{endpoint.provider}/{endpoint.service}/{endpoint.declared}", []).append(
                endpoint.id
            )
    found: dict[str, list[Waiver]] = {}
    faults: list[Fault] = []
    for index, waiver in enumerate(waivers):
        ids = known.get(waiver.endpoint)
        if ids is None:
            hint = _meant(waiver.endpoint, known) if len(faults) < _MAX_SUGGESTIONS else ""
            message = f"{shown(waiver.endpoint)} is no endpoint of this register{hint}"
            faults.append(document.fault(("waivers", index, "endpoint"), message))
        for id_ in ids or ():
            found.setdefault(id_, []).append(waiver)
    return {
        id_: tuple(sorted(each, key=lambda one: one.expires, reverse=True)) for id_, each in found.items()
    }, faults


def _meant(wrong: str, known: Mapping[str, object]) -> str:
    """What a waiver that names no endpoint probably meant."""
    longer = [id_ for id_ in known if id_.startswith(f"{wrong}:")]
    if len(longer) > 1:
        return f"; say which is meant: {' or '.join(map(repr, longer[:4]))}"
    inside = [id_ for id_ in known if id_.startswith(f"{wrong.rstrip('/')}/")]
    if inside:
        return f"; a waiver is for one endpoint, such as {inside[0]!r}"
    service = wrong.rpartition("/")[0]
    near = [id_ for id_ in known if id_.startswith(f"{service}/")] if service else []
    close = difflib.get_close_matches(wrong, near[:2000] or list(known)[:2000], n=1, cutoff=0.5)
    close = close or difflib.get_close_matches(wrong, list(known)[:2000], n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def _notices(document: Document, file: RegisterFile, today: date) -> Iterator[Notice]:
    def notice(code: NoticeCode, place: _Path, message: str) -> Notice:
        fault = document.fault(place, message)
        return Notice(code=code, file=fault.file, line=fault.line, field=fault.field, message=message)

    for p, provider in enumerate(file.providers):
        for code, place, message in _of_provider(provider, today):
            yield notice(code, ("providers", p, *place), message)
        for place, message in _unknown_sites(provider, file.country):
            yield notice("site-unknown", ("providers", p, *place), message)
    for w, waiver in enumerate(file.waivers):
        if waiver.expires < today:
            message = f"the waiver for {waiver.endpoint!r} ended on {waiver.expires} and waives nothing"
            yield notice("waiver-expired", ("waivers", w, "expires"), message)
        elif not waiver.runs(today):
            message = f"the waiver for {waiver.endpoint!r} begins on {waiver.issued} only"
            yield notice("waiver-not-begun", ("waivers", w, "issued"), message)


def _unknown_sites(provider: Provider, country: str) -> Iterator[tuple[_Path, str]]:
    """Declared sites that no measurement can be held against, as nobody knows where they are; each once."""
    first: dict[str, _Path] = {}
    for s, service in enumerate(provider.services):
        for e, declaration in enumerate(service.endpoints):
            if declaration.site is not None:
                first.setdefault(declaration.site, ("services", s, "endpoints", e, "site"))
    unknown = [site for site in first if not cities_named(plain(site))]
    for number, site in enumerate(unknown):
        near = nearest_name(plain(site), country) if number < _MAX_SUGGESTIONS else None
        meant = f"; did you mean {near!r}?" if near else ""
        yield first[site], f"{shown(site)} is no city that is known, so it is not checked{meant}"


def _of_provider(provider: Provider, today: date) -> Iterator[tuple[NoticeCode, _Path, str]]:
    given = provider.accreditation
    says = f"{provider.id!r} has the status {given.status}, which"
    if given.status in {"accredited", "registered"}:
        if given.expires is not None and given.expires < today:
            yield "accreditation-expired", ("accreditation", "expires"), f"{says} ended on {given.expires}"
        if given.issued is not None and given.issued > today:
            yield (
                "accreditation-not-begun",
                ("accreditation", "issued"),
                f"{says} begins on {given.issued} only",
            )
    for s, service in enumerate(provider.services):
        if not given.covers(service.data_class):
            scope = ", ".join(given.classes or ())
            message = (
                f"{service.data_class} data is not in the scope of {provider.id!r}, which is for {scope}"
            )
            yield "class-out-of-scope", ("services", s, "data_class"), message
