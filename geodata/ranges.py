"""Ranges of whole numbers, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Indices = npt.NDArray[np.intp]


def spread(first: Indices, size: Indices) -> tuple[Indices, Indices]:
    """All numbers of ranges of ``size`` numbers from ``first``, each after the range that it is of."""
    owner = np.repeat(np.arange(len(size)), size)
    return owner, np.arange(len(owner)) + (first - np.cumsum(size) + size).take(owner)
