"""The result of reading a picture: its digits, and the text they make; on the way there, those of a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnistry.ocr import notebook

Box = tuple[int, int, int, int]


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
