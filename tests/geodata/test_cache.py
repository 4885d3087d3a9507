from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING

import pytest

from geodata.cache import Cache
from geodata.errors import GeodataError

if TYPE_CHECKING:
    from pathlib import Path


def _cache(directory: Path, *, max_files: int = 8, max_octets: int = 4096, each: int = 512) -> Cache:
    return Cache(directory, max_files=max_files, max_octets=max_octets, max_file_octets=each)


def _write(directory: Path, octet: int) -> None:
    cache = _cache(directory, max_files=3, each=1 << 16, max_octets=1 << 20)
    for turn in range(200):
        cache.put("a", bytes([octet]) * (1000 + turn))
        cache.put(f"n{turn % 5}", b"x")
        found = cache.get("a")
        assert found is None or len(set(found)) == 1


class TestCache:
    """What was put is had again, whole, or is not had at all."""

    def test_what_was_put_is_had_again(self, tmp_path: Path) -> None:
        _cache(tmp_path / "new" / "one").put("a", b"octets")
        assert _cache(tmp_path / "new" / "one").get("a") == b"octets"
        assert _cache(tmp_path / "new" / "one").get("b") is None
        assert (tmp_path / "new" / "one").stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("cut", [0, 1, 31, 32, 37])
    def test_a_file_that_was_cut_is_none(self, tmp_path: Path, cut: int) -> None:
        cache = _cache(tmp_path)
        cache.put("a", b"octets")
        with (tmp_path / "a").open("rb+") as stream:
            stream.truncate(cut)
        assert cache.get("a") is None
        cache.put("a", b"again")
        assert cache.get("a") == b"again"

    def test_a_file_of_which_one_bit_changed_is_none(self, tmp_path: Path) -> None:
        cache = _cache(tmp_path)
        cache.put("a", b"PK")
        octets = bytearray((tmp_path / "a").read_bytes())
        octets[-1] ^= 1
        (tmp_path / "a").write_bytes(octets)
        assert cache.get("a") is None

    def test_what_is_no_plain_file_is_none(self, tmp_path: Path) -> None:
        cache = _cache(tmp_path)
        cache.put("a", b"octets")
        (tmp_path / "link").symlink_to(tmp_path / "a")
        (tmp_path / "folder").mkdir()
        os.mkfifo(tmp_path / "pipe")
        assert [cache.get(name) for name in ("link", "folder", "pipe")] == [None, None, None]

    def test_a_large_file_is_neither_kept_nor_read(self, tmp_path: Path) -> None:
        cache = _cache(tmp_path, each=512)
        cache.put("a", b"x" * 513)
        assert not list(tmp_path.iterdir())
        _cache(tmp_path, each=1024).put("a", b"x" * 513)
        assert cache.get("a") is None

    def test_the_oldest_go_first_when_there_are_too_many(self, tmp_path: Path) -> None:
        cache = _cache(tmp_path, max_files=3)
        for age, name in enumerate("abcd"):
            cache.put(name, name.encode())
            os.utime(tmp_path / name, (1000 + age, 1000 + age))
        cache.put("e", b"e")
        assert sorted(each.name for each in tmp_path.iterdir()) == ["c", "d", "e"]

    def test_the_oldest_go_first_when_they_are_too_large(self, tmp_path: Path) -> None:
        cache = _cache(tmp_path, max_octets=1000, each=512)
        for age, name in enumerate("abc"):
            cache.put(name, b"x" * 400)
            os.utime(tmp_path / name, (1000 + age, 1000 + age))
        assert sorted(each.name for each in tmp_path.iterdir()) == ["b", "c"]

    def test_what_a_killed_process_left_goes(self, tmp_path: Path) -> None:
        for name, age in ((".writing-old", 7200), (".writing-new", 5)):
            (tmp_path / name).write_bytes(b"half")
            os.utime(tmp_path / name, (time.time() - age,) * 2)
        _cache(tmp_path).put("a", b"x")
        assert sorted(each.name for each in tmp_path.iterdir()) == [".writing-new", "a"]

    @pytest.mark.parametrize("name", ["", "..", "../a", "a/b", ".writing-x", "A", "a\n", "a" * 101])
    def test_a_name_cannot_lead_elsewhere(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match="is no name"):
            _cache(tmp_path).get(name)

    def test_where_nothing_can_be_written_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(GeodataError, match="nothing can be kept there") as caught:
            _cache(tmp_path / "file").put("a", b"x")
        assert caught.value.code == "disk"
        assert _cache(tmp_path / "file").get("a") is None

    def test_two_processes_never_see_half_of_what_the_other_writes(self, tmp_path: Path) -> None:
        context = multiprocessing.get_context("spawn")
        processes = [context.Process(target=_write, args=(tmp_path, octet)) for octet in (1, 2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]
        assert len(list(tmp_path.iterdir())) <= 3
