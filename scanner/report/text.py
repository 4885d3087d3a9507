"""Text that came from the network, made safe to show.

Names, headers and certificates are written by whoever is being checked. Terminals obey escape sequences and
right-to-left overrides, so everything that is not plainly printable is shown as an escape of itself.
"""

from __future__ import annotations

import unicodedata

MAX_CHARACTERS = 2000
# Cc, Cf (bidirectional overrides, zero-width characters), Cs, Co, Cn, Zl, Zp.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str, limit: int = MAX_CHARACTERS) -> str:
    """``text`` with every control, format and unassigned character escaped, at most ``limit`` long."""
    if text.isprintable():  # by Python's word, nothing but letters, marks, numbers, signs and the blank
        return _shorten(text, limit)
    return _shorten("".join(_escape(character) for character in text), limit)


def _escape(character: str) -> str:
    if character.isprintable() and unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
