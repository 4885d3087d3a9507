"""A store is named by a path or a URL, and nothing that is said of it repeats a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.store import StoreError
from scanner.store.place import Place


class TestPaths:
    """A path is a file of SQLite, or a directory that has one."""

    def test_a_file(self, tmp_path: Path) -> None:
        assert Place.parse(str(tmp_path / "a.db")).path == tmp_path / "a.db"

    def test_a_directory(self, tmp_path: Path) -> None:
        assert Place.parse(str(tmp_path)).path == tmp_path / "sarhad.db"

    def test_a_url_of_sqlite(self, tmp_path: Path) -> None:
        assert Place.parse(f"sqlite:///{tmp_path}/a%20b.db").path == tmp_path / "a b.db"

    def test_of_the_user_s_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/someone")
        assert Place.parse("~/a.db").path == Path("/home/someone/a.db")


class TestUrls:
    """A URL is PostgreSQL's; others are refused."""

    def test_what_is_shown_holds_no_secret(self) -> None:
        place = Place.parse(
            "postgres://keeper:s3cret@db.example:5433/sarhad?sslpassword=0ther&sslmode=require"
        )
        assert place.name == "postgresql://keeper@db.example:5433/sarhad"
        assert place.url is not None
        assert place.url.password == "s3cret"  # noqa: S105  made up
        assert place.url.query["sslmode"] == "require"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "\0",
            "mysql://u:s3cret@h/d",
            "sqlite://",
            "sqlite:///:memory:",
            "postgresql://u:s3cret@h:port/d",
        ],
    )
    def test_what_is_neither_is_refused_without_repeating_it(self, text: str) -> None:
        with pytest.raises(StoreError, match="a path, or postgresql://USER@HOST/DATABASE") as error:
            Place.parse(text)
        assert "s3cret" not in str(error.value)

    @given(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    )
    def test_no_secret_is_ever_repeated(self, before: str, after: str) -> None:
        try:
            said = Place.parse(f"postgresql://{before}:s3cret@{after}").name
        except StoreError as error:
            said = str(error)
        # Whoever writes it where a user, host or database belongs has not said that it is one.
        assert "s3cret" not in said or "@" in before + after or "/" in before
