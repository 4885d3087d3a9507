"""A scan: every endpoint of a register measured from every vantage, as observations.

First the vantages' own addresses and the landmarks', which put the vantages' places to the test. Then the
names, from everywhere (answers may differ by who asks; all of them are the endpoint's addresses), and every
address from every vantage. Special-purpose addresses are never probed. An address that several endpoints
share is pinged and traced once. At last the names of what the endpoints depend on are asked for, from
everywhere; those are not probed. What was measured so far is kept when the scan is interrupted, and a scan
that is given it goes on from there: what was measured is not measured again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from probes.engine.capture import Capture
from probes.observation import DnsObservation, TcpObservation, kind_of
from probes.session import Session
from probes.table import PROBES
from probes.target import Target
from scanner.dependencies import PREFIX, hosts_to_ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from probes.engine.pacing import Pace
    from probes.observation import Observation
    from probes.target import Settings
    from probes.vantages.vantage import Vantage
    from scanner.register import Endpoint

# Ports on which a TLS handshake is what a client is expected to open with.
TLS_PORTS: Final = frozenset({443, 465, 563, 636, 853, 989, 990, 993, 995, 5061, 6443, 8443})
DEFAULT_PORT: Final = 443  # asked where only a host or an address was declared
CONCURRENT_ADDRESSES: Final = 16  # a vantage; the pace decides how fast, this how much is begun
CONCURRENT_CALM: Final = 2  # of all vantages: few enough that this machine's own work adds nothing
CALM_TRIES: Final = 7  # minima over fewer still hold moments when the server was busy

# What a probe's observations are called, where it is not as the probe is.
_NAMES: Final = {"reverse": "dns", "dependency": "dns"}
_Key = tuple[str, str, str, str | None]  # kind, vantage, endpoint, address


class Progress(Protocol):
    """Told how much there is to do and when a part of it is done."""

    def __call__(self, stage: str, done: int, total: int) -> None: ...


@dataclass(slots=True)
class Measured:
    """What a scan has measured so far; ``complete`` once nothing is left to do.

    ``methods`` says by what each vantage pinged and traced, ``notices`` what went wrong there.
    """

    observations: list[Observation] = field(default_factory=list)
    complete: bool = False
    methods: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Job:
    """One address of one endpoint; ``lead`` for the endpoint that pings and traces a shared address."""

    target: Target
    lead: bool


class Scan:
    """One scan; :meth:`run` once. ``measured`` is there also after it was cancelled.

    ``pace`` is the process's, shared by all scans that go on. ``before`` is what an earlier part of the same
    scan measured, ``keep`` is handed what this one does.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        vantages: Sequence[Vantage],
        special: Callable[[str], str | None],
        settings: Settings,
        pace: Pace,
        progress: Progress,
        pcap: Path | None = None,
        before: Iterable[Observation] = (),
        keep: Callable[[Sequence[Observation]], None] = lambda _: None,
    ) -> None:
        self._pcap = pcap
        self._keep = keep
        self._before: defaultdict[_Key, deque[Observation]] = defaultdict(deque)
        self.measured = Measured([one for one in before if one.error != "cancelled"])
        for one in self.measured.observations:
            self._before[kind_of(one), one.vantage, one.endpoint, one.address].append(one)
        self._endpoints = endpoints
        self._vantages = vantages
        self._special = special
        self._settings = settings
        self._pace = pace
        self._progress = progress
        self._done = 0

    async def run(self) -> Measured:
        """Measure everything; ``VantageError`` for a vantage of no use, OSError for ``pcap``."""
        async with contextlib.AsyncExitStack() as stack:
            sessions = [self._session(vantage, stack) for vantage in self._vantages if vantage.probes]
            for session in sessions:
                await stack.enter_async_context(session)
                stack.callback(self._note, session)
            await self._ping_each_other(sessions)
            named = [_target(endpoint) for endpoint in self._endpoints if endpoint.host is not None]
            await self._resolve(sessions, named)
            jobs = self._jobs()
            await self._measure(sessions, jobs)
            await self._measure_calmly(sessions, jobs)
            await self._resolve(sessions, self._dependencies(), "dependency")
        self.measured.complete = True
        return self.measured

    def _note(self, session: Session) -> None:
        engine = session.engine
        means = sorted({f"{method} by {means}" for (method, _), means in engine.means.items()})
        self.measured.methods[session.id] = ", ".join(means)
        if engine.dropped:
            self.measured.notices.append(
                f"vantage {session.id}: {engine.dropped} packets came faster than they were read, so answers"
                " are missing that were given; use a lower --rate, or allow a larger receive buffer"
                " (sysctl net.core.rmem_max)"
            )

    def _session(self, vantage: Vantage, stack: contextlib.AsyncExitStack) -> Session:
        capture = None
        if self._pcap is not None:
            part = f".{time.time_ns()}" if self._before else ""  # the earlier part's packets stay
            capture = stack.enter_context(Capture(self._pcap / f"{vantage.id}{part}.pcap"))
        session = Session(vantage, self._pace, self._settings.contact, capture)
        for one in self.measured.observations:
            if one.vantage == session.id:
                session.recall(one.id)
        return session

    async def _ping_each_other(self, sessions: Sequence[Session]) -> None:
        targets = [
            (vantage.id, Target(endpoint=f"vantage/{vantage.id}", address=address))
            for vantage in self._vantages
            for address in vantage.addresses
            if self._special(address) is None
        ]
        total = sum(owner != session.id for session in sessions for owner, _ in targets)
        self._done = 0

        async def one(target: Target, session: Session, gate: asyncio.Semaphore) -> None:
            async with gate:
                await self._probe("ping", target, session)
            self._step("vantages", total)

        async with asyncio.TaskGroup() as group:
            for session in sessions:
                gate = asyncio.Semaphore(CONCURRENT_ADDRESSES)
                for owner, target in targets:
                    if owner != session.id:
                        group.create_task(one(target, session, gate))

    def _dependencies(self) -> list[Target]:
        hosts = hosts_to_ask(self._endpoints, self.measured.observations)
        return [Target(endpoint=f"{PREFIX}{host}", host=host) for host in hosts]

    async def _resolve(
        self, sessions: Sequence[Session], targets: Sequence[Target], kind: str = "dns"
    ) -> None:
        total = len(sessions) * len(targets)
        self._done = 0
        async with asyncio.TaskGroup() as group:
            for session in sessions:
                gate = asyncio.Semaphore(CONCURRENT_ADDRESSES)
                for target in targets:
                    group.create_task(self._resolve_one(session, kind, target, gate, total))

    async def _resolve_one(
        self, session: Session, kind: str, target: Target, gate: asyncio.Semaphore, total: int
    ) -> None:
        async with gate:
            await self._probe(kind, target, session)
        self._step("names" if kind == "dns" else "dependencies", total)

    def _jobs(self) -> list[_Job]:
        """Every address of every endpoint, declared or answered to any vantage, in the register's order."""
        by_endpoint: defaultdict[str, list[Observation]] = defaultdict(list)
        for one in self.measured.observations:
            by_endpoint[one.endpoint].append(one)
        answers = answered_addresses(by_endpoint)
        jobs: list[_Job] = []
        seen: set[str] = set()
        for endpoint in self._endpoints:
            for address in endpoint_addresses(endpoint, answers):
                if self._special(address) is None:
                    jobs.append(_Job(_target(endpoint, address), lead=address not in seen))
                    seen.add(address)
        return jobs

    async def _measure(self, sessions: Sequence[Session], jobs: Sequence[_Job]) -> None:
        total = len(sessions) * len(jobs)
        self._done = 0
        async with asyncio.TaskGroup() as group:
            for index, session in enumerate(sessions):
                gate = asyncio.Semaphore(CONCURRENT_ADDRESSES)
                # Each vantage in an order of its own, so that no address is asked by all of them at once.
                order = random.Random(session.id).sample(jobs, len(jobs))  # noqa: S311  no secret
                for job in order:
                    group.create_task(self._measure_one(session, job, gate, total, first=index == 0))

    async def _measure_one(
        self, session: Session, job: _Job, gate: asyncio.Semaphore, total: int, *, first: bool
    ) -> None:
        target = job.target
        async with gate:
            if job.lead:
                await self._probe("ping", target, session)
            tcp = await self._probe("tcp", target, session)
            if any(isinstance(one, TcpObservation) and one.result and one.result.open for one in tcp):
                await self._application(target, session, self._settings)
            if job.lead:
                await self._probe("trace", target, session)
                if first:
                    await self._probe("reverse", target, session)
        self._step("addresses", total)

    async def _application(self, target: Target, session: Session, settings: Settings) -> None:
        if target.scheme == "https" or target.port in TLS_PORTS:
            await self._probe("tls", target, session, settings)
        if target.scheme is not None:
            await self._probe("http", target, session, settings)

    async def _measure_calmly(self, sessions: Sequence[Session], jobs: Sequence[_Job]) -> None:
        """Measure TLS and HTTP again from the nearest vantage, when little else goes on.

        Whether an application answers from where its transport does is decided by milliseconds, and nobody
        is to be accused because this machine was busy.
        """
        by_id = {session.id: session for session in sessions}
        nearest = nearest_vantages(self.measured.observations)
        settings = replace(
            self._settings, tls_count=CALM_TRIES, tls_resumed=CALM_TRIES, http_count=CALM_TRIES
        )
        gate = asyncio.Semaphore(CONCURRENT_CALM)
        found = [
            (job.target, by_id[vantage])
            for job in jobs
            if (vantage := nearest.get((job.target.endpoint, str(job.target.address)))) is not None
        ]
        self._done = 0

        async def one(target: Target, session: Session) -> None:
            async with gate:
                await self._application(target, session, settings)
            self._step("applications", len(found))

        async with asyncio.TaskGroup() as group:
            for target, session in found:
                group.create_task(one(target, session))

    async def _probe(
        self, kind: str, target: Target, session: Session, settings: Settings | None = None
    ) -> Sequence[Observation]:
        address = None if target.address is None else str(target.address)
        done = self._before.get((_NAMES.get(kind, kind), session.id, target.endpoint, address))
        if done:
            return [done.popleft()]
        observations = await PROBES[kind](target, session, settings or self._settings)
        self.measured.observations.extend(observations)
        self._keep(observations)
        return observations

    def _step(self, stage: str, total: int) -> None:
        self._done += 1
        self._progress(stage, self._done, total)


