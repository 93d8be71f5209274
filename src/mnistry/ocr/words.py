"""Words beside the numbers of a page, told by heights, places and the digits that letters are read as."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import median

import numpy as np

from mnistry.ocr.components import find_components
from mnistry.ocr.number_odds import WORD_GAP, log_odds
from mnistry.ocr.result import Box, DecodedDigit, Mark, doubt
from mnistry.ocr.segmentation import Line

NUMBER, FEW = 0.82, 3  # score of both digits of a number of two; fewer digits beside a word are not sure
STROKE, ARCH = 0.5, 0.85  # of its height: so wide is an upright stroke of a letter; one of three in m or w
LOW_LETTERS, ON_LINE, MOST_ON_LINE = (0.6, 0.82), 0.045, 0.7  # heights by the tallest; by its height; of a word
CAPITAL = 0.9  # of the tallest: the first letter
OTHERWISE, SHARED = 0.15, 0.3  # of the other digits' height: how else an end lies; of its rows: what is beside it
NEARER, NEAREST = 0.5, 0.15  # of the gap to the next digit, and of that height: the gap to the letter it belongs to
UNEVEN, VERY_UNEVEN = 0.2, 0.25  # of the height: by how much the digits of a doubtful number differ, and of none
LEVEL, MANY_DIGITS = 0.1, 4  # the same of the middle half of all others of the page, and how many these are
NAME = 6  # digits, at most, of a word read as a number: more are likelier a badly written number
FEW_WORDS = 1.0  # log odds of a page with few words
LIKELY_NUMBER, SURELY = 4.0, 5.0  # log odds of a number of any heights; of one that tells words beside it
LIKE = 0.87, 1.15  # of the height of the page's numbers: a number's
SMALL_PRINT = 0.65  # of the height of the page's numbers: a word's
FAR, IN_COLUMN = 2.0, 0.6  # heights of the page's numbers: from the next line; the sides of what is in a column
ABOVE = 0.5  # of its width, shared with the digit that it lies above or below
ABOVE_WIDE, ABOVE_HIGH, ABOVE_BROAD = 0.3, 0.25, 1.6  # of the digit's sides: its own
PILED = 0.6  # of the narrower one's width, shared by two digits of which one lies above the other
PARTS = 2  # such digits at the end of a number, at least, that are a syllable
HALF = 0.5  # such digits of a number that is a word
CLOSER, CLOSEST = 0.25, 0.12  # of its height: how close that is, and how close if it is a digit
ROW = 0.9  # of that height, from one row to the next: a syllable's parts are closer
MANY_WORDS = 2  # of a column that is none of numbers
CLEAR = 0.9  # mean score of the digits of a number
# How often letters that pass for digits are read as each, against a tenth: l, I, i, r, t are 1, O, D, a, e are 0.
LETTER_ODDS = {"1": 5.0, "0": 1.3, "2": 1.0, "5": 0.8, "7": 0.5, "8": 0.5, "6": 0.2}
RARE, WORD_ODDS = 0.05, 60.0  # of the others; from these odds on, a number beside words is one of them


@dataclass(frozen=True, eq=False)
class Number:
    """Digits of a line without a gap.

    Attributes:
        digits: from left to right.
    """

    digits: list[DecodedDigit]

    @property
    def height(self) -> float:
        """The median of its digits'."""
        return median(each.height for each in self.digits)

    @property
    def box(self) -> Box:
        """Left, top, right and bottom of all its digits."""
        sides = list(zip(*(each.box for each in self.digits), strict=True))
        return min(sides[0]), min(sides[1]), max(sides[2]), max(sides[3])

    @property
    def clear(self) -> bool:
        """True if it is surely a number."""
        return not self.letters and len(self.digits) >= FEW and self.score >= CLEAR

    @property
    def firm(self) -> bool:
        """True if it is clear, or sure and of digits that letters are rarely read as."""
        return self.clear or (self.sure and self.word_odds < 1)

    @property
    def score(self) -> float:
        """The mean of its digits'."""
        return float(np.mean([each.digit.score for each in self.digits]))

    @property
    def word_odds(self) -> float:
        """The odds that its digits are letters, by the digits that letters are read as."""
        return math.prod(LETTER_ODDS.get(each.digit.name, RARE) for each in self.digits)

    @cached_property
    def odds(self) -> float:
        """The log odds that it is a number, and no word."""
        return log_odds([(each.box, each) for each in self.digits])

    @property
    def _low(self) -> np.ndarray:
        """Its digits as low as low letters: bool (n,)."""
        heights = np.array([each.height for each in self.digits])
        return (heights >= LOW_LETTERS[0] * heights.max()) & (heights <= LOW_LETTERS[1] * heights.max())

    @property
    def small_zeros(self) -> bool:
        """True if zeros are low and nothing else is, as in many a hand."""
        low = {each.digit.name for each, low in zip(self.digits, self._low, strict=True) if low}
        return low == {"0"}

    @property
    def uneven(self) -> float:
        """By how much the heights of its digits differ, as a part of the usual one."""
        heights = [each.height for each in self.digits]
        return float(max(heights) - min(heights)) / self.height

    @property
    def ragged(self) -> bool:
        """True if its digits differ in height, and their bottoms lie off one base line."""
        if self.uneven < UNEVEN:
            return False
        bottoms = np.array([each.box[3] for each in self.digits], np.float64)
        middles = np.array([each.box[0] + each.box[2] for each in self.digits], np.float64)
        if len(bottoms) > 2 and np.ptp(middles) > 0:
            bottoms -= np.polyval(np.polyfit(middles, bottoms, 1), middles)
        return bool(np.ptp(bottoms) >= UNEVEN * self.height)

    def attached(self, boxes: Sequence[Box]) -> list[DecodedDigit]:
        """The digits at its ends that are larger or smaller than the others, and closer to one of these boxes.

        Args:
            boxes: left, top, right and bottom of letters, signs and parts of them.
        """
        found: list[DecodedDigit] = []
        if len(self.digits) < 2:
            return found
        for end, inner, first in ((self.digits[0], self.digits[1], True), (self.digits[-1], self.digits[-2], False)):
            others = [each for each in self.digits if each is not end]
            height = median(each.height for each in others)
            bottom = median(each.box[3] for each in others)
            if max(abs(end.height - height), abs(end.box[3] - bottom)) < OTHERWISE * height:
                continue
            inside = inner.box[0] - end.box[2] if first else end.box[0] - inner.box[2]
            for box in boxes:
                beyond = box[0] < end.box[0] if first else box[2] > end.box[2]
                shared = min(box[3], end.box[3]) - max(box[1], end.box[1])
                outside = end.box[0] - box[2] if first else box[0] - end.box[2]
                if beyond and shared >= SHARED * end.height and outside <= min(NEARER * inside, NEAREST * height):
                    found.append(end)
                    break
        return found

    @property
    def sure(self) -> bool:
        """True if all of its digits are sure, and not as high and low as letters."""
        return not self.letters and all(each.digit.sure for each in self.digits)

    @cached_property
    def letters(self) -> bool:
        """True if they are high and low in the way of letters: on one base line, the low ones all alike."""
        if len(self.digits) < 2:
            return False
        heights = np.array([each.height for each in self.digits])
        bottoms = np.array([each.box[3] for each in self.digits])
        tallest = heights.max()
        on_line = np.abs(bottoms - np.median(bottoms)) <= max(ON_LINE * tallest, 1)
        low = heights[on_line & self._low]
        if heights[0] < CAPITAL * tallest or len(low) < 2 or on_line.mean() < MOST_ON_LINE:
            return False
        return bool(low.max() - low.min() <= max(ON_LINE * tallest, 1.5))


