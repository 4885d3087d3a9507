"""Tests of the register, and of endpoints' ids."""

from __future__ import annotations

import base64
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.endpoint import parse_asn, parse_host, parse_key
from tests.scanner.registered import register

if TYPE_CHECKING:
    from scanner.register import Endpoint


def one(endpoint: str) -> Endpoint:
    (found,) = register(endpoint).endpoints
    return found


class TestEndpoints:
    """What was declared becomes values, in every form that the grammar has."""

    @pytest.mark.parametrize(
        ("text", "id_", "host", "address", "port", "url"),
        [
            ("https://A.example", "a.example", "a.example", None, 443, "https://a.example/"),
            ("http://a.example/x?y=1", "a.example", "a.example", None, 80, "http://a.example/x?y=1"),
            ("HTTPS://a.example:443", "a.example", "a.example", None, 443, "https://a.example/"),
            ("https://a.example:8443/", "a.example:8443", "a.example", None, 8443, "https://a.example:8443/"),
            ("http://a.example:443", "a.example:443", "a.example", None, 443, "http://a.example:443/"),
            ("https://203.0.113.7/", "203.0.113.7", None, "203.0.113.7", 443, "https://203.0.113.7/"),
            (
                '"https://[2001:DB8::0:1]:8443"',
                "[2001:db8::1]:8443",
                None,
                "2001:db8::1",
                8443,
                "https://[2001:db8::1]:8443/",
            ),
            (
                '"https://a.example/ü?q=ü"',
                "a.example",
                "a.example",
                None,
                443,
                "https://a.example/%C3%BC?q=%C3%BC",
            ),
            ("https://a.example/%2F%20", "a.example", "a.example", None, 443, "https://a.example/%2F%20"),
            ("a.example", "a.example", "a.example", None, None, None),
            ("a.example.", "a.example", "a.example", None, None, None),
            ("a.example:22", "a.example:22", "a.example", None, 22, None),
            ("_dmarc.a_b.example", "_dmarc.a_b.example", "_dmarc.a_b.example", None, None, None),
            ("203.0.113.7", "203.0.113.7", None, "203.0.113.7", None, None),
            ("203.0.113.7:22", "203.0.113.7:22", None, "203.0.113.7", 22, None),
            ('"2001:db8::1"', "2001:db8::1", None, "2001:db8::1", None, None),
            ('"[2001:db8::1]:22"', "[2001:db8::1]:22", None, "2001:db8::1", 22, None),
            ("{host: a.example, port: 22}", "a.example:22", "a.example", None, 22, None),
            ('{host: a.example, port: "22"}', "a.example:22", "a.example", None, 22, None),
            ("{address: 10.0.0.1}", "10.0.0.1", None, "10.0.0.1", None, None),
            ("{url: http://a.example}", "a.example", "a.example", None, 80, "http://a.example/"),
        ],
    )
    def test_forms(
        self, text: str, id_: str, host: str | None, address: str | None, port: int | None, url: str | None
    ) -> None:
        found = one(text)
        assert found.id == f"indus/web/{id_}"
        assert (found.host, found.address, found.port, found.url) == (host, address, port, url)
        assert found.scheme == (url.partition(":")[0] if url else None)

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("پاکستان.example", "xn--mgbai9azgqp6j.example"),
            ("BÜCHER.example", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("a\u3002example", "a.example"),
        ],
    )
    def test_internationalised_names_are_a_labels(self, written: str, name: str) -> None:
        assert parse_host(written) == name

    @pytest.mark.parametrize(
        ("entry", "declared"),
        [
            ("https://A.example", "https://A.example"),
            ("{host: A.example, port: 22}", "A.example:22"),
            ("A.example", "A.example"),
            ("{address: 203.0.113.7, port: 22}", "203.0.113.7:22"),
            ("{address: 203.0.113.7}", "203.0.113.7"),
            ('{address: "2001:DB8::1", port: 22}', "[2001:db8::1]:22"),
            ('{address: "2001:DB8::1"}', "2001:db8::1"),
        ],
    )
    def test_keep_what_was_written(self, entry: str, declared: str) -> None:
        assert one(entry).declared == declared

    def test_names_may_be_as_long_as_the_dns_allows(self) -> None:
        longest = ".".join(["a" * 63] * 3 + ["b" * 53, "example"])
        assert len(longest) == 253
        assert one(longest).host == longest
        with pytest.raises(ValueError, match="254 characters"):
            parse_host(f"a{longest[63:]}" + "c" * 63)

    @pytest.mark.parametrize("text", ["a.example.0x7f", "a.0x", "1.2.3", "a.7", "１.１.１.１"])  # noqa: RUF001  full width
    def test_names_that_some_software_reads_as_addresses_are_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="ends in a number"):
            parse_host(text)

    def test_carry_what_their_service_and_provider_declared(self) -> None:
        found = one("{host: a.example, site: Karachi}")
        assert (found.provider, found.service, found.deployment) == ("indus", "web", "government")
        assert found.data_class == "confidential"
        assert (found.asns, found.prefixes) == ((64500, 64501, 64502), ("203.0.113.0/24",))
        assert (found.site, found.line) == ("Karachi", 13)

    def test_carry_the_keys_that_they_are_served_with(self) -> None:
        first, second = "0" * 64, "f" * 64
        assert one(f'{{url: https://a.example, keys: ["{first}", {second}]}}').keys == (first, second)
        assert one(f"{{host: a.example, port: 5432, keys: [{second}]}}").keys == (second,)
        assert one("https://a.example").keys == ()

    def test_of_a_prefix_are_all_its_addresses(self) -> None:
        found = register("{prefix: 203.0.113.16/28, site: Lahore}").endpoints
        assert [each.address for each in found] == [f"203.0.113.{n}" for n in range(16, 32)]
        assert {each.declared for each in found} == {"203.0.113.16/28"}
        assert {each.site for each in found} == {"Lahore"}

    def test_of_an_ipv6_prefix_too(self) -> None:
        assert len(register('{prefix: "2001:db8::10/124"}').endpoints) == 16

    def test_are_found_by_id(self) -> None:
        found = register("a.example", "b.example")
        assert found.endpoint("indus/web/b.example") is found.endpoints[1]
        assert found.provider("indus").name == "Indus"


