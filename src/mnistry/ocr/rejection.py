"""Which of the digits found in a picture are plausible, seen together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnistry.ocr.result import Digit
from mnistry.ocr.segmentation import PageLayout

LENIENT = 0.4  # of the model's threshold: the digit-ness that is enough between digits
LEAST_BELIEF = 0.25  # of the digits of a line on average
LONE_HEIGHTS = 0.5, 1.7  # of the other digits' height: a line of one digit must be like them
REMNANT = 0.2  # of the line's height: a smaller piece passed over takes nothing from its digit
CUT_BELIEF = 0.95  # that a digit needs to be sure when it was cut off its neighbour
MAJORITY = 0.5  # of the ink that may be writing: with less of it read as digits, none is sure


@dataclass(frozen=True, eq=False)
class DecodedDigit:
    """A digit, and the numbers of its first piece and of the piece after its last."""

    digit: Digit
    start: int
    stop: int


def reject_implausible(
    writing: PageLayout, lines: Sequence[Sequence[DecodedDigit]], threshold: float
) -> list[list[Digit]]:
    """The digits of each line that are to be told, with doubts about those that are not to be relied on.

    Args:
        writing: where they were found.
        lines: what was taken for digits.
        threshold: the digit-ness from which the model takes an image for a digit.
    """
    kept = _plausible(lines, threshold)
    doubtful = _torn(writing, kept)
    if _ink(writing, kept) < MAJORITY * writing.ink:
        doubtful = set(range(_pieces(writing)))
    return [[_doubted(each, doubtful) for each in line] for line in kept]


def _plausible(lines: Sequence[Sequence[DecodedDigit]], threshold: float) -> list[list[DecodedDigit]]:
    """Leave out what is no digit: by its digit-ness, less strictly among digits, more so where one stands alone."""
    kept = []
    for line in lines:
        certain = sum(each.digit.digitness >= threshold for each in line)
        least = threshold * (LENIENT if certain >= 2 else 1)
        digits = [each for each in line if each.digit.digitness >= least]
        if digits and np.mean([each.digit.score for each in digits]) >= LEAST_BELIEF:
            kept.append(digits)
    heights = [each.digit.box[3] for line in kept if len(line) > 1 for each in line]
    if heights:
        low, high = (factor * float(np.median(heights)) for factor in LONE_HEIGHTS)
        kept = [line for line in kept if len(line) > 1 or all(_stands_alone(each, low, high) for each in line)]
    return [line for line in kept if line]


def _stands_alone(taken: DecodedDigit, low: float, high: float) -> bool:
    return taken.digit.sure and low <= taken.digit.box[3] <= high


def _torn(writing: PageLayout, lines: Sequence[Sequence[DecodedDigit]]) -> set[int]:
    """The pieces of components that are not made of sure digits altogether."""
    parts = np.concatenate([line.parts for line in writing.lines]) if writing.lines else np.zeros(0, np.int64)
    sizes = [
        np.maximum(*(line.boxes[:, i + 2] - line.boxes[:, i] for i in (0, 1))) / line.height for line in writing.lines
    ]
    open_pieces = np.concatenate(sizes) > REMNANT if sizes else np.zeros(0, bool)
    for line in lines:
        for each in line:
            sure = each.digit.sure and (each.digit.score >= CUT_BELIEF or not _is_cut(parts, each))
            open_pieces[each.start : each.stop] = not sure
    torn = np.unique(parts[open_pieces])
    return set(np.flatnonzero(np.isin(parts, torn)).tolist())


def _is_cut(parts: np.ndarray, taken: DecodedDigit) -> bool:
    """Tell whether a component goes on beyond the digit; `parts` is int64 (n,), the component of each piece."""
    beyond = np.concatenate([parts[: taken.start], parts[taken.stop :]])
    return bool(np.isin(parts[taken.start : taken.stop], beyond).any())


def _pieces(writing: PageLayout) -> int:
    return sum(len(line) for line in writing.lines)


def _ink(writing: PageLayout, lines: Sequence[Sequence[DecodedDigit]]) -> int:
    """The pixels of ink that were read as digits."""
    taken = np.zeros(_pieces(writing) + 1, bool)  # the last one is for pixels of no piece
    for line in lines:
        for each in line:
            taken[each.start : each.stop] = True
    return int(np.count_nonzero(taken[writing.pieces]))


def _doubted(taken: DecodedDigit, doubtful: set[int]) -> Digit:
    digit = taken.digit
    return replace(digit, sure=digit.sure and doubtful.isdisjoint(range(taken.start, taken.stop)))
