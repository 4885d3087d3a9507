"""``sarhad diff``, on runs that ``sarhad judge`` made of recorded observations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from geodata.snapshot_writer import write_snapshot
from scanner.cli import cli
from scanner.drift import drift, judged_by_turns
from tests.scanner.anyrun import sample
from tests.scanner.test_cli import ROOT, sarhad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from scanner.run import EndpointResult, Run

REGISTER = """\
version: 1
country: PK
providers:
  - id: indus
    name: Indus
    accreditation: {status: accredited, certificate: CO-1, issued: 2026-06-01, expires: 2029-05-31}
    services:
      - {id: web, deployment: government, data_class: restricted, endpoints: [PORTAL, {address: 198.18.0.9}]}
"""
VANTAGES = """\
vantages:
  - {id: khi, city: Karachi, latitude: 24.8607, longitude: 67.0011, kind: recorded}
  - {id: sin, city: Singapore, latitude: 1.3521, longitude: 103.8198, kind: recorded}
"""
PORTAL = "indus/web/portal.indus.example"


def call(*arguments: str | Path) -> Result:
    """The command line in this process, since a new one takes longer than all that is tested here."""
    return CliRunner().invoke(cli, [str(each) for each in arguments], standalone_mode=False)


class Office:
    """A directory with the files that runs are made of."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        (path / "vantages.yaml").write_text(VANTAGES)
        self.register("portal.indus.example")

    def register(self, host: str) -> None:
        (self.path / "register.yaml").write_text(REGISTER.replace("PORTAL", host))

    def waive(self, expires: str) -> None:
        """The portal is waived until then."""
        self.register("portal.indus.example")
        with (self.path / "register.yaml").open("a") as register:
            register.write(
                f"waivers: [{{endpoint: {PORTAL}, issuer: Cloud Office, reason: x, expires: {expires}}}]\n"
            )

    def run(
        self,
        rtts_ms: dict[str, dict[str, float]],
        country: str = "PK",
        asn: int = 64500,
        key: str = "aa",
        policy: str | None = None,
    ) -> Path:
        """A run in which the portal's addresses answer the vantages in such times."""
        self.count += 1
        home = self.path / f"geodata-{self.count}"
        record = {"prefix": "198.18.0.0/16", "country": country}
        origin = {"prefix": "198.18.0.0/16", "asn": asn}
        write_snapshot(
            home,
            {
                "name": "test",
                "date": "2026-11-01",
                "lab": ["198.18.0.0/15"],
                "sources": [
                    {"source": "a", "family": "a", "meaning": "server", "records": [record]},
                    {"source": "b", "family": "b", "meaning": "server", "records": [record]},
                    {"source": "bgp", "family": "bgp", "meaning": "origin", "records": [origin]},
                ],
            },
        )
        name = {"question": "portal.indus.example", "rcode": "NOERROR", "addresses": sorted(rtts_ms)}
        records = [self._record(0, "dns", "khi", None, name)]
        for address, times in rtts_ms.items():
            for vantage, rtt_ms in times.items():
                ping = {"method": "icmp", "sent": 1, "rtts_ms": [rtt_ms]}
                records.append(self._record(len(records), "ping", vantage, address, ping))
            tls = {"port": 443, "key_sha256": key, "certificate_sha256": key}
            records.append(self._record(len(records), "tls", "khi", address, tls))
        observations = self.path / "observations.jsonl"
        observations.write_text("".join(json.dumps(each) + "\n" for each in records))
        found = self.path / f"run-{self.count}.json"
        options = [] if policy is None else ["--policy", policy]
        made = call(
            "judge", observations, *self.files, "--geodata", home, *options, "--output", f"json={found}"
        )
        assert made.return_value in {0, 1, 3}, made.output
        return found

    @staticmethod
    def _record(number: int, kind: str, vantage: str, address: str | None, result: Any) -> dict[str, Any]:
        return {
            "schema": "sarhad.observation/1",
            "id": f"{number:04}",
            "kind": kind,
            "vantage": vantage,
            "endpoint": PORTAL,
            "address": address,
            "time": "2026-11-20T00:00:00Z",
            "result": result,
            "error": None,
        }

    @property
    def files(self) -> list[str]:
        return ["--register", f"{self.path}/register.yaml", "--vantages", f"{self.path}/vantages.yaml"]

    def changes(self, old: Path, new: Path) -> list[dict[str, Any]]:
        found = call("diff", old, new, *self.files, "--format=json")
        assert found.exception is None, found.output
        changes: list[dict[str, Any]] = json.loads(found.stdout)
        return changes


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