class TestIds:
    """An id is as short as it can be, belongs to one endpoint, and never comes to mean another."""

    @pytest.mark.parametrize(
        ("endpoints", "ids"),
        [
            (["http://a.example", "https://a.example"], ["a.example:80", "a.example:443"]),
            (["a.example", "https://a.example"], ["a.example", "a.example:443"]),
            (["https://a.example/x", "https://a.example/y"], ["a.example:443/x", "a.example:443/y"]),
            (["https://a.example/", "https://a.example/?x"], ["a.example:443/", "a.example:443/?x"]),
            (
                ["https://a.example", "http://a.example", "http://a.example:443"],
                ["https://a.example/", "a.example:80", "http://a.example:443/"],
            ),
            (["https://a.example", "a.example:443"], ["a.example", "a.example:443"]),
        ],
    )
    def test_grow_only_where_they_must(self, endpoints: list[str], ids: list[str]) -> None:
        assert [each.id.removeprefix("indus/web/") for each in register(*endpoints).endpoints] == ids

    def test_do_not_depend_on_the_order(self) -> None:
        texts = ["http://a.example", "https://a.example", "a.example", "https://a.example/x", "b.example"]
        expected = {each.declared: each.id for each in register(*texts).endpoints}
        shuffled = random.Random(1)  # noqa: S311  # an order, no secret
        for _ in range(10):
            shuffled.shuffle(texts)
            assert {each.declared: each.id for each in register(*texts).endpoints} == expected


class TestAsns:
    """AS numbers are written in any of the usual ways."""

    @pytest.mark.parametrize("value", [64500, "64500", "AS64500", "as64500", "AS 64500"])
    def test_that_are_taken(self, value: object) -> None:
        assert parse_asn(value) == 64500

    @pytest.mark.parametrize(
        "value", [True, None, 1.5, [], -1, 0, 23456, 65535, 2**32 - 1, 2**40, "AS", "x1"]
    )
    def test_that_are_not(self, value: object) -> None:
        with pytest.raises(ValueError, match="AS"):
            parse_asn(value)


