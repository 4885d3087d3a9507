"""Results of RIPE Atlas become observations; what is no result becomes a fault, whatever it is."""

from __future__ import annotations

import base64
import bz2
import copy
import gzip
import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dns.flags
import dns.message
import dns.rdatatype
import dns.reversename
import dns.rrset
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import (
    DnsObservation,
    DnsResult,
    MplsLabel,
    Observation,
    PingObservation,
    Reply,
    TlsObservation,
    TraceObservation,
)
from scanner.imports.atlas import observations
from scanner.imports.source import (
    BadRecordError,
    OtherKindError,
    SourceError,
    Tally,
    convert,
    records,
)
from scanner.record import read_observations
from scanner.run import encode_observations

if TYPE_CHECKING:
    from pathlib import Path

HEAD = {
    "fw": 5080,
    "lts": 21,
    "msm_id": 101,
    "prb_id": 1234,
    "timestamp": 1_780_000_000,
    "from": "192.0.2.9",
    "src_addr": "192.0.2.9",
    "af": 4,
}
PING = {
    **HEAD,
    "type": "ping",
    "proto": "ICMP",
    "dst_name": "portal.indus.example",
    "dst_addr": "203.0.113.7",
    "sent": 4,
    "rcvd": 2,
    "dup": 1,
    "min": 1.5,
    "max": 2.25,
    "avg": 1.875,
    "ttl": 60,
    "size": 64,
    "result": [{"rtt": 2.25}, {"x": "*"}, {"rtt": 1.5}, {"rtt": 3.5, "dup": 1}, {"error": "sendto failed"}],
}
MPLS = {
    "version": 2,
    "rfc4884": 0,
    "obj": [{"class": 1, "type": 1, "mpls": [{"exp": 1, "label": 24001, "s": 1, "ttl": 3}]}],
}
TRACE = {
    **HEAD,
    "type": "traceroute",
    "proto": "ICMP",
    "paris_id": 3,
    "endtime": 1_780_000_009,
    "dst_name": "203.0.113.7",
    "dst_addr": "203.0.113.7",
    "size": 48,
    "result": [
        {
            "hop": 1,
            "result": [
                {"from": "192.168.1.1", "rtt": 0.5, "size": 28, "ttl": 64},
                {"from": "192.168.1.2", "rtt": 0.75, "size": 28, "ttl": 64, "icmpext": MPLS},
                {"x": "*"},
            ],
        },
        {
            "hop": 2,
            "result": [{"x": "*"}, {"x": "*"}, {"from": "198.51.100.5", "late": 2, "size": 28, "ttl": 250}],
        },
        {"hop": 3, "error": "sendto failed: Network is unreachable"},
        {
            "hop": 4,
            "result": [
                {"from": "198.51.100.6", "rtt": 9, "err": "H"},
                {"from": "203.0.113.7", "rtt": 9.5, "dup": 1},
            ],
        },
        {"hop": 255, "result": [{"from": "203.0.113.7", "rtt": 10.125, "size": 48, "ttl": 55}]},
    ],
}


def made(record: object) -> list[Observation]:
    return observations(json.dumps(record).encode(), Counter())


def only(record: object) -> Any:
    (one,) = made(record)
    return one


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


