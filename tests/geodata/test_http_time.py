from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.http_time import freshness_s, moment, retry_after_s

NOW = dt.datetime(2026, 11, 23, 12, 0, 0, tzinfo=dt.UTC)
NOON = "Mon, 23 Nov 2026 12:00:00 GMT"


class TestRetryAfter:
    """A header says for how long, in seconds or as a date (RFC 9110, 10.2.3)."""

    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("120", 120),
            ("Mon, 23 Nov 2026 12:01:00 GMT", 60),
            ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
            (None, None),
            ("", None),
            ("-5", None),
            ("soon", None),
            ("\u0661", None),
            ("9" * 5000, None),
            ("Mon, 23 Nov 99999 12:01:00 GMT", None),
        ],
    )
    def test_values(self, value: str | None, seconds: float | None) -> None:
        assert retry_after_s(value, NOW) == seconds

    @given(st.text(max_size=60))
    def test_any_text(self, value: str) -> None:
        found = retry_after_s(value, NOW)
        assert found is None or found >= 0


class TestFreshness:
    """How long an answer stays fresh (RFC 9111, 4.2.1)."""

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Cache-Control": "max-age=3600"}, 3600),
            ({"Cache-Control": 'public, MAX-AGE="60"', "Expires": NOON}, 60),
            ({"Cache-Control": "s-maxage=9, no-cache", "Expires": "Mon, 23 Nov 2026 13:00:00 GMT"}, 3600),
            ({"Date": "Mon, 23 Nov 2026 12:30:00 GMT", "Expires": "Mon, 23 Nov 2026 13:00:00 GMT"}, 1800),
            ({"Expires": "Mon, 23 Nov 2026 11:00:00 GMT"}, 0),
            ({"Expires": "0"}, None),
            ({"Cache-Control": "max-age=" + "9" * 400}, 999_999_999),
            ({}, None),
        ],
    )
    def test_headers(self, headers: dict[str, str], seconds: float | None) -> None:
        assert freshness_s(headers, NOW) == seconds

    @given(st.dictionaries(st.sampled_from(["Cache-Control", "Expires", "Date"]), st.text(max_size=60)))
    def test_any_headers(self, headers: dict[str, str]) -> None:
        found = freshness_s(headers, NOW)
        assert found is None or found >= 0


class TestMoment:
    """A time in a header, in any of the forms that it may have (RFC 9110, 5.6.7)."""

    @pytest.mark.parametrize("value", [NOON, "Monday, 23-Nov-26 12:00:00 GMT", "Mon Nov 23 12:00:00 2026"])
    def test_forms(self, value: str) -> None:
        assert moment(value) == NOW

    @given(st.text(max_size=80))
    def test_any_text_is_a_time_with_a_zone_or_none(self, value: str) -> None:
        found = moment(value)
        assert found is None or found.tzinfo is not None
