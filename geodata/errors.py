"""What goes wrong with data."""

from __future__ import annotations


class GeodataError(Exception):
    """Data that cannot be used; the message names the file and the field. ``code`` is short, for counting."""

    def __init__(self, message: str, code: str = "geodata") -> None:
        super().__init__(message)
        self.code = code
