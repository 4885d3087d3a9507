"""The history of endpoints: runs one after the other that judged one alike are a period."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from sqlalchemy import select

from scanner.store.records import unpack
from scanner.store.tables import RUNS, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator, Mapping

    from sqlalchemy import Connection, Row

# What is read for the history of all endpoints: 30 runs of 10,000, which takes a second or two.
MOST_VERDICTS: Final = 300_000
MOST_RUNS: Final = 1000  # of few endpoints; each is a query
MOST_PERIODS: Final = 10  # of an endpoint; who wants more asks for that endpoint
MOST_SILENT: Final = 50  # verdicts that are looked through for an address that shows a key
_ROWS: Final = 500  # that are fetched at a time
# What makes two verdicts the same to somebody who asks what changed.
_ALIKE: Final[tuple[Any, ...]] = (
    VERDICTS.c.location,
    VERDICTS.c.assurance,
    VERDICTS.c.path,
    VERDICTS.c.status,
    VERDICTS.c.addresses,
)
_JUDGED: Final[tuple[Any, ...]] = (RUNS.c.id, VERDICTS.c.started, VERDICTS.c.document, *_ALIKE)
_RUN: Final[tuple[Any, ...]] = (RUNS.c.number, RUNS.c.id, RUNS.c.started, RUNS.c.endpoints)


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Runs one after the other that judged an endpoint alike, from ``first`` (at ``since``) to ``last``.

    ``rule`` and ``reason`` are the last one's.
    """

    first: str
    since: str
    last: str
    until: str
    runs: int
    location: str
    assurance: str | None
    path: str
    status: str
    addresses: tuple[str, ...]
    rule: str
    reason: str


class History(NamedTuple):
    """The newest periods of endpoints, newest first, back to the run that began at ``since``."""

    since: str
    periods: Mapping[str, tuple[Period, ...]]


class _Why(msgspec.Struct):
    rule: str
    reason: str


class _Judged(msgspec.Struct):
    """What a period needs of an endpoint's stored result."""

    verdict: _Why


class _Address(msgspec.Struct):
    address: str
    keys: dict[str, tuple[str, ...]] = {}


class _Addresses(msgspec.Struct):
    addresses: tuple[_Address, ...] = ()


class _Shown(msgspec.Struct):
    """What the keys of an endpoint's addresses need of its stored result."""

    verdict: _Addresses


@dataclass(slots=True)
class _Stretch:
    """A period while older runs are still read; ``position`` is that in the newest of its runs."""

    alike: tuple[Any, ...]
    newest: Row[Any]
    position: int
    oldest: Row[Any]
    runs: int = 1

    def period(self, why: _Why) -> Period:
        return _period(self.alike, self.newest, self.oldest, self.runs, why)


def of_endpoint(connection: Connection, endpoint: str) -> Generator[Period]:
    """Every period of one endpoint, newest first, read as they are asked for."""
    query = (
        select(*_JUDGED)
        .join(RUNS, RUNS.c.number == VERDICTS.c.run)
        .where(VERDICTS.c.endpoint == endpoint)
        .order_by(VERDICTS.c.started.desc(), VERDICTS.c.run.desc())
        .execution_options(yield_per=_ROWS)
    )
    with connection.execute(query) as rows:
        for alike, (newest, *older) in itertools.groupby(rows, _alike):
            why = unpack(newest.document, _Judged).verdict
            yield _period(alike, newest, older[-1] if older else newest, 1 + len(older), why)


def keys_before(
    connection: Connection, started: str, endpoint: str, addresses: Collection[str]
) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """The keys that some addresses of an endpoint showed last, in runs that began before ``started``."""
    query = (
        select(VERDICTS.c.document)
        .where(VERDICTS.c.endpoint == endpoint, VERDICTS.c.started < started)
        .order_by(VERDICTS.c.started.desc(), VERDICTS.c.run.desc())
        .limit(MOST_SILENT)
    )
    silent = set(addresses)
    for document in connection.scalars(query):
        for one in unpack(document, _Shown).verdict.addresses:
            if one.keys and one.address in silent:
                silent.remove(one.address)
                yield one.address, one.keys
        if not silent:
            return


def _alike(row: Row[Any]) -> tuple[Any, ...]:
    return tuple(row)[-len(_ALIKE) :]


def of_all(connection: Connection, until: str) -> History | None:
    """The newest periods of every endpoint, of runs that began at ``until`` or before; None without any.

    ``until`` is a time as the tables have it.
    """
    stretches: defaultdict[str, list[_Stretch]] = defaultdict(list)
    oldest = None
    for run in _newest(connection, until):
        oldest = run
        judged = select(VERDICTS.c.endpoint, VERDICTS.c.position, *_ALIKE).where(VERDICTS.c.run == run.number)
        for endpoint, position, *alike in connection.execute(judged.order_by(VERDICTS.c.position)):
            _add(stretches[endpoint], tuple(alike), run, position)
    if oldest is None:
        return None
    kept = {endpoint: each[:MOST_PERIODS] for endpoint, each in stretches.items()}
    why = _reasons(connection, (one for each in kept.values() for one in each))
    return History(
        oldest.started,
        {
            endpoint: tuple(one.period(why[one.newest.number, one.position]) for one in each)
            for endpoint, each in kept.items()
        },
    )


def _newest(connection: Connection, until: str) -> list[Row[Any]]:
    """The newest runs, as many as may be read and the newest in any case."""
    query = (
        select(*_RUN)
        .where(RUNS.c.started <= until)
        .order_by(RUNS.c.started.desc(), RUNS.c.number.desc())
        .limit(MOST_RUNS)
    )
    runs = connection.execute(query).all()
    sums = itertools.accumulate(run.endpoints for run in runs)
    return [run for run, verdicts in zip(runs, sums, strict=True) if verdicts - run.endpoints < MOST_VERDICTS]


def _add(stretches: list[_Stretch], alike: tuple[Any, ...], run: Row[Any], position: int) -> None:
    """Take in an older verdict. One more is kept than is wanted: where that begins, the last wanted ends."""
    if stretches and stretches[-1].alike == alike:
        stretches[-1].oldest = run
        stretches[-1].runs += 1
    elif len(stretches) <= MOST_PERIODS:
        stretches.append(_Stretch(alike, run, position, run))


def _reasons(connection: Connection, stretches: Iterable[_Stretch]) -> Mapping[tuple[int, int], _Why]:
    """Rule and reason of the newest verdict of each stretch, by its run's number and its position there."""
    positions: defaultdict[int, list[int]] = defaultdict(list)
    for one in stretches:
        positions[one.newest.number].append(one.position)
    found: dict[tuple[int, int], _Why] = {}
    for number, each in positions.items():
        for start in range(0, len(each), _ROWS):
            query = select(VERDICTS.c.position, VERDICTS.c.document).where(
                VERDICTS.c.run == number, VERDICTS.c.position.in_(each[start : start + _ROWS])
            )
            for position, document in connection.execute(query):
                found[number, position] = unpack(document, _Judged).verdict
    return found


def _period(alike: tuple[Any, ...], newest: Row[Any], oldest: Row[Any], runs: int, why: _Why) -> Period:
    location, assurance, path, status, addresses = alike
    return Period(
        first=oldest.id,
        since=oldest.started,
        last=newest.id,
        until=newest.started,
        runs=runs,
        location=location,
        assurance=assurance,
        path=path,
        status=status,
        addresses=tuple(addresses.split()),
        rule=why.rule,
        reason=why.reason,
    )
