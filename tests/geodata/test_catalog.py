from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geodata.snapshot import GeodataError, Snapshot
from geodata.snapshot_writer import write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geodata.claim import Claim

NOTHING = {"country": None, "city": None, "latitude": None, "longitude": None, "asn": None, "network": None}


def _described() -> dict[str, Any]:
    return {
        "name": "test",
        "date": "2026-11-01",
        "lab": ["198.18.0.0/15"],
        "sources": [
            {
                "source": "geo",
                "family": "geo",
                "meaning": "server",
                "records": [{**NOTHING, "prefix": "198.18.0.0/16", "country": "PK"}],
            },
            {
                "source": "bgp",
                "family": "bgp",
                "meaning": "origin",
                "records": [
                    {**NOTHING, "prefix": f"198.18.{third}.0/24", "asn": 64500 + third} for third in range(4)
                ],
            },
        ],
        "known": [
            {"asn": 64500, "name": "Content", "kind": "cdn"},
            {"asn": 64501, "name": "Resolver", "kind": "anycast"},
            {"asn": 64502, "name": "Washer", "kind": "scrubbing"},
        ],
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("geodata")
    write_snapshot(directory, _described())
    return directory


@pytest.fixture
def directory(written: Path, tmp_path: Path) -> Path:
    return shutil.copytree(written, tmp_path / "copy")


@pytest.fixture
def change(directory: Path) -> Callable[[Callable[[dict[str, Any]], object]], Path]:
    def apply(edit: Callable[[dict[str, Any]], object]) -> Path:
        manifest = json.loads((directory / "manifest.json").read_bytes())
        edit(manifest)
        (directory / "manifest.json").write_text(json.dumps(manifest))
        return directory

    return apply


class TestClaims:
    """A snapshot says what its sources say, no more."""

    @pytest.mark.parametrize(
        ("address", "meaning", "name"),
        [
            ("198.18.0.1", "edge_pop", "Content"),
            ("198.18.1.1", "anycast", "Resolver"),
            ("198.18.2.1", "anycast", "Washer"),
        ],
    )
    def test_addresses_of_known_networks_are_marked(
        self, written: Path, address: str, meaning: str, name: str
    ) -> None:
        with Snapshot.open(written) as snapshot:
            known = [claim for claim in snapshot.claims(address) if claim.family == "known-networks"]
        assert [(one.source, one.meaning, one.network) for one in known] == [
            ("known-networks", meaning, name)
        ]
        assert known[0].country is None

    def test_other_networks_are_not(self, written: Path) -> None:
        with Snapshot.open(written) as snapshot:
            assert [claim.source for claim in snapshot.claims("198.18.3.1")] == ["geo", "bgp"]

    def test_a_source_without_a_record_says_nothing(self, written: Path) -> None:
        with Snapshot.open(written) as snapshot:
            assert snapshot.claims("192.0.2.1") == ()
            assert snapshot.claims("2001:db8::1") == ()

    def test_an_embedded_ipv4_address_is_looked_up(self, written: Path) -> None:
        with Snapshot.open(written) as snapshot:
            for address in ("::ffff:198.18.3.1", "2002:c612:301::", "64:ff9b::c612:301"):
                assert [claim.source for claim in snapshot.claims(address)] == ["geo", "bgp"]

    def test_the_lab_is_ordinary_and_the_rest_is_not(self, written: Path) -> None:
        with Snapshot.open(written) as snapshot:
            assert snapshot.special("198.18.0.1") is None
            found = snapshot.special("203.0.113.1")
            assert found is not None
            assert found.name == "documentation (TEST-NET-3)"

    @pytest.mark.parametrize("text", ["", "host.example", "1.2.3.4\n", "\x1b[31m"])
    def test_what_is_no_address_is_refused_by_name(self, written: Path, text: str) -> None:
        with Snapshot.open(written) as snapshot:
            with pytest.raises(GeodataError, match="is not an IP address"):
                snapshot.claims(text)
            with pytest.raises(GeodataError, match="is not an IP address"):
                snapshot.special(text)

    def test_sources_are_listed_with_their_dates(self, written: Path) -> None:
        with Snapshot.open(written) as snapshot:
            assert [(one.source, one.meaning, one.date) for one in snapshot.sources] == [
                ("geo", "server", "2026-11-01"),
                ("bgp", "origin", "2026-11-01"),
            ]


class TestFaults:
    """Whatever is wrong with a snapshot, the message names the file and the field."""

    @pytest.mark.parametrize(
        ("edit", "message"),
        [
            (lambda m: m.pop("schema"), "missing required field `schema`"),
            (lambda m: m.update(schema="sarhad.snapshot/2"), r"Invalid enum value.*\$\.schema"),
            (lambda m: m.update(colour="red"), "unknown field `colour`"),
            (lambda m: m.update(date="yesterday"), r"\$\.date"),
            (lambda m: m.update(date="2026-02-30"), "manifest.json: date: '2026-02-30'"),
            (lambda m: m["sources"][1].update(date="2026-13-01"), r"sources\[1\]\.date"),
            (lambda m: m["sources"][1].update(meaning="rumour"), r"\$\.sources\[1\]\.meaning"),
            (lambda m: m["sources"][1].update(format="csv"), r"\$\.sources\[1\]\.format"),
            (lambda m: m["sources"][1].pop("file"), r"sources\[1\]\.file: is missing"),
            (lambda m: m["sources"][1].update(format="iptocc"), r"sources\[1\]\.file: must be absent"),
            (lambda m: m["sources"][1].update(source="geo"), r"sources\[1\]\.source: 'geo' stands twice"),
            (lambda m: m["sources"][0].update(file="../source-0.mmdb"), r"\$\.sources\[0\]\.file"),
            (lambda m: m["sources"][0].update(file="/etc/passwd"), r"\$\.sources\[0\]\.file"),
            (
                lambda m: m["sources"][0].update(file="source-9.mmdb"),
                "source-9.mmdb: cannot be read: No such file",
            ),
            (lambda m: m["sources"][0].update(file="manifest.json"), "manifest.json: not a MaxMind DB"),
            (lambda m: m["sources"][0].update(format="table"), "source-0.mmdb: not a range table"),
            (lambda m: m["known"][0].update(asn=2**32), r"\$\.known\[0\]\.asn"),
            (lambda m: m["known"][0].update(kind="hosting"), r"\$\.known\[0\]\.kind"),
            (lambda m: m.update(lab=["198.18.0.1/15"]), r"lab\[0\]: .*has host bits set"),
            (lambda m: m.update(lab=["198.18.0.0/15", "127.0.0.0/8"]), r"lab\[1\]: .*never an ordinary"),
            (lambda m: m.update(lab=["::/0"]), r"lab\[0\]: .*never an ordinary"),
        ],
    )
    def test_a_wrong_manifest_is_refused(
        self,
        change: Callable[[Callable[[dict[str, Any]], object]], Path],
        edit: Callable[[dict[str, Any]], object],
        message: str,
    ) -> None:
        directory = change(edit)
        with pytest.raises(GeodataError, match=message) as caught:
            Snapshot.open(directory)
        assert str(directory) in str(caught.value)

    def test_a_directory_without_manifest_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(GeodataError, match=r"manifest\.json: cannot be read"):
            Snapshot.open(tmp_path)

    def test_a_directory_in_the_place_of_a_file_is_refused(self, directory: Path) -> None:
        (directory / "source-0.mmdb").unlink()
        (directory / "source-0.mmdb").mkdir()
        with pytest.raises(GeodataError, match=r"source-0\.mmdb"):
            Snapshot.open(directory)

    @given(octets=st.binary(max_size=200))
    def test_any_octets_for_a_manifest_are_refused(
        self, octets: bytes, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        directory = tmp_path_factory.mktemp("fuzz")
        (directory / "manifest.json").write_bytes(octets)
        with pytest.raises(GeodataError, match=r"manifest\.json"):
            Snapshot.open(directory)

    @given(data=st.data())
    @settings(max_examples=50)
    def test_a_truncated_database_is_refused(
        self, data: st.DataObject, written: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        directory = shutil.copytree(written, tmp_path_factory.mktemp("fuzz") / "copy")
        whole = (written / "source-0.mmdb").read_bytes()
        length = data.draw(st.integers(0, len(whole) - 1))
        (directory / "source-0.mmdb").write_bytes(whole[:length])
        with pytest.raises(GeodataError, match=r"source-0\.mmdb"), Snapshot.open(directory) as snapshot:
            snapshot.claims("198.18.0.1")

    @given(data=st.data())
    @settings(max_examples=300)
    def test_a_corrupt_database_gives_claims_or_an_error_that_names_it(
        self, data: st.DataObject, written: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        name = data.draw(st.sampled_from(["source-0.mmdb", "source-1.mmdb"]))
        octets = bytearray((written / name).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            # most of a file is its tree; the data and the metadata are at the end
            octets[-data.draw(st.integers(1, min(len(octets), 600)))] = data.draw(st.integers(0, 255))
        directory = shutil.copytree(written, tmp_path_factory.mktemp("fuzz") / "copy")
        (directory / name).write_bytes(octets)
        message = ""
        claims: tuple[Claim, ...] = ()
        try:
            with Snapshot.open(directory) as snapshot:
                claims = snapshot.claims("198.18.0.1")
        except GeodataError as error:
            message = str(error)
        assert not message or name in message
        assert all(claim.country is None or len(claim.country) == 2 for claim in claims)
        assert all(claim.asn is None or 0 < claim.asn < 2**32 for claim in claims)
