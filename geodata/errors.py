"""What goes wrong with data."""

from __future__ import annotations


class GeodataError(Exception):
    """Data cannot be used; the message names the file, the field and what was wrong."""
