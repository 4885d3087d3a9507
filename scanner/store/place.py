"""Where a store is: a file of SQLite, or a database of PostgreSQL, and its name without any secret."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from scanner.store.errors import StoreError

FILE: Final = "sarhad.db"  # the store in a directory
_FORMS: Final = "a path, or postgresql://USER@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class Place:
    """``name`` is safe to show; ``path`` is there for SQLite, ``url`` for PostgreSQL (with its password)."""

    name: str
    path: Path | None = None
    url: URL | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a path (of a file, or of a directory that has one) or a URL; raises :class:`StoreError`.

        No message repeats a URL: there may be a password in it.
        """
        if not text or not text.isprintable():
            raise StoreError(f"a store is {_FORMS}; this is neither", "usage")
        if "://" not in text:
            return cls._of_file(Path(text))
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            raise StoreError(f"the URL of the store cannot be read; it is {_FORMS}", "usage") from None
        match url.drivername.partition("+")[0]:
            case "sqlite" if url.database and url.database != ":memory:":
                return cls._of_file(Path(url.database))
            case "postgresql" | "postgres":
                return cls(name=_shown(url), url=url.set(drivername="postgresql+psycopg"))
            case scheme:
                raise StoreError(f"a store is {_FORMS}, not {scheme}://…", "usage")

    @classmethod
    def _of_file(cls, path: Path) -> Place:
        path = path.expanduser().absolute()
        if path.is_dir():
            path /= FILE
        return cls(name=str(path), path=path)


def _shown(url: URL) -> str:
    """A URL without its password and its query, which may hold another."""
    user = f"{url.username}@" if url.username else ""
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{user}{url.host or ''}{port}/{url.database or ''}"
