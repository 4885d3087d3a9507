"""Tests of the reader of YAML files that people, or attackers, write."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Annotated, Literal

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator

from probes import document as module
from probes.document import MAX_DEPTH, Document, DocumentError, Model

if TYPE_CHECKING:
    from pathlib import Path


def parse(text: str | bytes) -> Document:
    return Document.parse(text if isinstance(text, bytes) else text.encode(), "file.yaml")


def faults(text: str | bytes) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        parse(text)
    return str(caught.value).splitlines()


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers that PyYAML may have."""
    if request.param == "python":
        monkeypatch.setattr(module, "_PARSER", yaml.SafeLoader)
    elif not yaml.__with_libyaml__:
        pytest.skip("PyYAML was built without libyaml")


@pytest.mark.usefixtures("parser")
class TestValues:
    """Plain scalars are those of the core schema of YAML 1.2, all else is text."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("12", 12),
            ("-7", -7),
            ("+7", 7),
            ("007", 7),
            ("0x1F", 31),
            ("0o17", 15),
            ("1.5", 1.5),
            ("1e3", 1000.0),
            ("-.5", -0.5),
            (".inf", math.inf),
            ("-.INF", -math.inf),
            ("true", True),
            ("FALSE", False),
            ("~", None),
            ("null", None),
            ("", None),
            ('""', ""),
            ('"12"', "12"),
            ("'true'", "true"),
        ],
    )
    def test_of_the_core_schema(self, text: str, value: object) -> None:
        found = parse(f"key: {text}").value["key"]
        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        "text",
        [
            "NO",
            "yes",
            "on",
            "22:30",
            "190:20:30",
            "2026-12-31",
            "2026-99-99",
            "64_500",
            "=",
            "0b11",
            "203.0.113.7",
        ],
    )
    def test_what_yaml_1_1_took_for_something_else_is_text(self, text: str) -> None:
        assert parse(f"key: {text}").value == {"key": text}

    def test_not_a_number_is_a_number(self) -> None:
        assert math.isnan(parse("key: .nan").value["key"])

    def test_keys_are_text(self) -> None:
        assert parse(".inf: 1\n2: 3\ntrue: 4\n~: 5\n").value == {".inf": 1, "2": 3, "true": 4, "~": 5}

    def test_a_byte_order_mark_is_no_content(self) -> None:
        assert parse(b"\xef\xbb\xbfa: 1").value == {"a": 1}

    def test_lines_are_those_of_keys_and_items(self) -> None:
        document = parse("# first\na:\n  - b: 1\n    c:\n      d\n  - 2\n")
        assert [document.line(path) for path in ((), ("a",), ("a", 0, "c"), ("a", 1))] == [2, 2, 4, 6]

    def test_the_line_of_what_is_not_there_is_that_of_what_is_around_it(self) -> None:
        assert parse("a: 1\nb:\n  c: 2\n").line(("b", "nothing", 3)) == 2


@pytest.mark.usefixtures("parser")
class TestRefusals:
    """What hides content or makes it grow is refused, with the line."""

    @pytest.mark.parametrize(
        ("text", "line", "words"),
        [
            ("", None, "is empty"),
            ("# only a comment\n", None, "is empty"),
            ("a: 1\nb: 2\na: 3\n", 3, "a: stands twice; first on line 1"),
            ("a: &x 1\n", 1, "anchor"),
            ("a: 1\nb: *a\n", 2, "alias"),
            ("a: {<<: 1}\n", 1, "merge key"),
            ("? [1, 2]\n: 3\n", 1, "not plain text"),
            ("? {a: 1}\n: 3\n", 1, "not plain text"),
            ("!!str a: 3\n", 1, "not plain text"),
            ("a: !!python/object/apply:os.system [ls]\n", 1, "tag"),
            ("a: !!int '3'\n", 1, "tag"),
            ("a: ! b\n", 1, "tag"),
            ("%YAML 1.1\n---\na: 1\n", 1, "directive"),
            ("a: 1\n...\n%TAG ! !x\n---\n", 3, "directive"),
            ("a: 1\n---\nb: 2\n", 2, "second document"),
            ("a: 1\n\tb: 2\n", 2, "tab"),
            ("a: 1\nb: x: y\n", 2, "needs quotes"),
            ("a: 1\n b: 2\n", 2, "is not valid YAML"),
            ("a: [1, 2\n", 2, "is not valid YAML"),
            ('a: "x\n\n', 1, "never closed"),
            ("a: @x\n", 1, "needs quotes"),
            ("a: 1\nb: 'x\x00y'\n", 2, "U+0000"),
            ("a: 1\n\nb: \x1b[31m\n", 3, "U+001B, which YAML forbids"),
            ("a: \u202egnp.exe\n", 1, "U+202E, which reorders text"),
            ("a: \ufffe\n", 1, "U+FFFE, which YAML forbids"),
            (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
            ("a: 1".encode("utf-16"), 1, "not UTF-8"),
            ("a: " + "9" * 5000, 1, "a number of 5000 characters"),
            ("a: 0x" + "f" * 5000, 1, "a number of 5002 characters"),
            ("a: 1." + "0" * 5000, 1, "a number of 5002 characters"),
            ("[" * (MAX_DEPTH + 5), 1, "nested deeper"),
            ("- " * (MAX_DEPTH + 5) + "1", 1, "nested deeper"),
            ("[" * 200_000, 1, "nested deeper"),
            ("{a: " * 100_000, 1, "nested deeper"),
            ("? " * 100_000, 1, "nested deeper"),
        ],
    )
    def test_says_where_and_why(self, text: str | bytes, line: int | None, words: str) -> None:
        first = faults(text)[0]
        assert first.startswith("file.yaml: " if line is None else f"file.yaml:{line}: ")
        assert words in first
        assert len(first) < 400

    def test_names_every_fault_in_the_order_of_lines(self) -> None:
        found = faults("a: 1\na: 2\nb: &x 3\nc: *x\n")
        assert [one.split(":")[1] for one in found] == ["2", "3", "4"]

    def test_a_billion_laughs_are_not_told(self) -> None:
        lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
        assert "alias" in "\n".join(faults("\n".join(lines)))

    def test_thousands_of_faults_are_cut_short(self) -> None:
        found = faults("a: 1\n" * 100_000)
        assert len(found) == 51
        assert found[-1] == "… and 950 more"

    def test_no_more_are_announced_than_there_are(self) -> None:
        found = faults("a: 1\n" * 51)
        assert len(found) == 50
        assert all("stands twice" in one for one in found)

    def test_a_key_cannot_write_on_the_terminal(self) -> None:
        assert "\x1b" not in faults('"\\e[2J": 1\n"\\e[2J": 2\n')[0]

    def test_too_many_parts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_PARTS", 100)
        assert "more than 100 parts" in faults("[" + "1," * 101 + "]")[0]


class TestFiles:
    """A file that cannot be read is a fault like any other."""

    def test_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentError, match="cannot be read: No such file"):
            Document.read(tmp_path / "none.yaml")

    def test_that_is_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(DocumentError, match="cannot be read: Is a directory"):
            Document.read(tmp_path)

    def test_that_is_too_large(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_OCTETS", 2**20)
        (tmp_path / "large.yaml").write_bytes(b" " * (2**20 + 1))
        with pytest.raises(DocumentError, match="is larger than 1 MiB; split it"):
            Document.read(tmp_path / "large.yaml")


class _Inner(Model):
    name: str
    kind: Literal["cat", "dog"] = "cat"
    count: int = 0
    flag: bool = False
    ratio: float = 0.0
    tags: Annotated[tuple[str, ...], Field(min_length=1)] = ("x",)

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > 100:
            raise ValueError("is a long name")
        return value


class _Outer(Model):
    inner: tuple[_Inner, ...]
    other: dict[str, int] | None = None


class TestValidation:
    """A model's errors name the line, the field, what was found and what was meant."""

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[]", "1: must be a mapping of keys to values, not a list"),
            ("other: {}", "1: inner: is missing"),
            ("inner: {}", "1: inner: should be a list, not a mapping"),
            ("inner: x", "1: inner: should be a list, not 'x'; put it in [ ]"),
            ("inner:\n - {}", "2: inner[0].name: is missing"),
            ("inner:\n - name: 1", "2: inner[0].name: should be text, not 1; put it in quotes"),
            ("inner:\n - nam: a\n   name: b", "2: inner[0].nam: unknown key 'nam'; did you mean 'name'?"),
            ("inner:\n - name: a\n   zzz: b", "3: inner[0].zzz: unknown key 'zzz'"),
            (
                "inner:\n - name: a\n   kind: dgo",
                "3: inner[0].kind: 'dgo' is not one of cat, dog; did you mean 'dog'?",
            ),
            ("inner:\n - {name: a,\n    count: b}", "3: inner[0].count: should be a whole number, not 'b'"),
            ("inner:\n - {name: a, flag: 7}", "2: inner[0].flag: should be true or false, not 7"),
            ("inner:\n - {name: a, ratio: x}", "2: inner[0].ratio: should be a number, not 'x'"),
            ("inner:\n - {name: a, tags: []}", "2: inner[0].tags: is empty"),
            ("inner:\n - 3", "2: inner[0]: should be a mapping of keys to values, not 3"),
            ("inner:\n -", "2: inner[0]: should be a mapping of keys to values, not nothing"),
            ("inner: []\nother:\n  a: x", "3: other.a: should be a whole number, not 'x'"),
            ("inner:\n - name: " + "y" * 200, "2: inner[0].name: is a long name"),
        ],
    )
    def test_messages(self, text: str, message: str) -> None:
        with pytest.raises(DocumentError) as caught:
            parse(text).validate(_Outer)
        assert str(caught.value) == f"file.yaml:{message}"

    def test_a_list_is_not_called_empty_for_entries_that_are_wrong(self) -> None:
        with pytest.raises(DocumentError) as caught:
            parse("inner:\n - name: a\n   tags: [1]\n").validate(_Outer)
        assert [fault.field for fault in caught.value.faults] == ["inner[0].tags[0]"]

    def test_a_long_value_is_cut(self) -> None:
        with pytest.raises(DocumentError) as caught:
            parse("inner:\n - {name: a, kind: " + "y" * 100_000 + "}").validate(_Outer)
        assert len(str(caught.value)) < 300

    def test_every_fault_is_named(self) -> None:
        with pytest.raises(DocumentError) as caught:
            parse("inner:\n - count: x\n - nome: y\n").validate(_Outer)
        assert [(fault.line, fault.field) for fault in caught.value.faults] == [
            (2, "inner[0].count"),
            (2, "inner[0].name"),
            (3, "inner[1].name"),
            (3, "inner[1].nome"),
        ]

    def test_a_fault_of_the_caller_has_its_line(self) -> None:
        assert str(parse("a:\n - 1\n - 2\n").fault(("a", 1), "is odd")) == "file.yaml:3: a[1]: is odd"


