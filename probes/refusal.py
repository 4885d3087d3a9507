"""A refusal: what pydantic finds wrong with a value, in words for the person who wrote it.

They name what was found and what was probably meant, and nothing of pydantic's own.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_core import ErrorDetails


def kind(value: object) -> str:
    """What a value is, in words."""
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value", type(None): "nothing"}
    return names.get(type(value), "a number")


def cut(value: object, limit: int = 120) -> str:
    """A value as a message shows it: escaped, and cut where it is long."""
    text = repr(value[: limit + 1]) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"


_MESSAGES: Final = {
    "string_type": "should be text",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping of keys to values",
    "model_type": "should be a mapping of keys to values",
    "model_attributes_type": "should be a mapping of keys to values",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "finite_number": "should be a finite number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
}


def message(detail: ErrorDetails, model: type[BaseModel], path: tuple[str | int, ...]) -> str:
    """What is wrong with the part ``path`` of a document that is to be a ``model``."""
    if detail["type"] == "extra_forbidden":
        known = _known_keys(model, path[:-1])
        return f"unknown key {cut(path[-1])}{_nearest(str(path[-1])[:80], known)}"
    return _message(detail)


def _message(detail: Any) -> str:
    type_, given = detail["type"], detail["input"]
    if type_ == "missing":
        return "is missing"
    if type_ == "value_error":
        return str(detail["ctx"]["error"])
    if type_ == "literal_error":
        options = [option.strip("'") for option in _options(detail["ctx"]["expected"])]
        return f"{cut(given)} is not one of {', '.join(options)}{_nearest(str(given)[:80], options)}"
    if type_ in {"too_short", "string_too_short"} and not given:
        return "is empty"
    text = _MESSAGES.get(type_)
    if text is None:
        text = detail["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
    hint = "; put it in quotes" if type_ == "string_type" and isinstance(given, int | float) else ""
    hint = "; put it in [ ]" if type_ in {"list_type", "tuple_type"} and isinstance(given, str) else hint
    if given is not None and isinstance(given, str | int | float):
        return f"{text}, not {cut(given)}{hint}"
    return f"{text}, not {kind(given)}"


def _options(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def _nearest(word: str, options: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
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
