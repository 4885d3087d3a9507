from __future__ import annotations

import fcntl
import ipaddress
import multiprocessing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geodata.errors import GeodataError
from geodata.sources.budget import LIMITS, MAX_HOLD_S, Budget, registry_of

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier
    from pathlib import Path


class Clock:
    """A time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def _takes(directory: Path, queue: Queue[list[float]], start: Barrier) -> None:
    budget = Budget(directory, Clock())
    start.wait(60)
    queue.put([round(budget.take("arin", 1e6)) for _ in range(100)])


class TestRegistryOf:
    """IANA's tables say whose an address is."""

    @pytest.mark.parametrize(
        ("address", "registry"),
        [
            ("39.32.0.1", "apnic"),
            ("154.192.0.1", "afrinic"),  # Nayatel's, leased
            ("8.8.8.8", "arin"),  # legacy, administered by ARIN
            ("200.1.1.1", "lacnic"),
            ("193.0.6.139", "ripencc"),
            ("2001:df0::1", "apnic"),
            ("2c0f::1", "afrinic"),
            ("2600::1", "arin"),
            ("2800::1", "lacnic"),
            ("2a00::1", "ripencc"),
            ("4000::1", None),  # not given to anybody
            ("240.0.0.1", None),
        ],
    )
    def test_an_address(self, address: str, registry: str | None) -> None:
        assert registry_of(ipaddress.ip_address(address)) == registry


class TestBudget:
    """A burst at once, then one question an interval; what a registry asks for comes first."""

    def test_a_burst_and_then_one_by_one(self) -> None:
        clock = Clock()
        budget = Budget(clock=clock)
        assert [budget.take("lacnic", 60) for _ in range(6)] == [0, 0, 0, 0, 10, 20]
        clock.now += 60
        assert [budget.take("lacnic", 60) for _ in range(6)] == [0, 0, 0, 0, 10, 20]

    def test_registries_do_not_wait_for_each_other(self) -> None:
        budget = Budget(clock=Clock())
        for _ in range(4):
            budget.take("lacnic", 0)
        with pytest.raises(GeodataError, match="asked again in 10 s") as caught:
            budget.take("lacnic", 9.9)
        assert caught.value.code == "rate-limited"
        assert budget.take("apnic", 0) == 0

    def test_a_turn_that_comes_too_late_is_not_taken(self) -> None:
        budget = Budget(clock=Clock())
        for _ in range(4):
            budget.take("lacnic", 0)
        for _ in range(3):
            with pytest.raises(GeodataError):
                budget.take("lacnic", 5)
        assert budget.take("lacnic", 10) == 10

    @given(st.lists(st.floats(0, 30), max_size=60))
    def test_lacnic_is_never_asked_more_than_ten_times_a_minute(self, pauses: list[float]) -> None:
        clock = Clock()
        budget, asked = Budget(clock=clock), []
        for pause in pauses:
            clock.now += pause
            asked.append(clock.now + budget.take("lacnic", 1e6))
        for first, eleventh in zip(asked, asked[10:], strict=False):
            assert eleventh - first > 59.99

    def test_a_hold_is_kept(self) -> None:
        clock = Clock()
        budget = Budget(clock=clock)
        budget.hold("ripencc", 120)
        with pytest.raises(GeodataError, match="asked again in 120 s"):
            budget.take("ripencc", 119)
        clock.now += 120
        assert budget.take("ripencc", 0) == 0
        with pytest.raises(GeodataError):  # one by one, not a burst
            budget.take("ripencc", 0)

    def test_a_hold_has_a_bound_and_does_not_shorten_another(self) -> None:
        clock = Clock()
        budget = Budget(clock=clock)
        budget.hold("arin", 1e12)
        budget.hold("arin", 1)
        with pytest.raises(GeodataError, match="asked again in 3600 s"):
            budget.take("arin", 0)
        clock.now += MAX_HOLD_S
        assert budget.take("arin", 0) == 0

    def test_a_question_without_a_turn_is_charged(self) -> None:
        budget = Budget(clock=Clock())
        for _ in range(4):
            budget.charge("lacnic")
        assert budget.take("lacnic", 60) == 10

    @pytest.mark.parametrize(
        "octets", [b"", b"nan", b"inf", b"\xff\xfe", b"9" * 100, b"1e999", b"-inf", b"x"]
    )
    def test_a_file_with_nonsense_is_a_full_budget(self, tmp_path: Path, octets: bytes) -> None:
        (tmp_path / "lacnic").write_bytes(octets)
        budget = Budget(tmp_path, Clock())
        assert [budget.take("lacnic", 60) for _ in range(5)] == [0, 0, 0, 0, 10]

    def test_a_clock_that_was_set_back_does_not_stop_us(self, tmp_path: Path) -> None:
        clock = Clock()
        Budget(tmp_path, clock).take("lacnic", 0)
        clock.now -= 86_400
        assert Budget(tmp_path, clock).take("lacnic", 0) == 0

    def test_processes_share_a_directory(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        queue: Queue[list[float]] = context.Queue()
        start = context.Barrier(2)
        processes = [context.Process(target=_takes, args=(tmp_path, queue, start)) for _ in range(2)]
        for process in processes:
            process.start()
        waits = sorted([*queue.get(timeout=60), *queue.get(timeout=60)])
        for process in processes:
            process.join(60)
        burst, interval_s = LIMITS["arin"]
        assert waits == [max(0, turn - burst + 1) * interval_s for turn in range(200)]

    def test_a_lock_that_is_not_let_go_of_leaves_the_own_count(self, tmp_path: Path) -> None:
        with (tmp_path / "lacnic").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            budget = Budget(tmp_path, Clock())
            assert [budget.take("lacnic", 60) for _ in range(5)] == [0, 0, 0, 0, 10]
        assert not (tmp_path / "lacnic").read_bytes()

    def test_a_directory_that_cannot_be_written_leaves_the_own_count(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        budget = Budget(tmp_path / "file", Clock())
        assert [budget.take("lacnic", 60) for _ in range(5)] == [0, 0, 0, 0, 10]
