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
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise _single(file, None, "is empty")
            builder = _Builder(file, loader)
            value = builder.build(node, (), 0)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise _single(
                file, mark.line + 1 if mark else None, f"is not valid YAML: {error.problem or error.context}"
            ) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise _single(
                file, line, f"holds the character U+{_ord(error.character):04X}, which YAML forbids"
            ) from error
        except RecursionError as error:
            raise _single(file, None, f"is nested deeper than {MAX_DEPTH} levels") from error
        finally:
            loader.dispose()
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
            raise _single(self.file, 1, f"must be a mapping of keys to values, not {_kind(self.value)}")
        try:
            return model.model_validate(self.value)
        except ValidationError as error:
            raise DocumentError(self._explain(model, error)) from error

    def _explain(self, model: type[BaseModel], error: ValidationError) -> list[Fault]:
        faults: dict[tuple[_Path, str], Fault] = {}
        for detail in error.errors(include_url=False):
            path = self._path(detail["loc"])
            message = _message(detail)
            if detail["type"] == "extra_forbidden":
                known = _known_keys(model, path[:-1])
                message = f"unknown key {path[-1]!r}{_nearest(str(path[-1]), known)}"
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


class _Loader(yaml.SafeLoader):
    """The safe loader; :class:`_Builder` reads its nodes."""


class _Builder:
    """Turns YAML nodes into plain values, noting lines and refusing what hides content or grows."""

    def __init__(self, file: str, loader: _Loader) -> None:
        self.file = file
        self.loader = loader
        self.lines: dict[_Path, int] = {}
        self.faults: list[Fault] = []
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, path: _Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise RecursionError
        if id(node) in self._seen:
            self._fault(node, path, "uses an alias (*name); write the value out")
            return None
        self._seen.add(id(node))
        self.lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index), depth + 1) for index, child in enumerate(node.value)]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value  # dates stay text here; the model that wants a date parses it
        try:
            return self.loader.construct_object(node)
        except (ValueError, OverflowError):
            self._fault(node, path, f"{node.value!r} is not a value; put it in quotes if it is text")
            return None

    def _mapping(self, node: yaml.MappingNode, path: _Path, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                self._fault(key_node, path, "keys must be plain text")
                continue
            key = key_node.value
            line = key_node.start_mark.line + 1
            if key in first:
                self._fault(key_node, (*path, key), f"stands twice; first on line {first[key]}")
                continue
            first[key] = line
            result[key] = self.build(value_node, (*path, key), depth + 1)
            self.lines[(*path, key)] = line
        return result

    def _fault(self, node: yaml.Node, path: _Path, message: str) -> None:
        self.faults.append(Fault(self.file, node.start_mark.line + 1, _dotted(path), message))


def _ord(character: object) -> int:
    """The code point of a character as PyYAML reports it (text or number)."""
    return character if isinstance(character, int) else ord(str(character)[0])


def _single(file: str, line: int | None, message: str) -> DocumentError:
    return DocumentError([Fault(file, line, "", message)])


def _dotted(path: _Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")


def _message(detail: Any) -> str:
    """Pydantic's message, with the value that was found and without its own jargon."""
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        options = [option.strip("'") for option in _options(detail["ctx"]["expected"])]
        return f"{given!r} is not one of {', '.join(options)}{_nearest(str(given), options)}"
    text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    if isinstance(given, str | int | float | bool | None):
        return f"{text}, not {given!r}"[:400]
    return f"{text}, not {_kind(given)}"


def _options(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def _nearest(word: str, options: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _known_keys(model: type[BaseModel], path: _Path) -> set[str]:
    """The keys that the model at ``path`` below ``model`` takes (of all members where it is a union)."""
    models: set[type[BaseModel]] = {model}
    for part in path:
        if isinstance(part, int):
            continue
        inner = {
            found
            for each in models
            for name, field in each.model_fields.items()
            if part in {name, field.alias}
            for found in _models_in(field.annotation)
        }
        models = inner or models
    return {field.alias or name for each in models for name, field in each.model_fields.items()}


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for argument in getattr(annotation, "__args__", ()) for found in _models_in(argument)}
