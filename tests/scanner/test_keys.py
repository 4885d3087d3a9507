"""The keys that endpoints show, from records to what is found of those that were declared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from probes.observation import TlsObservation, TlsResult
from scanner.drift import drift
from scanner.gathering import gather
from scanner.rulebook import load_policy
from scanner.rules import judge_address
from scanner.run import decode, encode
from tests.scanner.portal import HOME, PORTAL, dns, finding, register, run
from tests.scanner.scene import THRESHOLDS, TIME, VANTAGES, pakistan, ping

if TYPE_CHECKING:
    from probes.observation import Observation
    from scanner.policy import Finding, Policy
    from scanner.run import Run

OURS, NEXT, THEIRS = "a" * 64, "b" * 64, "c" * 64
SECOND = "198.18.0.11"
DECLARED = f"{{url: https://portal.indus.example, keys: [{OURS}, {NEXT}]}}"


def tls(
    vantage: str, key: str | None, *others: str, address: str = HOME, endpoint: str = PORTAL, **more: Any
) -> Observation:
    result = TlsResult(**{"port": 443, "key_sha256": key, "other_keys_sha256": others, **more})
    return TlsObservation(
        id=f"{endpoint}@{vantage}:tls:{address}:{result.port}",
        vantage=vantage,
        endpoint=endpoint,
        address=address,
        time=TIME,
        result=result,
        error=None if key else "tls",
    )


def seen(*observations: Observation, addresses: tuple[str, ...] = (HOME,), held: str = DECLARED) -> Run:
    """A run of a portal that is near Karachi."""
    near = [ping("khi", 0.5, address=address) for address in addresses]
    return run(dns(PORTAL, *addresses), *near, *observations, held=register(endpoints=held))


def held(*observations: Observation, **more: Any) -> Finding | None:
    return finding(seen(*observations, **more), "PCFP-REG-6")


def status(*observations: Observation, **more: Any) -> str | None:
    found = held(*observations, **more)
    return None if found is None else found.status


class TestDeclared:
    """A key that was seen and not declared says that another answers; it says nothing of a place."""

    def test_that_was_seen(self) -> None:
        found = held(tls("khi", OURS), tls("lhe", NEXT))
        assert found is not None
        assert (found.status, found.severity) == ("compliant", "informational")
        assert found.reason == "Every key that was shown is one that Indus declared."

    def test_another(self) -> None:
        given = seen(tls("khi", THEIRS))
        found = finding(given, "PCFP-REG-6")
        assert found is not None
        assert (found.status, found.severity) == ("violation", "low")
        assert found.reason == (
            f"198.18.0.10 showed khi the key {THEIRS}. Indus declared no such key: whoever answers so is not"
            " who was declared, or has a new key that was not. This says nothing of a place."
        )
        assert given.endpoints[0].verdict.location == "inside"
        assert (given.endpoints[0].status, given.endpoints[0].severity) == ("violation", "low")

    def test_another_from_one_vantage_only(self) -> None:
        """Something on its way may answer in the endpoint's stead: the others are named too."""
        found = held(tls("khi", OURS), tls("lhe", THEIRS), tls("sin", OURS))
        assert found is not None
        assert found.status == "violation"
        assert f"showed lhe the key {THEIRS}, and khi, sin a declared one. Indus" in found.reason

    def test_another_at_one_address_only(self) -> None:
        found = held(tls("khi", OURS), tls("khi", THEIRS, address=SECOND), addresses=(HOME, SECOND))
        assert found is not None
        assert found.reason.startswith(f"{SECOND} showed khi the key {THEIRS}. ")

    def test_another_in_one_of_several_tries(self) -> None:
        assert status(tls("khi", OURS, NEXT)) == "compliant"
        assert status(tls("khi", OURS, THEIRS)) == "violation"

    def test_one_each_time_is_told_of_in_so_many_words(self) -> None:
        found = held(tls("khi", THEIRS, *(f"{number:064x}" for number in range(40))))
        assert found is not None
        assert found.reason.count("showed khi") == 5
        assert " and 36 more. Indus" in found.reason

    def test_none_that_was_seen(self) -> None:
        """Without TLS, with a handshake that failed, and without an address."""
        nothing = run(held=register(endpoints=DECLARED))
        for given in (seen(), seen(tls("khi", None)), nothing):
            found = finding(given, "PCFP-REG-6")
            assert found is not None
            assert (found.status, found.severity) == ("indeterminate", "low")

    def test_none_at_one_of_several_addresses(self) -> None:
        found = held(tls("khi", OURS), addresses=(HOME, SECOND))
        assert found is not None
        assert found.status == "indeterminate"
        assert found.reason == (
            f"No key of {SECOND} was seen, so whether it is one that Indus declared is not shown."
        )

    def test_nothing(self) -> None:
        assert status(tls("khi", THEIRS), held="https://portal.indus.example") is None

    def test_by_an_older_policy(self) -> None:
        policy: Policy = load_policy()
        controls = {name: one for name, one in policy.controls.items() if name != "PCFP-REG-6"}
        older = policy.model_copy(update={"controls": controls})
        given = run(dns(PORTAL, HOME), tls("khi", THEIRS), held=register(endpoints=DECLARED), policy=older)
        assert finding(given, "PCFP-REG-6") is None


