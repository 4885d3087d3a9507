"""The report's fixed texts in each language that it speaks (words.yaml)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import yaml
from markupsafe import Markup

from scanner.report.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

Language = Literal["en", "ur"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
DIRECTIONS: Final[Mapping[Language, str]] = {"en": "ltr", "ur": "rtl"}
NAMES: Final[Mapping[Language, str]] = {"en": "English", "ur": "اردو"}
Table: TypeAlias = "Mapping[str, Mapping[Language, str]]"


@cache
def shipped_words() -> Table:
    """Every text by its name and language."""
    words: Table = yaml.safe_load(files("scanner").joinpath("report", "words.yaml").read_bytes())
    return words


class Words(dict[str, Markup]):
    """The texts in one language, marked with their names so that the page can change language by itself."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._plain = {name: text[language] for name, text in shipped_words().items()}
        super().__init__(
            (name, Markup('<span data-t="{}">{}</span>').format(name, text))
            for name, text in self._plain.items()
        )
        self._badges: dict[tuple[str, str], Markup] = {}

    def plain(self, name: str) -> str:
        """The same as an attribute's value."""
        return self._plain[name]

    def of(self, group: str, value: Any) -> Markup | str:
        """A value of the run, in words where there are any: a later version's value is shown as it is."""
        if value is None:
            return self["none"]
        return self.get(f"{group}.{value}", printable(str(value)))

    def badge(self, group: str, value: str) -> Markup:
        """A value of the run as a coloured word; ``group`` has all of its values."""
        known = self._badges.get((group, value))
        if known is None:
            text = self[f"{group}.{value}"]
            known = self._badges[group, value] = Markup('<span class="badge {}">{}</span>').format(
                value, text
            )
        return known

    def rule(self, name: str) -> Markup | str:
        """What a rule says; nothing of one that a later version has."""
        return self.get(f"rule.{name}", "")
