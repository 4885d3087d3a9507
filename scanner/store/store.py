"""The store: every run with its verdicts and raw observations, as long as the policy's retention says.

A run is immutable: storing it twice is storing it once, and another of the same id is refused.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import itertools
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec
from sqlalchemy import delete, insert, not_, select, update

from scanner.run import EndpointResult, Run
from scanner.store import history
from scanner.store.database import Database
from scanner.store.errors import StoreError
from scanner.store.journal import Journal
from scanner.store.lock import held
from scanner.store.place import Place
from scanner.store.records import compress, instant, pack, parts, unpack, unpack_observations
from scanner.store.tables import OBSERVATIONS, RUNS, UNFINISHED, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

    from scanner.retention import Retention
    from scanner.store.history import History, Period
    from scanner.store.journal import Circumstances

_LAST: Final = re.compile(r"last(?:~([0-9]{1,9}))?")
_AFTER: Final = "\x7f"  # sorts after whatever an id can go on with
_SOUGHT: Final = 100  # endpoints
_SUMMARY: Final = (
    RUNS.c.id,
    RUNS.c.started,
    RUNS.c.finished,
    RUNS.c.complete,
    RUNS.c.endpoints,
    RUNS.c.observations,
    RUNS.c.violations,
    RUNS.c.undecided,
    RUNS.c.observations_removed,
)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list: counts of its endpoints (all, ``violations``, ``undecided``) and observations.

    ``observations_removed`` is when retention took the raw observations, or None.
    """

    id: str
    started: str
    finished: str
    complete: bool
    endpoints: int
    observations: int
    violations: int
    undecided: int
    observations_removed: str | None


class Pruned(NamedTuple):
    """How many runs were removed whole, and of how many only the raw observations were."""

    runs: int
    observations: int


