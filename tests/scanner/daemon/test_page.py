"""What the daemon's page says changed since the run before, from runs in a store."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
import yaml
from msgspec.structs import replace

from probes.document import Document
from scanner.daemon.page import Known, Page
from scanner.daemon.view import view
from scanner.register import parse_register
from scanner.store import Store, history
from tests.scanner.daemon.conftest import ENDPOINT, register
from tests.scanner.store.runs import result, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OURS, THEIRS = "a" * 64, "b" * 64


class TestKeys:
    """A key that changed is told of, also where none was seen in the run before, or in several."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        with Store.open(str(tmp_path / "sarhad.db"), create=True) as opened:
            yield opened

    @staticmethod
    def changes(store: Store, *keys: str | None) -> str:
        """That part of the page after runs in which the portal showed such keys, one after the other."""
        for day, key in enumerate(keys):
            found = result(ENDPOINT)
            shown = {} if key is None else {key: ("khi",)}
            addresses = tuple(replace(one, keys=shown) for one in found.verdict.addresses)
            last = run(day, replace(found, verdict=replace(found.verdict, addresses=addresses)))
            store.add(last)
        document = Document.parse(yaml.safe_dump(register()).encode(), "register.yaml")
        registered = parse_register(document, date(2026, 11, 1))
        seen = view(registered, {"restricted": last})
        assert seen is not None
        page = Page.of(Known(seen, registered, {"restricted": last}), store).plain.decode()
        start = page.index('id="changes"')
        return page[start : page.index("</section>", start)]

    def test_since_the_run_before(self, store: Store) -> None:
        found = self.changes(store, OURS, THEIRS)
        assert OURS in found
        assert THEIRS in found

    @pytest.mark.parametrize("gap", [1, 3])
    def test_over_runs_that_saw_none(self, store: Store, gap: int) -> None:
        found = self.changes(store, OURS, *[None] * gap, THEIRS)
        assert OURS in found
        assert THEIRS in found

    def test_is_that_of_the_last_that_saw_one(self, store: Store) -> None:
        assert "Nothing changed." in self.changes(store, THEIRS, OURS, None, OURS)

    def test_of_the_run_before_is_what_it_saw_itself(self, store: Store) -> None:
        assert "Nothing changed." in self.changes(store, THEIRS, OURS, OURS)

    @pytest.mark.parametrize("keys", [(OURS, None), (None, OURS), (OURS, None, OURS), (OURS, OURS)])
    def test_the_same_or_none_is_no_change(self, store: Store, keys: tuple[str | None, ...]) -> None:
        assert "Nothing changed." in self.changes(store, *keys)

    def test_is_not_looked_for_without_end(self, store: Store) -> None:
        assert "Nothing changed." in self.changes(store, OURS, *[None] * history.MOST_SILENT, None, THEIRS)
