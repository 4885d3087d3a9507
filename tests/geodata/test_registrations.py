from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.sources.registration import Registration
from geodata.sources.registrations import FAILURE_KEPT_S, KEPT_S, Registrations

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.com/geofeed.csv"


class Clock:
    """A time that stands still until it is moved."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def _geofeed(raw: object) -> str | None:
    network = {"start_address": "192.88.0.0", "end_address": "192.88.255.255"}
    return Registration.of({"network": network, "raw": raw}, "192.88.1.1").geofeed


def _strings(raw: Any) -> set[str]:
    """Every string in a document, and the URL of a remark."""
    if isinstance(raw, str):
        return {raw, URL}
    parts = raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ()
    return set().union(*(_strings(each) for each in parts))


class TestGeofeed:
    """Where a block's geofeed is, in each form that registries give it (RFC 9632, RFC 9877)."""

    @pytest.mark.parametrize(
        "raw",
        [
            {"links": [{"value": "x", "rel": "geofeed", "href": URL, "type": "application/geofeed+csv"}]},
            {"links": [{"rel": "geo", "href": URL}]},
            {"links": [{"rel": "related", "href": URL, "type": "application/geofeed+csv"}]},
            {"remarks": [{"title": "remarks", "description": ["A network", f"Geofeed {URL}"]}]},
            {"remarks": [{"description": [f"  Geofeed   {URL}  "]}]},
            {"remarks": [{"description": [f"geofeed: {URL}"]}]},
            {
                "links": [{"rel": "geofeed", "href": URL}],
                "remarks": [{"description": [f"Geofeed {URL}"]}],
            },
        ],
    )
    def test_a_reference(self, raw: object) -> None:
        assert _geofeed(raw) == URL

    @pytest.mark.parametrize(
        "raw",
        [
            None,
            [],
            {"links": "geofeed"},
            {"links": [{"rel": "geofeed"}, {"rel": "self", "href": URL}, {"rel": "geofeed", "href": 5}, 7]},
            {"links": [{"rel": ["geofeed"], "href": URL, "type": {}}]},
            {"remarks": [{"description": [f"geofeed {URL}"]}]},  # the token is case-sensitive
            {"remarks": [{"description": ["Geofeed http://example.com/geofeed.csv"]}]},
            {"remarks": [{"description": [f"See Geofeed {URL}"]}]},
            {"remarks": [{"description": [f"Geofeed {URL} {URL}"]}]},  # one, and nothing behind it
            {"remarks": [{"description": f"Geofeed {URL}"}, {"description": [None, 3]}, None]},
        ],
    )
    def test_what_is_no_reference(self, raw: object) -> None:
        assert _geofeed(raw) is None

    def test_a_link_comes_before_a_remark(self) -> None:
        raw = {
            "remarks": [{"description": [f"Geofeed {URL}/{number}" for number in range(9)]}],
            "links": [{"rel": "geofeed", "href": f"{URL}?link"}, {"rel": "geofeed", "href": f"{URL}?de"}],
        }
        assert _geofeed(raw) == f"{URL}?link"
        del raw["links"]
        assert _geofeed(raw) == f"{URL}/0"

    def test_it_is_no_longer_than_a_url(self) -> None:
        found = _geofeed({"links": [{"rel": "geofeed", "href": URL + "x" * 100_000}]})
        assert found is None

    @given(
        st.recursive(
            st.none()
            | st.integers()
            | st.text(max_size=9)
            | st.sampled_from([URL, "geofeed", f"Geofeed {URL}"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["links", "rel", "href", "type", "remarks", "description"]), inner
                )
            ),
            max_leaves=20,
        )
    )
    def test_nothing_else_is_ever_found(self, raw: Any) -> None:
        assert _geofeed(raw) in {None, *_strings(raw)}


ONE = Registration(prefix="39.32.0.0/11", country="PK", network="PTCL-PK", date="2021-02-17", geofeed=URL)


def _find(cache: Registrations, address: str) -> Registration | None:
    return cache.find(ipaddress.ip_address(address))


