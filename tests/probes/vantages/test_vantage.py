"""The file of vantages, and sockets in namespaces."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from probes.document import Document, DocumentError
from probes.failure import VantageError
from probes.vantages.local import LocalVantage
from probes.vantages.vantage import Vantage, load_vantages, parse_vantages

if TYPE_CHECKING:
    from pathlib import Path

    from tests.probes.conftest import Chain

GOOD = """
vantages:
  - {id: khi, city: Karachi, latitude: 24.8607, longitude: 67.0011, network: AS64510}
  - {id: lhe, latitude: 31.5204, longitude: 74.3587, netns: sim-lhe, resolvers: [192.0.2.53]}
  - {id: fra, latitude: 50.1109, longitude: 8.6821, kind: fleet}
"""


def parse(text: str) -> tuple[Vantage, ...]:
    return parse_vantages(Document.parse(text.encode(), "vantages.yaml"))


class TestFile:
    """A file of vantages is read whole, or every fault in it is named with its line."""

    def test_reads(self, tmp_path: Path) -> None:
        file = tmp_path / "vantages.yaml"
        file.write_text(GOOD)
        karachi, lahore, frankfurt = load_vantages(file)
        assert (karachi.id, karachi.kind, karachi.location_error_km, karachi.resolver_port) == (
            "khi",
            "local",
            5,
            53,
        )
        assert (lahore.netns, lahore.resolvers) == ("sim-lhe", ("192.0.2.53",))
        assert frankfurt.kind == "fleet"

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("{id: a, latitude: 91, longitude: 0}", "latitude"),
            ("{id: a, latitude: .nan, longitude: 0}", "latitude"),
            ("{id: a, latitude: 0, longitude: -181}", "longitude"),
            ("{id: a, latitude: 0}", "longitude: is missing"),
            ("{id: 'a b', latitude: 0, longitude: 0}", "id"),
            ("{id: a, latitude: 0, longitude: 0, lattitude: 1}", "did you mean 'latitude'"),
            ("{id: a, latitude: 0, longitude: 0, kind: locale}", "did you mean 'local'"),
            ("{id: a, latitude: 0, longitude: 0, location_error_km: -1}", "location_error_km"),
            ("{id: a, latitude: 0, longitude: 0, netns: ../x}", "namespace|/run/netns"),
            ("{id: a, latitude: 0, longitude: 0, interface: 'eth0/../x'}", "network interface"),
            ("{id: a, latitude: 0, longitude: 0, source_address: 300.1.1.1}", "not an IP address"),
            ("{id: a, latitude: 0, longitude: 0, resolvers: [dns.example]}", "not an IP address"),
            ("{id: a, latitude: 0, longitude: 0, resolver_port: 0}", "resolver_port"),
            ("{id: a, latitude: 0, longitude: 0, kind: fleet, netns: x}", "kind local"),
            ("{id: khi, latitude: 0, longitude: 0}", "stands twice; first on line 2"),
            ("{id: a, latitude: 0, longitude: 0, kind: landmark}", "a landmark needs addresses"),
            ("{id: a, latitude: 0, longitude: 0, addresses: [a.example]}", "not an IP address"),
            ("{id: a, latitude: 0, longitude: 0, addresses: [192.0.2.1]}", "also an address of 'khi'"),
        ],
    )
    def test_names_what_is_wrong(self, line: str, said: str) -> None:
        text = f"vantages:\n  - {{id: khi, latitude: 1, longitude: 2, addresses: [192.0.2.1]}}\n  - {line}\n"
        with pytest.raises(DocumentError, match=said) as caught:
            parse(text)
        assert caught.value.faults[0].line == 3

    @pytest.mark.parametrize("text", ["vantages: []\n", "version: 2\nvantages: []\n", "{}\n"])
    def test_needs_a_vantage(self, text: str) -> None:
        with pytest.raises(DocumentError, match="vantages"):
            parse(text)

    def test_landmarks_alone_are_no_vantages(self) -> None:
        with pytest.raises(DocumentError, match="nothing to probe from"):
            parse("vantages: [{id: m, latitude: 0, longitude: 0, kind: landmark, addresses: [192.0.2.1]}]")


class TestKind:
    """Only a local vantage can probe; of the others it is said plainly."""

    @pytest.mark.parametrize("kind", ["fleet", "atlas", "globalping", "recorded", "landmark"])
    def test_others_cannot_scan(self, kind: str) -> None:
        given = {"id": "v", "latitude": 0, "longitude": 0, "kind": kind, "addresses": ["192.0.2.1"]}
        vantage = Vantage.model_validate(given)
        with pytest.raises(VantageError, match=kind):
            LocalVantage(vantage)


def local(**more: object) -> LocalVantage:
    return LocalVantage(Vantage.model_validate({"id": "v", "latitude": 0, "longitude": 0, **more}))


class TestLocal:
    """Sockets are of the vantage's namespace, and the process stays where it was."""

    def test_missing_namespace(self) -> None:
        with pytest.raises(VantageError, match="no network namespace"):
            local(netns="sarhad-none").open()

    def test_not_a_namespace(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.touch()
        with pytest.raises(VantageError):
            local(netns=str(file)).open()

    def test_resolvers_of_this_machine(self) -> None:
        with local(resolvers=["192.0.2.53"]) as vantage:
            assert vantage.resolvers == ("192.0.2.53",)

    def test_source_address_of_the_other_family(self) -> None:
        with local(source_address="127.0.0.1") as vantage, pytest.raises(OSError, match="other family"):
            vantage.socket(socket.AF_INET6, socket.SOCK_STREAM)

    def test_source_address_is_used(self) -> None:
        with (
            local(source_address="127.0.0.7") as vantage,
            vantage.socket(socket.AF_INET, socket.SOCK_DGRAM) as made,
        ):
            assert made.getsockname()[0] == "127.0.0.7"

    @pytest.mark.net
    def test_enters_and_returns(self, chain: Chain) -> None:
        before = socket.if_nameindex()
        with chain.vantage(interface="a0") as vantage:
            made = vantage.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with pytest.raises(OSError, match=r"."):
                vantage.socket(socket.AF_INET, 999)
            assert socket.if_nameindex() == before
            with vantage.inside():
                assert "a0" in {name for _, name in socket.if_nameindex()}
        assert socket.if_nameindex() == before
        with made:
            made.connect((chain.host4, 9))
            assert made.getsockname()[0] == "10.9.0.1"

    @pytest.mark.net
    def test_closed_vantage_makes_no_socket(self, chain: Chain) -> None:
        vantage = chain.vantage()
        with pytest.raises(VantageError, match="not open"):
            vantage.socket(socket.AF_INET, socket.SOCK_DGRAM)
