"""A YAML document that knows on which line everything stands, so that an error can say where.

Reads the core schema of YAML 1.2 from the parser's events: ``true`` and ``false`` are truth values and
nothing else is (``NO`` is Norway), ``22:30`` and dates are text. Refuses what hides content or makes it grow:
duplicate keys, anchors and aliases, tags, directives, more than one document, characters that reorder text;
and more octets, parts or depth than the stated limits. Validation is pydantic's; its errors become lines of
file, line, field, and what was wrong and meant (:mod:`probes.refusal`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from probes import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_OCTETS: Final = 64 * 2**20
MAX_DEPTH: Final = 32
MAX_PARTS: Final = 2_000_000  # keys and values; their lines take about 200 octets each
MAX_FAULTS: Final = 1000  # after so many, the rest of a file is not looked at
_SHOWN_FAULTS: Final = 50
_MAX_NUMBER: Final = 40  # characters; longer ones take Python long to read or write, and mean nothing here
_Path = tuple[str | int, ...]

# The parser on libyaml is eight times as quick as the one in Python; both give the same events.
_PARSER: type[Any] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
# Not c-printable (YAML 1.2.2 section 5.1), or one of the characters that make text read otherwise than it is
# stored (Unicode bidirectional controls, "Trojan Source", CVE-2021-42574).
_FORBIDDEN: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]"
)
_DIRECTIVE: Final = re.compile("(?:^|[\n\r\x85\u2028\u2029])%")
_CONSTANTS: Final = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("true", "True", "TRUE"), True)
    | dict.fromkeys(("false", "False", "FALSE"), False)
)
_WHOLE: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_REAL: Final = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)


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
        text = "\n".join(map(str, self.faults[:_SHOWN_FAULTS]))
        rest = len(self.faults) - _SHOWN_FAULTS
        super().__init__(f"{text}\n… and {rest} more" if rest > 0 else text)


@dataclass(frozen=True, slots=True)
class Document:
    """The plain value of a YAML file (``dict``, ``list``, ``str``, numbers, …) and the line of every part."""

    file: str
    value: Any
    lines: dict[_Path, int]

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read ``path``; a :class:`DocumentError` says what is wrong with it as a file or as YAML."""
        try:
            with path.open("rb") as stream:
                octets = stream.read(MAX_OCTETS + 1)
        except OSError as error:
            raise _single(str(path), None, f"cannot be read: {error.strerror}") from error
        if len(octets) > MAX_OCTETS:
            raise _single(str(path), None, f"is larger than {MAX_OCTETS // 2**20} MiB; split it")
        return cls.parse(octets, str(path))

    @classmethod
    def parse(cls, octets: bytes, file: str) -> Document:
        """Parse the octets of one YAML document; ``file`` is only for messages."""
        try:
            text = octets.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            at = octets.count(b"\n", 0, error.start) + 1
            raise _single(file, at, "is not UTF-8 text; save it as UTF-8") from error
        if (bad := _FORBIDDEN.search(text)) is not None:
            at = text.count("\n", 0, bad.start()) + 1
            why = (
                "which YAML forbids"
                if ord(bad[0]) < 0x2000 or ord(bad[0]) > 0x206F
                else "which reorders text"
            )
            raise _single(file, at, f"holds the character U+{ord(bad[0]):04X}, {why}")
        if (found := _DIRECTIVE.search(text)) is not None:
            at = text.count("\n", 0, found.end()) + 1
            raise _single(file, at, "begins a line with '%' (a YAML directive); leave it out")
        parser = _PARSER(text)
        builder = _Builder(file, parser)
        try:
            value = builder.document()
        except yaml.MarkedYAMLError as error:
            # Of a quote that is never closed, the place where it opens helps; else the place of the problem.
            opened = error.context_mark if "quoted scalar" in str(error.context) else None
            mark = opened or error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else None
            raise _single(file, line, _syntax(text, line, error)) from error
        except yaml.YAMLError as error:
            raise _single(file, None, f"is not valid YAML: {str(error)[:200]}") from error
        finally:
            parser.dispose()
        if builder.faults:
            raise DocumentError(builder.faults)
        return cls(file, value, builder.lines)

    def line(self, path: _Path) -> int | None:
        """The line of a part, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def fault(self, path: _Path, message: str) -> Fault:
        """A fault at the part ``path``, for checks that pydantic cannot make."""
        return Fault(self.file, self.line(path), _dotted(path), message)

    def validate(self, model: type[_M]) -> _M:
        """The document as a ``model``; a :class:`DocumentError` lists every field that is wrong."""
        if not isinstance(self.value, dict):
            raise _single(
                self.file,
                self.line(()),
                f"must be a mapping of keys to values, not {refusal.kind(self.value)}",
            )
        try:
            return model.model_validate(self.value)
        except ValidationError as error:
            raise DocumentError(self._explain(model, error)) from error

    def _explain(self, model: type[BaseModel], error: ValidationError) -> list[Fault]:
        faults: dict[tuple[_Path, str], Fault] = {}
        for detail in error.errors(include_url=False):
            if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
                continue  # pydantic counts without the entries that are wrong, and these are named already
            path = self._path(detail["loc"])
            message = refusal.message(detail, model, path)
            faults.setdefault((path, message), self.fault(path, message))
        return list(faults.values())

    def _path(self, location: tuple[int | str, ...]) -> _Path:
        """Drop from a pydantic location what is no part of the file (names of union members)."""
        path: _Path = ()
        value = self.value
        for index, part in enumerate(location):
            last = index == len(location) - 1
            within = isinstance(value, list) and isinstance(part, int) and part < len(value)
            if within or (isinstance(value, dict) and part in value):
                value = value[part]
            elif not (isinstance(value, dict) and last):
                continue  # the name of a union's member, or a key of a mapping marked by pydantic
            path = (*path, part)
        return path


class _Builder:
    """Turns the parser's events into plain values, noting lines and refusing what hides content or grows."""

    def __init__(self, file: str, parser: Any) -> None:
        self.file = file
        self.lines: dict[_Path, int] = {}
        self.faults: list[Fault] = []
        self._next = parser.get_event
        self._parts = 0

    def document(self) -> Any:
        """The value of the only document."""
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise _single(self.file, None, "is empty")
        value = self._build(self._next(), ())
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            line = after.start_mark.line + 1
            raise _single(self.file, line, "begins a second document (---); a file holds one")
        return value

    def _build(self, event: Any, path: _Path) -> Any:
        line = event.start_mark.line + 1
        self.lines[path] = line
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _single(self.file, line, f"has more than {MAX_PARTS:,} parts; split the file")
        if isinstance(event, yaml.AliasEvent):
            self._fault(line, path, "uses an alias (*name); write the value out")
            return None
        if event.anchor is not None:
            self._fault(line, path, "has an anchor (&name); values are written out where they are used")
        if event.tag is not None:
            self._fault(line, path, f"has the tag {refusal.cut(event.tag)}; leave it out")
        if isinstance(event, yaml.ScalarEvent):
            # Only what stands without quotes is ever anything but text.
            return self._plain(event.value, line, path) if event.implicit[0] else event.value
        if len(path) >= MAX_DEPTH:
            raise _single(self.file, line, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: _Path) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._build(event, (*path, len(values))))
        return values

    def _mapping(self, path: _Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            place, key = self._key(event, path, line)
            if key is not None and key in values:
                self._fault(line, place, f"stands twice; first on line {self.lines[place]}")
                key = None
            if key is None:
                self._build(self._next(), (*path, "?"))
                continue
            values[key] = None
            self.lines[place] = line
            values[key] = self._build(self._next(), place)
            self.lines[place] = line  # of the key, where its value stands on a later one
        return values

    def _key(self, event: Any, path: _Path, line: int) -> tuple[_Path, str | None]:
        """A key and its place; None for what is no key, after a fault."""
        if not isinstance(event, yaml.ScalarEvent) or event.tag is not None or event.anchor is not None:
            self._build(event, (*path, "?"))
            self._fault(line, path, "has a key that is not plain text")
            return path, None
        key: str = event.value
        if key == "<<" and event.implicit[0]:
            self._fault(line, path, "has a merge key (<<); write the values out")
            return path, None
        return (*path, key), key

    def _plain(self, text: str, line: int, path: _Path) -> Any:
        """The value of a scalar without quotes (YAML 1.2.2 section 10.3.2)."""
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if text[0] not in "+-.0123456789":
            return text
        whole = _WHOLE.fullmatch(text) is not None
        if not whole and _REAL.fullmatch(text) is None:
            return text
        if len(text) > _MAX_NUMBER:
            self._fault(line, path, f"is a number of {len(text)} characters; put it in quotes if it is text")
            return None
        if whole:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    def _fault(self, line: int, path: _Path, message: str) -> None:
        self.faults.append(Fault(self.file, line, _dotted(path), message))
        if len(self.faults) >= MAX_FAULTS:
            raise DocumentError(self.faults)


def _syntax(text: str, line: int | None, error: yaml.MarkedYAMLError) -> str:
    """What is wrong with the YAML, in words of somebody who writes YAML and no parser."""
    problem = str(error.problem or error.context)
    lines = text.splitlines()
    if line is not None and line <= len(lines) and re.match(r" *\t", lines[line - 1]):
        return "is indented with a tab; YAML takes spaces only"
    for said, meant in _SYNTAX:
        if said in problem:
            return f"is not valid YAML: {problem}; {meant}"
    return f"is not valid YAML: {problem}"


# What the parser says (in part), and what it mostly is.
_SYNTAX: Final = (
    ("mapping values are not allowed", "text with ': ' in it needs quotes, or the line is indented too far"),
    ("did not find expected key", "the indentation does not fit the lines above, or a quote is missing"),
    ("expected <block end>", "the indentation does not fit the lines above, or a quote is missing"),
    ("did not find expected ',' or", "a bracket, brace or comma is missing"),
    ("expected ',' or", "a bracket, brace or comma is missing"),
    ("could not find expected ':'", "a ':' is missing after a key"),
    ("that cannot start any token", "text that begins with such a character needs quotes"),
    ("unexpected end of stream", "the quote that opens here is never closed"),
)


def _single(file: str, line: int | None, message: str) -> DocumentError:
    return DocumentError([Fault(file, line, "", message)])


def _dotted(path: _Path) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # A key is the writer's: one with blanks or control characters is shown escaped.
            name = part if part.isprintable() and part and len(part) <= 80 else refusal.cut(part)
            text += f".{name}" if text else name
    return text
