"""What endpoints depend on, from records to findings."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.observation import DnsRecord, HttpObservation
from scanner.dependencies import MAX_ASKED, hosts_to_ask
from scanner.drift import drift
from scanner.recorded import Recorded
from scanner.report.table import write
from scanner.rulebook import load_policy
from scanner.run import decode, encode
from tests.scanner.portal import (
    ABROAD,
    EDGE,
    HOME,
    OTHER,
    PORTAL,
    SAID,
    Said,
    dns,
    finding,
    page,
    register,
    run,
)
from tests.scanner.scene import claim, ping

if TYPE_CHECKING:
    import random

    from scanner.policy import Finding, Policy
    from scanner.run import Run
    from scanner.verdict import Dependency


def dependencies(found: Run) -> dict[str, Dependency]:
    return {f"{one.relation} {one.host}": one for one in found.endpoints[0].verdict.dependencies}


ANSWERED = (
    dns(
        PORTAL,
        HOME,
        nameservers=("NS1.cloud.example", "ns1.indus.example"),
        mail=("mx.badban.example",),
        chain=(DnsRecord(name="portal.indus.example", type="CNAME", target="rack7.cloud.example"),),
    ),
    page("scripts.cloud.example", to="//pay.cloud.example/x"),
    dns("dependency/ns1.cloud.example", ABROAD),
    dns("dependency/ns1.indus.example", OTHER),
    dns("dependency/mx.badban.example", EDGE),
    dns("dependency/scripts.cloud.example", ABROAD, OTHER),
    dns("dependency/scripts.cloud.example", HOME, vantage="lhe"),
    dns("dependency/pay.cloud.example", error="nxdomain"),
    msgspec.structs.replace(ping("khi", 0.5, address=HOME), endpoint=PORTAL),
)


class TestPlaces:
    """Each dependency has a verdict of its own, which is never more than what is known of it."""

    @pytest.mark.parametrize(
        ("name", "location", "assurance", "rule", "countries"),
        [
            ("nameserver ns1.cloud.example", "outside", "corroborated", "claims", ("SG",)),
            ("nameserver ns1.indus.example", "inside", "claimed", "claims", ("PK",)),
            ("mail mx.badban.example", "edge", "claimed", "anycast", ()),
            ("alias rack7.cloud.example", "inside", "proved", "territory", ("PK",)),
            ("page scripts.cloud.example", "outside", "corroborated", "claims", ("SG",)),
            ("redirect pay.cloud.example", "undetermined", None, "no-address", ()),
        ],
    )
    def test_of(
        self, name: str, location: str, assurance: str | None, rule: str, countries: tuple[str, ...]
    ) -> None:
        one = dependencies(run(*ANSWERED))[name]
        assert (one.location, one.assurance, one.rule) == (location, assurance, rule)
        assert one.countries == countries

    def test_there_are_no_others_and_nothing_is_strange(self) -> None:
        found = run(*ANSWERED)
        assert len(dependencies(found)) == 6
        assert not any("observations are of endpoints" in notice for notice in found.notices)
        assert found.endpoints[0].verdict.location == "inside"
        assert {one.address for one in found.endpoints[0].verdict.addresses} == {HOME}

    def test_a_name_answered_differently_is_where_the_worst_answer_is(self) -> None:
        one = dependencies(run(*ANSWERED))["page scripts.cloud.example"]
        assert one.addresses == (HOME, ABROAD, OTHER)
        assert one.reason.startswith(f"{ABROAD} (1 of 3 addresses): 2 independent sources agree")

    def test_an_address_that_is_measured_as_an_endpoints_has_that_verdict(self) -> None:
        liar = {**SAID, HOME: (claim("alpha", "SG"), claim("beta", "SG"))}
        found = run(
            dns(PORTAL, HOME, nameservers=("ns.x.example",)),
            dns("dependency/ns.x.example", HOME),
            ping("khi", 0.5, address=HOME),
            snapshot=Said(liar),
        )
        one = dependencies(found)["nameserver ns.x.example"]
        assert (one.location, one.assurance) == ("inside", "proved")

    def test_an_endpoints_name_has_the_endpoints_addresses(self) -> None:
        held = register(endpoints="https://portal.indus.example, {host: mx.indus.example, port: 25}")
        found = run(
            dns(PORTAL, HOME, mail=("mx.indus.example",)),
            dns("indus/web/mx.indus.example:25", ABROAD),
            ping("sin", 0.2, address=ABROAD),
            held=held,
        )
        one = dependencies(found)["mail mx.indus.example"]
        assert (one.location, one.assurance, one.rule) == ("outside", "proved", "territory")

    def test_a_providers_own_word_counts_abroad_only(self) -> None:
        listed = {"asserted_by": "operator", "region": "r-1", "network": "Cloud"}
        said = {
            ABROAD: (claim("cloud", "SG", **listed),),
            OTHER: (claim("cloud", "PK", **listed), claim("alpha", "PK")),
        }
        found = run(
            dns(PORTAL, nameservers=("a.x.example", "b.x.example")),
            dns("dependency/a.x.example", ABROAD),
            dns("dependency/b.x.example", OTHER),
            snapshot=Said(said),
        )
        each = dependencies(found)
        assert each["nameserver a.x.example"].rule == "provider-region"
        assert each["nameserver b.x.example"].rule == "claims"
        assert each["nameserver b.x.example"].reason.endswith("no measured time bears on it.")

    def test_a_private_address_is_nowhere(self) -> None:
        found = run(dns(PORTAL, nameservers=("a.x.example",)), dns("dependency/a.x.example", "10.1.2.3"))
        assert dependencies(found)["nameserver a.x.example"].rule == "bogon"

    def test_an_address_in_the_place_of_a_name(self) -> None:
        found = run(dns(PORTAL, HOME), page(to=f"http://{ABROAD}/"))
        assert dependencies(found)[f"redirect {ABROAD}"].location == "outside"

    def test_not_a_name(self) -> None:
        found = run(dns(PORTAL, nameservers=("\\027[31m<b>",)))
        assert "not a name" in dependencies(found)["nameserver \\027[31m<b>"].reason

    def test_its_own_host_is_no_dependency(self) -> None:
        found = run(
            dns(PORTAL, HOME, nameservers=("portal.indus.example",)),
            page(to="https://portal.indus.example/b"),
        )
        assert dependencies(found) == {}


class TestRecords:
    """A run of a dependency's answers can be judged again, in any order, and older ones still are."""

    @given(st.randoms(use_true_random=False))
    def test_their_order_never_matters(self, dice: random.Random) -> None:
        mixed = dice.sample(ANSWERED, len(ANSWERED))
        assert run(*mixed).endpoints == run(*ANSWERED).endpoints

    def test_judged_again_by_what_the_run_recorded(self) -> None:
        found = decode(encode(run(*ANSWERED)))
        assert run(*found.observations, snapshot=Recorded(found)).endpoints == found.endpoints

    def test_without_any_there_is_nothing(self) -> None:
        assert dependencies(run(dns(PORTAL, HOME), ping("khi", 0.5, address=HOME))) == {}


