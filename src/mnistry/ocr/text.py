"""Readings as text for a terminal: the text, the images that the network saw, and its best answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mnistry.ocr.result import Digit, Reading

SHADES = " ░▒▓█"
BETWEEN = "  "  # two images beside each other
TOP = 3


def lines(reading: Reading, *, named: bool, unsure: Callable[[str], str] = str) -> str:
    """Write the text of a picture.

    Args:
        reading: of the picture.
        named: whether each line begins with the picture's name.
        unsure: marks the name of a digit that is not sure.
    """
    parts, at = [], 0
    for digit in reading.digits:
        start = reading.text.index(digit.name, at)
        parts += [reading.text[at:start], digit.name if digit.sure else unsure(digit.name)]
        at = start + len(digit.name)
    text = "".join([*parts, reading.text[at:]])
    return "\n".join(f"{reading.source}: {line}" if named else line for line in text.split("\n"))


def table(reading: Reading) -> list[list[str]]:
    """The numbers of a reading in rows and columns, for a spreadsheet.

    Numbers below each other make a column, and a cell without a number is empty. Where numbers of one line would share
    a column, each row has its numbers one after the other.
    """
    rows: list[list[tuple[int, int, str]]] = []  # left, right, number
    digits = iter(reading.digits)
    for line in reading.text.split("\n") if reading.digits else []:
        row = []
        for number in line.split(" "):
            boxes = [next(digits).box for _ in number]
            row.append((boxes[0][0], boxes[-1][0] + boxes[-1][2], number))
        rows.append(row)
    columns: list[list[int]] = []  # left, right
    for left, right, _ in sorted(cell for row in rows for cell in row):
        if columns and left < columns[-1][1]:
            columns[-1][1] = max(columns[-1][1], right)
        else:
            columns.append([left, right])
    places = [[next(i for i, c in enumerate(columns) if c[0] <= left < c[1]) for left, _, _ in row] for row in rows]
    if any(len(set(row)) < len(row) for row in places):
        return [[number for _, _, number in row] for row in rows]
    cells = [[""] * len(columns) for _ in rows]
    for row, where, filled in zip(rows, places, cells, strict=True):
        for (_, _, number), column in zip(row, where, strict=True):
            filled[column] = number
    return cells


def seen(digits: Sequence[Digit], width: int) -> str:
    """Draw each digit as the network saw it, with its three best answers below, as many beside each other as fit.

    Args:
        digits: in reading order.
        width: of the terminal, in characters.
    """
    blocks = [[*image(digit.image), *_answers(digit)] for digit in digits]
    across = max(1, (width + len(BETWEEN)) // (28 + len(BETWEEN)))
    rows = [blocks[start : start + across] for start in range(0, len(blocks), across)]
    return "\n\n".join(
        "\n".join(BETWEEN.join(line.ljust(28) for line in parts).rstrip() for parts in zip_longest(*row, fillvalue=""))
        for row in rows
    )


def image(pixels: np.ndarray) -> list[str]:
    """An image, uint8 (28, 28), as 14 lines of 28 characters: a character is as high as two are wide.

    >>> image(np.full((28, 28), 255, np.uint8))[0]
    '████████████████████████████'
    """
    halved = pixels.reshape(14, 2, 28).mean(axis=1)
    levels = np.rint(halved / 255 * (len(SHADES) - 1)).astype(np.int64)
    return ["".join(SHADES[level] for level in row) for row in levels]


def _answers(digit: Digit) -> list[str]:
    best = np.argsort(-digit.probabilities, kind="stable")[:TOP]
    answers = "  ".join(f"{digit.class_names[i]} {digit.probabilities[i]:.0%}" for i in best)
    return [answers] if digit.sure else [answers, "not sure"]