class TestNotices:
    """What is no mistake and will count against somebody is noticed, with its line."""

    def notices(self, accreditation: str, waivers: str = "[]") -> list[str]:
        found = register("https://a.example", accreditation=accreditation, waivers=waivers)
        return [f"{each.code} {each.line}" for each in found.notices]

    def test_nothing_to_notice(self) -> None:
        assert self.notices("{status: accredited, issued: 2026-11-01, expires: 2026-11-01}") == []

    def test_an_accreditation_that_ended(self) -> None:
        assert self.notices("{status: accredited, expires: 2026-10-31}") == ["accreditation-expired 6"]

    def test_the_end_of_what_was_never_given_is_no_news(self) -> None:
        assert self.notices("{status: revoked, expires: 2026-10-31}") == []

    def test_an_accreditation_that_has_not_begun(self) -> None:
        assert self.notices("{status: registered, issued: 2026-11-02}") == ["accreditation-not-begun 6"]

    def test_a_class_out_of_scope(self) -> None:
        assert self.notices("{status: accredited, classes: [secret]}") == ["class-out-of-scope 12"]
        found = register("a.example", accreditation="{status: accredited, classes: [open, secret]}").notices
        assert found[0].message == (
            "confidential data is not in the scope of 'indus', which is for open, secret"
        )

    def test_a_site_that_nobody_knows(self) -> None:
        """A misspelt one would never be checked, and nobody would notice."""
        endpoints = (
            "{host: a.example, site: Karachii}",
            "{host: b.example, site: Karachii}",
            "{host: c.example, site: islamabad}",
            "{host: d.example, site: Qqqqq}",
            "{host: e.example, site: Frankfurt}",
        )
        first, second = register(*endpoints).notices
        assert (first.code, first.line) == ("site-unknown", 13)
        assert first.message == (
            "'Karachii' is no city that is known, so it is not checked; did you mean 'Karachi'?"
        )
        assert second.message == "'Qqqqq' is no city that is known, so it is not checked"

    def test_the_alias_of_a_class_is_the_class(self) -> None:
        assert self.notices("{status: accredited, classes: [sensitive]}") == []

    def test_waivers_that_do_not_hold(self) -> None:
        waiver = "endpoint: indus/web/a.example, issuer: CO, reason: x"
        ended = f"[{{{waiver}, expires: 2026-10-31}}]"
        coming = f"[{{{waiver}, issued: 2026-11-02, expires: 2027-10-31}}]"
        assert self.notices("{status: accredited}", ended) == ["waiver-expired 14"]
        assert self.notices("{status: accredited}", coming) == ["waiver-not-begun 14"]

    def test_they_read_like_faults(self) -> None:
        found = register("a.example", accreditation="{status: accredited, expires: 2026-10-31}").notices
        assert str(found[0]) == (
            "register.yaml:6: providers[0].accreditation.expires:"
            " 'indus' has the status accredited, which ended on 2026-10-31"
        )


class TestKeys:
    """A digest has one spelling; who uses another is told which, and nothing else is one."""

    @given(st.binary(min_size=32, max_size=32))
    def test_of_other_tools_are_named_as_they_are_to_be_written(self, digest: bytes) -> None:
        assert parse_key(digest.hex()) == digest.hex()
        pin = base64.b64encode(digest).decode()
        for text in (digest.hex(":"), digest.hex(":").upper(), f"sha256//{pin}", f'pin-sha256="{pin}"', pin):
            with pytest.raises(ValueError, match=f"; did you mean '{digest.hex()}'"):
                parse_key(text)

    @given(st.text() | st.from_regex(r"(sha256//)?[A-Za-z0-9+/=:]{0,99}") | st.integers() | st.none())
    def test_are_digests_or_refused(self, value: object) -> None:
        try:
            found = parse_key(value)
        except ValueError as error:
            assert "is not the SHA-256 of a key" in str(error)  # noqa: PT017
        else:
            assert len(bytes.fromhex(found)) == 32


class TestWaivers:
    """A waiver is for one endpoint, or for the addresses of one declared prefix."""

    def test_for_an_endpoint(self) -> None:
        found = register(
            "a.example",
            "b.example",
            waivers="[{endpoint: indus/web/a.example, issuer: CO, reason: x, expires: 2027-01-01},"
            " {endpoint: indus/web/a.example, issuer: CO, reason: y, expires: 2028-01-01}]",
        )
        assert [each.reason for each in found.waivers_of("indus/web/a.example")] == ["y", "x"]
        assert found.waivers_of("indus/web/b.example") == ()

    def test_for_a_prefix(self) -> None:
        found = register(
            "{prefix: 203.0.113.16/28}",
            "203.0.113.1",
            waivers="[{endpoint: indus/web/203.0.113.16/28, issuer: CO, reason: x, expires: 2027-01-01}]",
        )
        assert len([each for each in found.endpoints if found.waivers_of(each.id)]) == 16
        assert not found.waivers_of("indus/web/203.0.113.1")
