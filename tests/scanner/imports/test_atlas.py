"""Results of RIPE Atlas become observations; what is no result becomes a fault, whatever it is."""

from __future__ import annotations

import base64
import copy
import json
from collections import Counter
from typing import Any

import dns.flags
import dns.message
import dns.rdatatype
import dns.reversename
import dns.rrset
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import (
    DnsObservation,
    DnsResult,
    MplsLabel,
    Observation,
    PingObservation,
    Reply,
    TraceObservation,
)
from scanner.imports.atlas import observations
from scanner.imports.source import BadRecordError, OtherKindError
from scanner.run import encode_observations
from tests.scanner.imports.results import HEAD, PING, TRACE, made, only


class TestPing:
    """Answered times are kept, the first answer of each packet alone."""

    def test_times(self) -> None:
        name, ping = made(PING)
        assert isinstance(ping, PingObservation)
        assert ping.result is not None
        assert (ping.result.rtts_ms, ping.result.sent, ping.result.method) == ((2.25, 1.5), 4, "icmp")
        assert (ping.vantage, ping.endpoint, ping.address) == (
            "atlas-1234",
            "portal.indus.example",
            "203.0.113.7",
        )
        assert (ping.id, ping.time) == ("atlas-101-1234-1780000000-ping", "2026-05-28T20:26:40Z")
        assert isinstance(name, DnsObservation)
        assert name.result == DnsResult(
            question="portal.indus.example", rcode="NOERROR", addresses=("203.0.113.7",)
        )

    def test_what_was_left_out_is_said(self) -> None:
        notes: Counter[str] = Counter()
        observations(json.dumps(PING).encode(), notes)
        assert notes == {"duplicate replies": 1}

    @pytest.mark.parametrize(
        ("result", "error"),
        [
            ([{"x": "*"}, {"x": "*"}], "timeout"),
            ([], "timeout"),
            ([{"error": "connect failed: Network is unreachable"}], "unreachable"),
            ([{"error": "sendto failed: Operation not permitted"}], "prohibited"),
            ([{"error": "socket: Address family not supported by protocol"}], "unsupported"),
            ([{"error": "something new"}], "protocol"),
        ],
    )
    def test_silence(self, result: list[object], error: str) -> None:
        ping = made({**PING, "result": result})[-1]
        assert ping.error == error
        assert isinstance(ping, PingObservation)
        assert ping.result is not None
        assert ping.result.rtts_ms == ()

    def test_a_name_that_the_probe_could_not_look_up(self) -> None:
        record = {**PING, "dnserr": "non-recoverable failure in name resolution (1)"}
        del record["dst_addr"]
        one = only(record)
        assert isinstance(one, DnsObservation)
        assert (one.error, one.endpoint, one.address) == ("servfail", "portal.indus.example", None)

    @pytest.mark.parametrize(
        ("words", "error"),
        [
            ("nodename nor servname provided, or not known (1)", "nxdomain"),
            ("no address associated with nodename (1)", "no-data"),
            ("temporary failure in name resolution (1)", "servfail"),
            ("something new", "servfail"),
        ],
    )
    def test_why_it_could_not(self, words: str, error: str) -> None:
        record = {**PING, "dnserr": words}
        del record["dst_addr"]
        assert only(record).error == error

    def test_an_address_that_only_the_name_has(self) -> None:
        record = {**PING, "dst_name": "203.0.113.7", "result": [{"error": "Network is unreachable"}]}
        del record["dst_addr"]
        one = only(record)
        assert (one.address, one.error) == ("203.0.113.7", "unreachable")

    def test_what_old_firmware_calls_it(self) -> None:
        record = {**PING, "fw": 4400, "addr": "203.0.113.7", "name": "portal.indus.example", "pf": 4}
        for key in ("dst_addr", "dst_name", "af"):
            del record[key]
        assert [one.address for one in made(record)] == [None, "203.0.113.7"]