class TestRegistrations:
    """An answer for a block answers for every address in it, for a week."""

    def test_any_address_of_the_block_is_known(self, tmp_path: Path) -> None:
        Registrations(tmp_path).keep(ONE)
        cache = Registrations(tmp_path)
        assert _find(cache, "39.32.0.0") == _find(cache, "39.63.255.255") == ONE
        assert _find(cache, "39.64.0.0") is None
        assert _find(cache, "::2720:1") is None

    def test_the_narrowest_block_answers(self, tmp_path: Path) -> None:
        cache = Registrations(tmp_path)
        narrow = Registration(prefix="39.40.0.0/24", country="AE")
        cache.keep(narrow)
        cache.keep(ONE)
        assert _find(cache, "39.40.0.9") == narrow
        assert _find(cache, "39.40.1.9") == ONE

    def test_what_is_no_unicode_can_be_kept(self, tmp_path: Path) -> None:
        network = {"start_address": "39.32.0.0", "end_address": "39.63.255.255", "name": "PTCL\ud800"}
        raw = {"links": [{"rel": "geofeed", "href": f"{URL}\ud800"}]}
        one = Registration.of({"network": network, "raw": raw}, "39.32.0.1")
        cache = Registrations(tmp_path)
        cache.keep(one)
        assert _find(cache, "39.32.0.1") == one == Registration(prefix="39.32.0.0/11", network="PTCL?")
        cache.keep_failure(ipaddress.ip_address("8.8.8.8"), GeodataError("\ud800", "malformed"))
        with pytest.raises(GeodataError, match=r"\?"):
            _find(cache, "8.8.8.8")

    def test_ipv6(self, tmp_path: Path) -> None:
        cache = Registrations(tmp_path)
        one = Registration(prefix="2400:adc0::/26", country="PK")
        cache.keep(one)
        assert _find(cache, "2400:adc1:ffff::1") == one
        assert _find(cache, "2400:ae00::1") is None

    def test_it_expires(self, tmp_path: Path) -> None:
        clock = Clock()
        cache = Registrations(tmp_path, clock)
        cache.keep(ONE)
        clock.now += KEPT_S - 1
        assert _find(cache, "39.32.0.1") == ONE
        clock.now += 1
        assert _find(cache, "39.32.0.1") is None

    def test_an_answer_from_the_future_is_none(self, tmp_path: Path) -> None:
        clock = Clock()
        cache = Registrations(tmp_path, clock)
        cache.keep(ONE)
        clock.now -= 1
        assert _find(cache, "39.32.0.1") is None

    def test_a_failure_is_kept_shortly_and_for_its_address_only(self, tmp_path: Path) -> None:
        clock = Clock()
        cache = Registrations(tmp_path, clock)
        address = ipaddress.ip_address("39.32.0.1")
        cache.keep_failure(address, GeodataError("RDAP for 39.32.0.1: 404", "unreachable"))
        with pytest.raises(GeodataError, match="404") as caught:
            cache.find(address)
        assert caught.value.code == "unreachable"
        assert _find(cache, "39.32.0.2") is None
        clock.now += FAILURE_KEPT_S
        assert cache.find(address) is None

    @pytest.mark.parametrize("code", ["timeout", "rate-limited"])
    def test_what_may_go_well_the_next_time_is_not_kept(self, tmp_path: Path, code: str) -> None:
        cache = Registrations(tmp_path)
        cache.keep_failure(ipaddress.ip_address("39.32.0.1"), GeodataError("x", code))
        assert _find(cache, "39.32.0.1") is None

    @pytest.mark.parametrize("prefix", ["0.0.0.0/0", "38.0.0.0/7", "::/0", "2000::/3", "2400::/12"])
    def test_an_answer_does_not_become_one_for_the_world(self, tmp_path: Path, prefix: str) -> None:
        cache = Registrations(tmp_path)
        cache.keep(Registration(prefix=prefix, country="PK"))
        assert not list(tmp_path.iterdir())

    def test_a_file_under_another_name_is_none(self, tmp_path: Path) -> None:
        cache = Registrations(tmp_path)
        cache.keep(ONE)
        (own,) = tmp_path.iterdir()
        for name in ("4-0-8", "4-27200001-32", "4-8000000-8"):
            (tmp_path / name).write_bytes(own.read_bytes())
        own.unlink()
        for address in ("0.0.0.1", "39.32.0.1", "8.8.8.8"):
            assert _find(cache, address) is None

    @pytest.mark.parametrize("octets", [b"", b"{}", b"[1", b"\xff" * 40, b"[" * 5000])
    def test_a_damaged_file_is_none_and_is_replaced(self, tmp_path: Path, octets: bytes) -> None:
        cache = Registrations(tmp_path)
        cache.keep(ONE)
        (own,) = tmp_path.iterdir()
        own.write_bytes(octets)
        assert _find(cache, "39.32.0.1") is None
        cache.keep(ONE)
        assert _find(cache, "39.32.0.1") == ONE

    def test_a_well_kept_file_that_makes_no_sense_is_none(self, tmp_path: Path) -> None:
        cache = Registrations(tmp_path)
        for octets in (b"[]", b'{"at": 1}', b'{"at": "x", "prefix": "39.32.0.0/11"}', b"[" * 9999):
            cache._cache.put("4-27200000-11", octets)
            assert _find(cache, "39.32.0.1") is None

    @given(st.integers(0, 2**32 - 1), st.integers(8, 32), st.integers(0, 2**32 - 1))
    def test_exactly_the_addresses_of_a_block_are_answered(
        self, tmp_path_factory: pytest.TempPathFactory, base: int, length: int, other: int
    ) -> None:
        network = ipaddress.IPv4Network((base, length), strict=False)
        cache = Registrations(tmp_path_factory.mktemp("cache"))
        cache.keep(Registration(prefix=str(network)))
        for number in (base, other):
            address = ipaddress.IPv4Address(number)
            assert (cache.find(address) is not None) == (address in network)
