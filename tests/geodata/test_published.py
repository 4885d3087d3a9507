"""Published lists of any parser, damaged or made to do harm."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.sources.published import PUBLISHED
from tests.geodata.lists import amazon_file, amazon_row, azure_tag, either, google_file, json_octets

# One of each parser: those of several sources are shared.
LISTS = [
    one
    for one in PUBLISHED
    if one.source in {"amazon", "google-cloud", "azure", "oracle", "vultr", "akamai", "bunny", "fastly"}
]
BY_NAME = pytest.mark.parametrize("source", LISTS, ids=[one.source for one in LISTS])

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["1.2.3.0/24", "2001:db8::/32", "GLOBAL", "global", "us-east-1", "0.0.0.0/0", "AzureCloud"]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "ip_prefix",
                        "ipv6_prefix",
                        "region",
                        "service",
                        "network_border_group",
                        "scope",
                        "cidr",
                    ),
                    *("ipv4Prefix", "ipv6Prefix", "name", "properties", "addressPrefixes", "cidrs", "tags"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
RECORDS = st.lists(ANY, max_size=8)
OUTLINE = st.fixed_dictionaries(
    {},
    optional={
        "syncToken": st.text(max_size=5) | ANY,
        "createDate": st.text(max_size=20) | ANY,
        "creationTime": st.text(max_size=20) | ANY,
        "last_updated_timestamp": st.text(max_size=20) | ANY,
        "changeNumber": st.integers(0, 2**70) | ANY,
        "prefixes": RECORDS | ANY,
        "ipv6_prefixes": RECORDS | ANY,
        "values": RECORDS | ANY,
        "regions": RECORDS | ANY,
        "addresses": RECORDS | ANY,
        "ipv6_addresses": RECORDS | ANY,
    },
)


_PREFIXES = [f"10.{n}.0.0/16" for n in range(30)]
GOOD = {
    "amazon": amazon_file(*(amazon_row(prefix, "us-east-1") for prefix in _PREFIXES)),
    "google-cloud": google_file(*({"ipv4Prefix": each, "scope": "us-west1"} for each in _PREFIXES)),
    "azure": json_octets(
        {"changeNumber": 1, "values": [azure_tag("AzureCloud.westus", "westus", *_PREFIXES)]}
    ),
    "oracle": json_octets(
        {
            "last_updated_timestamp": "",
            "regions": [{"region": "me-dubai-1", "cidrs": [{"cidr": each}]} for each in _PREFIXES],
        }
    ),
    "fastly": json_octets({"addresses": _PREFIXES, "ipv6_addresses": []}),
}


class TestHostile:
    """Whatever octets a list has: what makes sense of them, or a refusal of the file, and no other error."""

    @BY_NAME
    @given(octets=st.binary(max_size=200))
    @settings(max_examples=40)
    def test_any_octets(self, source: Any, octets: bytes) -> None:
        either(source.parse, octets)

    @given(value=OUTLINE)
    @settings(max_examples=160)
    def test_json_of_about_the_right_outline(self, value: dict[str, object]) -> None:
        """Each value is read by every parser: it takes far longer to make than to read."""
        octets = json_octets(value) if _small(value) else b"{}"
        for published in LISTS:
            either(published.parse, octets)

    @BY_NAME
    @pytest.mark.parametrize(
        "octets",
        [
            b"",
            b"null",
            b"{}",
            b"[]",
            b"[" * 200_000,
            b'{"prefixes":' * 50_000,
            b'{"syncToken":"1","createDate":"","creationTime":"","prefixes":[' + b"[" * 100_000,
            b'{"changeNumber":1,"values":[{"name":"AzureCloud","properties":' + b'{"a":' * 100_000,
            b'{"changeNumber":' + b"9" * 100_000 + b',"values":[]}',
            b'{"addresses":["\\ud800"]}',
            b'{"addresses":["\xff"]}',
            b'{"addresses":[1e999]}',
            b'{"addresses":[' + b"1," * 20_000 + b'"10.0.0.0/16"]}',
            b"\x1f\x8b" + b"\x00" * 50,
            b"\xef\xbb\xbf",
            b"<!DOCTYPE html><title>Sign in</title>",
        ],
        ids=lambda octets: octets[:30].decode("latin-1"),
    )
    def test_a_bad_file_is_refused_whole(self, source: Any, octets: bytes) -> None:
        assert either(source.parse, octets) is None

    @pytest.mark.parametrize("source", sorted(GOOD))
    @given(data=st.data())
    @settings(max_examples=80)
    def test_a_good_file_that_is_damaged(self, source: str, data: st.DataObject) -> None:
        """A flipped octet makes another record of one, or none; or no JSON of the whole."""
        octets = bytearray(GOOD[source])
        octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
        (published,) = [one for one in PUBLISHED if one.source == source]
        found = either(published.parse, bytes(octets))
        assert found is None or len(found.ranges) >= 28

    @BY_NAME
    def test_one_that_covers_everything_is_refused(self, source: Any) -> None:
        """An empty or lying list must not place the world."""
        for octets in GOOD.values():
            for prefix in (b"0.0.0.0/0", b"128.0.0.0/1", b"::/0"):
                hostile = octets.replace(b"10.7.0.0/16", prefix)
                found = either(source.parse, hostile)
                assert found is None or all(
                    each.last - each.first < 1 << (25 if each.version == 4 else 113) for each in found.ranges
                )


def _small(value: object) -> bool:
    """Whether msgspec can write it: numbers of more than 64 bits it cannot."""
    try:
        json_octets(value)
    except (OverflowError, msgspec.MsgspecError, UnicodeEncodeError):
        return False
    return True
