"""``sarhad history`` and ``sarhad store``, and scans that are kept, as their users type them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from scanner.run import encode
from scanner.store import Circumstances, Store
from tests.scanner.store.runs import ENDPOINT, ping, result, run, time
from tests.scanner.test_cli import REGISTER, VANTAGES, call, sarhad

if TYPE_CHECKING:
    from pathlib import Path

URL = "postgresql://keeper:s3cret@127.0.0.1:1/sarhad"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A store of three runs: inside, outside since the second."""
    path = tmp_path / "sarhad.db"
    with Store.open(str(path), create=True) as store:
        store.add(run(0))
        for day in (1, 2):
            store.add(run(day, result(location="outside", status="violation", reason="It is\x1b[2J abroad.")))
    return path


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """The options of a scan that is over at once: no endpoint of it may be probed."""
    register, vantages = tmp_path / "register.yaml", tmp_path / "vantages.yaml"
    register.write_text(REGISTER)
    vantages.write_text(VANTAGES.replace("recorded", "local"))
    return "scan", f"--register={register}", f"--vantages={vantages}", "--fail-on=never"


class TestHistory:
    """``sarhad history`` says what was judged of an endpoint, and when that changed."""

    def test_as_a_table(self, stored: Path) -> None:
        done = call("history", ENDPOINT, "--store", stored)
        assert (done.returncode, done.stderr) == (0, "")
        newest, oldest = (line.split() for line in done.stdout.splitlines() if line.startswith(" 2026"))
        assert newest[:3] == ["2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z", "2"]
        assert newest[3:9] == [run(2).id, "outside", "proved", "unknown", "violation", "198.18.1.1"]
        assert oldest[4] == "inside"
        assert "\x1b" not in done.stdout
        assert "It is\\x1b[2J abroad." in done.stdout

    def test_as_json(self, stored: Path) -> None:
        done = call("history", ENDPOINT, "--limit=1", "--format=json", SARHAD_STORE=str(stored))
        (newest,) = json.loads(done.stdout)
        assert newest["since"] == time(1)
        assert newest["addresses"] == ["198.18.1.1"]
        assert newest["rule"] == "territory"

    def test_an_unknown_endpoint(self, stored: Path) -> None:
        done = call("history", "indus/web/portale.example", "--store", stored)
        assert (done.returncode, done.stdout) == (2, "")
        assert (
            f"{stored}: no run has an endpoint 'indus/web/portale.example'; did you mean '{ENDPOINT}'?"
            in done.stderr
        )


class TestStore:
    """``sarhad store`` lists, shows and prunes runs."""

    def test_list(self, stored: Path) -> None:
        done = call("store", "list", "--store", stored.parent, "--limit=2")
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith(" 2026")] == [
            run(2).id,
            run(1).id,
        ]
        listed = json.loads(call("store", "list", "--store", stored, "--format=json").stdout)
        assert [one["violations"] for one in listed] == [1, 1, 0]

    def test_show_writes_the_run_as_its_scan_did(self, stored: Path) -> None:
        done = call("store", "show", "last~2", "--store", stored, "--format=json")
        assert done.stdout.encode() == encode(run(0))
        assert "It is so." in call("store", "show", run(0).id[:12], "--store", stored).stdout

    def test_an_unknown_run(self, stored: Path) -> None:
        done = call("store", "show", "x", "--store", stored)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"Error: {stored}: has no run x" in done.stderr

    def test_prune_says_what_it_removed(self, stored: Path) -> None:
        with Store.open(str(stored)) as store:
            for number in range(12):
                store.add(run(number / 100 - 3000))
            for number in range(5):
                store.add(run(number / 100 - 1000))
        done = call("store", "prune", "--store", stored)
        assert (done.returncode, done.stdout) == (0, "")
        assert "Removed 10 runs older than 1826 days.\n" in done.stderr
        again = call("store", "prune", "--store", stored)
        assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    @pytest.mark.parametrize("command", [["history", "x"], ["store", "list"], ["store", "show", "last"]])
    def test_reading_makes_no_store(self, tmp_path: Path, command: list[str]) -> None:
        done = call(*command, "--store", tmp_path / "none")
        assert done.returncode == 2
        assert "none: there is no store" in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_which_store_must_be_said(self) -> None:
        done = call("store", "list")
        assert done.returncode == 2
        assert "Missing option '--store'" in done.stderr

    @pytest.mark.parametrize("command", [["history", "x"], ["store", "prune"]])
    def test_no_password_is_repeated(self, command: list[str]) -> None:
        """Nor in the log, which is begun once in a process."""
        for done in (
            call(*command, SARHAD_STORE=URL),
            sarhad(*command, SARHAD_STORE=URL, SARHAD_DEBUG="1"),
        ):
            assert done.returncode == 2
            assert "postgresql://keeper@127.0.0.1:1/sarhad: cannot be reached" in done.stderr
            assert "s3cret" not in done.stdout + done.stderr


