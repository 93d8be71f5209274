"""What reading a picture gives: digits, and the reading they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


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
        """What the most probable class is called: the digit as text."""
        return self.class_names[self.digit]

    @property
    def belief(self) -> float:
        """How much there is to be said for it, 0 to 1: that it is a digit, and this one."""
        return self.probability * self.digitness

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
class Reading:
    """All digits of one picture.

    Attributes:
        text: what a person would type; lines are parted by line breaks, numbers by blanks. Empty if there is none.
        digits: in reading order.
        source: what the picture is called.
    """

    text: str
    digits: tuple[Digit, ...]
    source: str

    def as_json(self) -> dict[str, Any]:
        """The object that `mnistry read --json` shows."""
        digits = [digit.as_json() for digit in self.digits]
        return {"source": self.source, "text": self.text, "digits": digits, "error": None}
