"""The daemon's parts without I/O: schedules, tokens, and the view of several runs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from probes.document import Document
from scanner.daemon.config import Token
from scanner.daemon.schedule import Schedule
from scanner.daemon.tokens import bearer, hash_token, new_token, owner
from scanner.daemon.view import view
from scanner.register import DataClass, Register, parse_register
from tests.scanner.daemon.conftest import ENDPOINT, OTHER, register
from tests.scanner.store.runs import result, run

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


class TestSchedule:
    """Cron expressions in UTC, all late by the same chance."""

    def test_what_was_missed_is_due_once(self) -> None:
        schedule = Schedule(
            {"secret": "0 * * * *", "open": "0 0 * * *"},
            {"secret": NOON - timedelta(days=3), "open": NOON},
            NOON,
        )
        assert schedule.due(NOON) == ("secret",)
        schedule.begun(["secret"], NOON)
        assert schedule.due(NOON) == ()
        assert schedule.wait_s(NOON) == 3600

    def test_what_was_never_scanned_is_due(self) -> None:
        assert Schedule({"open": "0 0 1 1 *"}, {}, NOON).due(NOON) == ("open",)

    @given(st.floats(0, 3600))
    def test_classes_of_one_minute_stay_one_scan(self, jitter_s: float) -> None:
        last: dict[DataClass, datetime] = {"secret": NOON, "restricted": NOON}
        schedule = Schedule({"secret": "0 * * * *", "restricted": "0 */1 * * *"}, last, NOON, jitter_s)
        wait_s = schedule.wait_s(NOON)
        assert 3600 <= wait_s <= 3600 + jitter_s + 1e-3, "a time has no less than a microsecond"
        assert len(schedule.due(NOON + timedelta(seconds=wait_s + 1e-3))) == 2

    def test_a_clock_that_is_set_back_brings_nothing_early(self) -> None:
        schedule = Schedule({"open": "0 * * * *"}, {"open": NOON}, NOON)
        assert schedule.due(NOON - timedelta(days=1)) == ()


class TestTokens:
    """The configuration's hash tells whose a token is, and not what it is."""

    def test_whose_it_is(self) -> None:
        token = new_token()
        known = [Token(name="a", hash=hash_token(new_token())), Token(name="b", hash=hash_token(token))]
        assert owner(token, known) == "b"
        assert owner(new_token(), known) is None
        assert token not in known[1].hash
        assert hash_token(token) != hash_token(token), "each has a salt of its own"

    @given(st.text())
    def test_no_header_is_an_error(self, header: str) -> None:
        bearer(header)
        assert bearer("Bearer " + header) is None or header.strip().isascii()

    def test_what_is_sent(self) -> None:
        token = new_token()
        assert bearer(f"Bearer {token}") == bearer(f"bearer  {token} ") == token
        assert bearer(None) is None


class TestView:
    """The newest verdict of each registered endpoint, whichever run it is of."""

    @pytest.fixture
    def registered(self) -> Register:
        document = Document.parse(yaml.safe_dump(register()).encode(), "register.yaml")
        return parse_register(document, date(2026, 11, 1))

    def test_before_the_first_run(self, registered: Register) -> None:
        assert view(registered, {}) is None

    def test_of_two_runs(self, registered: Register) -> None:
        def of(endpoint: str, location: str, data_class: str) -> object:
            return msgspec.structs.replace(result(endpoint, location=location), data_class=data_class)

        old = run(1, of(ENDPOINT, "inside", "restricted"), of(OTHER, "inside", "open"))  # type: ignore[arg-type]
        new = run(2, of(OTHER, "outside", "open"), of("indus/web/gone", "inside", "open"))  # type: ignore[arg-type]
        found = view(registered, {"open": new, "restricted": old})
        assert found is not None
        assert [(one.endpoint, one.verdict.location) for one in found.endpoints] == [
            (ENDPOINT, "inside"),
            (OTHER, "outside"),
        ]
        assert found.id == new.id
        assert [one for one in found.notices if old.id in one]
        assert len(found.observations) == 6
