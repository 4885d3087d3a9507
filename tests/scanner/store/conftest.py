"""Stores to test against: a file of SQLite, and a database of a PostgreSQL that the tests start."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy.engine import URL

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "mango-and-salt"  # noqa: S105  of a server that nobody else reaches


def _binaries() -> Path | None:
    """The directory of PostgreSQL's server: Debian's newest, or whatever is on PATH."""
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    found = newest[-1] if newest else shutil.which("initdb")
    return Path(found).parent if found else None


class Server:
    """A server on a Unix socket in a directory of its own, run by a user who is not root."""

    def __init__(self, directory: Path, binaries: Path) -> None:
        self.directory = directory
        self._binaries = binaries
        self._numbers = itertools.count()
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(directory, nobody.pw_uid, nobody.pw_gid)

    def start(self) -> None:
        password = self.directory / "password"
        password.write_text(PASSWORD)
        data = self.directory / "data"
        self._run(
            "initdb",
            f"--pgdata={data}",
            "--username=keeper",
            "--auth=scram-sha-256",
            f"--pwfile={password}",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--no-sync",
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={self.directory} -c fsync=off"
        self._run(
            "pg_ctl", "start", "--wait", f"--pgdata={data}", f"--options={options}", f"--log={data}/log"
        )

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", f"--pgdata={self.directory / 'data'}")

    def _run(self, program: str, *arguments: str) -> None:
        with (self.directory / f"{program}.output").open("wb+") as output:
            done = subprocess.run(
                [self._binaries / program, *arguments],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,  # no pipe: the server would hold it open
                stderr=subprocess.STDOUT,
                check=False,
                timeout=60,
                **self._user,
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode()

    def ask(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the server's owner."""
        with psycopg.connect(
            host=str(self.directory), user="keeper", password=PASSWORD, dbname=database, autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    def url(self, database: str, user: str = "keeper", password: str = PASSWORD, **query: str) -> str:
        query = {"host": str(self.directory), **query}
        made = URL.create("postgresql", user, password, database=database, query=query)
        return made.render_as_string(hide_password=False)

    def database(self) -> str:
        """The name of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name} TEMPLATE template0")
        return name

    def place(self) -> str:
        """Where a new store can be made: in a schema of its own, which is quicker to make than a database."""
        name = f"test{next(self._numbers)}"
        self.ask(f"CREATE SCHEMA {name}")
        return self.url("postgres", options=f"-csearch_path={name}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server; skips where this machine has none."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    directory = Path(tempfile.mkdtemp(prefix="sarhad-pg-"))  # pytest's own directories are closed to others
    server = Server(directory, binaries)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store can be made, in either database."""
    if request.param == "sqlite":
        return str(tmp_path / "sarhad.db")
    server: Server = request.getfixturevalue("postgresql")
    return server.place()