class TestScan:
    """A scan with ``--store`` is kept."""

    def test_it_is_kept(self, tmp_path: Path, files: tuple[str, ...]) -> None:
        place = tmp_path / "var" / "sarhad.db"
        done = call(*files, "--store", place, "--format=json")
        assert done.returncode == 3, "nothing is decided"
        assert done.stderr == ""
        assert call("store", "show", "last", "--store", place, "--format=json").stdout == done.stdout

    def test_resume_without_anything_to_resume_begins_anew(
        self, tmp_path: Path, files: tuple[str, ...]
    ) -> None:
        done = call(*files, "--store", tmp_path, "--resume", "--format=json")
        assert (done.returncode, done.stderr) == (3, "")
        assert "broken off" not in done.stdout

    def test_resume_needs_a_store(self, files: tuple[str, ...]) -> None:
        done = call(*files, "--resume")
        assert done.returncode == 2
        assert "--resume finishes the scan that a store has begun; say which with --store" in done.stderr

    def test_another_scan_s_is_refused_by_what_is_different(
        self, tmp_path: Path, files: tuple[str, ...]
    ) -> None:
        with Store.open(str(tmp_path), create=True) as store:
            circumstances = Circumstances(version="0", files={"register": "a" * 64}, settings={})
            with store.journal(circumstances, resume=False) as journal:
                journal.write([ping(1)])
        done = call(*files, "--store", tmp_path, "--resume")
        assert (done.returncode, done.stdout) == (2, "")
        assert "cannot be resumed: sarhad was 0 and is 0." in done.stderr
        assert "the register is another (SHA-256 aaaaaaaaaaaa before" in done.stderr
        assert "begin anew without --resume, which gives up its 1 observations" in done.stderr
        done = call(*files, "--store", tmp_path)
        assert done.returncode == 3
        assert "The scan that was broken off before is given up, with 1 observations;" in done.stderr

    def test_a_second_one_says_who_holds_the_store(self, tmp_path: Path, files: tuple[str, ...]) -> None:
        with Store.open(str(tmp_path), create=True) as store, store.lock():
            done = sarhad(*files, "--store", tmp_path, "--output", f"json={tmp_path / 'run.json'}")
            pruned = call("store", "prune", "--store", tmp_path)
            listed = call("store", "list", "--store", tmp_path)
        for refused in (done, pruned):
            assert (refused.returncode, refused.stdout) == (3, "")
            assert "sarhad.db: another scan goes on (process " in refused.stderr
        assert listed.returncode == 0, "reading never waits"
        assert not (tmp_path / "run.json").exists()

    def test_what_cannot_be_kept_is_written_all_the_same(
        self, tmp_path: Path, files: tuple[str, ...]
    ) -> None:
        with Store.open(str(tmp_path), create=True) as store, store._database.writing() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER full BEFORE INSERT ON runs BEGIN SELECT raise(FAIL, 'no'); END"
            )
        done = call(*files, "--store", tmp_path, "--format=json")
        assert done.returncode == 2
        assert json.loads(done.stdout)["complete"] is True
        assert done.stderr.startswith(f"Error: {tmp_path / 'sarhad.db'}: ")
