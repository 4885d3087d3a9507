"""Tests of registers that cannot be used: each file of ``registers/`` says what is expected.

A line ``# expect: LINE | FIELD | WORDS`` heads the file: the message names that line and field and holds the
words.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from probes.document import DocumentError
from scanner.register import load_register

FILES = sorted((Path(__file__).parent / "registers").glob("*.yaml"))
_EXPECT = re.compile(r"# expect: (\d*) \| (.*?) \| (.+)")


def _expected(path: Path) -> list[tuple[int | None, str, str]]:
    heads = [_EXPECT.fullmatch(line) for line in path.read_text(encoding="utf-8").split("\n")]
    return [(int(head[1]) if head[1] else None, head[2], head[3]) for head in heads if head is not None]


class TestFaults:
    """Every malformed register is refused with a message that names the line, the field and the fault."""

    def test_there_are_enough_of_them(self) -> None:
        assert len(FILES) >= 24

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_is_named(self, path: Path) -> None:
        with pytest.raises(DocumentError) as caught:
            load_register(path, date(2026, 11, 1))
        found = [(fault.line, fault.field) for fault in caught.value.faults]
        expected = _expected(path)
        assert expected
        assert found == [(line, field) for line, field, _ in expected], str(caught.value)
        for fault, (line, field, words) in zip(caught.value.faults, expected, strict=True):
            assert words in fault.message
            place = str(path) if line is None else f"{path}:{line}"
            assert str(fault).startswith(f"{place}: {field}: " if field else f"{place}: ")

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_message_is_short_and_printable(self, path: Path) -> None:
        with pytest.raises(DocumentError) as caught:
            load_register(path, date(2026, 11, 1))
        for line in str(caught.value).split("\n"):
            assert line.isprintable()
            assert len(line) < 500

    def test_a_password_is_never_repeated(self) -> None:
        path = Path(__file__).parent / "registers" / "url-with-credentials.yaml"
        with pytest.raises(DocumentError) as caught:
            load_register(path, date(2026, 11, 1))
        assert "hunter2" not in str(caught.value)
