"""Exit statuses; others script against them."""

from __future__ import annotations

from typing import Final

CLEAN: Final = 0
VIOLATION: Final = 1
CONFIGURATION: Final = 2
INCOMPLETE: Final = 3
INTERNAL: Final = 4
INTERRUPTED: Final = 130