def find_stacked(lines: Sequence[Sequence[DecodedDigit]], pieces: np.ndarray) -> set[int]:
    """Find the digits with other ink close above or below, as the parts of Hangul syllables have it: first pieces.

    Flat strokes, which may underline a digit, do not count; another digit only where it is closer than lines of
    writing are.

    Args:
        lines: the digits of each line.
        pieces: int32 (height, width), the number of the piece at each pixel, -1 where there is none.
    """
    digits = [each for line in lines for each in line]
    parts = find_components(pieces >= 0)
    own: list[np.ndarray] = []
    scores = np.zeros(len(parts))  # of the digits that are whole components
    for each in digits:
        left, top, right, bottom = each.box
        area = slice(top, bottom), slice(left, right)
        inside = (pieces[area] >= each.start) & (pieces[area] < each.stop)
        members, areas = np.unique(parts.labels[area][inside], return_counts=True)
        own.append(members)
        scores[members[areas == parts.areas[members]]] = each.digit.score
    found = set()
    for each, members in zip(digits, own, strict=True):
        left, top, right, bottom = each.box
        shared = np.minimum(parts.right, right) - np.maximum(parts.left, left)
        apart = np.maximum(parts.top - bottom, top - parts.bottom) / each.height
        beside = (shared >= ABOVE * np.minimum(parts.widths, right - left)) & (
            parts.widths >= ABOVE_WIDE * (right - left)
        )
        beside &= parts.widths <= ABOVE_BROAD * max(right - left, each.height)
        beside &= (parts.heights >= ABOVE_HIGH * each.height) & (parts.heights <= each.height / ABOVE_HIGH)
        beside &= (apart >= -CLOSER) & (apart <= np.where(scores >= CLEAR, CLOSEST, CLOSER))
        beside[members] = False
        if beside.any():
            found.add(each.start)
    return found


