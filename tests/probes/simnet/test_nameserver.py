"""The name servers of a world, asked with dnspython as a client would."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.reversename
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.simnet.nameserver import Directory
from probes.simnet.world import Dns, Service, Vantage

if TYPE_CHECKING:
    from tests.probes.simnet.conftest import Hosting

KHI = "198.18.1.10"
FRA = "2001:db8:6::10"
MANY = tuple(f"198.18.200.{n}" for n in range(1, 101))
NAMES = Dns.model_validate(
    {
        "resolver": "198.18.0.53",
        "zones": [
            {
                "name": "a.example",
                "nameservers": ["ns1.a.example", "ns2.b.example"],
                "mail": ["mx.b.example", "mx.a.example"],
            },
            {"name": "deep.a.example", "nameservers": ["ns.deep.a.example"]},
        ],
        "names": [
            {"name": "www.a.example", "answers": [{"a": ["198.18.9.1"], "aaaa": ["2001:db8:9::1"]}]},
            {
                "name": "geo.a.example",
                "answers": [{"to": ["khi"], "a": ["198.18.9.2"]}, {"a": ["198.18.9.3"]}],
            },
            {"name": "only.a.example", "answers": [{"to": ["khi"], "a": ["198.18.9.4"]}]},
            {"name": "one.a.example", "answers": [{"cname": "two.a.example"}]},
            {"name": "two.a.example", "answers": [{"cname": "www.a.example"}]},
            {"name": "loop.a.example", "answers": [{"cname": "loop.a.example"}]},
            {"name": "lost.a.example", "answers": [{"cname": "nowhere.a.example"}]},
            {"name": "under.none.a.example", "answers": [{"a": ["198.18.9.5"]}]},
            {"name": "nx.a.example", "rcode": "NXDOMAIN"},
            {"name": "fail.a.example", "rcode": "SERVFAIL"},
            {"name": "refuse.a.example", "rcode": "REFUSED"},
            {"name": "mute.a.example", "drop": True},
            {"name": "many.a.example", "answers": [{"a": MANY}]},
            {"name": "private.a.example", "answers": [{"a": ["10.1.2.3"]}]},
        ],
        "reverse": {
            "198.18.9.1": "www.a.example",
            "2001:db8:9::1": r"<script>alert(1)</script>.\027[31m\000.a.example",
        },
    }
)
VANTAGES = (
    Vantage(id="khi", place="karachi", addresses=(KHI,)),
    Vantage(id="fra", place="frankfurt", addresses=(FRA,)),
)
DIRECTORY = Directory(NAMES, VANTAGES)


def ask(name: str | dns.name.Name, rdtype: str = "A", asker: str = KHI) -> dns.message.Message:
    query = dns.message.make_query(name, rdtype)
    wire = DIRECTORY.reply(query.to_wire(), asker, datagram=True)
    assert wire is not None
    response = dns.message.from_wire(wire)
    assert query.is_response(response)
    return response


def addresses(response: dns.message.Message) -> list[str]:
    return [record.to_text() for records in response.answer for record in records]


class TestAnswers:
    """A name answers what the world says, to whom it says."""

    def test_addresses_of_both_families(self) -> None:
        assert addresses(ask("www.a.example")) == ["198.18.9.1"]
        assert addresses(ask("www.a.example", "AAAA")) == ["2001:db8:9::1"]

    def test_case_does_not_matter_and_is_kept(self) -> None:
        response = ask("wWw.A.example")
        assert addresses(response) == ["198.18.9.1"]
        assert str(response.question[0].name) == "wWw.A.example."

    @pytest.mark.parametrize(
        ("asker", "answer"),
        [
            (KHI, "198.18.9.2"),
            (f"::ffff:{KHI}", "198.18.9.2"),
            (FRA, "198.18.9.3"),
            ("198.18.77.1", "198.18.9.3"),
        ],
    )
    def test_answers_differ_by_asker(self, asker: str, answer: str) -> None:
        assert addresses(ask("geo.a.example", asker=asker)) == [answer]

    def test_no_answer_that_fits_is_no_data(self) -> None:
        assert ask("only.a.example", asker=FRA).answer == []
        assert ask("only.a.example", asker=FRA).rcode() == dns.rcode.NOERROR

    def test_mail_of_a_zone_in_its_order(self) -> None:
        assert addresses(ask("a.example", "MX")) == ["10 mx.b.example.", "20 mx.a.example."]
        assert addresses(ask("deep.a.example", "MX")) == []
        assert addresses(ask("www.a.example", "MX")) == []

    def test_chains_are_followed_to_their_end(self) -> None:
        assert addresses(ask("one.a.example")) == ["two.a.example.", "www.a.example.", "198.18.9.1"]

    def test_a_cname_that_is_asked_for_is_not_followed(self) -> None:
        assert addresses(ask("one.a.example", "CNAME")) == ["two.a.example."]

    def test_a_chain_that_never_ends_fails(self) -> None:
        assert ask("loop.a.example").rcode() == dns.rcode.SERVFAIL

    def test_a_chain_to_nowhere_is_nxdomain_and_shows_the_chain(self) -> None:
        response = ask("lost.a.example")
        assert response.rcode() == dns.rcode.NXDOMAIN
        assert addresses(response) == ["nowhere.a.example."]

    def test_private_addresses_are_given_as_they_are(self) -> None:
        assert addresses(ask("private.a.example")) == ["10.1.2.3"]


class TestNegativeAnswers:
    """What does not exist, has nothing, or is broken says so as RFC 2308 has it."""

    @pytest.mark.parametrize("name", ["nx.a.example", "never.a.example", "x.www.a.example"])
    def test_nxdomain_with_the_zones_soa(self, name: str) -> None:
        response = ask(name)
        assert response.rcode() == dns.rcode.NXDOMAIN
        assert str(response.authority[0].name) == "a.example."
        assert response.authority[0].rdtype == dns.rdatatype.SOA

    def test_the_most_specific_zone_answers(self) -> None:
        assert str(ask("never.deep.a.example").authority[0].name) == "deep.a.example."

    def test_outside_all_zones_it_is_the_roots(self) -> None:
        response = ask("www.elsewhere.test")
        assert response.rcode() == dns.rcode.NXDOMAIN
        assert str(response.authority[0].name) == "."

    @pytest.mark.parametrize(("name", "rdtype"), [("www.a.example", "MX"), ("none.a.example", "A")])
    def test_no_data(self, name: str, rdtype: str) -> None:
        response = ask(name, rdtype)
        assert (response.rcode(), response.answer) == (dns.rcode.NOERROR, [])
        assert response.authority[0].rdtype == dns.rdatatype.SOA

    @pytest.mark.parametrize(
        ("name", "rcode"), [("fail.a.example", "SERVFAIL"), ("refuse.a.example", "REFUSED")]
    )
    def test_broken_names(self, name: str, rcode: str) -> None:
        assert ask(name).rcode() == dns.rcode.from_text(rcode)

    def test_mute_names_give_no_answer(self) -> None:
        wire = dns.message.make_query("mute.a.example", "A").to_wire()
        assert DIRECTORY.reply(wire, KHI, datagram=True) is None


class TestZonesAndReverse:
    """Zones have name servers, addresses have names."""

    def test_name_servers(self) -> None:
        assert sorted(addresses(ask("a.example", "NS"))) == ["ns1.a.example.", "ns2.b.example."]

    def test_start_of_authority(self) -> None:
        assert ask("a.example", "SOA").answer[0][0].mname == dns.name.from_text("ns1.a.example")

    def test_reverse_names(self) -> None:
        assert addresses(ask(dns.reversename.from_address("198.18.9.1"), "PTR")) == ["www.a.example."]

    def test_hostile_octets_arrive_as_they_are(self) -> None:
        target = ask(dns.reversename.from_address("2001:db8:9::1"), "PTR").answer[0][0].target
        assert target.labels[:2] == (b"<script>alert(1)</script>", b"\x1b[31m\x00")

    def test_an_address_without_a_name(self) -> None:
        response = ask(dns.reversename.from_address("198.18.9.2"), "PTR")
        assert response.rcode() == dns.rcode.NXDOMAIN


class TestProtocol:
    """Queries that are odd get the answer that the protocol has for them, or none."""

    def test_recursion_is_available(self) -> None:
        assert ask("www.a.example").flags & dns.flags.RA

    def test_too_long_for_a_datagram_is_cut(self) -> None:
        query = dns.message.make_query("many.a.example", "A", use_edns=False)
        wire = DIRECTORY.reply(query.to_wire(), KHI, datagram=True)
        assert wire is not None
        assert len(wire) <= 512
        assert dns.message.from_wire(wire).flags & dns.flags.TC

    def test_a_stream_takes_it_whole(self) -> None:
        query = dns.message.make_query("many.a.example", "A")
        wire = DIRECTORY.reply(query.to_wire(), KHI, datagram=False)
        assert wire is not None
        assert len(addresses(dns.message.from_wire(wire))) == len(MANY)

    def test_versions_of_edns_that_are_not_known(self) -> None:
        query = dns.message.make_query("www.a.example", "A", use_edns=1)
        wire = DIRECTORY.reply(query.to_wire(), KHI, datagram=True)
        assert wire is not None
        assert dns.message.from_wire(wire).rcode() == dns.rcode.BADVERS

    def test_other_operations_and_classes(self) -> None:
        notify = dns.message.make_query("a.example", "SOA")
        notify.set_opcode(dns.opcode.NOTIFY)
        chaos = dns.message.make_query("version.bind", "TXT", "CH")
        for query, rcode in ((notify, dns.rcode.NOTIMP), (chaos, dns.rcode.REFUSED)):
            wire = DIRECTORY.reply(query.to_wire(), KHI, datagram=True)
            assert wire is not None
            assert dns.message.from_wire(wire).rcode() == rcode

    def test_answers_are_not_answered(self) -> None:
        assert DIRECTORY.reply(ask("www.a.example").to_wire(), KHI, datagram=True) is None

    def test_garbage_after_a_header_is_a_format_error(self) -> None:
        wire = DIRECTORY.reply(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff", KHI, datagram=True)
        assert wire is not None
        assert wire[:4] == b"\x12\x34\x81\x01"

    def test_garbage_that_claims_to_be_an_answer_is_not_answered(self) -> None:
        assert DIRECTORY.reply(b"\x12\x34\x81" + b"\xff" * 20, KHI, datagram=True) is None

    @settings(deadline=None)  # the machine is shared
    @given(st.binary(max_size=600))
    def test_no_octets_break_it(self, octets: bytes) -> None:
        reply = DIRECTORY.reply(octets, KHI, datagram=True)
        assert reply is None or len(reply) <= 1232

    @settings(deadline=None)  # the machine is shared
    @given(st.data())
    def test_no_damaged_query_breaks_it(self, data: Any) -> None:
        wire = bytearray(dns.message.make_query("one.a.example", "A", use_edns=0, payload=4096).to_wire())
        for _ in range(data.draw(st.integers(1, 4))):
            wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
        reply = DIRECTORY.reply(bytes(wire), KHI, datagram=True)
        assert reply is None or len(reply) <= 1232


class TestServing:
    """It is asked over UDP and TCP."""

    async def test_both_transports(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="dns", port=5353)), dns=NAMES):
            query = dns.message.make_query("many.a.example", "A")
            cut = await dns.asyncquery.udp(query, address, port=5353, timeout=5)
            assert cut.flags & dns.flags.TC
            whole = await dns.asyncquery.tcp(query, address, port=5353, timeout=5)
            assert len(addresses(whole)) == len(MANY)

    async def test_a_client_that_sends_half_a_query_holds_nobody_up(self, hosting: Hosting) -> None:
        address = hosting.loopback()
        async with hosting.serving(hosting.host(address, Service(kind="dns", port=5353)), dns=NAMES):
            _, writer = await asyncio.open_connection(address, 5353)
            writer.write(b"\xff\xff\x00")
            await writer.drain()
            query = dns.message.make_query("www.a.example", "A")
            assert addresses(await dns.asyncquery.tcp(query, address, port=5353, timeout=5)) == ["198.18.9.1"]
            await hosting.hang_up(writer)

    async def test_a_world_without_names_has_no_name_server(self, hosting: Hosting) -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with hosting.serving(hosting.host(hosting.loopback(), Service(kind="dns", port=5353))):
                pass
        assert caught.group_contains(ValueError, match="without names")