class TestDrift:
    """A host that is new, lost or elsewhere is a change; what a run did not look for is none."""

    @staticmethod
    def changes(old: Run, new: Run) -> list[tuple[str | None, str | None]]:
        return [(one.before, one.after) for one in drift(old, new) if one.kind == "dependency"]

    def test_of_each_kind(self) -> None:
        old = run(
            dns(PORTAL, HOME, nameservers=("a.example", "b.example")),
            dns("dependency/a.example", OTHER),
            dns("dependency/b.example", OTHER),
        )
        new = run(
            dns(PORTAL, HOME, nameservers=("b.example", "c.example")),
            dns("dependency/b.example", ABROAD),
            dns("dependency/c.example", OTHER),
        )
        assert self.changes(old, new) == [
            ("nameserver a.example: inside (claimed)", None),
            ("nameserver b.example: inside (claimed)", "nameserver b.example: outside (corroborated)"),
            (None, "nameserver c.example: inside (claimed)"),
        ]
        assert self.changes(new, new) == []

    def test_a_run_that_read_no_page_lost_no_host(self) -> None:
        crawled = run(*ANSWERED)
        plain = run(*(one for one in ANSWERED if not isinstance(one, HttpObservation)))
        assert self.changes(crawled, plain) == self.changes(plain, crawled) == []