def drop_labels(
    lines: Sequence[Sequence[Number]], marks: list[Mark], stacked: set[int], prior: float = 0.0
) -> list[list[DecodedDigit]]:
    """The digits of each line without what is more likely a word beside the numbers of the page: No, ID, Class.

    Args:
        lines: the numbers of each line.
        marks: what was left out already; gets the letters.
        stacked: the first pieces of digits with other ink close above or below.
        prior: the log odds that a group of the page is a number.
    """
    clear = [number for line in lines for number in line if number.clear]
    if not clear:
        clear = [number for line in lines for number in line if number.firm and len(number.digits) > 1]
    usual = median(number.height for number in clear) if clear else 0.0
    beside_number = any(len(number.digits) > 1 and number.sure for line in lines for number in line)
    beside_words = any(mark.reason == "letters" for mark in marks)
    kept: list[list[Number]] = []
    for line in lines:
        kept.append([])
        for at, number in enumerate(line):
            share = sum(each.start in stacked for each in number.digits) / len(number.digits)
            short = len(number.digits) < FEW
            ring = short and all(each.digit.name in "01" for each in number.digits)  # I, l, O, D
            small = bool(clear) and number.height <= SMALL_PRINT * usual
            between = 0 < at < len(line) - 1 and number.sure  # a low digit in the middle of a spaced number
            unlike = beside_words and not LIKE[0] * usual <= number.height <= LIKE[1] * usual
            word = number.letters and not number.small_zeros and (beside_words or beside_number)
            word |= beside_words and len(number.digits) > FEW and number.word_odds >= WORD_ODDS
            word |= small and (ring or (short and beside_words and not between))
            word |= ring and bool(clear) and len(line) == 1 and (unlike or _is_apart(number, clear, usual))
            word |= ring and bool(clear) and min(each.digit.score for each in number.digits) < NUMBER
            word |= share >= HALF
            word |= beside_words and unlike and prior < FEW_WORDS and _is_doubtful(number, prior, lines)
            if word:
                marks += [Mark(each.box, "letters") for each in number.digits]
                continue
            uneven = number.uneven >= (UNEVEN if beside_words else VERY_UNEVEN)
            uneven = uneven and (number.ragged or not number.small_zeros) and _others_are_even(number, lines)
            doubtful = number.letters or uneven or (number.ragged and (beside_words or number.word_odds >= 1))
            doubtful = doubtful and number.odds < LIKELY_NUMBER
            own = _without_syllable(number.digits, stacked)
            marks += [Mark(each.box, "letters") for each in number.digits if each not in own]
            digits = [doubt(each) if doubtful or each.start in stacked else each for each in own]
            kept[-1].append(Number(digits))
    words = [mark.box for mark in marks if mark.reason == "letters"]
    firm = [number for line in kept for number in line if number.firm]
    for line in kept:
        if (
            len(line) > 1
            and line[0].odds < LIKELY_NUMBER
            and _is_under_words(line[0], len(line) - 1, firm, words, usual)
        ):
            marks += [Mark(each.box, "letters") for each in line.pop(0).digits]
    return [[each for number in line for each in number.digits] for line in kept if line]


def _is_doubtful(number: Number, prior: float, lines: Sequence[Sequence[Number]]) -> bool:
    """Tell whether a number of few digits is likelier a word, on a page with another that is surely one."""
    others = [other.odds for line in lines for other in line if other is not number]
    return len(number.digits) <= NAME and number.odds + 2 * prior < 0 and max(others, default=0.0) >= SURELY


