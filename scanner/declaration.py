"""What stands in a register: the models of ``register.yaml``.

Each checks itself; what only the whole register shows (ids that stand twice, waivers for nothing) is
:mod:`scanner.register`'s to check.
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from probes.document import Model
from scanner.country import CODES
from scanner.endpoint import (
    DATA_CLASSES,
    DataClass,
    Deployment,
    Place,
    expand,
    parse_address,
    parse_asn,
    parse_host,
    parse_key,
    parse_port,
    parse_prefix,
    parse_text,
    parse_url,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema

VERSION: Final = 1
_MAX_KEYS: Final = 64  # of one endpoint, whose machines may have one each
Status = Literal[
    "applied",  # an application lies with the Cloud Office
    "screening",  # security clearance under way
    "audit",  # an auditor registered with PKCERT is at work
    "registered",  # may serve open data
    "accredited",  # may serve the classes of its certificate
    "suspended",  # accredited, and for now not to be used
    "revoked",
    "expired",
    "withdrawn",
]
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _check_id(value: object) -> object:
    if not isinstance(value, str) or _ID.fullmatch(value):
        return value
    better = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("-._")[:63]
    meant = f"; did you mean {better!r}?" if _ID.fullmatch(better) else ""
    raise ValueError(
        f"{shown(value)} is not an id (a-z, 0-9, '.', '_', '-', at most 63, a letter or digit first){meant}"
    )


def _check_date(value: object) -> object:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no day of the calendar: {error}") from None
    raise ValueError(f"{shown(value)} is not a date such as 2026-12-31")


def _check_class(value: object) -> object:
    return "confidential" if value == "sensitive" else value  # the press's and older drafts' word for it


def _check_country(value: object) -> object:
    if isinstance(value, str) and value not in CODES:
        meant = f"; did you mean {value.upper()!r}?" if value.upper() in CODES else ""
        raise ValueError(f"{shown(value)} is not a country code of ISO 3166-1 alpha-2, such as PK{meant}")
    return value


def _check_version(value: object) -> object:
    if value != VERSION or isinstance(value, bool):
        raise ValueError(
            f"{shown(value)} is not a version that this program reads; it reads version {VERSION}"
        )
    return value


Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$"), BeforeValidator(_check_id)]
Date = Annotated[date, BeforeValidator(_check_date)]
Class = Annotated[
    DataClass,
    BeforeValidator(_check_class),
    WithJsonSchema({"enum": [*DATA_CLASSES, "sensitive"], "type": "string"}),
]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$"), BeforeValidator(_check_country)]
Asn = Annotated[
    int,
    BeforeValidator(parse_asn),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 2**32 - 2},
                {"type": "string", "pattern": "^([Aa][Ss])? ?[0-9]{1,10}$"},
            ]
        }
    ),
]
Port = Annotated[int, Field(ge=1, le=65535), BeforeValidator(parse_port)]
Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), BeforeValidator(parse_key)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class Accreditation(Model):
    """What the Cloud Office has decided of a provider.

    ``expires`` is the last day on which it holds. ``classes`` are those that the certificate covers;
    left out, its scope is not limited.
    """

    status: Status
    certificate: Text | None = None
    issued: Date | None = None
    expires: Date | None = None
    auditor: Text | None = None
    classes: Annotated[tuple[Class, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.issued and self.expires and self.expires < self.issued:
            raise ValueError(f"expires {self.expires}, before it was issued ({self.issued})")
        return self

    def runs(self, today: date) -> bool:
        """Whether ``today`` lies between its dates, as far as it has them."""
        return (self.issued is None or self.issued <= today) and (
            self.expires is None or today <= self.expires
        )

    def covers(self, data_class: DataClass) -> bool:
        """Whether the certificate's scope has the class."""
        return self.classes is None or data_class in self.classes


_READERS: Final[dict[str, Callable[[str], object]]] = {
    "url": parse_url,
    "host": parse_host,
    "address": parse_address,
    "prefix": lambda text: expand(parse_prefix(text)),
}


