"""The policy: what a verdict means for the class of data that an endpoint serves.

Pure functions, and the model of ``policy.yaml``. That something is abroad is not yet a violation: this
follows from the declared class and deployment model, the provider's accreditation and the waivers, by
controls that each cite their clause of the Pakistan Cloud First Policy.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, get_args

import msgspec
from pydantic import Field, model_validator

from probes.document import Model
from scanner.declared import declaration
from scanner.demand import outdated, way
from scanner.dependencies import dependence
from scanner.retention import Retention
from scanner.verdict import ASSURANCES, Assurance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

    from scanner.declared import Held, Known
    from scanner.register import Endpoint, Register
    from scanner.verdict import EndpointVerdict

FindingStatus = Literal["compliant", "violation", "waived", "not_applicable", "indeterminate"]
Severity = Literal["informational", "low", "medium", "high", "critical"]
SEVERITIES: Final[tuple[Severity, ...]] = ("informational", "low", "medium", "high", "critical")
ControlId = Literal[
    "PCFP-RES-1",  # location
    "PCFP-RES-2",  # edges
    "PCFP-RES-3",  # dependencies
    "PCFP-RES-4",  # path
    "PCFP-RES-5",  # scrubbing
    "PCFP-REG-1",  # accreditation
    "PCFP-REG-2",  # declared addresses
    "PCFP-REG-3",  # waivers
    "PCFP-REG-4",  # declared site
    "PCFP-REG-5",  # signed announcements
    "PCFP-REG-6",  # declared keys
]
CONTROLS: Final[tuple[ControlId, ...]] = get_args(ControlId)
# Controls that a policy may leave out: nothing is held against them then.
OPTIONAL: Final = frozenset({"PCFP-RES-3", "PCFP-RES-5", "PCFP-REG-4", "PCFP-REG-5", "PCFP-REG-6"})
_PENDING: Final = frozenset({"applied", "screening", "audit"})
_Positive = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Thresholds(Model):
    """The numbers that the rules of the verdict compare with; each rule that used one says so."""

    # Light in fibre covers 200 km per millisecond one way (refractive index of silica about 1.47; the bound
    # of Gueye et al. 2006). A larger value is safer, a smaller one could prove what is not so.
    speed_km_per_ms_rtt: Annotated[float, Field(ge=100, le=150, allow_inf_nan=False)] = 100.0
    # A page that nobody has or a file, and a TLS handshake, that come this much later than the transport, at
    # best and steadily, come from elsewhere: the quickest eighth of tries differs by no more than this share.
    relay_excess_ms: _Positive = 4.0
    tls_excess_ms: _Positive = 7.0
    steady_share: _Share = 0.03
    relay_min_tries: Annotated[int, Field(ge=1, le=1000)] = 5
    # What comes this much later, and evenly, may be made elsewhere: it supports no claim of home.
    claim_excess_ms: _Positive = 1.2
    even_share: _Share = 0.3
    even_page_share: _Share = 0.08
    # And so much later, a page that nobody has or a file must be proved at home too, where the key is.
    late_excess_ms: _Positive = 1.5
    late_file_ms: _Positive = 1.0
    # ``bounded``: no foreign city of so many people is feasible.
    city_population: Annotated[int, Field(ge=1, le=50_000_000)] = 100_000
    # A vantage at home that was answered sooner than this, and sooner than all others, speaks for home.
    unsupported_rtt_ms: _Positive = 40.0
    # Claims of home are not believed where the times leave more cities abroad for each that they leave there.
    unsupported_abroad: _Positive = 0.15
    # Unless they are within this share of what the soonest of so many addresses abroad takes; of fewer, in
    # proportion less.
    abroad_share: _Share = 0.6
    abroad_addresses: Annotated[int, Field(ge=1, le=100_000)] = 20
    # A vantage is doubted when addresses of so many networks contradict it and no other, or one that more
    # vantages than ``doubt_vantages`` agree on; refuted, and not used at all, when so many do.
    doubt_networks: Annotated[int, Field(ge=2, le=1000)] = 3
    doubt_vantages: Annotated[int, Field(ge=5, le=1000)] = 20
    refuted_networks: Annotated[int, Field(ge=2, le=1000)] = 5
    stale_days: Annotated[int, Field(ge=1, le=3650)] = 90  # a source's data older than this is stale


class ClassRule(Model):
    """What one class of data asks for; ``least_assurance`` belongs to ``location: inside``."""

    location: Literal["inside", "any"]
    least_assurance: Assurance = "claimed"
    dependencies: Literal["any", "inside"] = "any"
    path: Literal["any", "domestic"] = "any"
    freshness_days: Annotated[int, Field(ge=1, le=3650)] | None = None
    accreditation: Literal["registered", "accredited"]
    severity: Severity
    edge_severity: Severity


class Classes(Model):
    """A rule for every class: none is without one."""

    open: ClassRule
    public: ClassRule
    restricted: ClassRule
    confidential: ClassRule
    secret: ClassRule


class DeploymentRule(Model):
    """What a deployment model asks for, whatever the class."""

    location: Literal["inside", "any"] = "any"


class Deployments(Model):
    """A rule for every deployment model; the government cloud is at home."""

    public: DeploymentRule = DeploymentRule()
    government: DeploymentRule = DeploymentRule(location="inside")
    private: DeploymentRule = DeploymentRule()
    hybrid: DeploymentRule = DeploymentRule()


class Control(Model):
    """One control: what is held, the clause that it follows from, and whether a waiver can lift it."""

    title: Annotated[str, Field(min_length=1)]
    clause: Annotated[str, Field(min_length=1)]
    waivable: bool = False


class Fail(Model):
    """When a scan fails (see ``policy.yaml``)."""

    severity: Severity = "low"
    indeterminate_share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5


class Policy(Model):
    """A policy: ``policy.yaml``."""

    version: Literal[1]
    name: Annotated[str, Field(min_length=1)]
    classes: Classes
    deployments: Deployments = Deployments()
    controls: dict[ControlId, Control]
    fail: Fail = Fail()
    thresholds: Thresholds = Thresholds()
    retention: Retention = Retention()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := [id_ for id_ in CONTROLS if id_ not in self.controls and id_ not in OPTIONAL]:
            raise ValueError(f"has no {' and no '.join(missing)} under controls")
        return self

    def rule(self, endpoint: Endpoint) -> ClassRule:
        """The rule for an endpoint: its class's, and at least as strict as its deployment model's."""
        rule: ClassRule = getattr(self.classes, endpoint.data_class)
        deployment: DeploymentRule = getattr(self.deployments, endpoint.deployment)
        if deployment.location == "inside" and rule.location == "any":
            return rule.model_copy(update={"location": "inside"})
        return rule


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict held against one control.

    ``severity`` is what is at stake where the status is ``violation``, ``waived`` or ``indeterminate``, and
    ``informational`` otherwise. ``waiver`` refers to the waiver that was looked at, if there is one.
    """

    endpoint: str
    control: ControlId
    clause: str
    status: FindingStatus
    severity: Severity
    data_class: str
    reason: str
    waiver: str | None = None


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``policy.yaml``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:sarhad:policy:1",
        **Policy.model_json_schema(),
        "title": "sarhad.policy/1",
    }


