"""Numbers and pictures as plain text, aligned for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass

SHADES = " ░▒▓█"
GRID_COLUMNS = 5
WIDEST = 150  # characters of a table of classes; wider ones stand on their side


def counted(n: int, thing: str) -> str:
    """A number and what it counts.

    >>> counted(1, "error"), counted(1875, "step")
    ('1 error', '1,875 steps')
    """
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def picture(pixels: np.ndarray) -> str:
    """An image in shades, two characters a pixel so that it is not squeezed.

    Args:
        pixels: uint8 (height, width).
    """
    levels = (pixels.astype(int) * len(SHADES)) // 256
    return "\n".join("".join(SHADES[level] * 2 for level in row).rstrip() for row in levels)


def probability_table(rows: Sequence[tuple[str, np.ndarray]], class_names: Sequence[str]) -> str:
    """Probabilities in percent, a column a class."""
    side = max(len(name) for name, _ in rows)
    width = max(6, *(len(name) for name in class_names))
    head = " " * side + "  " + " ".join(f"{name:>{width}}" for name in class_names)
    lines = (f"{name:<{side}}  " + " ".join(f"{value:>{width}.1%}" for value in values) for name, values in rows)
    return "\n".join([head, *lines])
