"""Tests of a register's file: those that are shipped, and whatever else may be in one."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.document import Document, DocumentError
from probes.vantages.vantage import load_vantages
from scanner.country import CODES
from scanner.endpoint import parse_host, parse_url
from scanner.register import json_schema, load_register, parse_register
from tests.scanner.registered import CONFIG, EXAMPLE, TODAY, register


class TestShippedExamples:
    """What is shipped works, and the schema says the same as the program."""

    def test_the_example_register_is_in_order(self) -> None:
        found = load_register(EXAMPLE, TODAY)
        assert len(found.endpoints) == 23
        assert found.notices == ()

    def test_the_example_vantages_are_in_order(self) -> None:
        assert {each.id for each in load_vantages(CONFIG / "vantages.example.yaml")} >= {"khi", "lhe", "isb"}

    def test_the_example_fits_the_schema(self) -> None:
        schema = json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(Document.read(EXAMPLE).value, schema)

    @pytest.mark.parametrize(
        "name",
        [
            "misspelt-status",
            "misspelt-endpoint-key",
            "host-and-address",
            "bad-provider-id",
            "port-too-large",
            "key-of-openssl",
            "key-twice",
            "keys-none",
        ],
    )
    def test_what_is_wrong_does_not_fit_it(self, name: str) -> None:
        value = Document.read(Path(__file__).parent / "registers" / f"{name}.yaml").value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, json_schema())

    def test_there_are_249_countries(self) -> None:
        assert len(CODES) == 249


_GOOD = EXAMPLE.read_bytes()
_JUNK = st.sampled_from(
    rb"""
    : - { } [ ] # " ' &a *a ~ -1 1e999 / // @ % :// [::1] xn-- .. . 0/0 /0 65536 null true \\
    2026-13-45 9999-12-31 0xffffffffffffffffffffffffffffffffffffffffffffffff
    """.split()
) | st.sampled_from([b"\n", b" ", b"\t", b"\x00", b"\xff", "پ".encode(), "☃".encode(), "。".encode()])
_EDIT = st.tuples(st.integers(0, len(_GOOD)), st.integers(0, 12), _JUNK | st.binary(max_size=4))


class TestHostileRegisters:
    """Whatever stands in a register, it is a register or it is refused."""

    @given(st.lists(_EDIT, min_size=1, max_size=4))
    @settings(max_examples=400, deadline=None)
    def test_any_edit_of_a_good_one(self, edits: list[tuple[int, int, bytes]]) -> None:
        octets = _GOOD
        for at, length, junk in edits:
            octets = octets[:at] + junk + octets[at + length :]
        try:
            found = parse_register(Document.parse(octets, "register.yaml"), TODAY)
        except DocumentError as error:
            refusal = str(error)
        else:
            refusal = "none"
            assert len({each.id for each in found.endpoints}) == len(found.endpoints)
        assert refusal

    @given(
        st.text(max_size=80)
        | st.lists(_JUNK, max_size=8).map(lambda each: b"".join(each).decode("utf-8", "replace"))
    )
    @settings(max_examples=600, deadline=None)
    def test_any_text_for_a_url_or_a_name(self, text: str) -> None:
        for parse, given_text in (
            (parse_url, f"https://{text}"),
            (parse_url, text),
            (parse_host, f"{text}.example"),
        ):
            try:
                parsed = parse(given_text)
            except ValueError as error:
                assert str(error)  # noqa: PT017  # which of both comes is not known here
            else:
                name = parsed if isinstance(parsed, str) else parsed.url or ""
                assert name.isascii()
                assert name.isprintable()
                assert " " not in name

    def test_many_waivers_for_nothing_are_answered_soon(self) -> None:
        wrong = ", ".join(
            f"{{endpoint: indus/web/b{n}.example, issuer: CO, reason: x, expires: 2027-01-01}}"
            for n in range(2000)
        )
        with pytest.raises(DocumentError) as caught:
            register(*(f"a{n}.example" for n in range(2000)), waivers=f"[{wrong}]")
        assert len(caught.value.faults) == 2000
