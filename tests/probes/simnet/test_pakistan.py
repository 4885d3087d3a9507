"""The shipped world: whole in itself, and what its truth says when it runs."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections import Counter
from datetime import date
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import dns.message
import dns.name
import dns.rcode
import pytest
import yaml

from probes.document import Document
from probes.simnet import authority, databases
from probes.simnet.loading import load_world
from probes.simnet.nameserver import Directory
from probes.simnet.world import RESERVED, World
from scanner.register import Register, parse_register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.probes.simnet.conftest import Peer

HOME = ("khi", "lhe", "isb")
ABROAD = ("dxb", "sin", "fra")


def shipped() -> World:
    with as_file(files("probes.simnet").joinpath("worlds", "pakistan.yaml")) as path:
        return load_world(path)


WORLD = shipped()


@pytest.fixture(scope="module")
def register() -> Register:
    text = yaml.safe_dump(WORLD.register_, allow_unicode=True)
    return parse_register(Document.parse(text.encode(), "register.yaml"), date.fromisoformat(WORLD.date))


@cache
def directory() -> Directory:
    assert WORLD.dns is not None
    return Directory(WORLD.dns, WORLD.vantages)


@cache
def resolve(name: str, rdtype: str, vantage: str) -> tuple[str, list[str]]:
    """The response code and the addresses or names that a vantage's resolver answers."""
    asker = next(each for each in WORLD.vantages if each.id == vantage).addresses[0]
    wire = directory().reply(dns.message.make_query(name, rdtype).to_wire(), asker, datagram=True)
    if wire is None:
        return "dropped", []
    response = dns.message.from_wire(wire)
    texts = [record.to_text() for records in response.answer for record in records]
    return dns.rcode.to_text(response.rcode()), texts


def answered(name: str, vantage: str) -> set[str]:
    """The addresses of both families."""
    texts = resolve(name, "A", vantage)[1] + resolve(name, "AAAA", vantage)[1]
    return {text for text in texts if not text.endswith(".")}


def standing() -> dict[str, set[str]]:
    """Where every address that anybody is at stands: its places' ids."""
    places: dict[str, set[str]] = {}
    for farm in WORLD.farms:
        for host in farm.hosts:
            for address in host.addresses:
                places.setdefault(address, set()).add(farm.place)
    return places


class TestRegister:
    """The register is in order, and every endpoint has its truth."""

    def test_truth_and_endpoints_are_the_same(self, register: Register) -> None:
        assert {endpoint.id for endpoint in register.endpoints} == set(WORLD.truth)

    def test_it_is_as_large_as_was_asked_for(self, register: Register) -> None:
        assert len(register.providers) >= 9
        assert len(register.endpoints) >= 34

    def test_every_class_of_data_occurs(self, register: Register) -> None:
        classes = {endpoint.data_class for endpoint in register.endpoints}
        assert classes == {"open", "public", "restricted", "confidential", "secret"}

    def test_every_kind_of_truth_occurs(self) -> None:
        truths = Counter(truth.location for truth in WORLD.truth.values())
        assert set(truths) == {"inside", "outside", "edge", "undetermined", "unreachable"}
        assert {truth.path for truth in WORLD.truth.values()} >= {"domestic", "leaves"}

    def test_the_life_of_accreditations_and_waivers_shows(self, register: Register) -> None:
        assert {notice.code for notice in register.notices} == {"accreditation-expired", "waiver-expired"}
        assert {provider.accreditation.status for provider in register.providers} == {
            "accredited",
            "suspended",
        }

    def test_every_truth_says_why(self) -> None:
        assert all(truth.note for truth in WORLD.truth.values())


