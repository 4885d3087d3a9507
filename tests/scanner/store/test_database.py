"""Databases that cannot be used are named, with what to do; tables are brought up to date, or left alone."""

from __future__ import annotations

import os
import pwd
import resource
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from shutil import copytree, ignore_patterns
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from scanner.store import Store, StoreError, database
from scanner.store.tables import METADATA, REVISION, VERSION_TABLE
from tests.scanner.store.conftest import PASSWORD
from tests.scanner.store.runs import ENDPOINT, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.scanner.store.conftest import Server

LATER = """
from alembic import op
import sqlalchemy as sa

revision = "0999"
down_revision = {revision!r}

def upgrade():
    op.add_column("runs", sa.Column("note", sa.Text))
    op.execute("UPDATE runs SET note = 'of ' || id")
    {more}
"""


def fault(place: str, *, create: bool = False) -> StoreError:
    """What is wrong with the store at a place, when it is opened and read."""
    with pytest.raises(StoreError) as error, Store.open(place, create=create) as store:
        store.run("last")
    assert PASSWORD not in str(error.value)
    return error.value


def later(directory: Path, monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """A version of sarhad with one more migration."""
    copytree(database.MIGRATIONS, directory, ignore=ignore_patterns("__pycache__"))
    (directory / "versions" / "v0999_note.py").write_text(LATER.format(revision=REVISION, more=more))
    monkeypatch.setattr(database, "MIGRATIONS", directory)
    monkeypatch.setattr(database, "REVISION", "0999")


class TestSchema:
    """The tables are those that the migrations make, and only a version that knows them touches them."""

    def test_the_newest_migration_is_the_one_the_program_expects(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(database.MIGRATIONS))
        assert ScriptDirectory.from_config(config).get_heads() == [REVISION]

    def test_the_migrations_make_the_tables_that_the_program_uses(self, place: str) -> None:
        with Store.open(place, create=True) as store, store._database.engine.connect() as connection:
            raw = connection.execution_options(writing=False)
            context = MigrationContext.configure(raw, opts={"version_table": VERSION_TABLE})
            assert compare_metadata(context, METADATA) == []
            for name, table in METADATA.tables.items():
                made = {one["name"]: one["column_names"] for one in inspect(raw).get_indexes(name)}
                for index in table.indexes:
                    assert made[index.name] == [column.name for column in index.columns]

    def test_an_older_store_is_brought_up_to_date(
        self, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Store.open(place, create=True) as store:
            store.add(run(1))
        later(tmp_path / "migrations", monkeypatch)
        with Store.open(place) as store:
            assert store.run("last") == run(1)
            with store._database.reading() as connection:
                assert connection.scalar(text("SELECT note FROM runs")) == f"of {run(1).id}"
        with Store.open(place) as store:
            assert store.run("last") == run(1)

    def test_a_migration_that_fails_changes_nothing(
        self, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Store.open(place, create=True) as store:
            store.add(run(1))
        with monkeypatch.context() as patch:
            later(tmp_path / "migrations", patch, more="op.execute('SELECT 1 FROM nowhere')")
            assert "nowhere" in str(fault(place))
        with Store.open(place) as store:
            assert store.run("last") == run(1)

    def test_a_newer_store_is_left_alone(
        self, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            later(tmp_path / "migrations", patch)
            Store.open(place, create=True).__exit__()
        error = fault(place, create=True)
        assert error.code == "newer"
        assert f"schema 0999, and this version knows them up to {REVISION}; update sarhad" in str(error)

    def test_several_may_make_it_at_once(self, place: str) -> None:
        barrier = threading.Barrier(4)

        def add(day: int) -> bool:
            barrier.wait(30)
            with Store.open(place, create=True) as store:
                return store.add(run(day))

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(add, range(4))) == [True] * 4
        with Store.open(place) as store:
            assert len(store.runs(9)) == 4

    def test_readers_and_a_writer_do_not_wait_for_each_other(self, place: str) -> None:
        with Store.open(place, create=True) as store, Store.open(place) as other:
            store.add(run(1))
            with other._database.reading() as connection:
                assert connection.scalar(text("SELECT count(*) FROM runs")) == 1
                store.add(run(2))
                assert connection.scalar(text("SELECT count(*) FROM runs")) == 1, "it sees one moment"
            assert len(other.runs(9)) == 2

    def test_sqlite_keeps_a_write_ahead_log_and_waits_for_the_disk(self, tmp_path: Path) -> None:
        with Store.open(str(tmp_path), create=True) as store, store._database.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2, "FULL"
        with sqlite3.connect(tmp_path / "sarhad.db") as raw:
            assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        raw.close()


class TestSqlite:
    """Files that are no store, or cannot be used."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "sarhad.db"
        with Store.open(str(path), create=True) as store:
            store.add(run(1, pings=2000))
        return path

    def test_none_is_made_by_reading(self, tmp_path: Path) -> None:
        error = fault(str(tmp_path / "none.db"))
        assert error.code == "missing"
        assert "none.db: there is no store; `sarhad scan --store` makes one" in str(error)
        assert list(tmp_path.iterdir()) == []

    def test_an_empty_file_is_none_either(self, tmp_path: Path) -> None:
        (tmp_path / "empty.db").touch()
        assert fault(str(tmp_path / "empty.db")).code == "missing"

    def test_where_no_directory_can_be(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        error = fault(str(tmp_path / "file" / "sarhad.db"), create=True)
        assert "cannot be made: Not a directory" in str(error) or "cannot be made: File exists" in str(error)

    def test_another_program_s(self, tmp_path: Path) -> None:
        path = tmp_path / "other.db"
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE TABLE moz_places (id INTEGER)")
        connection.close()
        before = path.read_bytes()
        error = fault(str(path), create=True)
        assert error.code == "foreign"
        assert "belongs to another program (its tables: moz_places" in str(error)
        assert path.read_bytes() == before

    @pytest.mark.parametrize(
        "octets", [b"not a database, but long enough to be looked at" * 20, b"\0" * 4096]
    )
    def test_what_is_no_database(self, tmp_path: Path, octets: bytes) -> None:
        path = tmp_path / "x.db"
        path.write_bytes(octets)
        error = fault(str(path), create=True)
        assert error.code == "corrupt"
        assert "x.db: is damaged, or no database of SQLite: restore a copy" in str(error)

    def test_a_damaged_one_never_gives_another_run(self, path: Path) -> None:
        whole, found = path.read_bytes(), []
        for start in range(0, len(whole), 4096):
            path.write_bytes(whole[:start] + b"\xa5" * 4096 + whole[start + 4096 :])
            try:
                with Store.open(str(path)) as store:
                    assert store.run("last") == run(1, pings=2000)
                    store.history(ENDPOINT, 9)
            except StoreError as error:
                assert "is damaged" in str(error)  # noqa: PT017  it is one or the other
                found.append(error.code)
        assert found.count("corrupt") == len(found) > 5

    def test_a_damaged_part_of_a_run(self, path: Path) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE observations SET records = substr(records, 1, 50) WHERE part = 2")
        connection.close()
        assert fault(str(path)).code == "corrupt"

    def test_one_that_is_locked(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with Store.open(str(path)) as store:
            assert store.run("last").id == run(1).id, "it can be read all the same"
            with pytest.raises(StoreError, match="is locked by another program; try again") as error:
                store.add(run(2))
        other.close()
        assert error.value.code == "locked"

    def test_a_full_disk(self, path: Path) -> None:
        limit = path.stat().st_size + 65536
        code = (
            "import sys\nfrom scanner.store import Store, StoreError\n"
            "from tests.scanner.store.runs import run\n"
            "with Store.open(sys.argv[1]) as store:\n"
            "    try: store.add(run(2, pings=20000))\n"
            "    except StoreError as error: print(error.code, error)\n"
            "    print(len(store.runs(9)))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        assert done.stdout.startswith(f"full {path}: "), done.stderr
        assert done.stdout.endswith("\n1\n"), "what was there stays"
        with Store.open(str(path)) as store:
            assert store.add(run(2, pings=20000)), "and goes on when there is room again"

    def test_one_that_may_not_be_written(self, path: Path) -> None:
        """Another user's; root may write everything, so this becomes nobody."""
        if os.geteuid() != 0:
            pytest.skip("only root can become another user")
        nobody = pwd.getpwnam("nobody").pw_uid
        for parent in path.parents[:-2]:
            parent.chmod(0o755)
        needed = f"import os, scanner.store; os.setuid({nobody}); import sqlalchemy.dialects.sqlite.pysqlite"
        if subprocess.run([sys.executable, "-c", needed], capture_output=True, check=False).returncode:
            pytest.skip("an ordinary user cannot run this project where it lies")
        code = (
            "import os, sys\nfrom scanner.store import Store, StoreError\n"
            f"os.setuid({nobody})\n"
            "for create in (False, True):\n"
            "    try:\n"
            "        with Store.open(sys.argv[1], create=create) as store: store.lock().__enter__()\n"
            "    except StoreError as error: print(error.code, error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, path], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.stderr == ""
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [["readonly", f"{path}:"]] * 2


class TestPostgresql:
    """Servers and databases that cannot be used; a password is never repeated."""

    def test_another_program_s(self, postgresql: Server) -> None:
        name = postgresql.database()
        postgresql.ask("CREATE TABLE customers (id integer)", name)
        error = fault(postgresql.url(name), create=True)
        assert error.code == "foreign"
        assert "(its tables: customers" in str(error)

    def test_a_schema_of_its_own_will_do(self, postgresql: Server) -> None:
        name = postgresql.database()
        postgresql.ask("CREATE TABLE customers (id integer)", name)
        postgresql.ask("CREATE SCHEMA sarhad", name)
        with Store.open(postgresql.url(name, options="-csearch_path=sarhad"), create=True) as store:
            assert store.add(run(1))

    def test_none_is_made_by_reading(self, postgresql: Server) -> None:
        assert fault(postgresql.url(postgresql.database())).code == "missing"

    def test_no_such_database(self, postgresql: Server) -> None:
        error = fault(postgresql.url("nowhere"), create=True)
        assert (error.code, str(error).partition(" ")[0]) == ("unreachable", "postgresql://keeper@/nowhere:")
        assert 'database "nowhere" does not exist' in str(error)

    def test_a_wrong_password(self, postgresql: Server) -> None:
        error = fault(postgresql.url("postgres").replace(PASSWORD, "wr0ng"), create=True)
        assert error.code == "unreachable"
        assert "password authentication failed" in str(error)
        assert "wr0ng" not in str(error)

    def test_a_password_where_an_option_belongs(self, postgresql: Server) -> None:
        error = fault(postgresql.url("postgres", sslmode=PASSWORD), create=True)
        assert "invalid sslmode" in str(error)

    def test_no_server(self, tmp_path: Path) -> None:
        error = fault(f"postgresql://keeper:{PASSWORD}@/x?host={tmp_path}", create=True)
        assert error.code == "unreachable"
        assert str(error).startswith("postgresql://keeper@/x: cannot be reached (connection ")

    def test_a_user_who_may_only_read(self, postgresql: Server) -> None:
        name = postgresql.database()
        with Store.open(postgresql.url(name), create=True) as store:
            store.add(run(1))
        postgresql.ask(f"DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        postgresql.ask("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", name)
        with Store.open(postgresql.url(name, user="reader")) as store:
            assert store.run("last") == run(1)
            with pytest.raises(StoreError, match="permission denied") as error:
                store.add(run(2))
        postgresql.ask("DROP OWNED BY reader", name)
        assert error.value.code == "readonly"

    def test_a_connection_that_breaks_off(self, postgresql: Server) -> None:
        name = postgresql.database()
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"

        def ask() -> None:
            with store._database.reading() as connection:
                connection.execute(text("SELECT 1"))
                postgresql.ask(f"{end} AND pid <> pg_backend_pid()", name)
                connection.execute(text("SELECT 1"))

        with Store.open(postgresql.url(name), create=True) as store:
            store.add(run(1))
            with pytest.raises(StoreError) as error:
                ask()
            assert error.value.code == "unreachable"
            assert store.add(run(2)), "the next one is made anew"

    def test_the_lock_does_not_outlast_its_use(self, postgresql: Server) -> None:
        place = postgresql.url(postgresql.database())
        with Store.open(place, create=True) as store, Store.open(place) as other:
            with store.lock():
                pass
            with other.lock(), pytest.raises(StoreError, match="another scan goes on"), store.lock():
                pass
