"""What holds for all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

# No deadlines: time is for benchmarks. In CI the examples are the same every time, so that what lands does
# not hang on chance; elsewhere they are new with every run, so that chance finds something.
settings.register_profile("sarhad", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("sarhad")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell leaves what it runs in the background, and what that starts; tests send it to programs.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the tests that run side by side, two groups are each run one by one, by one process.

    Whole scans share one demo; what else needs network namespaces looks at what the whole machine has.
    """
    for item in items:
        for name in ("e2e", "net"):
            if item.get_closest_marker(name):
                item.add_marker(pytest.mark.xdist_group(name))
                break


def pytest_make_parametrize_id(val: object) -> str | None:
    """Octets go by their number: some hold chance or the time, and each process must name a test alike."""
    return f"{len(val)} octets" if isinstance(val, bytes) else None