def judge(
    policy: Policy,
    register: Register,
    verdicts: Iterable[EndpointVerdict],
    today: date,
    known: Mapping[str, Known] | None = None,
    site_faults: Mapping[str, str] = MappingProxyType({}),
    dated: Mapping[str, date] = MappingProxyType({}),
) -> tuple[Finding, ...]:
    """Every finding, in the register's order; an endpoint without a verdict is indeterminate.

    ``known`` says of addresses who announces them; without it nothing is held against the declaration.
    ``site_faults`` say why endpoints, by id, are not at the site that was declared, and ``dated`` of when the
    data are that place them (see :func:`scanner.demand.data_dates`). A verdict for an endpoint
    that the register does not have raises KeyError.
    """
    by_endpoint = {register.endpoint(verdict.endpoint).id: verdict for verdict in verdicts}
    return tuple(
        finding
        for endpoint in register.endpoints
        for finding in _Case(
            policy, register, endpoint, by_endpoint.get(endpoint.id), today, dated.get(endpoint.id)
        ).findings(known, site_faults.get(endpoint.id))
    )


class _Case:
    """One endpoint with what it is held against."""

    def __init__(
        self,
        policy: Policy,
        register: Register,
        endpoint: Endpoint,
        verdict: EndpointVerdict | None,
        today: date,
        dated: date | None,
    ) -> None:
        self.policy = policy
        self.dated = dated
        self.register = register
        self.endpoint = endpoint
        self.verdict = verdict
        self.today = today
        self.rule = policy.rule(endpoint)

    def findings(self, known: Mapping[str, Known] | None, site_fault: str | None) -> Iterator[Finding]:
        location = self._location()
        yield location
        yield self._accreditation()
        yield from self._waivers(location)
        yield from self._scrubbing()
        if self.verdict is None:
            return
        if (held := way(self.verdict, self.rule, self.register.country)) is not None:
            yield from self._held(held)
        if (held := dependence(self.verdict.dependencies, self.rule)) is not None:
            yield from self._held(held)
        if known is not None:
            name = self.register.provider(self.endpoint.provider).name
            for held in declaration(self.endpoint, name, self.verdict, known, site_fault):
                yield from self._held(held)

    def _held(self, held: Held) -> Iterator[Finding]:
        if held.control in self.policy.controls:
            yield self._finding(*held)

    def _finding(
        self,
        control: ControlId,
        status: FindingStatus,
        reason: str,
        severity: Severity | None = None,
    ) -> Finding:
        """A finding; a violation of a control that can be waived is, where a waiver holds."""
        waiver = None
        if status == "violation" and self.policy.controls[control].waivable:
            each = self.register.waivers_of(self.endpoint.id)
            running = [one for one in each if one.runs(self.today)]
            if running:
                waiver, status = str(running[0]), "waived"
                reason += f" Waived by {running[0].issuer} until {running[0].expires}."
            elif each:
                waiver = str(each[0])
                over = each[0].expires < self.today
                reason += (
                    f" The waiver of {each[0].issuer} ended on {each[0].expires}."
                    if over
                    else f" The waiver of {each[0].issuer} begins on {each[0].issued} only."
                )
        at_stake = status in {"violation", "waived", "indeterminate"}
        return Finding(
            endpoint=self.endpoint.id,
            control=control,
            clause=self.policy.controls[control].clause,
            status=status,
            severity=(severity or self.rule.severity) if at_stake else "informational",
            data_class=self.endpoint.data_class,
            reason=reason,
            waiver=waiver,
        )

    def _location(self) -> Finding:
        verdict, rule = self.verdict, self.rule
        if verdict is None:
            return self._finding("PCFP-RES-1", "indeterminate", "It was not judged: nothing was measured.")
        name = self.endpoint.data_class.capitalize()
        if rule.location == "any":
            return self._finding(
                "PCFP-RES-1", "not_applicable", f"{name} data may be in any country: {verdict.reason}"
            )
        must = self._must()
        match verdict.location:
            case "inside":
                return self._inside(verdict, must)
            case "outside":
                return self._finding("PCFP-RES-1", "violation", f"{must} and is abroad: {verdict.reason}")
            case "edge":
                return self._finding(
                    "PCFP-RES-2",
                    "violation",
                    f"{must}, and what answers is an edge: {verdict.reason}",
                    rule.edge_severity,
                )
            case _:
                return self._finding(
                    "PCFP-RES-1",
                    "indeterminate",
                    f"{must}; whether it is, is not shown ({verdict.location}): {verdict.reason}",
                )

    def _inside(self, verdict: EndpointVerdict, must: str) -> Finding:
        given = verdict.assurance
        least = self.rule.least_assurance
        if given is not None and ASSURANCES.index(given) <= ASSURANCES.index(least):
            if (old := outdated(self.rule, self.dated, self.today)) is not None:
                return self._finding("PCFP-RES-1", "indeterminate", f"{must}; {old}: {verdict.reason}")
            return self._finding("PCFP-RES-1", "compliant", f"{must} and is ({given}): {verdict.reason}")
        return self._finding(
            "PCFP-RES-1",
            "indeterminate",
            f"{must}, at least {least}; that it is there is only {given or 'supposed'}: {verdict.reason}",
        )

    def _must(self) -> str:
        endpoint = self.endpoint
        rule: ClassRule = getattr(self.policy.classes, endpoint.data_class)
        what = (
            f"{endpoint.data_class.capitalize()} data"
            if rule.location == "inside"
            else f"What is in a {endpoint.deployment} cloud"
        )
        return f"{what} must be in {self.register.country}"

    def _accreditation(self) -> Finding:
        provider = self.register.provider(self.endpoint.provider)
        given, data_class = provider.accreditation, self.endpoint.data_class
        enough = {"accredited"} if self.rule.accreditation == "accredited" else {"accredited", "registered"}
        fault = None
        if given.status in _PENDING:
            fault = f"is not accredited yet (status {given.status})"
        elif given.status not in enough:
            fault = f"has the status {given.status}; {data_class} data asks for {self.rule.accreditation}"
        elif given.expires is not None and given.expires < self.today:
            fault = f"has an accreditation that ended on {given.expires}"
        elif not given.runs(self.today):
            fault = f"has an accreditation that begins on {given.issued} only"
        elif not given.covers(data_class):
            fault = f"is accredited for {', '.join(given.classes or ())} data, not for {data_class}"
        if fault is not None:
            return self._finding("PCFP-REG-1", "violation", f"{provider.name} {fault}.")
        scope = "" if given.classes is None else f" for {data_class} data"
        until = "" if given.expires is None else f" until {given.expires}"
        return self._finding("PCFP-REG-1", "compliant", f"{provider.name} is {given.status}{scope}{until}.")

    def _waivers(self, location: Finding) -> Iterator[Finding]:
        each = self.register.waivers_of(self.endpoint.id)
        if not each:
            return
        running = [one for one in each if one.runs(self.today)]
        latest = (running or each)[0]
        if running:
            finding = self._finding("PCFP-REG-3", "compliant", f"A waiver of {latest.issuer} holds.")
        elif location.status == "violation":
            reason = f"It deviates, and its waiver of {latest.issuer} does not hold (ends {latest.expires})."
            finding = self._finding("PCFP-REG-3", "violation", reason, "low")
        else:
            reason = f"Its waiver of {latest.issuer} does not hold and is not needed."
            finding = self._finding("PCFP-REG-3", "not_applicable", reason)
        yield msgspec.structs.replace(finding, waiver=str(latest))

    def _scrubbing(self) -> Iterator[Finding]:
        verdict = self.verdict
        if (
            "PCFP-RES-5" in self.policy.controls
            and verdict is not None
            and verdict.scrubbed is not None
            and self.rule.location == "inside"
        ):
            reason = f"{self._must()}, and the traffic to it is handled abroad. {verdict.scrubbed}"
            yield self._finding("PCFP-RES-5", "violation", reason, self.rule.edge_severity)