class TestWholeness:
    """Nothing in the world refers to what is not there."""

    def test_every_address_is_in_a_network(self) -> None:
        networks = [ipaddress.ip_network(prefix) for network in WORLD.networks for prefix in network.prefixes]
        addresses = {address for vantage in WORLD.vantages for address in vantage.addresses} | set(standing())
        homeless = {
            address
            for address in addresses
            if not any(ipaddress.ip_address(address) in network for network in networks)
        }
        assert homeless == set()

    def test_every_router_is_in_a_network(self) -> None:
        networks = {prefix for network in WORLD.networks for prefix in network.prefixes}
        assert {prefix for place in WORLD.places.values() for prefix in place.routers.prefixes} <= networks

    def test_no_prefix_is_in_two_networks(self) -> None:
        prefixes = [prefix for network in WORLD.networks for prefix in network.prefixes]
        assert len(prefixes) == len(set(prefixes))

    def test_every_backend_listens(self) -> None:
        listening = {
            (address, service.port)
            for farm in WORLD.farms
            for host in farm.hosts
            for address in host.addresses
            for service in host.services
        }
        backends = [
            service.backend
            for farm in WORLD.farms
            for host in farm.hosts
            for service in host.services
            if service.backend
        ]
        assert len(backends) == 2
        for backend in backends:
            address, _, port = backend.rpartition(":")
            assert (address.strip("[]"), int(port)) in listening

    def test_every_name_that_is_answered_stands_somewhere(self) -> None:
        assert WORLD.dns is not None
        known = set(standing()) | {"10.20.30.40"}
        for name in WORLD.dns.names:
            for vantage in (*HOME, *ABROAD):
                assert answered(name.name, vantage) <= known, name.name

    def test_every_declared_port_is_served(self, register: Register) -> None:
        hosts = {
            address: {service.port for service in host.services}
            for farm in WORLD.farms
            for host in farm.hosts
            for address in host.addresses
            if not host.dead
        }
        for endpoint in register.endpoints:
            addresses = {endpoint.address} if endpoint.address else answered(endpoint.host or "", "khi")
            for address in addresses & set(hosts):
                assert endpoint.port is None or endpoint.port in hosts[address], endpoint.id

    def test_every_certificate_is_for_the_declared_name(self, register: Register) -> None:
        issued = authority.issue(WORLD).issued
        for endpoint in register.endpoints:
            if endpoint.scheme == "https" and endpoint.host and answered(endpoint.host, "khi"):
                certified = any(endpoint.host in names for names in issued)
                private = answered(endpoint.host, "khi") == {"10.20.30.40"}
                assert certified or private or WORLD.truth[endpoint.id].location == "unreachable", endpoint.id

    def test_every_zones_name_servers_resolve(self) -> None:
        assert WORLD.dns is not None
        for zone in WORLD.dns.zones:
            for server in zone.nameservers:
                assert answered(server, "fra"), server

    def test_the_resolver_is_at_every_vantage(self) -> None:
        assert WORLD.dns is not None
        assert standing()[WORLD.dns.resolver] == {vantage.place for vantage in WORLD.vantages}

    def test_its_addresses_are_nobodys(self) -> None:
        for network in WORLD.networks:
            for prefix in network.prefixes:
                parsed = ipaddress.ip_network(prefix)
                assert any(
                    parsed.version == reserved.version and parsed.network_address in reserved
                    for reserved in RESERVED
                )


class TestTruth:
    """The truth follows from where hosts stand, for all addresses that any asker gets."""

    def test_inside_and_outside(self, register: Register) -> None:
        home = {place for place, value in WORLD.places.items() if value.country == WORLD.country}
        where = standing()
        for endpoint in register.endpoints:
            truth = WORLD.truth[endpoint.id]
            if truth.location not in {"inside", "outside"}:
                continue
            addresses = {
                address
                for vantage in (*HOME, *ABROAD)
                for address in (
                    {endpoint.address} if endpoint.address else answered(endpoint.host or "", vantage)
                )
            }
            places = {place for address in addresses if address for place in where[address]}
            assert places, endpoint.id
            assert ("inside" if places <= home else "outside") == truth.location, endpoint.id

    def test_databases_are_wrong_where_the_world_says_so(self) -> None:
        sources = databases.describe(WORLD)["sources"]

        def said(prefix: str) -> dict[str, str]:
            return {
                source["source"]: record["country"]
                for source in sources
                for record in source["records"]
                if record["prefix"] == prefix
            }

        assert set(said("198.18.21.0/24").values()) == {"PK"}  # in Singapore
        assert set(said("198.18.23.0/24").values()) == {"SG"}  # in Karachi
        halves = Counter(said("198.18.24.0/24").values())  # in Karachi
        assert set(halves) == {"PK", "AE"}

    @pytest.mark.parametrize(
        ("name", "rcode"),
        [
            ("gone.sutlej-systems.example", "NXDOMAIN"),
            ("broken.sutlej-systems.example", "SERVFAIL"),
            ("mute.gorakh-hosting.example", "dropped"),
        ],
    )
    def test_broken_names(self, name: str, rcode: str) -> None:
        assert resolve(name, "A", "khi") == (rcode, [])

    def test_answers_differ_between_home_and_abroad(self) -> None:
        home = {frozenset(answered("split.sutlej-systems.example", vantage)) for vantage in HOME}
        abroad = {frozenset(answered("split.sutlej-systems.example", vantage)) for vantage in ABROAD}
        assert (len(home), len(abroad)) == (1, 1)
        assert home.isdisjoint(abroad)

    def test_reverse_names_lie_and_are_hostile(self) -> None:
        assert resolve("10.21.18.198.in-addr.arpa", "PTR", "khi")[1] == ["srv10.khi1.bolan-compute.example."]
        (hostile,) = resolve("20.28.18.198.in-addr.arpa", "PTR", "khi")[1]
        octets = b"".join(dns.name.from_text(hostile).labels)
        assert b"\x1b[2J" in octets
        assert b"<script>" in octets


