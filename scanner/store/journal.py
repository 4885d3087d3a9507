"""The journal of a scan that goes on: what it has measured is in the store before the scan ends.

A thread commits every second what has come since; only that second is lost when the scan is killed, and is
measured again when it is resumed. A scan is resumed under the circumstances that it began in, or not at all.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from sqlalchemy import delete, func, insert, select

from probes.observation import now
from scanner.store.errors import StoreError
from scanner.store.records import compress, parts, unpack_observations
from scanner.store.tables import JOURNAL, UNFINISHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from probes.observation import Observation
    from probes.target import Settings
    from scanner.judge import Inputs
    from scanner.store.database import Database

CADENCE_S: Final = 1.0


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What must be the same for two parts of one scan: the program, files by SHA-256, settings by name."""

    version: str
    files: dict[str, str]
    settings: dict[str, Any]

    @classmethod
    def of(cls, inputs: Inputs, settings: Settings, **more: Any) -> Self:
        """Those of a scan of ``inputs``; ``more`` are further settings. Reads the file of authorities."""
        files = {one.name: one.sha256 for one in inputs.files}
        files["policy"] = hashlib.sha256(inputs.policy.model_dump_json().encode()).hexdigest()
        if settings.trust is not None:
            files["trust"] = hashlib.sha256(settings.trust.read_bytes()).hexdigest()
        named = {**dataclasses.asdict(settings), **more}
        del named["trust"]
        return cls(version=version("sarhad"), files=files, settings=named)

    def changes(self, before: Circumstances) -> Iterator[str]:
        """What is different from ``before``, each in a few words."""
        if self.version != before.version:
            yield f"sarhad was {before.version} and is {self.version}"
        for name in sorted({*self.files, *before.files}):
            was, now_ = before.files.get(name, "none"), self.files.get(name, "none")
            if was != now_:
                yield f"the {name} is another (SHA-256 {was[:12]} before, {now_[:12]} now)"
        for name in sorted({*self.settings, *before.settings}):
            if self.settings.get(name) != before.settings.get(name):
                yield f"{name} was {before.settings.get(name)!r} and is {self.settings.get(name)!r}"


class Journal:
    """One scan's; a context manager around its measuring.

    ``started`` is when its first part began, ``before`` what its earlier parts measured; ``given_up`` counts
    the observations of another scan that nobody is going to finish. ``failure`` says why what was measured
    last is not kept, or is None.
    """

    def __init__(
        self,
        database: Database,
        number: int,
        started: str,
        before: tuple[Observation, ...] = (),
        part: int = 0,
    ) -> None:
        self._database = database
        self._part = part
        self._pending: list[Observation] = []
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal")
        self._resumed = now()
        self.number = number
        self.started = started
        self.before = before
        self.kept = len(before)
        self.given_up = 0
        self.failure: StoreError | None = None

    @classmethod
    def open(cls, database: Database, circumstances: Circumstances, *, resume: bool) -> Journal:
        """Go on with the scan that was broken off, where there is one and ``resume`` says so; else begin one.

        :class:`StoreError` (``changed``) names what is different from when that scan began.
        """
        with database.writing() as connection:
            broken = connection.execute(select(UNFINISHED)).one_or_none()
            kept = connection.scalar(select(func.sum(JOURNAL.c.count))) or 0
            if broken is not None and kept and resume:
                before = msgspec.json.decode(broken.circumstances, type=Circumstances)
                if changes := list(circumstances.changes(before)):
                    raise StoreError(
                        f"{database.place.name}: the scan that began at {broken.started} cannot be resumed:"
                        f" {'; '.join(changes)}. Undo that, or begin anew without --resume, which gives up"
                        f" its {kept} observations",
                        "changed",
                    )
                rows = connection.scalars(select(JOURNAL.c.records).order_by(JOURNAL.c.part)).all()
                found = tuple(one for records in rows for one in unpack_observations(records))
                return cls(database, broken.number, broken.started, found, len(rows))
            connection.execute(delete(UNFINISHED))
            started = now()
            made = connection.execute(
                insert(UNFINISHED).values(
                    started=started, circumstances=msgspec.json.encode(circumstances).decode()
                )
            )
        assert made.inserted_primary_key is not None
        journal = cls(database, made.inserted_primary_key[0], started)
        journal.given_up = kept
        return journal

    @property
    def notices(self) -> tuple[str, ...]:
        """What the run's reader should know of how it was measured."""
        if not self.before:
            return ()
        before = len(self.before)
        return (f"its scan was broken off, and resumed at {self._resumed}: {before} observations are older",)

    def write(self, observations: Iterable[Observation]) -> None:
        """Keep them from the next commit on; waits for nothing."""
        with self._guard:
            self._pending.extend(observations)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ended.wait(CADENCE_S):
            self._commit()
        self._commit()

    def _commit(self) -> None:
        """Commit what has come; what cannot be is tried again with what comes next."""
        with self._guard:
            pending, self._pending = self._pending, []
        rows = [
            {"scan": self.number, "part": self._part + index, "count": count, "records": compress(octets)}
            for index, (count, octets) in enumerate(parts(pending))
        ]
        if not rows:
            return
        try:
            with self._database.writing() as connection:
                connection.execute(insert(JOURNAL), rows)
        except StoreError as error:
            self.failure = error
            with self._guard:
                self._pending[:0] = pending
            return
        self.failure = None
        self._part += len(rows)
        self.kept += len(pending)
