"""Readings as text: the blanks between numbers, and lines, tables and images for a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mnistry.ocr.result import DecodedDigit, Digit, Reading

SHADES = " ░▒▓█"
BETWEEN = "  "  # two images beside each other
TOP = 3

WIDE = 0.8  # heights of the line's digits: a narrower gap is none between numbers
MANY, NARROW = 8, 0.45  # gaps on a page: a narrower one may then part numbers
WIDEST = 2.0  # heights: a wider gap always parts numbers
USUAL = 2.2  # times the usual gap, where all gaps are alike
APART = 3.2  # times as wide as the narrow gaps of the page are its wide ones, where it has both
NARROWEST = 0.06  # heights: narrower gaps count alike
CELL = 1.2  # heights: the median gap of a table whose cells have one digit each; of a comb it is less
LINES, LINES_OF_ALL = 2, 0.6  # lines in which numbers begin at one place, for a column; of all others
OFF = 0.3  # heights: by how much these places differ
LEAST, WIDER = 0.24, 1.3  # heights; times the usual narrow gap: a gap at the edge of a column parts numbers
ALONGSIDE = 0.4  # of a digit's height: so much of it a border runs along


def line_texts(lines: Sequence[Sequence[DecodedDigit]], borders: np.ndarray) -> list[str]:
    """The text of each line.

    Args:
        lines: the digits of each line, from left to right.
        borders: float (n, 4), the nearly upright lines of the page: column and row of the upper and the lower end.
    """
    gaps = [_gaps(line) for line in lines]
    parted = [[_is_parted(left, right, borders) for left, right in pairwise(line)] for line in lines]
    wide = _wide(np.array([gap for line in gaps for gap in line]))
    table = _is_table(lines, gaps, parted)
    columns = _columns(lines, gaps, wide)
    texts = []
    for line, between, border in zip(lines, gaps, parted, strict=True):
        blanks = [gap > wide or (table and bar) for gap, bar in zip(between, border, strict=True)]
        blanks = _aligned(line, between, blanks, columns)
        texts.append("".join(" " * blank + each.digit.name for blank, each in zip([False, *blanks], line, strict=True)))
    return texts


@dataclass(frozen=True, eq=False)
class _Columns:
    """The columns in which the numbers of a page begin.

    Attributes:
        starts: int (n, 2), the column of pixels where each number begins that has a blank before it, and its line.
        usual: the median of the narrow gaps, in heights.
        lines: how many lines there are.
    """

    starts: np.ndarray
    usual: float
    lines: int


def _columns(lines: Sequence[Sequence[DecodedDigit]], gaps: Sequence[Sequence[float]], wide: float) -> _Columns:
    starts = []
    narrow = [gap for line in gaps for gap in line if gap <= wide]
    for number, (line, between) in enumerate(zip(lines, gaps, strict=True)):
        starts += [(right.box[0], number) for right, gap in zip(line[1:], between, strict=True) if gap > wide]
    usual = float(median(narrow)) if narrow else 0.0
    return _Columns(np.array(starts).reshape(-1, 2), usual, len(lines))


def _aligned(
    line: Sequence[DecodedDigit], gaps: Sequence[float], blanks: Sequence[bool], columns: _Columns
) -> list[bool]:
    """The blanks of a line, those counted in where a column of the page begins or ends at a gap that is not narrow."""
    height = float(median(each.height for each in line))
    enough = max(LINES, math.ceil(LINES_OF_ALL * (columns.lines - 1)))
    found = []
    for right, gap, blank in zip(line[1:], gaps, blanks, strict=True):
        beside = columns.starts[np.abs(columns.starts[:, 0] - right.box[0]) <= OFF * height, 1]
        found.append(blank or (gap >= max(LEAST, WIDER * columns.usual) and len(np.unique(beside)) >= enough))
    return found


def _gaps(line: Sequence[DecodedDigit]) -> list[float]:
    """The paper between neighbours, in heights of the line's digits."""
    height = float(median(each.height for each in line))
    return [(right.box[0] - left.box[2]) / height for left, right in pairwise(line)]


def _wide(gaps: np.ndarray) -> float:
    """The width from which a gap parts numbers: between the narrow and the wide gaps of the page, if it has both."""
    if len(gaps) < 2:
        return WIDE
    ordered = np.sort(np.maximum(gaps, NARROWEST))
    logs = np.log(ordered)
    counts = np.arange(1, len(logs))
    sums = logs.cumsum()
    low, high = sums[:-1] / counts, (sums[-1] - sums[:-1]) / (len(logs) - counts)
    at = int((counts * (len(logs) - counts) * (high - low) ** 2).argmax())  # Otsu's threshold, of logarithms
    if high[at] - low[at] < np.log(APART):
        return min(max(WIDE, USUAL * float(np.median(ordered))), WIDEST)
    between = float(np.sqrt(ordered[at] * ordered[at + 1]))
    return max(between, WIDE if len(gaps) < MANY else NARROW)


def _is_parted(left: DecodedDigit, right: DecodedDigit, borders: np.ndarray) -> bool:
    """Tell whether a line of a form runs between two neighbours."""
    top, bottom = min(left.box[1], right.box[1]), max(left.box[3], right.box[3])
    shared = np.minimum(borders[:, 3], bottom) - np.maximum(borders[:, 1], top)
    x = (borders[:, 0] + borders[:, 2]) / 2
    between = (x > (left.box[0] + left.box[2]) / 2) & (x < (right.box[0] + right.box[2]) / 2)
    return bool((between & (shared >= ALONGSIDE * (bottom - top))).any())


def _is_table(
    lines: Sequence[Sequence[DecodedDigit]], gaps: Sequence[Sequence[float]], parted: Sequence[Sequence[bool]]
) -> bool:
    """Tell whether lines between digits part numbers: some cell has several digits, or the cells are wide."""
    across = [gap for line, bars in zip(gaps, parted, strict=True) for gap, bar in zip(line, bars, strict=True) if bar]
    if not across:
        return False
    within = sum(len(line) - 1 for line in lines) - len(across)
    return within > 0 or float(median(across)) >= CELL


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
