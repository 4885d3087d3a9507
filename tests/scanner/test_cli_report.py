"""``sarhad report``: a finished run in another format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from scanner.cli.report import report
from scanner.report.formats import FORMATS
from scanner.run import encode
from scanner.store import Store
from tests.scanner.anyrun import sample

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_bytes(encode(sample()))
    return path


def called(*arguments: str | Path) -> Result:
    return CliRunner().invoke(report, [str(one) for one in arguments])


class TestReport:
    """What a scan would have written can be written later."""

    @pytest.mark.parametrize("name", [name for name in FORMATS if name != "table"])
    def test_every_format_to_standard_output_and_to_a_file(
        self, name: str, run: Path, tmp_path: Path
    ) -> None:
        done = called(run, "--format", name)
        assert done.exit_code == 0, done.output
        assert done.stdout_bytes == FORMATS[name](sample())
        assert called(run, "--format", name, "--output", tmp_path / "out").exit_code == 0
        assert (tmp_path / "out").read_bytes() == done.stdout_bytes

    def test_the_table_too(self, run: Path) -> None:
        assert "indus/web/0.indus.example" in called(run, "--format", "table").stdout

    def test_a_page_is_the_default_with_what_changed_in_the_language_asked_for(
        self, run: Path, tmp_path: Path
    ) -> None:
        before = tmp_path / "before.json"
        before.write_bytes(encode(sample(status="compliant")))
        page = called(run, "--previous", before, "--language", "ur").stdout
        assert '<html lang="ur" dir="rtl">' in page
        assert 'id="changes"' in page


class TestHistory:
    """A page of a run that is in a store, or was, has what was judged before."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Path:
        place = tmp_path / "sarhad.db"
        before = replace(sample(), id="before", started="2026-10-01T00:00:00Z")
        after = replace(sample(status="waived"), id="after", started="2026-11-02T00:00:00Z")
        with Store.open(str(place), create=True) as store:
            for one in (before, sample(), after):
                store.add(one)
        return place

    @pytest.mark.parametrize("stored", [True, False])
    def test_up_to_that_run(self, store: Path, run: Path, stored: bool) -> None:
        page = called(sample().id if stored else run, "--store", store).stdout
        assert "<bdi>2026-10-01 00:00:00 UTC</bdi></th><td><bdi>2026-11-01 00:00:00 UTC</bdi>" in page
        assert "2026-11-02" not in page

    def test_without_a_store_there_is_none(self, run: Path) -> None:
        assert "2026-10-01" not in called(run).stdout


class TestFaults:
    """What is wrong with the arguments or the run is said, by field."""

    def test_previous_is_for_pages(self, run: Path) -> None:
        done = called(run, "--format", "csv", "--previous", run)
        assert done.exit_code == 2
        assert "--previous is for --format html" in done.output

    @pytest.mark.parametrize("time", ["yesterday", "2026-11-01T00:00:00", "", "9999-12-31T23:59:59-23:00"])
    def test_a_time_that_is_none(self, time: str, run: Path) -> None:
        document = json.loads(run.read_bytes()) | {"finished": time}
        run.write_text(json.dumps(document))
        done = called(run)
        assert done.exit_code == 1
        assert f"finished: {time!r} is not a time with its zone" in done.output

    def test_no_run_at_all(self, run: Path) -> None:
        run.write_text("{}")
        assert "is no run of sarhad" in called(run).output

    def test_a_place_that_cannot_be_written(self, run: Path, tmp_path: Path) -> None:
        done = called(run, "--output", tmp_path / "missing" / "report.html")
        assert done.exit_code == 1
        assert "cannot be written" in done.output
