"""While streams are under way cycles are looked for seldom; afterwards as before."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from probes.engine.garbage import seldom_collected

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def thresholds() -> Iterator[None]:
    """Whatever is done here does not outlive it."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


class TestSeldomCollected:
    """The process's thresholds are the streams' while there are any, and then again the process's."""

    def test_is_over_when_the_last_stream_is(self) -> None:
        """Streams end in any order."""
        gc.set_threshold(700, 10, 10)
        first, second = seldom_collected(), seldom_collected()
        first.__enter__()
        second.__enter__()
        assert gc.get_threshold() == (50_000, 10, 10)
        first.__exit__(None, None, None)
        assert gc.get_threshold() == (50_000, 10, 10)
        second.__exit__(None, None, None)
        assert gc.get_threshold() == (700, 10, 10)

    @pytest.mark.parametrize("first", [0, 100_000])
    def test_leaves_alone_who_wants_none_or_fewer(self, first: int) -> None:
        gc.set_threshold(first, 10, 10)
        with seldom_collected():
            assert gc.get_threshold() == (first, 10, 10)
        assert gc.get_threshold() == (first, 10, 10)
