"""The result of reading a picture: its digits, and the text they make; on the way there, those of a line.

There is a blank between numbers where a gap is wider than the usual ones of the page, or a line of a table runs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from mnistry.ocr import notebook

Box = tuple[int, int, int, int]
"""Left, top, right and bottom; the last two are exclusive."""

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


@dataclass(frozen=True, eq=False)
class Digit:
    """One recognised digit.

    Attributes:
        digit: the number of the most probable class, from 0; see `class_names`.
        probability: its calibrated probability.
        probabilities: float32 (10,), adding up to 1.
        box: (x, y, width, height) in the picture's pixels, upright as its EXIF data say.
        sure: whether it is a digit at all and its probability reaches the model's threshold.
        digitness: 0 to 1: how much it looks like a digit at all.
        image: uint8 (28, 28), what the network saw.
        class_names: what the model calls each class: for digits "0" to "9".

    Notebooks show a digit as its image and its most probable classes.

    >>> from mnistry import read
    >>> read("examples/375.jpg").digits[0]
    Digit('3', sure=True)
    """

    digit: int
    probability: float
    probabilities: np.ndarray
    box: tuple[int, int, int, int]
    sure: bool
    digitness: float
    image: np.ndarray
    class_names: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the most probable class: the digit as text."""
        return self.class_names[self.digit]

    @property
    def score(self) -> float:
        """The probability, 0 to 1, that it is a digit, and this one."""
        return self.probability * self.digitness

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"Digit({self.name!r}, sure={self.sure})"

    def _repr_html_(self) -> str:
        return notebook.strip([self._card()])

    def _card(self) -> str:
        return notebook.card(self.image, self.probabilities, self.class_names, sure=self.sure)

    def as_json(self) -> dict[str, Any]:
        """One of the `digits` that `mnistry read --json` shows."""
        return {
            "digit": self.digit,
            "probability": self.probability,
            "probabilities": self.probabilities.tolist(),
            "box": list(self.box),
            "sure": self.sure,
        }


@dataclass(frozen=True, eq=False)
class DecodedDigit:
    """A digit found in a line.

    Attributes:
        digit: the recognizer's answer.
        start: the number of its first piece.
        stop: the number of the piece after its last.
        box: left, top, right and bottom in the pixels that were segmented.
    """

    digit: Digit
    start: int
    stop: int
    box: Box

    @property
    def height(self) -> int:
        """Rows of its box."""
        return self.box[3] - self.box[1]


@dataclass(frozen=True, eq=False)
class Mark:
    """Something in the picture that is not read.

    Attributes:
        box: left, top, right and bottom in the pixels that were segmented.
        reason: why.
        in_number: whether it is as large as a digit and lies between digits.
    """

    box: Box
    reason: str
    in_number: bool = False


def doubt(taken: DecodedDigit) -> DecodedDigit:
    """The digit, not sure."""
    return replace(taken, digit=replace(taken.digit, sure=False)) if taken.digit.sure else taken


@dataclass(frozen=True)
class Skipped:
    """A mark that was found in the picture and is not part of the text.

    Attributes:
        box: (x, y, width, height) in the picture's pixels, upright as its EXIF data say.
        reason: why it was left out, such as "sign", "letters" or "frame".
        in_number: whether it is as large as a digit and lies between the digits of a line.
    """

    box: tuple[int, int, int, int]
    reason: str
    in_number: bool = False

    def as_json(self) -> dict[str, Any]:
        """One of the `skipped` that `mnistry read --json` shows."""
        return {"box": list(self.box), "reason": self.reason}


@dataclass(frozen=True, eq=False)
class Reading:
    """All digits of one picture.

    Attributes:
        text: what a person would type; lines are parted by line breaks, numbers by blanks. Empty if there is none.
        digits: in reading order.
        source: what the picture is called.
        skipped: the marks that were found and left out, from top to bottom.

    `str(reading)` is its text, `len(reading)` the number of its digits, and a loop goes over the digits. Notebooks show
    each digit as the network sees it.

    >>> from mnistry import read
    >>> reading = read("examples/375.jpg")
    >>> str(reading), len(reading), [digit.name for digit in reading]
    ('375', 3, ['3', '7', '5'])
    """

    text: str
    digits: tuple[Digit, ...]
    source: str
    skipped: tuple[Skipped, ...] = ()

    @property
    def sure(self) -> bool:
        """True if there are digits, each of them is sure, and nothing as large as a digit was left out of a line."""
        digits_sure = bool(self.digits) and all(digit.sure for digit in self.digits)
        return digits_sure and not any(mark.in_number for mark in self.skipped)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Reading({self.text!r}, sure={self.sure})"

    def __len__(self) -> int:
        return len(self.digits)

    def __iter__(self) -> Iterator[Digit]:
        return iter(self.digits)

    def _repr_html_(self) -> str:
        return notebook.strip([digit._card() for digit in self.digits], title=self.text or "no digit found")

    def as_json(self) -> dict[str, Any]:
        """The object that `mnistry read --json` shows."""
        digits = [digit.as_json() for digit in self.digits]
        skipped = [mark.as_json() for mark in self.skipped]
        return {"source": self.source, "text": self.text, "digits": digits, "skipped": skipped, "error": None}


@dataclass(frozen=True, eq=False)
class ReadResult:
    """The result of reading a picture.

    Attributes:
        source: the user's name for it.
        reading: the reading, or None.
        error: one sentence on why nothing was, or None.
    """

    source: str
    reading: Reading | None
    error: str | None

    def as_json(self) -> dict[str, Any]:
        """The object that `mnistry read --json` prints for it."""
        if self.reading is None:
            return {"source": self.source, "text": "", "digits": [], "skipped": [], "error": self.error}
        return self.reading.as_json()


def turn_back(box: Box, turns: int, shape: tuple[int, ...]) -> Box:
    """A box (left, top, right, bottom) in ink of a shape that was turned by quarters, as it was before."""
    height, width = shape
    for _ in range(turns):
        left, top, right, bottom = box
        box = height - bottom, left, height - top, right
        height, width = width, height
    return box


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