def nearest_vantages(observations: Iterable[Observation]) -> Mapping[tuple[str, str], str]:
    """The vantage that an open port of each (endpoint, address) answered soonest."""
    least: dict[tuple[str, str], tuple[float, str]] = {}
    for one in observations:
        if isinstance(one, TcpObservation) and one.result and one.result.open and one.result.rtts_ms:
            key = one.endpoint, str(one.address)
            soonest = (min(one.result.rtts_ms), one.vantage)
            least[key] = min(soonest, least.get(key, soonest))
    return {key: vantage for key, (_, vantage) in least.items()}


def answered_addresses(
    observations: Mapping[str, Iterable[Observation]],
) -> Mapping[str, tuple[str, ...]]:
    """The addresses that each endpoint's name was answered with, by any vantage, each once.

    ``observations`` are by endpoint.
    """
    return {
        endpoint: tuple(
            sorted(
                {
                    address
                    for one in each
                    if isinstance(one, DnsObservation) and one.result is not None and one.address is None
                    for address in one.result.addresses
                }
            )
        )
        for endpoint, each in observations.items()
    }


def endpoint_addresses(endpoint: Endpoint, answers: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """All addresses of an endpoint: the declared one and those that its name was answered with."""
    declared = (endpoint.address,) if endpoint.address is not None else ()
    return tuple(dict.fromkeys((*declared, *answers.get(endpoint.id, ()))))


def _target(endpoint: Endpoint, address: str | None = None) -> Target:
    return Target(
        endpoint=endpoint.id,
        host=endpoint.host,
        address=address,
        port=endpoint.port or DEFAULT_PORT,
        scheme=endpoint.scheme,
        url=endpoint.url,
    )