@pytest.fixture(scope="module")
def pakistan(start_world: Any) -> Iterator[Peer]:
    yield from start_world(WORLD)


CONNECT = """
import json, socket, ssl, sys
name, address, port, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
with socket.create_connection((address, int(port)), timeout=10) as plain:
    with context.wrap_socket(plain, server_hostname=name) as secure:
        certificate = secure.getpeercert()
        print(json.dumps([secure.version(), certificate["subject"][0][0][1]]))
"""


@pytest.mark.net
class TestRunning:
    """Real tools at the vantages find the world as its truth has it."""

    @staticmethod
    def tls(pakistan: Peer, vantage: str, name: str, address: str, port: int = 443) -> list[str]:
        """TLS version and subject, with the certificate checked against the world's authority."""
        ca = str(pakistan.net.directory / "ca.pem")
        result: list[str] = json.loads(
            pakistan.tool(vantage, sys.executable, "-c", CONNECT, name, address, str(port), ca)
        )
        return result

    @pytest.mark.parametrize("vantage", [*HOME, *ABROAD])
    @pytest.mark.parametrize("address", ["198.18.16.10", "2001:db8:16::10"])
    def test_hosts_answer_all_vantages_in_both_families(
        self, pakistan: Peer, vantage: str, address: str
    ) -> None:
        found = self.tls(pakistan, vantage, "portal.indus-cloud.example", address)
        assert found == ["TLSv1.3", "portal.indus-cloud.example"]

    def test_a_proxy_shows_its_own_certificate(self, pakistan: Peer) -> None:
        assert self.tls(pakistan, "khi", "tax.makran-hosting.example", "198.18.26.20")[1].startswith("tax.")

    def test_a_pass_through_shows_its_backends(self, pakistan: Peer) -> None:
        assert self.tls(pakistan, "khi", "bank.makran-hosting.example", "198.18.26.30")[1].startswith("bank.")

    def test_an_old_server(self, pakistan: Peer) -> None:
        assert self.tls(pakistan, "lhe", "legacy.ravi-data.example", "198.18.17.40")[0] == "TLSv1.2"

    def test_a_way_that_leaves_shows_hops_abroad(self, pakistan: Peer) -> None:
        hops = pakistan.traceroute("khi", "-q", "1", "198.18.25.140")
        dubai = ipaddress.ip_network("198.19.16.0/24")
        assert any(
            ipaddress.ip_address(address) in dubai for addresses, _, _ in hops for address in addresses
        )
        assert hops[-1][0][0] == "198.18.25.140"

    def test_a_long_way_at_home_shows_none(self, pakistan: Peer) -> None:
        hops = pakistan.traceroute("khi", "-q", "1", "198.18.20.140")
        home = ipaddress.ip_network("198.19.0.0/20")
        routers = [ipaddress.ip_address(address) for addresses, _, _ in hops[:-1] for address in addresses]
        assert len(routers) >= 4
        assert all(router in home for router in routers)
        assert hops[-1][0][0] == "198.18.20.140"

    def test_only_one_port_of_a_quiet_host_answers(self, pakistan: Peer) -> None:
        hops = pakistan.traceroute("khi", "-q", "1", "-m", "4", "-I", "198.18.24.20")
        assert all(addresses != ["198.18.24.20"] for addresses, _, _ in hops)
        assert self.tls(pakistan, "khi", "quiet.khyber-vault.example", "198.18.24.20")[0] == "TLSv1.3"
