"""What a vantage point is, and the file that lists them (``vantages.yaml``)."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from probes.document import Document, DocumentError, Fault, Model
from probes.failure import VantageError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["local", "fleet", "atlas", "globalping", "recorded", "landmark"]
_NETNS_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,127}")
# IFNAMSIZ is 16 with the closing NUL; a name holds no slash and no space (dev_valid_name in Linux).
_INTERFACE = re.compile(r"[^\s/:]{1,15}")


class Vantage(Model):
    """One vantage point: where it is, how surely (kilometres), and how this process probes from it.

    ``netns`` is a name under ``/run/netns`` (as of ``ip netns``) or an absolute path such as
    ``/proc/123/ns/net``. ``resolvers`` empty means those of this machine's ``resolv.conf``.

    At its ``addresses`` it answers pings, so that the others can put its place to the test. One of kind
    ``landmark`` does nothing else: it is a machine whose place is known beyond doubt.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    city: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    location_error_km: Annotated[float, Field(ge=0, le=20_038, allow_inf_nan=False)] = 5.0
    network: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    kind: Kind = "local"
    netns: str | None = None
    source_address: str | None = None
    interface: str | None = None
    resolvers: Annotated[tuple[str, ...], Field(max_length=16)] = ()
    resolver_port: Annotated[int, Field(ge=1, le=65_535)] = 53
    addresses: Annotated[tuple[str, ...], Field(max_length=16)] = ()

    @field_validator("netns")
    @classmethod
    def _netns(cls, value: str | None) -> str | None:
        if value is None or value.startswith("/") or _NETNS_NAME.fullmatch(value):
            return value
        raise ValueError(f"{value!r} is neither a name under /run/netns nor an absolute path")

    @field_validator("interface")
    @classmethod
    def _interface(cls, value: str | None) -> str | None:
        if value is None or _INTERFACE.fullmatch(value):
            return value
        raise ValueError(f"{value!r} is not the name of a network interface")

    @field_validator("source_address")
    @classmethod
    def _source_address(cls, value: str | None) -> str | None:
        return None if value is None else _address(value)

    @field_validator("resolvers", "addresses")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_address, value))

    @model_validator(mode="after")
    def _only_local(self) -> Self:
        given = [name for name in ("netns", "source_address", "interface") if getattr(self, name) is not None]
        if given and self.kind != "local":
            raise ValueError(f"{given[0]} is for vantages of kind local, not {self.kind}")
        return self

    @model_validator(mode="after")
    def _landmark(self) -> Self:
        if self.kind == "landmark" and not self.addresses:
            raise ValueError("a landmark needs addresses, at which it is pinged")
        return self

    @property
    def probes(self) -> bool:
        """Whether it is there to probe from, and not a landmark."""
        return self.kind != "landmark"

    def require_local(self) -> None:
        """A :class:`VantageError` where this process cannot probe from the vantage itself."""
        if self.kind == "recorded":
            raise VantageError(f"vantage {self.id!r} is recorded: it serves to judge, not to scan")
        if self.kind == "landmark":
            raise VantageError(f"{self.id!r} is a landmark: it is probed, and nothing is probed from it")
        if self.kind != "local":
            raise VantageError(
                f"vantage {self.id!r} is of kind {self.kind}, from which this version cannot probe; "
                "use kind: local, or record its observations elsewhere and judge them"
            )


class _File(Model):
    version: Literal[1] = 1
    vantages: Annotated[tuple[Vantage, ...], Field(min_length=1)]


def load_vantages(path: Path) -> tuple[Vantage, ...]:
    """The vantages of a file; a :class:`probes.document.DocumentError` lists everything wrong with it."""
    return parse_vantages(Document.read(path))


def parse_vantages(document: Document) -> tuple[Vantage, ...]:
    """The vantages of a document that is read already; errors as of :func:`load_vantages`."""
    vantages = document.validate(_File).vantages
    first: dict[str, int] = {}
    faults: list[Fault] = []
    for index, vantage in enumerate(vantages):
        place = ("vantages", index, "id")
        earlier = first.setdefault(vantage.id, index)
        if earlier != index:
            line = document.line(("vantages", earlier, "id"))
            faults.append(document.fault(place, f"{vantage.id!r} stands twice; first on line {line}"))
    owners: dict[str, str] = {}
    for index, vantage in enumerate(vantages):
        for address in vantage.addresses:
            owner = owners.setdefault(address, vantage.id)
            if owner != vantage.id:
                place = ("vantages", index, "addresses")
                faults.append(document.fault(place, f"{address} is also an address of {owner!r}"))
    if not any(vantage.probes for vantage in vantages):
        faults.append(document.fault(("vantages",), "all are landmarks: there is nothing to probe from"))
    if faults:
        raise DocumentError(faults)
    return vantages


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address") from None
