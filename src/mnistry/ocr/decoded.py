"""The results of decoding a line: digits, and marks that are not read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mnistry.ocr.result import Digit

Box = tuple[int, int, int, int]


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
