from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.special import decode, special_purpose

LAB = ("198.18.0.0/15", "203.0.113.0/24", "2001:db8::/32")


class TestDecode:
    """An IPv4 address inside an IPv6 one is taken out before anything is looked up."""

    @pytest.mark.parametrize(
        ("address", "inside"),
        [
            ("::ffff:39.32.0.1", "39.32.0.1"),
            ("2002:2720:1::", "39.32.0.1"),
            ("2002:2720:1:5::9", "39.32.0.1"),
            ("64:ff9b::2720:1", "39.32.0.1"),
            # Teredo: server 65.54.227.120, the client's 39.32.0.1 with its bits inverted (RFC 4380, 4)
            ("2001:0:4136:e378:8000:63bf:d8df:fffe", "39.32.0.1"),
            ("39.32.0.1", "39.32.0.1"),
            ("2400:cb00::1", "2400:cb00::1"),
            ("fe80::1%eth0", "fe80::1"),
        ],
    )
    def test_takes_out_what_is_inside(self, address: str, inside: str) -> None:
        assert str(decode(address)) == inside

    @pytest.mark.parametrize("text", ["", "1.2.3", "01.2.3.4", "host.example", "::g", "1.2.3.4/24"])
    def test_refuses_what_is_no_address(self, text: str) -> None:
        with pytest.raises(ValueError, match="does not appear to be"):
            decode(text)

    @given(st.ip_addresses(v=4))
    def test_every_embedding_of_an_address_decodes_to_it(self, address: ipaddress.IPv4Address) -> None:
        value = int(address)
        embeddings = (
            0xFFFF << 32 | value,
            0x0064_FF9B << 96 | value,
            0x2002 << 112 | value << 80,
            0x2001_0000 << 96 | (value ^ 0xFFFF_FFFF),
        )
        assert {decode(str(ipaddress.IPv6Address(one))) for one in embeddings} == {address}


class TestSpecialPurpose:
    """The IANA registries' blocks are special, whatever form the address is written in."""

    @pytest.mark.parametrize(
        ("address", "name"),
        [
            ("10.0.0.1", "private-use"),
            ("100.64.0.1", "shared address space"),
            ("::ffff:127.0.0.1", "loopback"),
            ("2002:a00:1::", "private-use"),
            ("64:ff9b::a9fe:1", "link-local"),
            ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "private-use"),
            ("0.0.0.0", "unspecified"),
            ("255.255.255.255", "limited broadcast"),
            ("239.1.1.1", "multicast"),
            ("192.88.99.1", "deprecated 6to4 relay anycast"),
            ("192.0.0.11", "IETF protocol assignments"),
            ("2001:db8::1", "documentation"),
            ("ff02::1", "multicast"),
            ("::", "unspecified"),
            ("fd12::1", "unique-local"),
        ],
    )
    def test_names_the_most_specific_block(self, address: str, name: str) -> None:
        found = special_purpose(address)
        assert found is not None
        assert found.name == name
        assert found.rfc.startswith("RFC ")
        assert decode(address) in ipaddress.ip_network(found.prefix)

    @pytest.mark.parametrize(
        "address",
        [
            "192.0.0.9",
            "192.0.0.10",
            "192.31.196.1",
            "192.175.48.1",
            "2001:1::1",
            "2001:20::1",
            "2620:4f:8000::1",
        ],
    )
    def test_what_the_registries_call_globally_reachable_is_ordinary(self, address: str) -> None:
        assert special_purpose(address) is None

    def test_prefixes_of_a_lab_are_ordinary_and_nothing_else_is(self) -> None:
        assert special_purpose("198.18.7.1", LAB) is None
        assert special_purpose("::ffff:203.0.113.1", LAB) is None
        assert special_purpose("2001:db8:7::1", LAB) is None
        assert special_purpose("198.51.100.1", LAB) is not None
        assert special_purpose("10.0.0.1", LAB) is not None

    @given(st.ip_addresses())
    def test_what_python_knows_to_be_nobodys_is_special(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address
    ) -> None:
        decoded = decode(str(address))
        if decoded.is_loopback or decoded.is_link_local or decoded.is_multicast or decoded.is_unspecified:
            assert special_purpose(str(address)) is not None
