"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal

from hypothesis import settings

# No deadlines: time is for benchmarks. In CI the examples are the same every time, so that what lands does
# not hang on chance; elsewhere they are new with every run, so that chance finds something.
settings.register_profile("sarhad", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("sarhad")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell leaves what it runs in the background, and what that starts; tests send it to programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What was collected lives to the end: a look for garbage after each few tests need not go through it."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Octets go by their number: some hold chance or the time, and each process must name a test alike."""
    return f"{len(val)} octets" if isinstance(val, bytes) else None
