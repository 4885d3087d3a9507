"""What a scan has measured is kept as it goes, so that it can be finished after it was broken off."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from scanner.store import Circumstances, Journal, Store, StoreError
from scanner.store.records import PART
from tests.scanner.store.runs import ping, run

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = Circumstances(
    version="1", files={"register": "a" * 64, "policy": "b" * 64}, settings={"contact": "", "ping_count": 5}
)
WRITER = """
import sys, time
from scanner.store import Circumstances, Store
from tests.scanner.store.runs import ping
import msgspec
circumstances = msgspec.json.decode(sys.argv[2], type=Circumstances)
with Store.open(sys.argv[1], create=True) as store, store.lock():
    with store.journal(circumstances, resume=False) as journal:
        journal.write([ping(1), ping(2)])
        while journal.kept < 2:
            time.sleep(0.01)
        print("kept", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with Store.open(place, create=True) as opened:
        yield opened


def break_off(store: Store, *numbers: int) -> Journal:
    """A scan that measured that much and was not finished."""
    with store.journal(NOW, resume=False) as journal:
        journal.write([ping(number) for number in numbers])
    return journal


def resumed(store: Store) -> Journal:
    return store.journal(NOW, resume=True)


class TestResume:
    """A scan goes on from what it had measured."""

    def test_it_finds_what_was_measured_in_order(self, store: Store) -> None:
        first = break_off(store, *range(2 * PART + 1))
        again = resumed(store)
        assert again.before == tuple(ping(number) for number in range(2 * PART + 1))
        assert again.started == first.started
        (notice,) = again.notices
        assert notice.startswith("its scan was broken off, and resumed at ")
        assert notice.endswith(f": {2 * PART + 1} observations are older")

    def test_time_and_again(self, store: Store) -> None:
        break_off(store, 1)
        for number in (2, 3):
            with resumed(store) as journal:
                journal.write([ping(number)])
        assert [one.id for one in resumed(store).before] == [ping(number).id for number in (1, 2, 3)]

    def test_a_finished_one_leaves_nothing(self, store: Store) -> None:
        journal = break_off(store, 1, 2)
        store.add(run(), journal)
        assert resumed(store).before == ()
        with store._database.reading() as connection:
            assert connection.exec_driver_sql("SELECT count(*) FROM journal").scalar() == 0

    def test_where_the_run_could_not_be_stored_it_stays(self, store: Store) -> None:
        store.add(run(1))
        journal = break_off(store, 1)
        with pytest.raises(StoreError, match="another run"):
            store.add(run(1, country="XX"), journal)
        assert len(resumed(store).before) == 1

    def test_one_that_had_been_stored_already_is_finished(self, store: Store) -> None:
        store.add(run(1))
        assert not store.add(run(1), break_off(store, 1))
        assert resumed(store).before == ()

    def test_one_that_measured_nothing_is_begun_anew(self, store: Store) -> None:
        first = break_off(store)
        again = resumed(store)
        assert again.started > first.started
        assert again.notices == ()

    def test_without_resume_it_is_given_up(self, store: Store) -> None:
        break_off(store, 1, 2)
        journal = store.journal(NOW, resume=False)
        assert (journal.before, journal.given_up) == ((), 2)
        assert resumed(store).before == ()

    @pytest.mark.parametrize(
        ("field", "value", "words"),
        [
            ("version", "2", "sarhad was 1 and is 2"),
            (
                "files",
                {**NOW.files, "register": "c" * 64},
                "the register is another (SHA-256 aaaaaaaaaaaa before",
            ),
            ("files", {**NOW.files, "trust": "c" * 64}, "the trust is another (SHA-256 none before"),
            ("settings", {**NOW.settings, "contact": "x"}, "contact was '' and is 'x'"),
        ],
    )
    def test_other_circumstances_are_refused_and_named(
        self, store: Store, field: str, value: Any, words: str
    ) -> None:
        break_off(store, 1)
        other = msgspec.structs.replace(NOW, **{field: value})
        with pytest.raises(StoreError) as error:
            store.journal(other, resume=True)
        assert error.value.code == "changed"
        assert words in str(error.value)
        assert "its 1 observations" in str(error.value)
        assert len(resumed(store).before) == 1


class TestDurability:
    """What was committed is there whatever becomes of the process."""

    def test_after_kill_9(self, place: str) -> None:
        arguments = [sys.executable, "-c", WRITER, place, msgspec.json.encode(NOW).decode()]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        with process, process.stdout:
            assert process.stdout.readline() == "kept\n"
            with Store.open(place) as other, pytest.raises(StoreError) as error, other.lock():
                pass
            assert error.value.code == "busy"
            assert f"process {process.pid} on {os.uname().nodename}, since 20" in str(error.value)
            process.send_signal(signal.SIGKILL)
        with Store.open(place) as store, store.lock():
            assert resumed(store).before == (ping(1), ping(2))

    def test_a_torn_tail_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "sarhad.db"
        with Store.open(str(path), create=True) as store:
            break_off(store, 1)
            with resumed(store) as journal:
                journal.write([ping(2)])
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", f"{tmp_path}/torn.db{suffix}")
        tail = Path(f"{tmp_path}/torn.db-wal")
        tail.write_bytes(tail.read_bytes()[:-100])
        with Store.open(f"{tmp_path}/torn.db") as torn:
            assert resumed(torn).before == (ping(1),)

    def test_what_cannot_be_kept_now_is_kept_later(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scanner.store.journal.CADENCE_S", 0.01)
        failed, full = threading.Event(), threading.Event()
        writing = store._database.writing
        full.set()

        def fail() -> Any:
            if full.is_set():
                failed.set()
                raise StoreError("no room", "full")
            return writing()

        journal = store.journal(NOW, resume=False)
        monkeypatch.setattr(store._database, "writing", fail)
        with journal:
            journal.write([ping(1)])
            assert failed.wait(30)
            journal.write([ping(2)])
            full.clear()
        assert (journal.failure, journal.kept) == (None, 2)
        assert resumed(store).before == (ping(1), ping(2))

    def test_what_was_never_kept_is_said(self, tmp_path: Path) -> None:
        with Store.open(str(tmp_path / "sarhad.db"), create=True) as store:
            with store.journal(NOW, resume=False) as journal:
                with store._database.engine.connect() as connection:
                    raw: Any = connection.connection.driver_connection
                    pages = raw.execute("PRAGMA page_count").fetchone()[0]
                    raw.execute(f"PRAGMA max_page_count={pages}")
                journal.write([ping(number) for number in range(5000)])
            assert journal.failure is not None
            assert journal.failure.code == "full"
            assert "sarhad.db: there is no room left for it" in str(journal.failure)
            assert journal.kept == 0


class TestLock:
    """One scan at a time."""

    def test_it_can_be_had_again(self, store: Store) -> None:
        for _ in range(2):
            with store.lock():
                pass

    def test_it_excludes_another_of_the_same_process(self, place: str, store: Store) -> None:
        with store.lock(), Store.open(place) as other:
            with pytest.raises(StoreError, match="another scan goes on"), other.lock():
                pass
            assert other.runs(1) == []

    def test_it_is_let_go_of_when_the_scan_fails(self, store: Store) -> None:
        with pytest.raises(json.JSONDecodeError), store.lock():
            json.loads("")
        with store.lock():
            pass