class TestTrace:
    """Every reply is kept at its hop, unless nobody knows whose it is."""

    def test_hops(self) -> None:
        trace = only(TRACE)
        assert isinstance(trace, TraceObservation)
        assert trace.result is not None
        assert trace.result.reached
        assert trace.error is None
        by_ttl = {hop.ttl: hop.replies for hop in trace.result.hops}
        assert by_ttl == {
            1: (
                Reply(address="192.168.1.1", rtt_ms=0.5, icmp=(11, 0)),
                Reply(
                    address="192.168.1.2",
                    rtt_ms=0.75,
                    icmp=(11, 0),
                    mpls=(MplsLabel(label=24001, tc=1, s=1, ttl=3),),
                ),
            ),
            2: (),
            3: (),
            4: (Reply(address="198.51.100.6", rtt_ms=9, icmp=(3, 1)),),
            255: (Reply(address="203.0.113.7", rtt_ms=10.125),),
        }

    def test_what_was_left_out_is_said(self) -> None:
        notes: Counter[str] = Counter()
        observations(json.dumps(TRACE).encode(), notes)
        assert notes == {"late replies": 1, "duplicate replies": 1}

    def test_a_missing_time_is_null(self) -> None:
        result = [{"hop": 1, "result": [{"from": "198.51.100.5"}]}]
        trace = only({**TRACE, "result": result})
        assert trace.result.hops[0].replies == (Reply(address="198.51.100.5", rtt_ms=None, icmp=(11, 0)),)
        assert (trace.result.reached, trace.error) == (False, "timeout")

    @pytest.mark.parametrize(
        ("err", "version", "icmp"),
        [
            ("N", 4, (3, 0)),
            ("A", 4, (3, 13)),
            ("p", 4, (3, 3)),
            ("p", 6, (1, 4)),
            ("A", 6, (1, 1)),
            ("H", 6, (1, 3)),
            (9, 4, (3, 9)),
            ("?", 4, (3, 1)),
        ],
    )
    def test_marks(self, err: object, version: int, icmp: tuple[int, int]) -> None:
        at, source = ("203.0.113.7", "198.51.100.5") if version == 4 else ("2001:db8::7", "2001:db8::5")
        result = [{"hop": 1, "result": [{"from": source, "rtt": 1, "err": err}]}]
        trace = only({**TRACE, "dst_name": at, "dst_addr": at, "result": result})
        assert trace.result.hops[0].replies[0].icmp == icmp
        prohibited = icmp in {(3, 13), (1, 1)}
        assert trace.error == ("prohibited" if prohibited else "unreachable")

    def test_one_that_could_not_be_sent(self) -> None:
        trace = only({**TRACE, "result": [{"error": "bind failed: Invalid argument"}]})
        assert (trace.error, trace.result.hops) == ("unsupported", ())

    def test_a_name_that_the_probe_could_not_look_up(self) -> None:
        record = {**TRACE, "dst_name": "portal.indus.example"}
        del record["dst_addr"]
        record["result"] = [
            {"error": "name resolution failed: non-recoverable failure in name resolution (1)"}
        ]
        one = only(record)
        assert isinstance(one, DnsObservation)
        assert (one.error, one.endpoint, one.address) == ("servfail", "portal.indus.example", None)
        record["result"] = [{"error": "bind failed: Invalid argument"}]
        with pytest.raises(BadRecordError, match="dst_addr: is missing"):
            made(record)

    def test_a_router_that_is_seen_by_its_address_on_the_link(self) -> None:
        result = [{"hop": 1, "result": [{"from": "fe80::1%eth0", "rtt": 0.5}]}]
        trace = only({**TRACE, "dst_name": "2001:db8::7", "dst_addr": "2001:db8::7", "result": result})
        assert trace.result.hops[0].replies[0].address == "fe80::1"
        with pytest.raises(BadRecordError, match="has a zone"):
            made({**TRACE, "result": [{"hop": 1, "result": [{"from": "2001:db8::1%eth0"}]}]})

    def test_ports(self) -> None:
        assert only({**TRACE, "proto": "TCP", "dst_port": "443"}).result.port == 443
        assert only({**TRACE, "proto": "TCP", "dst_port": 80}).result.port == 80
        assert only({**TRACE, "dst_port": "443"}).result.port is None


