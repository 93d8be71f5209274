"""Rejection: signs, words, struck-out numbers and doubtful digits, judged in their lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import median

import numpy as np

from mnistry.ocr.frame_removal import Cleaned
from mnistry.ocr.number_odds import (
    LONELY,
    WORD_GAP,
    Characters,
    height_of,
    log_odds,
    mean_score,
    part_numbers_and_words,
    split_at_gaps,
)
from mnistry.ocr.result import Box, DecodedDigit, Mark, doubt
from mnistry.ocr.segmentation import Line, PageLayout
from mnistry.ocr.signs import find_bars, find_dotted, is_sign
from mnistry.ocr.words import FEW, NUMBER, Number, drop_labels, drop_stroke, find_stacked

LENIENT = 0.4  # of the model's threshold: the digit score that is enough between digits
MIDDLE = 0.05  # the same for what is as large as a digit within a number: it is kept, and not sure
WEAK = 0.47  # digit score of a sign at an end of a number whose digits are sure
WEAKER, AS_HIGH = 0.3, 0.06  # of a sign as high as the digits; of their height: how else it and its bottom may lie
LEAST_SCORE = 0.25  # of the digits of a line on average
LONE_HEIGHTS = 0.5, 1.7  # of the other digits' height: a line of one digit must be like them
ASIDE = 2.0  # of the other digits' height: it is no farther to the side of them
REMNANT = 0.2  # of the line's height: a smaller piece passed over takes nothing from its digit
CUT_SCORE = 0.95  # that a digit needs to be sure when it was cut off its neighbour
MAJORITY = 0.5  # of the ink that may be writing: with less of it read as digits, none is sure
DIGIT_SIZED = 0.55  # of the line's height: what is passed over and higher may be a character
LOWEST = 0.3  # the same, whatever is beside it
MARK = 0.12  # of the line's height: what is passed over and lower is a speck
NO_DIGIT, CLEAR, LOWER = 0.3, 0.9, 0.85  # scores of a sign and of the digits beside it; its height by theirs
SHORT = 6  # characters of the only line, if it is probably a number
PAGE_ODDS = -1.0, 2.0  # the log odds that a group of a page is a number, at least and at most
ONLY_NUMBER = 0.5  # log odds of the only number beside words
SURE_ODDS = 2.0  # log odds of a sure number beside words
BADLY_WRITTEN, MOSTLY_WORDS = -1.0, -0.5  # log odds of each digit of a number; of a page where it is rather a word
LIKELY_DIGITS = 0.65  # mean score of badly written digits
NUMBERS, MAYBE_DIGITS = 1.2, 0.2  # log odds of a page of numbers, where what may be a digit is read; its mean score
BROAD = 0.35  # of its height: what is narrower is a single stroke
STRUCK = 0.22, 0.68  # of a digit's height, from above: a line there crosses it out
STRUCK_ASLANT = 0.35, 0.65  # the same for the middle of a steeper line
BEYOND = 0.08  # of the digits' height: by how much it sticks out on each side
SLOPE, STEEPEST = 0.15, 0.45  # of its length: the rise of a nearly level line, and of any
RISE = 0.5  # of the digits' height: a line that is not level rises so much
HIGHER = 0.3  # of the digits' height: columns of a digit have ink over more rows than a line
HARDLY_A_DIGIT, CERTAIN = 0.45, 0.97  # scores of a sign beside the only digit, and of that digit
HALF, TOUCHED = 0.75, 3  # of the height of other digits: half a digit; pixels from it to the line that cut it
COVERED = 0.8  # of a number's width that such a line covers


@dataclass(frozen=True, eq=False)
class Judgement:
    """The digits that are read of a page, and the marks that are not.

    Attributes:
        lines: the digits of each line that has any.
        marks: all that was left out.
        quality: mean score of all that is as large as a digit and more than a stroke, 0 to 1.
        characters: how many of these there are.
        odds: the log odds that the digits of the page are of numbers, and not of words.
    """

    lines: list[list[DecodedDigit]]
    marks: list[Mark] = field(default_factory=list)
    quality: float = 0.0
    characters: int = 0
    odds: float = 0.0


def reject_implausible(
    layout: PageLayout, lines: Sequence[Sequence[DecodedDigit]], cleaned: Cleaned, threshold: float
) -> Judgement:
    """Select the digits to read, with doubts about the unreliable ones.

    Args:
        layout: the lines of writing.
        lines: the digits decoded in each.
        cleaned: the lines and frames that were removed.
        threshold: the digit score from which the model takes an image for a digit.
    """
    scores: list[float] = []
    struck = _cut_by_lines([each for digits in lines for each in digits], cleaned.level)
    lines = [[each for each in digits if each not in struck] for digits in lines]
    alone = sum(len(digits) > 1 for digits in lines) <= 1
    passed = [_find_passed_over(line, digits) for line, digits in zip(layout.lines, lines, strict=True)]
    large = 0
    for line, digits, others in zip(layout.lines, lines, passed, strict=True):
        high = [box for _, box in others if height_of(box) >= DIGIT_SIZED * line.height]
        large += len(high)
        scores += [each.digit.score for each in digits if _is_broad(each.box)]
        scores += [0.0 for box in high if _is_broad(box)]

    def judge(prior: float, *, maybe: bool = False) -> tuple[list[list[Number]], list[Mark], list[Characters]]:
        marks, runs = [Mark(each.box, "struck out") for each in struck], []
        numbers = []
        for line, digits, others in zip(layout.lines, lines, passed, strict=True):
            of_line, parted = _of_line(
                line, list(digits), others, cleaned, threshold, marks, prior, alone=alone, maybe=maybe
            )
            numbers.append(of_line)
            runs += parted
        return numbers, marks, runs

    few = alone and sum(map(len, lines)) + large <= SHORT
    found, marks, runs = judge(LONELY if few else 0.0)
    prior = 0.0 if few else _page_odds(runs)
    if prior:
        struck_out = any(mark.reason == "struck out" for mark in marks)
        likely = [[number for number in line if number.odds >= ONLY_NUMBER] for line in found]
        found, marks, _ = judge(prior, maybe=prior >= NUMBERS and not struck_out)
        if not any(found) and sum(map(len, likely)) == 1:
            found = [[Number([doubt(each) for each in number.digits]) for number in line] for line in likely]
            boxes = {each.box for line in likely for number in line for each in number.digits}
            marks = [mark for mark in marks if mark.box not in boxes]
    stacked: set[int] = set()
    if marks or len(cleaned.boxes) or layout.left_out:
        numbers = [number.digits for line in found for number in line]
        stacked = find_stacked(numbers, layout.pieces)
    kept = _of_page(drop_labels(found, marks, stacked, prior), marks)
    doubtful = _torn(layout, kept)
    if _ink(layout, kept) < MAJORITY * layout.ink:
        doubtful = set(range(_pieces(layout)))
    sure = [
        [each if doubtful.isdisjoint(range(each.start, each.stop)) else doubt(each) for each in line] for line in kept
    ]
    marks += [Mark(box, reason) for box, reason in layout.left_out]
    odds = sum(max(Number(line).odds, 0.0) for line in kept)
    return Judgement(sure, marks, float(np.mean(scores)) if scores else 0.0, len(scores), odds)


def _page_odds(runs: Sequence[Characters]) -> float:
    """The log odds that a group of the page is a number, by all of its groups; 0 where each is likelier a number."""
    odds = np.array([log_odds(run) for run in runs])
    if len(odds) < 2 or odds.min() >= 0:
        return 0.0
    chances, counts = 1 / (1 + np.exp(-odds)), np.array([len(run) for run in runs])
    numbers, words = counts @ chances, counts[odds < 0] @ (1 - chances)[odds < 0]
    return float(np.clip(np.log((numbers + 0.5) / (words + 0.5)), *PAGE_ODDS))


def _is_broad(box: Box) -> bool:
    """Tell whether something tells which side is up: a single stroke does not."""
    return box[2] - box[0] >= BROAD * (box[3] - box[1])


def _of_line(
    line: Line,
    digits: list[DecodedDigit],
    passed: list[tuple[int, Box]],
    cleaned: Cleaned,
    threshold: float,
    marks: list[Mark],
    prior: float,
    *,
    alone: bool,
    maybe: bool,
) -> tuple[list[Number], list[Characters]]:
    """The numbers of a line that are read, and all that it was parted into; what is not read goes to the marks.

    What may be a badly written number, by the log odds of its page, is not sure. With `maybe`, on a page of numbers,
    what may be a digit is kept, and not sure.
    """
    bars = find_bars(digits)
    marks += [Mark(each.box, "sign") for each in bars]
    digits = [each for each in digits if each not in bars] if bars else digits
    dotted = find_dotted(digits, cleaned.parts)
    signs = [dotted.get(at) == "sign" or is_sign(digits, at, line.height, cleaned.mask) for at in range(len(digits))]
    marks += [Mark(each.box, "sign") for each, found in zip(digits, signs, strict=True) if found]
    letters = [digits[at] for at, reason in dotted.items() if reason == "letters"]
    tall = [each.box for each, found in zip(digits, signs, strict=True) if found]
    digits = [each for each, found in zip(digits, signs, strict=True) if not found]
    certain = sum(each.digit.digitness >= threshold for each in digits)
    kept: list[DecodedDigit] = []
    rejected: list[Mark] = []
    characters, low = _characters(line, digits, passed, letters)
    small = [Mark(box, "sign") for box in low if max(box[2] - box[0], box[3] - box[1]) >= MARK * line.height]
    for group in split_at_gaps(characters, WORD_GAP * line.height):
        members = [each for _, each in group if each is not None]
        if members and (_is_struck_out(members, cleaned.level) or _is_crossed(members, cleaned.unruled)):
            rejected += [Mark(box, "struck out") for box, _ in group]
            characters = [each for each in characters if each not in group]
    between = _signs_between(characters)
    rejected += [Mark(characters[i][0], "sign") for i in between]
    characters = [each for i, each in enumerate(characters) if i not in between]
    unread = any(each is None for _, each in characters)
    if prior == LONELY and unread and len(split_at_gaps(characters, WORD_GAP * line.height)) > 1:
        prior = 0.0  # a short word, or one beside a short number
    runs = part_numbers_and_words(characters, line.height, prior)
    parted = [run for _, run in runs]
    lone = _beside_sign(characters) if alone else None
    if lone is not None:
        rejected += [Mark(box, "sign") for box, each in characters if each is not lone]
        runs = [(True, [(lone.box, doubt(lone))])]
    sure_from = SURE_ODDS if prior not in (0.0, LONELY) or len(runs) > 1 else 0.0
    for is_number, run in runs:
        members = [each for _, each in run if each is not None]
        if not is_number:
            read = len(members) == len(run)
            likely = len(run) >= FEW and prior >= MOSTLY_WORDS and mean_score(run) >= LIKELY_DIGITS
            likely = likely and log_odds(run, prior) >= BADLY_WRITTEN * len(run)
            if read and (likely or (maybe and mean_score(run) >= MAYBE_DIGITS)):
                kept += [doubt(each) for each in members]
            else:
                rejected += [Mark(box, "letters") for box, _ in run]
            continue
        groups = split_at_gaps(run, WORD_GAP * line.height)
        run = [each for group in groups for each in _doubted(group, prior, sure_from, letters)]
        number = len(members) > 2 or (len(members) == 2 and min(each.digit.score for each in members) >= NUMBER)
        least = MIDDLE if number else threshold * (LENIENT if certain >= 2 else 1)
        for box, each in run:
            if each is None or each.digit.digitness < least:
                rejected.append(Mark(box, "not a digit"))
            elif len(runs) > 1 and len(members) < FEW:  # a few strokes of a word may look like digits
                kept.append(doubt(each))
            else:
                kept.append(each)
    kept, signs_at_ends = _without_weak_ends(kept, line.height)
    marks += signs_at_ends
    if kept and np.mean([each.digit.score for each in kept]) < LEAST_SCORE:
        rejected += [Mark(each.box, "not a digit") for each in kept]
        kept = []
    marks += small if kept else []
    for mark in rejected:
        inside = bool(kept) and kept[0].box[0] < mark.box[0] and mark.box[2] < kept[-1].box[2]
        marks.append(replace(mark, in_number=inside and mark.reason == "not a digit"))
    groups = split_at_gaps([(each.box, each) for each in kept], WORD_GAP * line.height)
    numbers = [Number([each for _, each in group if each is not None]) for group in groups]
    beside = [*tall, *(mark.box for mark in rejected if height_of(mark.box) >= DIGIT_SIZED * line.height)]
    attached = [each for number in numbers for each in number.attached(beside)]
    return [Number([doubt(each) if each in attached else each for each in number.digits]) for number in numbers], parted


def _doubted(group: Characters, prior: float, least: float, letters: Sequence[DecodedDigit]) -> Characters:
    """A group of characters, not sure where the log odds that it is a number are less than these."""
    judged = [each for each in group if each[1] is not None] if prior == LONELY and not letters else group
    if not judged or log_odds(judged, 0.0 if prior == LONELY else prior) >= least:
        return group
    return [(box, each and doubt(each)) for box, each in group]


def _without_weak_ends(kept: list[DecodedDigit], height: float) -> tuple[list[DecodedDigit], list[Mark]]:
    """The digits of a line without what is hardly a digit at the ends of its numbers, if all others are sure.

    What is as high as the others, on their base line, is kept.
    """
    weak = [each for each in kept if each.digit.digitness < WEAK]
    if not weak or len(kept) - len(weak) < 2 or not all(each.digit.sure for each in kept if each not in weak):
        return kept, []
    groups = split_at_gaps([(each.box, each) for each in kept], WORD_GAP * height)
    ends = [each for group in groups for _, each in (group[0], group[-1])]
    others = [each for each in kept if each not in weak]
    usual, bottom = median(each.height for each in others), median(each.box[3] for each in others)
    most = AS_HIGH * usual
    like = [each for each in weak if max(abs(each.height - usual), abs(each.box[3] - bottom)) <= most]
    weak = [each for each in weak if each not in like or each.digit.digitness < WEAKER]
    signs = [each for each in weak if each in ends]
    return [each for each in kept if each not in signs], [Mark(each.box, "sign") for each in signs]


def _find_passed_over(line: Line, digits: Sequence[DecodedDigit]) -> list[tuple[int, Box]]:
    """The number and the box of each piece of a line that is part of no digit."""
    taken = np.zeros(len(line), bool)
    for each in digits:
        taken[each.start - line.first : each.stop - line.first] = True
    return [(int(i), tuple(int(side) for side in line.boxes[i])) for i in np.flatnonzero(~taken)]  # type: ignore[misc] # of four


def _characters(
    line: Line, digits: Sequence[DecodedDigit], passed: Sequence[tuple[int, Box]], letters: Sequence[DecodedDigit]
) -> tuple[Characters, list[Box]]:
    """The characters of a line from left to right: digits, and what is as large as one beside it; and what is lower.

    The digits that are letters count as characters that cannot be read.

    What was passed over is compared with what is around it: print may be half as high as the numbers beside it.
    """
    found: Characters = [(box, None) for _, box in passed]
    found += [(each.box, None if each in letters else drop_stroke(line, digits, at)) for at, each in enumerate(digits)]
    found.sort(key=lambda character: character[0][0])
    characters: Characters = []
    low: list[Box] = []
    for group in split_at_gaps(found, WORD_GAP * line.height):
        tallest = min(max(height_of(box) for box, _ in group), line.height)
        for box, each in group:
            if each is not None or height_of(box) >= max(DIGIT_SIZED * tallest, LOWEST * line.height):
                characters.append((box, each))
            else:
                low.append(box)
    return characters, low


def _beside_sign(characters: Characters) -> DecodedDigit | None:
    """The digit of a line that has but one and a sign beside it, such as # or +, which may be in two pieces."""
    clear = [each for _, each in characters if each is not None and each.digit.score >= CERTAIN]
    others = [character for character in characters if mean_score([character]) < HARDLY_A_DIGIT]
    if len(clear) != 1 or not 1 <= len(others) == len(characters) - 1 <= 2:
        return None
    is_one = all(right[0] <= left[2] for (left, _), (right, _) in pairwise(others))
    return clear[0] if is_one else None


