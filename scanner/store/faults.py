"""What a database says when it cannot do what was asked, as a message that says what to do."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from scanner.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.store.place import Place

_DAMAGED: Final = (
    "is damaged, or no database of SQLite: restore a copy, or move it away, and the next scan makes a new one"
    " (`sqlite3 FILE .recover` saves what can be)"
)
_FULL: Final = "there is no room left for it: free some, or drop old runs with `sarhad store prune`"
# The beginning of SQLite's name for an error -> code and message (https://sqlite.org/rescode.html).
_SQLITE: Final = {
    "SQLITE_BUSY": ("locked", "is locked by another program; try again when that has ended"),
    "SQLITE_LOCKED": ("locked", "is locked by another program; try again when that has ended"),
    "SQLITE_FULL": ("full", _FULL),
    "SQLITE_READONLY": ("readonly", "cannot be written by this user, and reading it needs that too"),
    "SQLITE_PERM": ("readonly", "cannot be written by this user"),
    "SQLITE_CANTOPEN": ("missing", "cannot be opened; is its directory there, and yours to write in?"),
    "SQLITE_CORRUPT": ("corrupt", _DAMAGED),
    "SQLITE_NOTADB": ("corrupt", _DAMAGED),
    "SQLITE_IOERR": ("full", "cannot be read or written: the disk fails, or a limit (ulimit -f) is met"),
}
# The beginning of a SQLSTATE -> code and message (PostgreSQL documentation, appendix A).
_POSTGRESQL: Final = {
    "08": ("unreachable", "cannot be reached"),
    "25006": ("readonly", "is read-only (a standby?); give the primary's address"),
    "28": ("unreachable", "does not let this user in; see pg_hba.conf, and ~/.pgpass for the password"),
    "3D": ("missing", "is not there; make it with createdb"),
    "42501": ("readonly", "does not allow this user to do that; it needs CREATE on the schema once"),
    "53": ("full", _FULL),
    "55P03": ("locked", "is locked by another program; try again when that has ended"),
    "57": ("unreachable", "broke the connection off, or waited too long"),
    "58": ("full", "cannot be read or written: the server's disk fails"),
    "XX": ("corrupt", "is damaged; restore a copy"),
}


@contextlib.contextmanager
def told(place: Place) -> Iterator[None]:
    """What a database, or what is stored in it, does wrong becomes a :class:`StoreError`."""
    try:
        yield
    except DBAPIError as error:
        raise _explained(place, error.orig) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{place.name}: {_line(place, error)}") from error
    except (zlib.error, msgspec.DecodeError) as error:
        raise StoreError(
            f"{place.name}: what it holds cannot be read ({error}): it {_DAMAGED}", "corrupt"
        ) from error


def _explained(place: Place, error: BaseException | None) -> StoreError:
    name = getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or ""
    table = _SQLITE if isinstance(error, sqlite3.Error) else _POSTGRESQL
    code, message = next((found for start, found in table.items() if name.startswith(start)), ("store", ""))
    if not message and table is _POSTGRESQL and not name:
        code, message = "unreachable", "cannot be reached"  # a connection that fails has no SQLSTATE
    return StoreError(f"{place.name}: {message or 'cannot be used'} ({_line(place, error)})", code)


def _line(place: Place, error: BaseException | None) -> str:
    """The first line of an error, without the password that a driver might repeat."""
    line = next(iter(str(error).strip().splitlines()), type(error).__name__)
    secret = place.url.password if place.url is not None else None
    return line.replace(str(secret), "***") if secret else line