def abuf(
    *rrsets: dns.rrset.RRset, name: str = "portal.indus.example", kind: str = "A", rcode: int = 0
) -> str:
    response = dns.message.make_response(dns.message.make_query(name, kind))
    response.answer = list(rrsets)
    response.set_rcode(rcode)  # type: ignore[arg-type]  # a number will do
    return base64.b64encode(response.to_wire()).decode()


class TestDns:
    """A DNS answer's octets are read as they came."""

    def record(self, **more: object) -> dict[str, Any]:
        return {**HEAD, "type": "dns", "dst_addr": "192.0.2.53", "proto": "UDP", **more}

    def test_a_chain(self) -> None:
        answer = abuf(
            dns.rrset.from_text("portal.indus.example.", 60, "IN", "CNAME", "edge.cdn.example."),
            dns.rrset.from_text("edge.cdn.example.", 30, "IN", "A", "203.0.113.7", "203.0.113.8"),
        )
        one = only(self.record(result={"abuf": answer, "rt": 4.5, "ANCOUNT": 3}))
        assert isinstance(one, DnsObservation)
        assert one.result is not None
        assert (one.endpoint, one.address, one.error) == ("portal.indus.example", None, None)
        assert sorted(one.result.addresses) == ["203.0.113.7", "203.0.113.8"]  # the writer shuffles them
        assert [(each.type, each.target) for each in one.result.chain] == [("CNAME", "edge.cdn.example")]
        assert (one.result.rcode, one.result.resolver) == ("NOERROR", "192.0.2.53")

    def test_several_resolvers(self) -> None:
        answer = abuf(dns.rrset.from_text("portal.indus.example.", 60, "IN", "A", "203.0.113.7"))
        query = base64.b64encode(dns.message.make_query("portal.indus.example", "A").to_wire()).decode()
        record = self.record(
            resultset=[
                {"dst_addr": "192.0.2.53", "subid": 1, "submax": 2, "result": {"abuf": answer}},
                {
                    "dst_addr": "192.0.2.54",
                    "subid": 2,
                    "submax": 2,
                    "qbuf": query,
                    "error": {"timeout": 5000},
                },
            ]
        )
        first, second = made(record)
        assert (first.id, second.id) == ("atlas-101-1234-1780000000-dns-1", "atlas-101-1234-1780000000-dns-2")
        assert (first.error, second.error, second.endpoint) == (None, "timeout", "portal.indus.example")

    @pytest.mark.parametrize(
        ("rcode", "error"), [(0, "no-data"), (2, "servfail"), (3, "nxdomain"), (5, "servfail")]
    )
    def test_absence(self, rcode: int, error: str) -> None:
        assert only(self.record(result={"abuf": abuf(rcode=rcode)})).error == error

    def test_an_answer_that_did_not_fit(self) -> None:
        response = dns.message.make_response(dns.message.make_query("portal.indus.example", "A"))
        response.flags |= dns.flags.TC
        answer = base64.b64encode(response.to_wire()).decode()
        one = only(self.record(result={"abuf": answer}))
        assert (one.error, one.result.addresses) == ("protocol", ())

    def test_a_reverse_name(self) -> None:
        name = "7.113.0.203.in-addr.arpa."
        answer = abuf(dns.rrset.from_text(name, 60, "IN", "PTR", "khi.indus.example."), name=name, kind="PTR")
        one = only(self.record(result={"abuf": answer}))
        assert (one.address, one.endpoint, one.error) == ("203.0.113.7", "203.0.113.7", None)
        assert one.result.chain[0].target == "khi.indus.example"

    def test_mail_exchangers(self) -> None:
        name = "indus.example."
        answer = abuf(
            dns.rrset.from_text(name, 60, "IN", "MX", "20 mx2.abroad.example.", "10 mx1.indus.example."),
            name=name,
            kind="MX",
        )
        one = only(self.record(result={"abuf": answer}))
        assert (one.endpoint, one.error) == ("indus.example", None)
        assert one.result.mail == ("mx1.indus.example", "mx2.abroad.example")
        none = abuf(dns.rrset.from_text(name, 60, "IN", "MX", "0 ."), name=name, kind="MX")
        assert only(self.record(result={"abuf": none})).result.mail == ()

    def test_a_referral_is_no_absence(self) -> None:
        response = dns.message.make_response(dns.message.make_query("portal.indus.example", "A"))
        response.authority.append(dns.rrset.from_text("example.", 60, "IN", "NS", "ns.registry.example."))
        one = only(self.record(result={"abuf": base64.b64encode(response.to_wire()).decode()}))
        assert (one.error, one.result.nameservers) == ("protocol", ())

    def test_one_of_several_resolvers_of_no_use(self) -> None:
        answer = abuf(dns.rrset.from_text("portal.indus.example.", 60, "IN", "A", "203.0.113.7"))
        notes: Counter[str] = Counter()
        record = self.record(
            resultset=[
                {"dst_addr": "192.0.2.54", "error": {"timeout": 5000}},
                {"dst_addr": "fe80::1%eth0", "result": {"abuf": answer}},
            ]
        )
        (one,) = observations(json.dumps(record).encode(), notes)
        assert isinstance(one, DnsObservation)
        assert one.result is not None
        assert (one.id, one.result.resolver) == ("atlas-101-1234-1780000000-dns-2", "fe80::1")
        assert notes == {"answers of one of several resolvers": 1}

    @pytest.mark.parametrize("text", ["", "!", "AAAA", base64.b64encode(bytes(70_000)).decode()])
    def test_no_message(self, text: str) -> None:
        with pytest.raises(BadRecordError):
            made(self.record(result={"abuf": text}))

    def test_a_message_cut_short_is_no_absence(self) -> None:
        rrset = dns.rrset.from_text("portal.indus.example.", 60, "IN", "A", "203.0.113.7")
        octets = base64.b64decode(abuf(rrset))[:-3]
        with pytest.raises(BadRecordError, match="no DNS message"):
            made(self.record(result={"abuf": base64.b64encode(octets).decode()}))


