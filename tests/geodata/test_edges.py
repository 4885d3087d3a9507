"""The lists of content networks, which have no places, and the archive that one of them is."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import pytest

from geodata.errors import GeodataError
from geodata.sources import edges
from geodata.sources.published import PUBLISHED
from tests.geodata.lists import either, json_octets, says

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geodata.sources.parsed import Parsed, Published


def _zip(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, octets in members.items():
            archive.writestr(name, octets)
    return stream.getvalue()


class TestEdges:
    """A content network's list has prefixes and no places."""

    def _published(self, source: str) -> Published:
        (found,) = [one for one in PUBLISHED if one.source == source]
        assert found.meaning in {"edge_pop", "anycast"}
        return found

    def _parse(self, source: str) -> Callable[[bytes], Parsed]:
        found = self._published(source)
        return lambda octets: found.parse([octets])

    def test_lines(self) -> None:
        found = self._parse("cloudflare")(b"173.245.48.0/20\n103.21.244.0/22\n\n# x\n2400:cb00::/32\n")
        assert (
            says(found, "173.245.48.1") == says(found, "2400:cb00::1") == {(None, None, "Cloudflare", None)}
        )
        assert len(self._parse("bunny")(b"185.93.1.1\r\n185.93.1.2\r\n").ranges) == 2

    def test_lists(self) -> None:
        fastly = json_octets({"addresses": ["23.235.32.0/20"], "ipv6_addresses": ["2a04:4e40::/32"]})
        assert says(self._parse("fastly")(fastly), "2a04:4e40::1") == {(None, None, "Fastly", None)}
        gcore = json_octets({"addresses": ["92.223.64.0/20"], "addresses_v6": ["2a03:90c0::/32"]})
        assert says(self._parse("gcore")(gcore), "2a03:90c0::1") == {(None, None, "Gcore", None)}

    def test_archive(self) -> None:
        octets = _zip(
            {
                "akamai_ipv4_CIDRs.txt": b"23.32.0.0/11\n23.192.0.0/11",
                "akamai_ipv6_CIDRs.txt": b"2600:1400::/24\n",
                "__MACOSX/._akamai_ipv4_CIDRs.txt": b"\x00\x05\x16\x07Mac OS X",
                "readme.pdf": b"%PDF",
            }
        )
        found = self._parse("akamai")(octets)
        assert len(found.ranges) == 3
        assert not found.skipped
        assert says(found, "2600:1400::1") == {(None, None, "Akamai", None)}

    @pytest.mark.parametrize(
        ("octets", "why"),
        [
            (b"PK\x03\x04", "no ZIP archive"),
            (_zip({"x.txt": b"1.1.1.1\n"})[:-30], "no ZIP archive"),
            (_zip({"x.txt": b"0" * (edges.MAX_OCTETS + 1)}), "is more than"),
            (_zip({"a.txt": b"#" * edges.MAX_OCTETS, "b.txt": b"1.1.1.1"}), "is more than"),
            (_zip({"x.csv": b"1.1.1.1\n"}), "no record that makes sense"),
        ],
    )
    def test_an_archive_that_is_wrong_is_refused(self, octets: bytes, why: str) -> None:
        with pytest.raises(GeodataError, match=why):
            self._parse("akamai")(octets)

    @pytest.mark.parametrize(
        "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
    )
    def test_an_archive_that_is_damaged_anywhere(self, method: int) -> None:
        octets = _zip({"x.txt": b"23.32.0.0/11\n" * 9}, method)
        for place in range(len(octets)):
            for flip in (0x01, 0xFF):
                damaged = bytearray(octets)
                damaged[place] ^= flip
                either(self._published("akamai").parse, bytes(damaged))