class Declaration(Model):
    """One entry of ``endpoints``: exactly one of ``url``, ``host``, ``address``, ``prefix``.

    In the file it may also be one text: a URL, a host, ``host:port``, or an address. ``keys`` are all those
    that may be shown where it is served by TLS; left out, any may.
    """

    url: str | None = None
    host: str | None = None
    address: str | None = None
    prefix: str | None = None
    port: Port | None = None
    site: Text | None = None
    keys: (
        Annotated[
            tuple[Key, ...],
            Field(min_length=1, max_length=_MAX_KEYS, json_schema_extra={"uniqueItems": True}),
        ]
        | None
    ) = None
    _places: tuple[Place, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return parse_text(value.strip()) if isinstance(value, str) else value

    @field_validator("url", "host", "address", "prefix")
    @classmethod
    def _readable(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            _READERS[info.field_name or ""](value)
        return value

    @field_validator("keys")
    @classmethod
    def _distinct(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value is not None and (again := next((key for key in value if value.count(key) > 1), None)):
            raise ValueError(f"{again!r} stands twice")
        return value

    @model_validator(mode="after")
    def _parse(self) -> Self:
        given = [name for name in ("url", "host", "address", "prefix") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"has {' and '.join(given) if given else 'none of them'};"
                " an endpoint has exactly one of url, host, address, prefix"
            )
        if self.port is not None and given[0] in {"url", "prefix"}:
            raise ValueError(
                "has url and port; write the port into the URL"
                if given[0] == "url"
                else "has prefix and port; give port with single addresses"
            )
        self._places = tuple(self._read(given[0]))
        if self.keys is not None and (fault := self._keyless()):
            raise ValueError(
                f"has keys, and {fault}; keys are for an https URL, or a host or address with port"
            )
        return self

    def _keyless(self) -> str | None:
        """Why no key can ever be seen."""
        if self._places[0].scheme == "http":
            return "is plain HTTP, which shows none"
        return "names no port that could show one" if self._places[0].port is None else None

    def _read(self, kind: str) -> Iterator[Place]:
        port = "" if self.port is None else f":{self.port}"
        match kind:
            case "url":
                yield parse_url(self.url or "")
            case "host":
                name = parse_host(self.host or "")
                yield Place(declared=f"{self.host}{port}", host=name, port=self.port)
            case "address":
                address = parse_address(self.address or "")
                declared = f"[{address}]{port}" if port and ":" in address else f"{address}{port}"
                yield Place(declared=declared, address=address, port=self.port)
            case _:
                network = parse_prefix(self.prefix or "")
                for one in expand(network):
                    yield Place(declared=str(network), address=one)

    @property
    def places(self) -> tuple[Place, ...]:
        """What it declares: one place, or one for each address of a prefix."""
        return self._places

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        mapping = dict(schema) | {
            "oneOf": [{"required": [key]} for key in ("url", "host", "address", "prefix")]
        }
        schema.clear()
        schema["anyOf"] = [{"type": "string", "minLength": 1}, mapping]
        schema["description"] = mapping.pop("description", "")
        schema["title"] = mapping.pop("title", "Declaration")
        return schema


class Service(Model):
    """One service of a provider: who uses it (``pses``), for what class of data, and its endpoints."""

    id: Id
    deployment: Deployment
    data_class: Class
    pses: tuple[Text, ...] = ()
    endpoints: Annotated[tuple[Declaration, ...], Field(min_length=1)]


class Provider(Model):
    """One cloud service provider (CSP) and what it declared."""

    id: Id
    name: Text
    accreditation: Accreditation
    asns: tuple[Asn, ...] = ()
    prefixes: tuple[str, ...] = ()
    services: Annotated[tuple[Service, ...], Field(min_length=1)]

    @field_validator("prefixes")
    @classmethod
    def _prefixes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(parse_prefix(one)) for one in value)


class Waiver(Model):
    """A time-bound no-objection certificate (NOC) for one endpoint; ``expires`` is the last day it holds.

    ``endpoint`` is an endpoint's id, or ``provider/service/prefix`` for all addresses of a declared prefix.
    """

    endpoint: Text
    issuer: Text
    reason: Text
    issued: Date | None = None
    expires: Date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.issued and self.expires < self.issued:
            raise ValueError(f"expires {self.expires}, before it was issued ({self.issued})")
        return self

    def runs(self, today: date) -> bool:
        """Whether it holds on ``today``."""
        return (self.issued is None or self.issued <= today) and today <= self.expires

    def __str__(self) -> str:
        """As findings refer to it."""
        return f"{self.issuer}, until {self.expires}: {self.reason}"


class RegisterFile(Model):
    """A register of cloud service providers."""

    version: Annotated[Literal[1], BeforeValidator(_check_version)]
    country: Country = "PK"
    providers: Annotated[tuple[Provider, ...], Field(min_length=1)]
    waivers: tuple[Waiver, ...] = ()
