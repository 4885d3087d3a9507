"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# No deadlines: time is for benchmarks. In CI the examples are the same every time, so that what lands does
# not hang on chance; elsewhere they are new with every run, so that chance finds something.
settings.register_profile("sarhad", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("sarhad")