class TestHostile:
    """Whatever a file holds, there is an observation that can be read back, or a fault."""

    @pytest.mark.parametrize(
        "change",
        [
            {"dst_addr": "203.0.113.7.8"},
            {"dst_addr": "fe80::1%eth0"},
            {"dst_addr": None, "dst_name": None},
            {"timestamp": 2**40},
            {"timestamp": -1},
            {"prb_id": -4},
            {"proto": "SCTP"},
            {"result": [{"rtt": -1}]},
            {"result": [{"rtt": "1"}]},
            {"result": "none"},
            {"result": [[]]},
            {"dst_name": "x" * 1001},
        ],
    )
    def test_what_cannot_be(self, change: dict[str, object]) -> None:
        with pytest.raises((BadRecordError, msgspec.ValidationError)):
            made({**PING, **change})

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=20,
        )
    )
    def test_any_json(self, value: object) -> None:
        with pytest.raises((BadRecordError, OtherKindError, msgspec.DecodeError)):
            made(value)

    @given(st.sampled_from([PING, TRACE, TestDns().record(result={"abuf": abuf()})]), st.data())
    def test_any_value_anywhere(self, record: dict[str, Any], data: st.DataObject) -> None:
        changed = copy.deepcopy(record)
        where: Any = changed
        while True:
            key = data.draw(st.sampled_from(list(where) if isinstance(where, dict) else range(len(where))))
            if not isinstance(where[key], dict | list) or not where[key] or data.draw(st.booleans()):
                break
            where = where[key]
        where[key] = data.draw(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False)
            | st.text()
            | st.lists(st.integers())
            | st.just({"hop": 1})
        )
        try:
            found = made(changed)
        except (BadRecordError, OtherKindError, msgspec.DecodeError):
            return
        assert msgspec.json.decode(encode_observations(found[:1]), type=Observation) == found[0]

    @given(st.binary())
    def test_any_octets(self, octets: bytes) -> None:
        with pytest.raises((BadRecordError, OtherKindError, msgspec.DecodeError, UnicodeDecodeError)):
            observations(octets, Counter())
