"""A run: one scan as an immutable value, with everything that it used.

Verdicts, findings, metrics and reports are computed from a run and nothing else; ``sarhad.run/1`` is its
JSON form, with a published JSON Schema. The same observations, claims, register and thresholds, judged again
offline, give the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from geodata.claim import Claim
from probes.observation import Observation
from scanner.policy import Finding, FindingStatus, Severity
from scanner.verdict import EndpointVerdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SCHEMA: Final = "sarhad.run/1"


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """What measured and judged."""

    name: str = "sarhad"
    version: str


class VantageUsed(msgspec.Struct, frozen=True, kw_only=True):
    """A vantage of the run: where it says it is, and how it could probe.

    ``location_ok`` is false where what was measured contradicts its place, so that it is not relied on.
    """

    id: str
    city: str | None = None
    latitude: float
    longitude: float
    location_error_km: float
    network: str | None = None
    kind: str
    method: str | None = None
    up: bool = True
    location_ok: bool = True


class SourceUsed(msgspec.Struct, frozen=True, kw_only=True):
    """A source of claims that the run used: its data's version, date, licence and attribution."""

    source: str
    family: str
    version: str | None = None
    date: str | None = None
    licence: str | None = None
    attribution: str | None = None


class FileUsed(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the run used, by the SHA-256 of its octets."""

    name: str
    sha256: str


class EndpointResult(msgspec.Struct, frozen=True, kw_only=True):
    """One declared endpoint with its verdict, the policy's status and the findings that gave it."""

    endpoint: str
    provider: str
    service: str
    data_class: str
    deployment: str
    declared: str
    site: str | None = None
    status: FindingStatus
    severity: Severity
    verdict: EndpointVerdict
    findings: tuple[Finding, ...] = ()


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One scan (see the module). Times are RFC 3339 in UTC; ``complete`` is false when it was interrupted."""

    schema: Literal["sarhad.run/1"] = SCHEMA
    id: str
    started: str
    finished: str
    complete: bool
    tool: Tool
    country: str
    vantages: tuple[VantageUsed, ...]
    sources: tuple[SourceUsed, ...]
    files: tuple[FileUsed, ...] = ()
    policy: dict[str, Any] = {}
    notices: tuple[str, ...] = ()
    endpoints: tuple[EndpointResult, ...]
    observations: tuple[Observation, ...]
    claims: dict[str, tuple[Claim, ...]] = {}
    special: dict[str, str] = {}


def encode(run: Run) -> bytes:
    """The run as JSON: mappings sorted, nothing left out, one element of a list a line."""
    return b"".join(encode_parts(run))


def encode_parts(run: Run) -> Iterator[bytes]:
    """The same in parts: the whole is larger than what it was made of."""
    encode_one = msgspec.json.Encoder(order="sorted").encode
    between = b"{\n"
    for name in run.__struct_fields__:
        yield between + encode_one(name) + b": "
        value = getattr(run, name)
        if isinstance(value, tuple):
            yield from _elements(b"[", (encode_one(one) for one in value), b"]")
        elif isinstance(value, dict):
            entries = (encode_one(key) + b": " + encode_one(value[key]) for key in sorted(value))
            yield from _elements(b"{", entries, b"}")
        else:
            yield encode_one(value)
        between = b",\n"
    yield b"\n}\n"


def _elements(first: bytes, elements: Iterable[bytes], last: bytes) -> Iterator[bytes]:
    before = first + b"\n "
    end = first + last
    for one in elements:
        yield before + one
        before, end = b",\n ", b"\n" + last
    yield end


def decode(octets: bytes) -> Run:
    """The run in a JSON file; ``msgspec.ValidationError`` names the field that is wrong."""
    return msgspec.json.decode(octets, type=Run)


def json_schema() -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of ``sarhad.run/1``."""
    schema = msgspec.json.schema(Run)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sarhad:run:1",
        "title": SCHEMA,
        **schema,
    }


def observation_schema() -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of one observation record, ``sarhad.observation/1``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sarhad:observation:1",
        "title": "sarhad.observation/1",
        **msgspec.json.schema(Observation),
    }


def encode_observations(observations: Iterable[Observation]) -> bytes:
    """Observation records as JSON Lines, one object a line; what ``sarhad judge`` reads."""
    return b"".join(observation_lines(observations))


def observation_lines(observations: Iterable[Observation]) -> Iterator[bytes]:
    """The same a line at a time."""
    return (msgspec.json.encode(one) + b"\n" for one in observations)
