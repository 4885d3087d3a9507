"""The database under a store: connections, transactions, and tables brought up to date.

Whoever writes is alone (BEGIN IMMEDIATE in SQLite, an advisory lock in PostgreSQL); whoever reads sees one
moment. A commit is on the disk when it returns (``synchronous=FULL``; PostgreSQL's own default).
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import column, create_engine, event, inspect, select, table
from sqlalchemy.pool import QueuePool

from scanner.store.errors import StoreError
from scanner.store.faults import told
from scanner.store.tables import REVISION, VERSION_TABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from scanner.store.place import Place

MIGRATIONS: Final = Path(__file__).with_name("migrations")
BUSY_SECONDS: Final = 30  # for another writer's transaction
CONNECT_SECONDS: Final = 10
STATEMENT_SECONDS: Final = 600
# Any two numbers that no other program is likely to lock in the same database ("SRHD" in ASCII).
ADVISORY: Final = 0x53524844
WRITING, SCANNING = 1, 2


class Database:
    """One place's database; :class:`StoreError` from everything that fails."""

    def __init__(self, place: Place, *, create: bool) -> None:
        self.place = place
        self.engine = _sqlite(place.path, create=create) if place.path else _postgresql(place)
        self._reader = self.engine.execution_options(writing=False)
        self._writer = self.engine.execution_options(writing=True)

    def close(self) -> None:
        self.engine.dispose()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment."""
        with told(self.place), self._reader.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only transaction that writes: all of it is kept, or nothing."""
        with told(self.place), self._writer.begin() as connection:
            yield connection

    def prepare(self, *, create: bool) -> None:
        """Check that the tables are ours and bring them up to date; make them where there are none."""
        with self.reading() as connection:
            version = self._version(connection)
        if version == REVISION:
            return
        if version is None and not create:
            raise StoreError(
                f"{self.place.name}: holds no store yet; `sarhad scan --store` makes one", "missing"
            )
        with self.writing() as connection:
            self._version(connection)  # whoever was quicker may have been another program
            self._migrate(connection)
        if self.place.path is not None:
            with told(self.place), self.engine.connect() as connection:
                raw = connection.connection.driver_connection
                assert isinstance(raw, sqlite3.Connection)
                raw.execute("PRAGMA journal_mode=WAL")

    def _version(self, connection: Connection) -> str | None:
        """The migration that the tables are at; None where there are none at all."""
        names = inspect(connection).get_table_names()
        if VERSION_TABLE in names:
            found: str | None = connection.scalar(
                select(column("version_num")).select_from(table(VERSION_TABLE))
            )
            return found
        if names:
            some = ", ".join(sorted(names)[:3])
            raise StoreError(
                f"{self.place.name}: belongs to another program (its tables: {some}…); give sarhad a file, or"
                " a database or schema, of its own",
                "foreign",
            )
        return None

    def _migrate(self, connection: Connection) -> None:
        from alembic import command  # noqa: PLC0415  seldom needed, and slow to import
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"{self.place.name}: was made by a later version of sarhad: its tables are those of schema"
                f" {self._version(connection)}, and this version knows them up to {REVISION}; update sarhad",
                "newer",
            ) from error


def _sqlite(path: Path, *, create: bool) -> Engine:
    if not create and not path.exists():
        raise StoreError(f"{path}: there is no store; `sarhad scan --store` makes one", "missing")
    if create:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: cannot be made: {error.strerror}", "missing") from error
    address = f"{path.as_uri()}?mode={'rwc' if create else 'rw'}"

    def connect() -> sqlite3.Connection:
        made = sqlite3.connect(
            address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        made.execute("PRAGMA synchronous=FULL")
        made.execute("PRAGMA foreign_keys=ON")
        return made

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options()["writing"]
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def _postgresql(place: Place) -> Engine:
    assert place.url is not None
    engine = create_engine(
        place.url,
        pool_pre_ping=True,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "application_name": f"sarhad, process {os.getpid()} on {socket.gethostname()}"[:63],
            "keepalives_idle": 30,
        },
    )

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = '{STATEMENT_SECONDS}s'")
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        connection.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        if writing:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY}, {WRITING})")
        elif writing is not None:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

    return engine
