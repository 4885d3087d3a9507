"""What goes wrong with a store."""

from __future__ import annotations


class StoreError(Exception):
    """A store that cannot be used; the message names it and says what to do. ``code`` is short."""

    def __init__(self, message: str, code: str = "store") -> None:
        super().__init__(message)
        self.code = code