def _signs_between(characters: Characters) -> set[int]:
    """The characters that are not digits, and lower than the clear digits to both sides: ×, +, ÷."""
    scores = [0.0 if each is None else each.digit.score for _, each in characters]
    heights = [height_of(box) for box, _ in characters]
    return {
        i
        for i in range(1, len(characters) - 1)
        if scores[i] < NO_DIGIT
        and min(scores[i - 1], scores[i + 1]) >= CLEAR
        and heights[i] <= LOWER * min(heights[i - 1], heights[i + 1])
    }


def _is_struck_out(digits: Sequence[DecodedDigit], level: np.ndarray) -> bool:
    """Tell whether a line crosses all digits of a number."""
    left, right = digits[0].box[0], max(each.box[2] for each in digits)
    for x0, y0, x1, y1 in level:
        if min(x1, right) - max(x0, left) < COVERED * (right - left):
            continue
        at = [y0 + (y1 - y0) * ((each.box[0] + each.box[2]) / 2 - x0) / max(x1 - x0, 1) for each in digits]
        shares = [(row - each.box[1]) / max(each.height, 1) for row, each in zip(at, digits, strict=True)]
        if all(STRUCK[0] <= share <= STRUCK[1] for share in shares):
            return True
    return False


def _cut_by_lines(digits: Sequence[DecodedDigit], level: np.ndarray) -> list[DecodedDigit]:
    """The digits of numbers that were struck out by lines which, once removed, left their upper and lower halves."""
    found: list[DecodedDigit] = []
    for x0, y0, x1, y1 in level:

        def row(each: DecodedDigit, *, line: tuple[float, ...] = (x0, y0, x1, y1)) -> float:
            x = (each.box[0] + each.box[2]) / 2
            return line[1] + (line[3] - line[1]) * (x - line[0]) / max(line[2] - line[0], 1)

        within = [each for each in digits if x0 <= (each.box[0] + each.box[2]) / 2 <= x1]
        near = [each for each in within if each.box[1] - TOUCHED <= row(each) <= each.box[3] + TOUCHED]
        others = [each.height for each in digits if each not in near]
        if not near or not others:
            continue
        half = HALF * median(others)
        halves = [each for each in near if each.height <= half]
        upper = [each for each in halves if each.box[3] <= row(each) + TOUCHED]
        lower = [each for each in halves if each.box[1] >= row(each) - TOUCHED]
        if any(min(a.box[2], b.box[2]) > max(a.box[0], b.box[0]) for a in upper for b in lower):
            found += [each for each in near if each not in found]
    return found