def _without_syllable(digits: list[DecodedDigit], stacked: set[int]) -> list[DecodedDigit]:
    """The digits of a number without parts of a syllable at its end, such as 원, if all others are sure.

    Such are unsure digits with other ink close above or below, and two that lie above each other.
    """
    piled = set()
    for left, right in pairwise(digits):
        shared = min(left.box[2], right.box[2]) - max(left.box[0], right.box[0])
        narrower = min(left.box[2] - left.box[0], right.box[2] - right.box[0])
        if shared >= PILED * narrower and not (left.digit.sure and right.digit.sure):
            piled |= {left.start, right.start}
    end = len(digits)
    while end and (
        digits[end - 1].start in piled or (digits[end - 1].start in stacked and not digits[end - 1].digit.sure)
    ):
        end -= 1
    is_syllable = 0 < end <= len(digits) - PARTS and all(each.digit.sure for each in digits[:end])
    return digits[:end] if is_syllable else digits


def _others_are_even(number: Number, lines: Sequence[Sequence[Number]]) -> bool:
    """Tell whether the sure digits of a page outside of a number, if there are some, are all as high."""
    others = [each for line in lines for other in line if other is not number for each in other.digits]
    heights = [each.height for each in others if each.digit.sure]
    if len(heights) < MANY_DIGITS:
        return False
    low, usual, high = np.percentile(heights, (25, 50, 75))
    return bool(high - low <= LEVEL * usual)


def _is_under_words(number: Number, others: int, firm: Sequence[Number], words: Sequence[Box], usual: float) -> bool:
    """Tell whether a number is the first of a row of a table in whose first column there are words.

    Args:
        number: the first number of a line.
        others: how many more the line has.
        firm: the numbers of the page that are none of letters.
        words: the boxes of its letters.
        usual: the height of its numbers.
    """
    near = IN_COLUMN * usual
    left, top, _, bottom = number.box
    before = [box for box in words if box[2] <= left and 2 * top <= box[1] + box[3] <= 2 * bottom]
    if before and left - max(box[2] for box in before) > WORD_GAP * usual:
        return False

    def rows(boxes: Sequence[Box]) -> int:
        middles = sorted(box[1] + box[3] for box in boxes if abs(box[0] - number.box[0]) <= near)
        return bool(middles) + sum(below - above > 2 * ROW * usual for above, below in pairwise(middles))

    worded, numbered = rows(words), rows([each.box for each in firm if each is not number])
    as_high = LIKE[0] * usual <= number.height <= LIKE[1] * usual
    like_letters = not number.sure or (not as_high and {each.digit.name for each in number.digits} <= {"0", "1"})
    return worded >= (1 if not before and others == 1 and like_letters else MANY_WORDS) and 2 * numbered <= worded


def _is_apart(number: Number, others: Sequence[Number], usual: float) -> bool:
    """Tell whether a number is neither near the others of a page nor in a column with one of them."""
    box = number.box
    return not any(
        max(other.box[1] - box[3], box[1] - other.box[3]) <= FAR * usual
        or min(abs(other.box[i] - box[i]) for i in (0, 2)) <= IN_COLUMN * usual
        for other in others
    )


def drop_stroke(line: Line, digits: Sequence[DecodedDigit], at: int) -> DecodedDigit | None:
    """A digit, or none where it is one of several upright strokes of a letter, such as m or n."""

    def is_stroke(each: DecodedDigit, widest: float = STROKE) -> bool:
        return each.digit.name in "17" and each.box[2] - each.box[0] <= widest * each.height

    def parts(each: DecodedDigit) -> set[int]:
        return set(line.parts[each.start - line.first : each.stop - line.first].tolist())

    taken = digits[at]
    own = parts(taken)
    whole = [each for each in digits[max(0, at - 2) : at + 3] if parts(each) & own] if len(own) == 1 else []
    if len(whole) >= 3 and all(is_stroke(each, ARCH) for each in whole):
        return None
    beside = [digits[i] for i in (at - 1, at + 1) if 0 <= i < len(digits) and parts(digits[i]) & own]
    is_tick = taken.digit.name == "1" and any(each.digit.name == "1" for each in beside)
    return None if is_tick or (is_stroke(taken) and any(map(is_stroke, beside))) else taken
