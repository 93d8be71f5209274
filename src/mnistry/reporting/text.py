"""Numbers and pictures as plain text, aligned for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mnistry.reporting.language import count_columns, pad

if TYPE_CHECKING:
    import numpy as np

SHADES = " ░▒▓█"
LINE = 80  # characters, as wide as most terminals
WIDEST = LINE  # characters of a table of classes; wider ones are turned on their side


def format_count(n: int, thing: str) -> str:
    """A number with its unit, in the singular or plural.

    >>> format_count(1, "error"), format_count(1875, "step")
    ('1 error', '1,875 steps')
    """
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def format_table(rows: Sequence[Sequence[str]], *, left: Collection[int] = ()) -> str:
    """Align cells in columns, two spaces apart; wide characters count twice.

    Args:
        rows: of equally many cells, the head first.
        left: the columns that begin, instead of end, at one place.

    >>> print(format_table([["label", "n"], ["a", "1,200"], ["bc", "7"]], left={0}))
    label      n
    a      1,200
    bc         7
    """
    widths = [max(map(count_columns, column)) for column in zip(*rows, strict=True)]
    aligned = ([pad(cell, widths[i], right=i not in left) for i, cell in enumerate(row)] for row in rows)
    return "\n".join("  ".join(cells).rstrip() for cells in aligned)


def format_entry(name: str, text: str, side: int) -> str:
    """Write a name and what there is to say, which goes on below itself where it is longer than a line.

    >>> print(format_entry("licence", "CC BY 4.0 " + "(the authors) " * 5, 9))
    licence  CC BY 4.0 (the authors) (the authors) (the authors) (the authors) (the
             authors)
    """
    return textwrap.fill(
        f"{name:<{side}}{text}", LINE, subsequent_indent=" " * side, break_long_words=False, break_on_hyphens=False
    )


def render_picture(pixels: np.ndarray) -> str:
    """An image, uint8 (height, width), in shades, two characters a pixel so that it is not squeezed."""
    levels = (pixels.astype(int) * len(SHADES)) // 256
    return "\n".join("".join(SHADES[level] * 2 for level in row).rstrip() for row in levels)
