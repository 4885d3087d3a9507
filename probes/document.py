"""A YAML document that knows on which line everything stands, so that an error can say where.

Reads with the safe loader only; refuses what hides content or makes it grow (duplicate keys, anchors and
aliases, tags, more than one document) and files over a size limit. Validation is pydantic's; this module
turns its errors into lines for a person: file, line, field, what was wrong and what was meant.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_OCTETS = 64 * 2**20
MAX_DEPTH = 32
_Path = tuple[str | int, ...]


class Model(BaseModel):
    """Base of everything read from a file: immutable, strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file: ``file:line: field: message``."""

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.field}: {self.message}" if self.field else f"{where}: {self.message}"


class DocumentError(Exception):
    """A file cannot be used; ``faults`` holds every reason, in the order of the file's lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.line or 0, fault.field)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Document:
    """The plain value of a YAML file (``dict``, ``list``, ``str``, numbers, …) and the line of every part."""

    file: str
    value: Any
    lines: dict[_Path, int]
