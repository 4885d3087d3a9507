"""Runs that are stored come back as they were, and can be asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError
from sqlalchemy import event

from probes.document import Document, DocumentError
from scanner.policy import Policy
from scanner.retention import Retention
from scanner.rulebook import load_policy
from scanner.run import Run, encode
from scanner.store import Pruned, Store, StoreError, history
from scanner.store.records import PART
from tests.scanner.store.runs import ENDPOINT, RUNS, START, result, run, time

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with Store.open(place, create=True) as opened:
        yield opened


def statements(store: Store) -> list[str]:
    """What is asked of the database from now on."""
    asked: list[str] = []

    def note(*arguments: Any) -> None:
        asked.append(arguments[2])

    event.listen(store._database.engine, "before_cursor_execute", note)
    return asked


class TestRuns:
    """A run is stored once, for good."""

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    @given(given=RUNS)
    def test_it_comes_back_octet_for_octet(self, store: Store, given: Run) -> None:
        given = msgspec.structs.replace(given, id=str(uuid4()))  # each example is another run
        assert store.add(given)
        assert encode(store.run(given.id)) == encode(given)
        assert not store.add(given)

    def test_observations_keep_their_order_over_many_parts(self, store: Store) -> None:
        stored = run(pings=2 * PART + 1)
        store.add(stored)
        assert store.run(stored.id).observations == stored.observations

    def test_again_is_once(self, store: Store) -> None:
        assert store.add(run())
        assert not store.add(run())
        assert len(store.runs(9)) == 1

    def test_another_of_the_same_id_is_refused(self, store: Store) -> None:
        store.add(run(1))
        for other in (run(1, country="XX"), run(1, pings=2), run(1, result(location="outside"))):
            with pytest.raises(StoreError, match=r"has another run .* already, and runs never change"):
                store.add(other)
        assert store.run("last") == run(1)

    def test_what_could_not_be_stored_whole_is_not_stored(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise StoreError("the disk is gone")

        monkeypatch.setattr("scanner.store.store._verdict", fail)
        with pytest.raises(StoreError, match="the disk is gone"):
            store.add(run())
        assert store.runs(9) == []

    def test_a_list_says_what_each_was(self, store: Store) -> None:
        store.add(run(1))
        store.add(run(2, result(status="violation"), result("b", status="indeterminate"), complete=False))
        newest, oldest = store.runs(9)
        assert (newest.endpoints, newest.violations, newest.undecided, newest.complete) == (2, 1, 1, False)
        assert (oldest.endpoints, oldest.violations, oldest.undecided, oldest.complete) == (1, 0, 0, True)
        assert (oldest.id, oldest.started, oldest.observations) == (run(1).id, time(1), 3)
        assert store.runs(1) == [newest]

    def test_no_question_is_asked_once_an_endpoint(self, store: Store) -> None:
        asked = statements(store)
        counts = []
        for day, size in enumerate((1, 300)):
            store.add(run(day, *(result(f"e{number}") for number in range(size))))
            store.run("last")
            store.runs(9)
            store.history("e0", 9)
            counts.append(len(asked))
            asked.clear()
        assert counts[0] == counts[1] < 25


class TestReferences:
    """A run is asked for by its id, the beginning of one, or how many runs ago it was."""

    @pytest.fixture(autouse=True)
    def _five(self, store: Store) -> None:
        for day in (3, 1, 0, 2):  # not in the order of time
            store.add(run(day))
        store.add(run(4, id="2026-11-04"))

    def test_last_is_the_newest(self, store: Store) -> None:
        assert store.run("last").id == "2026-11-04"
        assert store.run("last~1").id == run(3).id
        assert store.run("last~4") == run(0)

    def test_an_id_or_its_beginning(self, store: Store) -> None:
        assert store.run(run(2).id) == run(2)
        assert store.run("2026-11-03") == run(2)

    def test_a_whole_id_is_meant_though_others_begin_with_it(self, store: Store) -> None:
        assert run(3).id.startswith("2026-11-04")
        assert store.run("2026-11-04").id == "2026-11-04"

    @pytest.mark.parametrize(
        ("reference", "words"),
        [
            ("2026-11", "is the beginning of several runs: 2026-11-01"),
            ("2026-12", "has no run 2026-12; `sarhad store list`"),
            ("last~5", "has no run last~5"),
            ("last~99999999999", "has no run last~99999999999"),
            ("last~-1", "has no run"),
            ("", "is not the id of a run"),
            ("%", "has no run %"),
            ("\0", "is not the id of a run"),
            ("\udc80", "is not the id of a run"),
            ("'; DROP TABLE runs; --", "has no run"),
        ],
    )
    def test_what_is_not_there_is_said(self, store: Store, reference: str, words: str) -> None:
        with pytest.raises(StoreError) as error:
            store.run(reference)
        assert words in str(error.value)


class TestHistory:
    """What was judged of an endpoint over time, and when that changed."""

    def test_runs_that_judged_alike_are_one_line(self, store: Store) -> None:
        outside = {"location": "outside", "status": "violation", "path": "leaves"}
        for day in (5, 0, 1, 4, 2, 3):  # not in the order of time
            given: dict[str, Any] = outside if day in {3, 4} else {}
            verdict = {name: each for name, each in given.items() if name != "path"}
            store.add(run(day, result(**verdict, reason=f"As of day {day}.")))
        back, moved, first = store.history(ENDPOINT, 9)
        assert (first.since, first.until, first.runs) == (time(0), time(2), 3)
        assert (first.first, first.last) == (run(0).id, run(2).id)
        assert (moved.since, moved.until, moved.runs) == (time(3), time(4), 2)
        assert (moved.location, moved.status, moved.reason) == ("outside", "violation", "As of day 4.")
        assert (back.since, back.runs, back.location, back.assurance) == (time(5), 1, "inside", "proved")
        assert store.history(ENDPOINT, 2) == [back, moved]

    @pytest.mark.parametrize(
        "changed",
        [
            result(ENDPOINT, location="edge"),
            result(ENDPOINT, assurance="bounded"),
            result(ENDPOINT, status="waived"),
            result(ENDPOINT, "198.18.1.1", "198.18.1.2"),
        ],
    )
    def test_each_of_these_is_a_change(self, store: Store, changed: Any) -> None:
        store.add(run(0))
        store.add(run(1, changed))
        assert [one.runs for one in store.history(ENDPOINT, 9)] == [1, 1]
        assert store.history(ENDPOINT, 1)[0].addresses == tuple(
            one.address for one in changed.verdict.addresses
        )

    @pytest.mark.parametrize("wrong", ["indus/web/portla.example", "", "\0", "\udc80"])
    def test_an_unknown_endpoint_is_named_with_the_nearest(self, store: Store, wrong: str) -> None:
        store.add(run(0))
        with pytest.raises(StoreError, match="no run has an endpoint") as error:
            store.history(wrong, 9)
        assert (f"did you mean '{ENDPOINT}'?" in str(error.value)) == ("portla" in wrong)


class TestHistories:
    """The history of every endpoint at once says what that of each does, as far as it is read."""

    DAYS = (
        ("inside", "edge"),
        ("inside", "inside"),
        ("outside", "inside"),
        ("inside", None),  # the other one was not judged
        ("inside", "inside"),
        ("edge", "edge"),
    )
    OTHER = "indus/web/other"

    @pytest.fixture(autouse=True)
    def _kept(self, store: Store) -> None:
        for day, places in enumerate(self.DAYS):
            each = zip((ENDPOINT, self.OTHER), places, strict=True)
            results = [
                result(name, location=place, reason=f"As of day {day}.") for name, place in each if place
            ]
            store.add(run(day, *results))

    def test_each_is_as_it_is_alone(self, store: Store) -> None:
        found = store.histories(time(5))
        assert found is not None
        assert found.since == time(0)
        assert [one.runs for one in found.periods[ENDPOINT]] == [1, 2, 1, 2]
        assert [one.runs for one in found.periods[self.OTHER]] == [1, 3, 1]
        for name in (ENDPOINT, self.OTHER):
            assert list(found.periods[name]) == store.history(name, 9)

    def test_what_came_later_is_left_out(self, store: Store) -> None:
        found = store.histories("2026-11-03T05:00:00+05:00")  # as day 2, in another zone
        assert found is not None
        assert [(one.location, one.until) for one in found.periods[ENDPOINT]] == [
            ("outside", time(2)),
            ("inside", time(1)),
        ]
        assert store.histories(time(-1)) is None

    def test_as_many_periods_as_are_shown(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, "MOST_PERIODS", 2)
        found = store.histories(time(5))
        assert found is not None
        for name in (ENDPOINT, self.OTHER):
            assert list(found.periods[name]) == store.history(name, 2)

    @pytest.mark.parametrize(("most", "days"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (99, 6)])
    def test_as_many_verdicts_as_are_read(
        self, store: Store, monkeypatch: pytest.MonkeyPatch, most: int, days: int
    ) -> None:
        monkeypatch.setattr(history, "MOST_VERDICTS", most)
        found = store.histories(time(5))
        assert found is not None
        assert found.since == time(6 - days)

    def test_it_takes_few_statements(self, store: Store) -> None:
        asked = statements(store)
        store.histories(time(5))
        assert sum("SELECT" in one and "verdicts" in one for one in asked) <= 2 * len(self.DAYS)


class TestRetention:
    """Old runs go, their raw observations sooner, and never the newest."""

    KEEP = Retention(runs_days=20, observations_days=10, least_runs=2)

    def _prune(self, store: Store, day: float, keep: Retention = KEEP) -> Pruned:
        return store.prune(keep, START + timedelta(days=day))

    def test_by_age(self, store: Store) -> None:
        for day in (0, 5, 15, 25, 26):
            store.add(run(day))
        assert self._prune(store, 30) == Pruned(runs=2, observations=1)
        assert [one.id for one in store.runs(9)] == [run(day).id for day in (26, 25, 15)]
        bare = store.run(run(15).id)
        assert bare.observations == ()
        assert bare.endpoints == run(15).endpoints
        (notice,) = bare.notices
        assert notice.startswith("its 3 raw observations were removed at 2026-12-01T00:00:00")
        assert store.runs(9)[-1].observations_removed is not None
        assert store.run(run(25).id) == run(25)
        assert self._prune(store, 30) == Pruned(0, 0)

    def test_nothing_of_a_removed_run_is_left(self, store: Store) -> None:
        for day in (0, 25, 26):
            store.add(run(day))
        self._prune(store, 30)
        with store._database.reading() as connection:
            for table in ("verdicts", "observations"):
                rows = connection.exec_driver_sql(f"SELECT count(DISTINCT run) FROM {table}").scalar()  # noqa: S608
                assert rows == 2
        with pytest.raises(StoreError, match="has no run"):
            store.run(run(0).id)

    def test_the_newest_stay_whole_whatever_the_clock_says(self, store: Store) -> None:
        for day in (0, 1, 2):
            store.add(run(day))
        assert self._prune(store, 10_000) == Pruned(runs=1, observations=0)
        assert store.run("last") == run(2)
        assert store.run("last~1") == run(1)

    def test_a_run_without_its_observations_is_still_that_run(self, store: Store) -> None:
        for day in (0, 25, 26):
            store.add(run(day))
        self._prune(store, 15, Retention(runs_days=20, observations_days=10, least_runs=2))
        assert store.run(run(0).id).observations == ()
        assert not store.add(run(0))
        with pytest.raises(StoreError, match="another run"):
            store.add(run(0, pings=0))

    def test_the_shipped_policy_says_what_the_program_assumes(self) -> None:
        assert load_policy().retention == Retention()
        assert Policy.model_fields["retention"].default == Retention()

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{runs_days: 10, observations_days: 11}", "observations_days is more than runs_days"),
            ("{least_runs: 0}", "least_runs"),
            ("{run_days: 5}", "did you mean 'runs_days'?"),
            ("{runs_days: forever}", "runs_days"),
        ],
    )
    def test_a_wrong_one_is_named(self, text: str, words: str) -> None:
        with pytest.raises(DocumentError) as error:
            Document.parse(f"version: 1\nname: x\nretention: {text}\n".encode(), "policy.yaml").validate(
                Policy
            )
        assert any(
            str(one).startswith("policy.yaml:3: retention") and words in str(one)
            for one in error.value.faults
        )

    def test_observations_do_not_outlast_their_runs(self) -> None:
        with pytest.raises(ValidationError):
            Retention(runs_days=1)