class TestAsked:
    """Names of dependencies are asked for once a scan, and of an endpoint so many."""

    def test_names_only_and_none_that_is_known(self) -> None:
        held = register(endpoints="https://portal.indus.example, https://www.indus.example")
        asked = hosts_to_ask(
            held.endpoints,
            [
                ANSWERED[0],
                page(
                    "scripts.cloud.example", "www.indus.example", "192.0.2.1", "x", to="//ns1.cloud.example"
                ),
                dns("indus/web/www.indus.example", nameservers=("ns1.indus.example", "<b>.example")),
            ],
        )
        assert asked == (
            "ns1.cloud.example",
            "ns1.indus.example",
            "mx.badban.example",
            "scripts.cloud.example",
        )

    def test_so_many_of_an_endpoint(self) -> None:
        asked = hosts_to_ask(register().endpoints, [page(*(f"h{number}.example" for number in range(50)))])
        assert len(asked) == MAX_ASKED
        found = run(page(*(f"h{number}.example" for number in range(50))))
        assert len(dependencies(found)) == 50, "all are listed"
        assert {one.reason for one in dependencies(found).values()} == {"It was not asked for."}


def strict(policy: Policy) -> Policy:
    rule = policy.classes.restricted.model_copy(update={"dependencies": "inside"})
    return policy.model_copy(update={"classes": policy.classes.model_copy(update={"restricted": rule})})


class TestFindings:
    """They are reported, and a violation only where the class asks for it."""

    def held(self, *addresses: str, **more: Any) -> Finding | None:
        found = run(
            dns(PORTAL, HOME, nameservers=tuple(f"n{number}.example" for number in range(len(addresses)))),
            *(dns(f"dependency/n{number}.example", address) for number, address in enumerate(addresses)),
            ping("khi", 0.5, address=HOME),
            **more,
        )
        return finding(found, "PCFP-RES-3")

    def test_are_informational(self) -> None:
        found = self.held(ABROAD, OTHER)
        assert found is not None
        assert (found.status, found.severity) == ("not_applicable", "informational")
        assert found.reason == "Reported only: it depends on name server n0.example (SG) abroad."
        assert self.held(OTHER, EDGE) is None

    @pytest.mark.parametrize(
        ("addresses", "status", "severity"),
        [
            ((ABROAD, EDGE), "violation", "medium"),
            ((OTHER, EDGE), "indeterminate", "medium"),
            ((OTHER,), "compliant", "informational"),
        ],
    )
    def test_where_the_class_asks(self, addresses: tuple[str, ...], status: str, severity: str) -> None:
        found = self.held(*addresses, policy=strict(load_policy()))
        assert found is not None
        assert (found.status, found.severity) == (status, severity)

    def test_nothing_to_depend_on(self) -> None:
        assert self.held(policy=strict(load_policy())) is None

    def test_the_table_has_a_line_where_some_are_abroad(self) -> None:
        stream = io.StringIO()
        write(run(*ANSWERED), stream)
        (line,) = [line for line in stream.getvalue().splitlines() if "Depends on" in line]
        assert line.startswith(
            "    Depends on what is abroad: name server ns1.cloud.example (SG), host of its"
        )
        stream = io.StringIO()
        write(run(dns(PORTAL, nameservers=("a.example",)), dns("dependency/a.example", OTHER)), stream)
        assert "Depends on" not in stream.getvalue()