class TestRecords:
    """Recorded observations may be of another port, of nobody's vantage, or go by the host's name."""

    HOST = "portal.indus.example"
    BARE = f"{{host: {HOST}, port: 8443, keys: [{OURS}]}}"

    def at(self, *observations: Observation) -> Run:
        near = ping("khi", 0.5, address=HOME)
        return run(dns(self.HOST, HOME), near, *observations, held=register(endpoints=self.BARE))

    def test_of_another_port_are_of_another_service(self) -> None:
        other = tls("khi", THEIRS, endpoint=self.HOST)
        assert finding(self.at(other), "PCFP-REG-6").status == "indeterminate"  # type: ignore[union-attr]
        found = self.at(other, tls("khi", OURS, endpoint=self.HOST, port=8443))
        assert finding(found, "PCFP-REG-6").status == "compliant"  # type: ignore[union-attr]

    def test_of_another_port_prove_nothing_of_who_holds_a_key(self) -> None:
        def proof(port: int | None) -> str:
            one = tls("khi", OURS, endpoint=self.HOST, port=port, tcp_rtt_ms=0.4, handshake_ms=0.9)
            return self.at(one).endpoints[0].verdict.reason

        assert "The holder of its certificate's key" in proof(8443)
        assert "The holder of its certificate's key" in proof(None)  # not said, it is the declared one
        assert "certificate" not in proof(443)

    def test_of_a_vantage_that_nobody_knows(self) -> None:
        assert status(tls("khi", OURS), tls("who", THEIRS)) == "compliant"

    def test_by_the_hosts_name_are_compared_too(self) -> None:
        old, new = (self.at(tls("khi", key, endpoint=self.HOST, port=8443)) for key in (OURS, THEIRS))
        (change,) = [one for one in drift(old, new) if one.kind == "certificate"]
        assert (change.before, change.after) == (OURS, THEIRS)

    def test_of_a_vantage_that_may_be_elsewhere(self) -> None:
        """What a key is depends on no place of who asks, unlike where it is."""
        observed = [ping("khi", 0.5, address=HOME), ping("fra", 0.5, address=HOME), tls("fra", OURS)]
        evidence = gather([HOME], observed, {}, {}, VANTAGES, THRESHOLDS)[HOME]
        verdict = judge_address(evidence, pakistan(), THRESHOLDS, {"fra"})
        assert verdict.rule == "doubtful-vantage"
        assert verdict.keys == {OURS: ("fra",)}


class TestRun:
    """A verdict has the keys, so that they stay when the raw observations are gone."""

    def test_is_the_same_when_it_was_written(self) -> None:
        given = seen(tls("lhe", THEIRS, OURS), tls("khi", OURS))
        (address,) = given.endpoints[0].verdict.addresses
        assert address.keys == {OURS: ("khi", "lhe"), THEIRS: ("lhe",)}
        assert decode(encode(given)) == given

    def test_without_its_observations(self) -> None:
        old, new = (msgspec.structs.replace(seen(tls("khi", key)), observations=()) for key in (OURS, NEXT))
        assert [one.kind for one in drift(old, new)] == ["certificate"]


class TestChange:
    """A key that nobody was shown before is told of, with who was shown it; a view that differs is not."""

    @staticmethod
    def change(old: tuple[Observation, ...], new: tuple[Observation, ...]) -> tuple[str, str] | None:
        found = [one for one in drift(seen(*old), seen(*new)) if one.kind == "certificate"]
        assert len(found) <= 1
        assert all(one.address == HOME for one in found)
        return (found[0].before or "", found[0].after or "") if found else None

    BOTH = (tls("khi", OURS), tls("lhe", OURS))

    def test_for_all(self) -> None:
        assert self.change(self.BOTH, (tls("khi", NEXT), tls("lhe", NEXT))) == (OURS, NEXT)

    def test_for_one_vantage(self) -> None:
        change = self.change(self.BOTH, (tls("khi", OURS), tls("lhe", THEIRS)))
        assert change == (OURS, f"{THEIRS} (shown to lhe)")

    def test_of_a_vantage_that_did_not_look_before(self) -> None:
        assert self.change((tls("khi", OURS),), (tls("khi", OURS), tls("sin", THEIRS))) is None

    def test_where_none_that_looks_did_before(self) -> None:
        assert self.change((tls("khi", OURS),), (tls("sin", THEIRS),)) == (OURS, THEIRS)
        assert self.change((tls("khi", OURS),), (tls("sin", OURS),)) is None

    def test_among_machines_with_keys_of_their_own(self) -> None:
        old = (tls("khi", OURS, NEXT), tls("lhe", NEXT))
        assert self.change(old, (tls("khi", NEXT), tls("lhe", OURS, THEIRS))) is None
        assert self.change(old, (tls("khi", NEXT), tls("lhe", THEIRS))) == (
            f"{OURS}, {NEXT}",
            f"{THEIRS} (shown to lhe)",
        )

    def test_where_nothing_was_measured(self) -> None:
        for one in ((), (tls("khi", None),)):
            assert self.change(one, self.BOTH) is None
            assert self.change(self.BOTH, one) is None
