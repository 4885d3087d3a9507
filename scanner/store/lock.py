"""One scan at a time: the lock of a store, which its holder's death releases."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from typing import TYPE_CHECKING

from sqlalchemy import text

from probes.observation import now
from scanner.store.database import ADVISORY, SCANNING
from scanner.store.errors import StoreError
from scanner.store.faults import told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scanner.store.database import Database

_HOLDER_OCTETS = 200
_HOLDERS = """
SELECT application_name || to_char(backend_start AT TIME ZONE 'UTC', '", since "YYYY-MM-DD"T"HH24:MI:SS"Z"')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND classid = :class AND objid = :object AND granted
AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextlib.contextmanager
def held(database: Database) -> Iterator[None]:
    """Hold a store's lock; :class:`StoreError` (``busy``) says who does where another process has it."""
    path = database.place.path
    with _file(path.with_name(f"{path.name}.lock")) if path else _advisory(database):
        yield


@contextlib.contextmanager
def _file(path: Path) -> Iterator[None]:
    """By flock(2), on a file beside the database: SQLite has locks of its own on that."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}", "readonly") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, _HOLDER_OCTETS, 0).decode(errors="replace").strip()
            raise _busy(str(path.with_suffix("")), holder) from error
        with contextlib.suppress(OSError):  # a full disk: then nobody can say who holds it
            os.ftruncate(descriptor, 0)
            os.pwrite(
                descriptor, f"process {os.getpid()} on {socket.gethostname()}, since {now()}\n".encode(), 0
            )
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _advisory(database: Database) -> Iterator[None]:
    """By a lock of PostgreSQL's, which lasts as long as the connection that it is of."""
    key = {"class": ADVISORY, "object": SCANNING}
    with contextlib.ExitStack() as stack:
        with told(database.place):
            connection = stack.enter_context(database.engine.connect())
            connection.execution_options(isolation_level="AUTOCOMMIT")
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:class, :object)"), key):
                raise _busy(database.place.name, connection.scalar(text(_HOLDERS), key) or "")
            stack.callback(connection.invalidate)  # closes it: so a pool cannot keep the lock
        yield


def _busy(name: str, holder: str) -> StoreError:
    return StoreError(
        f"{name}: another scan goes on ({holder or 'it does not say whose'}); nothing was done; try again"
        " when it has ended",
        "busy",
    )