def _is_crossed(digits: Sequence[DecodedDigit], ink: np.ndarray) -> bool:
    """Tell whether a straight line of ink, bool (height, width), crosses a number and the gaps between its digits."""
    if len(digits) < 2:
        return False
    boxes = np.array([each.box for each in digits])
    top, bottom = int(np.median(boxes[:, 1])), int(np.median(boxes[:, 3]))
    left, right = int(boxes[:, 0].min()), int(boxes[:, 2].max())
    columns = ink[top:bottom, left:right]
    extents = columns.shape[0] - columns.argmax(axis=0) - columns[::-1].argmax(axis=0)
    written = np.flatnonzero(columns.any(axis=0) & (extents >= HIGHER * (bottom - top)))
    if not len(written):
        return False
    left, right = left + written[0], left + written[-1] + 1  # without the ends of the line
    over = max(1, round(BEYOND * (bottom - top)))
    first, left = max(top - 2 * over, 0), left - over
    band = ink[first : bottom + 2 * over, max(left, 0) : right + over]
    high, wide = band.shape
    if left < 0 or wide < right + over - left or not band.any(axis=0).all():
        return False
    at, columns = np.arange(high)[:, None], np.linspace(-0.5, 0.5, wide)
    shares = (at + first - top) / (bottom - top)
    thick = np.pad(band | np.roll(band, 1, axis=0) | np.roll(band, -1, axis=0), 1)  # the line may bend a little
    steepest, steep = min(high, round(STEEPEST * wide)), RISE * (bottom - top)
    for rise in range(-steepest, steepest + 1):
        is_level = abs(rise) <= SLOPE * wide
        if not is_level and abs(rise) < steep:
            continue
        low, most = STRUCK if is_level else STRUCK_ASLANT
        middles = at[(shares >= low) & (shares <= most)][:, None]
        for some in (slice(None, None, wide // 32 + 1), slice(None)):  # most lines end in a few columns
            rows = np.clip(np.rint(middles + rise * columns[some]).astype(int), -1, high)
            middles = middles[thick[rows + 1, np.arange(1, wide + 1)[some]].all(axis=1)]
        if len(middles):
            return True
    return False


def _of_page(lines: list[list[DecodedDigit]], marks: list[Mark]) -> list[list[DecodedDigit]]:
    """Leaves out the lines of one digit that are unlike the other digits of the page."""
    others = [each for line in lines if len(line) > 1 for each in line]
    if not others:
        return lines
    words = sum(mark.reason == "letters" for mark in marks) >= FEW
    usual = float(median(each.height for each in others))
    low, high = (factor * usual for factor in LONE_HEIGHTS)
    left = min(each.box[0] for each in others) - ASIDE * usual
    right = max(each.box[2] for each in others) + ASIDE * usual
    kept = []
    for line in lines:
        lone = line[0]
        beside = lone.box[2] >= left and lone.box[0] <= right
        likely = lone.digit.sure or (lone.digit.score >= LIKELY_DIGITS and not (words and lone.digit.name in "01"))
        if len(line) > 1 or (likely and low <= lone.height <= high and beside):
            kept.append(line)
        else:
            marks.append(Mark(lone.box, "not a digit"))
    return kept


def _torn(layout: PageLayout, lines: Sequence[Sequence[DecodedDigit]]) -> set[int]:
    """The pieces of components that are not made of sure digits altogether."""
    parts = [part for line in layout.lines for part in line.parts.tolist()]
    counts = Counter(parts)
    open_pieces = [
        max(right - left, bottom - top) / line.height > REMNANT
        for line in layout.lines
        for left, top, right, bottom in line.boxes.tolist()
    ]
    for line in lines:
        for each in line:
            own = parts[each.start : each.stop]
            is_cut = any(count < counts[part] for part, count in Counter(own).items())
            is_sure = each.digit.sure and (each.digit.score >= CUT_SCORE or not is_cut)
            open_pieces[each.start : each.stop] = [not is_sure] * len(own)
    torn = {part for part, is_open in zip(parts, open_pieces, strict=True) if is_open}
    return {number for number, part in enumerate(parts) if part in torn}


def _pieces(layout: PageLayout) -> int:
    return sum(len(line) for line in layout.lines)


def _ink(layout: PageLayout, lines: Sequence[Sequence[DecodedDigit]]) -> int:
    """The pixels of ink that were read as digits."""
    taken = np.zeros(_pieces(layout) + 1, bool)  # the last one is for pixels of no piece
    for line in lines:
        for each in line:
            taken[each.start : each.stop] = True
    return int(np.count_nonzero(taken[layout.pieces]))