HOME = {"198.18.0.1": {"khi": 0.5, "sin": 90.0}}
AWAY = {"198.18.0.1": {"khi": 90.0, "sin": 0.5}}
FAR = {"198.18.0.1": {"khi": 4.0, "sin": 90.0}}


class TestCause:
    """A verdict that changed did so because the world did, the data, or the judgement; that is told."""

    def test_the_world(self, office: Office) -> None:
        changes = office.changes(office.run(HOME), office.run(AWAY))
        moved = next(one for one in changes if one["kind"] == "moved")
        assert (moved["endpoint"], moved["address"]) == (PORTAL, None)
        assert (moved["before"], moved["after"]) == ("inside (proved)", "outside (proved)")
        assert moved["cause"] == "world"
        (status,) = [one for one in changes if one["kind"] == "status"]
        assert (status["before"], status["after"], status["cause"]) == ("compliant", "violation", "world")

    def test_the_data(self, office: Office) -> None:
        changes = office.changes(office.run(FAR), office.run(FAR, country="IN"))
        (moved,) = [one for one in changes if one["kind"] == "moved"]
        assert (moved["before"], moved["after"]) == ("inside (corroborated)", "outside (corroborated)")
        assert moved["cause"] == "data"
        (status,) = [one for one in changes if one["kind"] == "status"]
        assert (status["after"], status["cause"]) == ("violation", "data")

    def test_both(self, office: Office) -> None:
        """Neither alone would have given what there is now."""
        changes = office.changes(office.run(HOME), office.run(FAR, country="IN"))
        (moved,) = [one for one in changes if one["kind"] == "moved"]
        assert moved["cause"] == "world and data"

    def test_the_judgement(self, office: Office) -> None:
        """An older policy believed in faster light."""
        text = (ROOT / "config" / "policy.yaml").read_text(encoding="utf-8")
        policy = office.path / "policy.yaml"
        policy.write_text(text.replace("speed_km_per_ms_rtt: 100.0", "speed_km_per_ms_rtt: 150.0"))
        near = {"198.18.0.1": {"khi": 1.3, "sin": 90.0}}
        changes = office.changes(office.run(near, policy=str(policy)), office.run(near))
        (sure,) = [one for one in changes if one["kind"] == "assurance"]
        assert sure["after"] == "inside (proved)"
        assert sure["cause"] == "judgement"

    def test_a_waiver_that_was_taken_away(self, office: Office) -> None:
        """Of the status: the same that was measured and claimed is not waived any more."""
        office.waive("2126-12-31")
        old = office.run(AWAY)
        office.register("portal.indus.example")
        (status,) = office.changes(old, office.run(AWAY))
        assert (status["kind"], status["before"], status["after"]) == ("status", "waived", "violation")
        assert status["cause"] == "judgement"

    def test_a_waiver_that_has_ended_is_no_cause_of_what_else_changed(self, office: Office) -> None:
        """It had ended when both are judged again: by what is held now the place alone made the status."""
        office.waive("2126-12-31")
        old = office.run(AWAY)
        office.waive("2026-11-19")
        changes = office.changes(old, office.run(HOME))
        assert [(one["kind"], one["before"], one["cause"]) for one in changes] == [
            ("moved", "outside (proved)", "world"),
            ("status", "waived", "world"),
        ]

    def test_of_an_endpoint_that_is_not_registered_any_more_is_not_known(self, office: Office) -> None:
        old, new = office.run(HOME), office.run(AWAY)
        office.register("new.indus.example")
        changes = office.changes(old, new)
        assert {one["kind"] for one in changes} == {"moved", "status"}
        assert {one["cause"] for one in changes} == {None}