# Pieces that a YAML reader may trip over, to be strung together at random.
_PIECES = st.sampled_from(
    [
        *("a: ", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", ":", "?", "? ", "*a", "&a ", "!!int ", "!"),
        *("<<: ", "|\n", ">-\n", '"', "'", "#", "---\n", "...\n", "%TAG ! !\n", "%YAML 9.9\n", "\r", "\x85"),
        *(
            "0x" + "f" * 60,
            "190:20:30",
            ".inf",
            "=",
            "2026-99-99",
            "\u2028",
            "\ufeff",
            "\x00",
            "\\",
            "`",
            "@",
        ),
        *("!!python/name:os.system ", "!!set ", "!!binary ", "!!timestamp ", "é", "\U0001f600", "~", "- - "),
    ]
)


def _is_read_or_refused(octets: bytes) -> None:
    try:
        document = parse(octets)
    except DocumentError as error:
        refusal: DocumentError | None = error
    else:
        refusal = None
        assert document.line(()) is not None
        with contextlib.suppress(DocumentError):
            document.validate(_Outer)
    assert refusal is None or (refusal.faults and str(refusal))


class TestHostileOctets:
    """Whatever is in a file, it is read or refused; nothing else happens."""

    @given(st.binary(max_size=200))
    @example(b"\xef\xbb\xbf")
    @example(b"\xff\xfea\x00")
    @example(b"? - ? - ?")
    @settings(max_examples=400)
    def test_any_octets(self, octets: bytes) -> None:
        _is_read_or_refused(octets)

    @given(st.lists(_PIECES, max_size=25).map("".join))
    @settings(max_examples=600)
    def test_any_string_of_yaml_pieces(self, text: str) -> None:
        _is_read_or_refused(text.encode())

    @given(st.lists(_PIECES, max_size=12).map(lambda each: "inner:\n - name: a\n   " + "".join(each)))
    @settings(max_examples=300)
    def test_any_end_of_a_good_file(self, text: str) -> None:
        _is_read_or_refused(text.encode())

    @given(st.lists(_PIECES, max_size=20).map("".join))
    @settings(max_examples=300)
    def test_the_parser_in_python_is_no_weaker(self, text: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_PARSER", yaml.SafeLoader)
            _is_read_or_refused(text.encode())