@pytest.fixture(scope="module")
def pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "portal.indus.example")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(day)
        .not_valid_after(day.replace(year=day.year + 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("portal.indus.example")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


class TestSslcert:
    """A certificate and its times; that anybody has a certificate bounds no key."""

    def record(self, pem: str, **more: object) -> dict[str, Any]:
        return {
            **HEAD,
            "type": "sslcert",
            "dst_name": "203.0.113.7",
            "dst_addr": "203.0.113.7",
            "dst_port": "443",
            "method": "TLS",
            "ver": "1.2",
            "rt": 31.5,
            "ttc": 10.25,
            "cert": [pem],
            **more,
        }

    def test_certificate_and_times(self, pem: str) -> None:
        one = only(self.record(pem))
        assert isinstance(one, TlsObservation)
        assert one.result is not None
        assert (one.result.tcp_rtt_ms, one.result.certificate_ms, one.result.handshake_ms) == (
            10.25,
            21.25,
            None,
        )
        assert (one.result.port, one.result.version) == (443, "TLSv1.2")
        der = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256())
        assert one.result.certificate_sha256 == der.hex()
        assert one.result.subject == "CN=portal.indus.example"
        assert one.result.sans == ("portal.indus.example",)
        assert one.result.verified is None

    def test_failures(self, pem: str) -> None:
        assert only(self.record(pem, cert=[], err="connect: timeout")).error == "timeout"
        assert only(self.record(pem, cert=[], alert={"level": 2, "description": 40})).error == "tls"
        assert only(self.record(pem, cert=[], err="connect: Connection refused")).error == "refused"
        assert only(self.record(pem, cert=[])).error == "tls"

    def test_no_certificate(self, pem: str) -> None:
        with pytest.raises(BadRecordError, match="no certificate in PEM"):
            made(self.record(pem, cert=["-----BEGIN CERTIFICATE-----"]))
        head, mark, body = pem.partition("CERTIFICATE-----\n")
        odd = only(self.record(pem, cert=[head + mark + body.replace("A", "B", 3)]))
        assert len(odd.result.certificate_sha256) == 64


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


class TestFiles:
    """One array or one object a line, compressed or not; each bad record is said with its number."""

    @pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress])
    @pytest.mark.parametrize("form", ["array", "lines", "marked"])
    def test_forms(self, tmp_path: Path, packed: Any, form: str) -> None:
        lines = [json.dumps(PING), json.dumps(TRACE)]
        text = f"[{','.join(lines)}]" if form == "array" else "\n\n".join(lines)
        path = tmp_path / "results"
        path.write_bytes(packed((b"\xef\xbb\xbf \n" if form == "marked" else b"") + text.encode()))
        tally = Tally()
        found = list(convert([path], observations, tally))
        assert [type(one).__name__[:4] for one in found] == ["DnsO", "Ping", "Trac"]
        assert (tally.read, tally.written, tally.faults) == (2, 3, [])
        (tmp_path / "out.jsonl").write_bytes(encode_observations(found))
        assert read_observations(tmp_path / "out.jsonl") == found

    def test_bad_records_among_good_ones(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        bad = ["{", json.dumps({**PING, "dst_addr": "?"}), json.dumps({"type": "http"}), "[]", "nonsense\xff"]
        path.write_bytes("\n".join([json.dumps(TRACE), *bad, json.dumps(TRACE)]).encode("latin-1"))
        tally = Tally()
        assert len(list(convert([path], observations, tally))) == 1
        assert [fault.split(":")[1] for fault in tally.faults] == ["2", "3", "5", "6"]
        assert (tally.read, tally.repeated, tally.others) == (7, 1, {"http": 1})

    def test_lines_are_counted_from_the_beginning_of_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        path.write_text(f"\ufeff\n\n {{\n{json.dumps(TRACE)}\n\nnonsense\n")
        tally = Tally()
        assert len(list(convert([path], observations, tally))) == 1
        assert [fault.split(":")[1] for fault in tally.faults] == ["3", "6"]

    def test_another_result_with_the_same_id(self, tmp_path: Path) -> None:
        path = tmp_path / "results"
        path.write_text("\n".join([json.dumps(TRACE), json.dumps({**TRACE, "proto": "UDP"})]))
        tally = Tally()
        assert len(list(convert([path], observations, tally))) == 1
        assert "another result has its id" in tally.faults[0]

    @pytest.mark.parametrize(
        "octets",
        [b"[", b"[{}", b"[1,]", b"[" * 100_000, gzip.compress(b"[]")[:-4], b"\x1f\x8b\x00", b"BZh9nonsense"],
    )
    def test_a_bad_file_is_refused_whole(self, tmp_path: Path, octets: bytes) -> None:
        path = tmp_path / "results"
        path.write_bytes(octets)
        with pytest.raises(SourceError, match="results: "):
            list(records(path))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(SourceError, match="cannot be read"):
            list(records(tmp_path / "nowhere"))


class TestPeer:
    """RIPE's own parser reads the same of what both understand."""

    @given(
        st.lists(
            st.one_of(
                st.builds(lambda rtt: {"rtt": rtt}, st.integers(1, 10**6).map(lambda n: n / 1000)),
                st.just({"x": "*"}),
                st.just({"rtt": 7.5, "dup": 1}),
            )
        ),
        st.sampled_from([4430, 4500, 4700, 5080]),
    )
    def test_pings(self, result: list[dict[str, Any]], firmware: int) -> None:
        sagan = pytest.importorskip("ripe.atlas.sagan")
        record = {
            **PING,
            "addr": "203.0.113.7",
            "name": "portal.indus.example",
            "fw": firmware,
            "result": result,
        }
        theirs = sagan.PingResult(record, on_error=1, on_malformation=1)
        (ours,) = [one for one in made(record) if isinstance(one, PingObservation)]
        assert ours.result is not None
        assert list(ours.result.rtts_ms) == [
            one.rtt for one in theirs.packets if one.rtt is not None and not one.dup
        ]
        assert (ours.address, ours.endpoint) == (theirs.destination_address, "portal.indus.example")

    def test_a_trace(self) -> None:
        sagan = pytest.importorskip("ripe.atlas.sagan")
        theirs = sagan.TracerouteResult(TRACE, on_error=1, on_malformation=1)
        ours = only(TRACE)
        said = [
            (hop.index, packet.origin, packet.rtt)
            for hop in theirs.hops
            for packet in hop.packets
            if packet.origin is not None and "dup" not in packet.raw_data
        ]
        assert said == [
            (hop.ttl, reply.address, reply.rtt_ms) for hop in ours.result.hops for reply in hop.replies
        ]
        assert theirs.destination_ip_responded == ours.result.reached