class TestAspects:
    """Of a path, a status, a dependency and one of several addresses the cause is found likewise."""

    RUN = sample()

    def run(self, turned: bool) -> Run:
        """The sample, or the same with every aspect of its first endpoint another."""
        result = self.RUN.endpoints[0]
        verdict = result.verdict
        (address,), (first, *rest) = verdict.addresses, verdict.dependencies
        second = replace(address, address="198.18.0.2")
        if turned:
            second = replace(second, location="inside")
            first = replace(first, location="outside")
            result = replace(result, status="waived")
        verdict = replace(
            verdict,
            path="domestic" if turned else "leaves",
            addresses=(address, second),
            dependencies=(first, *rest),
        )
        return replace(self.RUN, endpoints=(replace(result, verdict=verdict), *self.RUN.endpoints[1:]))

    @pytest.mark.parametrize(
        ("by", "cause"),
        [
            (lambda measured, _: measured, "world"),
            (lambda _, said: said, "data"),
            (lambda measured, said: measured and said, "world and data"),
            (lambda measured, said: measured or said, "world and data"),
            (lambda *_: True, "judgement"),
        ],
    )
    def test_each(self, by: Callable[[bool, bool], bool], cause: str) -> None:
        turns: list[tuple[bool, bool]] = []

        def judge(measured: Run, said: Run) -> Iterable[EndpointResult]:
            turns.append((measured is new, said is new))
            return self.run(by(*turns[-1])).endpoints

        old, new = self.run(turned=False), self.run(turned=True)
        changes = drift(old, new, judged_by_turns(judge, old, new))
        assert [(one.kind, one.address, one.cause) for one in changes] == [
            ("path", None, cause),
            ("status", None, cause),
            ("moved", "198.18.0.2", cause),
            ("dependency", None, cause),
        ]
        assert len(turns) == 4
        assert {one.cause for one in drift(old, new)} == {None}


class TestChanges:
    """Addresses, networks, certificates and endpoints that came, went or are others are told."""

    def test_nothing(self, office: Office) -> None:
        old, new = office.run(HOME), office.run({"198.18.0.1": {"khi": 0.6, "sin": 95.0}})
        assert office.changes(old, new) == []
        found = sarhad("diff", old, new)
        assert (found.stdout, found.stderr) == ("", "Nothing changed.\n")

    def test_addresses(self, office: Office) -> None:
        other = {"198.18.0.2": {"khi": 0.5, "sin": 90.0}}
        changes = office.changes(office.run(HOME), office.run(other))
        said = {(one["kind"], one["address"]) for one in changes}
        assert {("address-lost", "198.18.0.1"), ("address-new", "198.18.0.2")} <= said

    def test_the_addresses_of_a_name_that_nobody_asked_for_are_not_lost(self, office: Office) -> None:
        old = office.run(HOME)
        records = office.path / "observations.jsonl"
        for left in (
            "",
            records.read_text().splitlines()[0].replace('"error": null', '"error": "cancelled"'),
        ):
            records.write_text(left.replace('"198.18.0.1"', ""))
            new = office.path / "new.json"
            call("judge", records, *office.files, "--output", f"json={new}")
            for changes in (office.changes(old, new), office.changes(new, old)):
                assert {one["kind"] for one in changes} == {"moved", "status"}, changes
                assert "undetermined" in {changes[0]["before"], changes[0]["after"]}

    def test_origin_and_certificate(self, office: Office) -> None:
        changes = office.changes(office.run(HOME), office.run(HOME, asn=64999, key="bb"))
        found = {one["kind"]: (one["before"], one["after"]) for one in changes}
        assert found["origin"] == ("AS64500", "AS64999")
        assert found["certificate"] == ("aa", "bb")

    def test_a_certificate_is_in_the_page_and_in_the_table(self, office: Office) -> None:
        old, new = office.run(HOME), office.run(HOME, key="bb")
        page = call("report", new, "--previous", old).stdout
        table = call("diff", old, new).stdout
        changes = page[page.index('id="changes"') :]
        for found in (changes, table):
            assert "aa" in found
            assert "bb" in found
        assert "Certificate&#39;s key" in changes
        assert "certificate" in table

    def test_endpoints(self, office: Office) -> None:
        old = office.run(HOME)
        office.register("new.indus.example")
        changes = office.changes(old, office.run(HOME))
        said = {(one["kind"], one["endpoint"]) for one in changes}
        assert {("endpoint-new", "indus/web/new.indus.example"), ("endpoint-lost", PORTAL)} <= said

    def test_a_table(self, office: Office) -> None:
        found = sarhad("diff", office.run(HOME), office.run(AWAY))
        assert "moved" in found.stdout
        assert "outside (proved)" in found.stdout

    def test_both_files_or_none(self, office: Office) -> None:
        found = sarhad("diff", office.run(HOME), office.run(HOME), "--register", "x")
        assert found.returncode == 2
        assert "both --register and --vantages" in found.stderr