class Store:
    """An open store; a context manager that closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, place: str, *, create: bool = False) -> Self:
        """The store at a path or URL, its tables brought up to date; a new one where ``create`` allows it.

        :class:`StoreError` says what is wrong with it, and never a password.
        """
        database = Database(Place.parse(place), create=create)
        try:
            database.prepare(create=create)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    @property
    def name(self) -> str:
        """Where it is, safe to show."""
        return self._database.place.name

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """For one scan at a time; :class:`StoreError` (``busy``) where there is another."""
        return held(self._database)

    def journal(self, circumstances: Circumstances, *, resume: bool) -> Journal:
        """The journal of a scan that begins, or goes on (see :meth:`Journal.open`); hold the lock."""
        return Journal.open(self._database, circumstances, resume=resume)

    def add(self, run: Run, journal: Journal | None = None) -> bool:
        """Store a run, and end its scan's journal in the same transaction; False where it was there already.

        :class:`StoreError` (``conflict``) where another run of that id is.
        """
        document = pack(msgspec.structs.replace(run, endpoints=(), observations=()))
        verdicts = [(result, pack(result)) for result in run.endpoints]
        digest = hashlib.sha256(document)
        for _, octets in (*verdicts, *parts(run.observations)):
            digest.update(octets)
        with self._database.writing() as connection:
            if journal is not None:
                connection.execute(delete(UNFINISHED).where(UNFINISHED.c.number == journal.number))
            there = connection.scalar(select(RUNS.c.sha256).where(RUNS.c.id == run.id))
            if there is not None:
                if there != digest.hexdigest():
                    raise StoreError(
                        f"{self.name}: has another run {run.id} already, and runs never change", "conflict"
                    )
                return False
            number = self._insert(connection, run, digest.hexdigest(), compress(document))
            started = instant(run.started)
            rows = [_verdict(number, index, started, *verdict) for index, verdict in enumerate(verdicts)]
            if rows:
                connection.execute(insert(VERDICTS), rows)
            for index, (_, octets) in enumerate(parts(run.observations)):
                connection.execute(
                    insert(OBSERVATIONS).values(run=number, part=index, records=compress(octets))
                )
        return True

    @staticmethod
    def _insert(connection: Connection, run: Run, digest: str, document: bytes) -> int:
        statuses = [result.status for result in run.endpoints]
        made = connection.execute(
            insert(RUNS).values(
                id=run.id,
                sha256=digest,
                started=instant(run.started),
                finished=instant(run.finished),
                complete=run.complete,
                endpoints=len(run.endpoints),
                observations=len(run.observations),
                violations=statuses.count("violation"),
                undecided=statuses.count("indeterminate"),
                document=document,
            )
        )
        assert made.inserted_primary_key is not None
        number: int = made.inserted_primary_key[0]
        return number

    def run(self, reference: str) -> Run:
        """The run of an id, of its unique beginning, or ``last``, or ``last~1`` (the one before).

        One whose raw observations retention took has none, and a notice that says so.
        """
        with self._database.reading() as connection:
            found = self._find(connection, reference, RUNS.c.number, RUNS.c.document, *_SUMMARY)
            run = unpack(found.document, Run)
            verdicts = select(VERDICTS.c.document).where(VERDICTS.c.run == found.number)
            observations = select(OBSERVATIONS.c.records).where(OBSERVATIONS.c.run == found.number)
            run = msgspec.structs.replace(
                run,
                endpoints=tuple(
                    unpack(octets, EndpointResult)
                    for octets in connection.scalars(verdicts.order_by(VERDICTS.c.position))
                ),
                observations=tuple(
                    one
                    for records in connection.scalars(observations.order_by(OBSERVATIONS.c.part))
                    for one in unpack_observations(records)
                ),
            )
        if found.observations_removed is None:
            return run
        notice = (
            f"its {found.observations} raw observations were removed at {found.observations_removed}, as the"
            " policy's retention says"
        )
        return msgspec.structs.replace(run, notices=(*run.notices, notice))

    def runs(self, limit: int, offset: int = 0) -> list[Summary]:
        """The newest runs, newest first, without the first ``offset`` of them."""
        newest = select(*_SUMMARY).order_by(RUNS.c.started.desc(), RUNS.c.number.desc())
        query = newest.limit(limit).offset(offset)
        with self._database.reading() as connection:
            return [Summary(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001  its public name

    def _find(self, connection: Connection, reference: str, *columns: Any) -> Row[Any]:
        query = select(*columns)
        if last := _LAST.fullmatch(reference):
            newest = query.order_by(RUNS.c.started.desc(), RUNS.c.number.desc()).limit(1)
            row = connection.execute(newest.offset(int(last[1] or 0))).one_or_none()
            if row is None:
                raise StoreError(f"{self.name}: has no run {reference}: it does not hold so many", "unknown")
            return row
        if not reference or not reference.isascii() or not reference.isprintable():
            raise StoreError(f"{self.name}: {reference!r} is not the id of a run", "unknown")
        rows = connection.execute(
            query.where(RUNS.c.id >= reference, RUNS.c.id < reference + _AFTER).order_by(RUNS.c.id).limit(5)
        ).all()
        if len(rows) == 1 or (rows and rows[0].id == reference):
            return rows[0]
        if rows:
            some = ", ".join(row.id for row in rows)
            raise StoreError(
                f"{self.name}: {reference} is the beginning of several runs: {some}", "ambiguous"
            )
        raise StoreError(
            f"{self.name}: has no run {reference}; `sarhad store list` names those it has", "unknown"
        )

    def history(self, endpoint: str, limit: int) -> list[Period]:
        """What was judged of an endpoint, newest first, at most ``limit`` changes back.

        :class:`StoreError` (``unknown``), with the nearest name, where no run has such an endpoint.
        """
        with self._database.reading() as connection:
            periods = []
            if endpoint.isprintable():
                with contextlib.closing(history.of_endpoint(connection, endpoint)) as found:
                    periods = list(itertools.islice(found, limit))
            if not periods:
                like = self._like(connection, endpoint)
                raise StoreError(f"{self.name}: no run has an endpoint {endpoint!r}{like}", "unknown")
        return periods

    def previous(self, started: str, endpoints: Sequence[str]) -> str | None:
        """The id of the newest run that began before ``started`` and judged one of some endpoints.

        Of many endpoints the first are looked for.
        """
        query = (
            select(RUNS.c.id)
            .join(VERDICTS, RUNS.c.number == VERDICTS.c.run)
            .where(VERDICTS.c.endpoint.in_(endpoints[:_SOUGHT]), VERDICTS.c.started < instant(started))
            .order_by(VERDICTS.c.started.desc(), VERDICTS.c.run.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            found: str | None = connection.scalar(query)
        return found

    def keys_before(
        self, started: str, silent: Mapping[str, Collection[str]]
    ) -> Mapping[tuple[str, str], dict[str, tuple[str, ...]]]:
        """The keys that addresses showed last, in runs that began before ``started``.

        ``silent`` has the addresses by endpoint. Of many endpoints the first are looked for, and of each not
        without end (see :mod:`scanner.store.history`).
        """
        with self._database.reading() as connection:
            return {
                (endpoint, address): keys
                for endpoint in itertools.islice(silent, _SOUGHT)
                for address, keys in history.keys_before(
                    connection, instant(started), endpoint, silent[endpoint]
                )
            }

    def histories(self, until: str) -> History | None:
        """The newest periods of every endpoint, of runs that began at ``until`` (RFC 3339) or before.

        Bounded (see :mod:`scanner.store.history`); None where there is no such run.
        """
        with self._database.reading() as connection:
            return history.of_all(connection, instant(until))

    @staticmethod
    def _like(connection: Connection, endpoint: str) -> str:
        newest = select(RUNS.c.number).order_by(RUNS.c.started.desc()).limit(1).scalar_subquery()
        names = connection.scalars(select(VERDICTS.c.endpoint).where(VERDICTS.c.run == newest)).all()
        close = difflib.get_close_matches(endpoint, names, n=1)
        return f"; did you mean {close[0]!r}?" if close else ""

    def prune(self, retention: Retention, now: datetime) -> Pruned:
        """Remove what is older than a retention keeps; the newest ``least_runs`` stay whole."""
        newest = select(RUNS.c.number).order_by(RUNS.c.started.desc(), RUNS.c.number.desc())
        spared = newest.limit(retention.least_runs).subquery()
        old = not_(RUNS.c.number.in_(select(spared.c.number)))
        with self._database.writing() as connection:
            whole = connection.execute(
                delete(RUNS).where(old, RUNS.c.started < _before(now, retention.runs_days))
            )
            marked = connection.execute(
                update(RUNS)
                .where(
                    old,
                    RUNS.c.started < _before(now, retention.observations_days),
                    RUNS.c.observations_removed.is_(None),
                )
                .values(observations_removed=instant(now.isoformat()))
            )
            bare = select(RUNS.c.number).where(RUNS.c.observations_removed.is_not(None))
            connection.execute(delete(OBSERVATIONS).where(OBSERVATIONS.c.run.in_(bare)))
        return Pruned(whole.rowcount, marked.rowcount)


def _before(now: datetime, days: int) -> str:
    return instant((now - timedelta(days=days)).isoformat())


def _verdict(
    number: int, index: int, started: str, result: EndpointResult, octets: bytes
) -> Mapping[str, Any]:
    verdict = result.verdict
    return {
        "run": number,
        "position": index,
        "endpoint": result.endpoint,
        "started": started,
        "location": verdict.location,
        "assurance": verdict.assurance,
        "path": verdict.path,
        "status": result.status,
        "addresses": " ".join(one.address for one in verdict.addresses),
        "document": compress(octets),
    }
