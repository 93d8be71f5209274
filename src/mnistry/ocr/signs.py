"""Signs among the digits of a line, told by their shapes: slashes, brackets, degree signs, strokes with a dot."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from mnistry.ocr.components import Components
from mnistry.ocr.number_odds import height_of
from mnistry.ocr.result import Box, DecodedDigit

# A stroke is a sign where it is longer than the digits beside it, above and below, and straight or evenly bent.
TALL, OVERHANG, OVERHANGS = 1.17, 0.02, 0.17
BRACKET, BENT = 1.08, 3.2  # heights of the digits beside; columns by which it bends over ten rows
EITHER = 0.08  # heights: so far does an unsure stroke stick out above and below if it is a sign, whatever its shape
WIDE_SIGN = 1.3  # of the line's height: the next digit is no farther from a sign
SHORT = 0.9  # of the line's height: digits beside a sign count for at least that
LIKELY_DIGITS = 0.7  # score: a sign at the end of a number is less likely a digit
TINY = 0.36  # of the height of the digits beside it: a ring so low is no zero
DEGREE = 0.5  # of the height of the digit before it: a degree sign at most
STRAIGHT = 1.0  # pixels of the digit's image: deviation of its ink from a smooth stroke
BESIDE = 4  # digits to each side with which a sign is compared
STEM, ENDS = (0.25, 0.75), 0.16  # of its rows: the stem of a square bracket; its hooks
FEWEST_ROWS = 8  # of such a stroke
HOOK, PLAIN = 0.8, 0.5  # of the stem's width: the hooks stick out on one side, hardly on the other
BARS = (0.3, 6), (1.0, 10)  # of their height, from one stroke to the next; so many of them are bars
ROOM = 1.0  # of their height: what is so near is part of them
SIDES, THIN, ALIKE, LOW_SIDE = 3, 0.16, 1.5, 0.8  # strokes; width by height; pixels; of the digits' height
SLIM = 0.55  # of its height: the width of a stroke that may have a dot
DOT, COMPACT = 0.34, 1.7  # of the stroke's height: the longest side of a dot; its longer side by its shorter
DOT_WIDTH, DOT_PIXELS = 0.8, 2  # of the stroke's width, and pixels: its least side
DOT_GAP = 0.05, 0.5  # of the stroke's height: paper between them
IN_LINE = 0.12  # of the stroke's height: how far from where the stroke points to, and at least half a dot


def is_sign(digits: Sequence[DecodedDigit], at: int, usual: float, ink: np.ndarray) -> bool:
    """Tell whether a 1 is a slash, a bar or a bracket, or an unsure digit another sign: see the constants.

    Args:
        digits: the digits of a line.
        at: which of them.
        usual: the line's height.
        ink: bool (height, width), of the page.
    """
    taken = digits[at]
    if taken.digit.name == "0" and at and _is_raised(taken.box, digits[at - 1].box):
        return True
    if taken.digit.name == "0" and len(digits) > 1 and taken.height < TINY * median(each.height for each in digits):
        return True
    if taken.digit.name != "1" and taken.digit.sure:
        return False
    before, after = digits[max(0, at - BESIDE) : at], digits[at + 1 : at + 1 + BESIDE]
    around = [*before, *after]
    others = [each for each in around if each.digit.name != "1"] or around
    near = WIDE_SIGN * usual
    beside = [
        bool(before) and taken.box[0] - before[-1].box[2] <= near,
        bool(after) and after[0].box[0] - taken.box[2] <= near,
    ]
    if not any(beside):
        return False
    top, bottom = (median(each.box[i] for each in others) for i in (1, 3))
    height = max(median(each.height for each in others), SHORT * usual)
    over, under = (top - taken.box[1]) / height, (taken.box[3] - bottom) / height
    tall = taken.height >= TALL * height and min(over, under) >= OVERHANG and over + under >= OVERHANGS
    if taken.digit.name != "1":
        return tall and (not before or (not after and taken.digit.score < LIKELY_DIGITS))  # such as a dollar
    slash, bracket, brace = tall and all(beside), taken.height >= BRACKET * height, tall and not taken.digit.sure
    if brace and min(over, under) >= EITHER:
        return True
    if slash or bracket:
        bend, deviation = _stroke(taken.digit.image)
        if (deviation < STRAIGHT and (slash or abs(bend) >= BENT)) or (deviation >= STRAIGHT and brace):
            return True
    if all(beside):
        return False
    other = digits[-1 if beside[1] else 0]  # the bracket at the other end of the line, if it is one
    hooks = _hooks(taken, ink)
    pair = other.digit.name == "1" and _hooks(other, ink) == -hooks
    return hooks == (1 if beside[1] else -1) and (bracket or pair)


def _is_raised(ring: Box, before: Box) -> bool:
    """Tell whether a ring is a degree sign: low, and above the middle of the digit before it."""
    return height_of(ring) <= DEGREE * height_of(before) and 2 * ring[3] <= before[1] + before[3]


def _stroke(image: np.ndarray) -> tuple[float, float]:
    """Measure how much an upright stroke bends, in columns over ten rows, and how far its ink is from such a curve."""
    y, x = np.nonzero(image > 127)
    if len(y) < 3:
        return 0.0, 99.0
    y = (y - y.mean()) / 10
    terms = np.stack([y**2, y, np.ones_like(y)], axis=1)
    found = np.linalg.lstsq(terms, x, rcond=None)[0]
    return float(found[0]), float(np.sqrt(np.mean((terms @ found - x) ** 2)))


def _hooks(taken: DecodedDigit, ink: np.ndarray) -> int:
    """Tell to which side an upright stroke has hooks at both ends, as [ and ] have: 1 right, -1 left, 0 neither."""
    left, top, right, bottom = taken.box
    inked = ink[top:bottom, left:right]
    inked = inked[inked.any(axis=1)]
    if len(inked) < FEWEST_ROWS:
        return 0
    first, last = inked.argmax(axis=1), inked.shape[1] - inked[:, ::-1].argmax(axis=1)
    at = np.arange(len(inked))
    stem = (at >= STEM[0] * len(inked)) & (at <= STEM[1] * len(inked))
    width = float(np.median((last - first)[stem]))
    slope, start = np.polyfit(at[stem], ((first + last) / 2)[stem], 1)
    straight = slope * at + start
    ends = max(2, round(ENDS * len(inked)))
    to_right, to_left = (last - straight) / width - 0.5, (straight - first) / width - 0.5
    for side, (out, other) in ((1, (to_right, to_left)), (-1, (to_left, to_right))):
        if min(out[:ends].max(), out[-ends:].max()) >= HOOK and max(other[:ends].max(), other[-ends:].max()) <= PLAIN:
            return side
    return 0


def find_bars(digits: Sequence[DecodedDigit]) -> list[DecodedDigit]:
    """Find the bars of a barcode, hatching and the like: many strokes read as 1, closer than ones are written.

    Everything between the first and the last bar is part of it.
    """
    bars: list[DecodedDigit] = []
    for most, fewest in BARS:
        runs: list[list[DecodedDigit]] = [[]]
        for each in digits:
            if each.digit.name != "1":
                runs.append([])
            elif runs[-1] and each.box[0] - runs[-1][-1].box[0] > most * max(each.height, runs[-1][-1].height):
                runs.append([each])
            else:
                runs[-1].append(each)
        bars += [bar for run in runs if len(run) >= fewest for bar in run]
    if not bars:
        return _sides(digits)
    room = ROOM * median(each.height for each in bars)
    left, right = min(each.box[0] for each in bars) - room, max(each.box[2] for each in bars) + room
    return [each for each in digits if left <= each.box[0] and each.box[2] <= right]


def _sides(digits: Sequence[DecodedDigit]) -> list[DecodedDigit]:
    """Find the sides of open boxes: thin strokes from one row to another, both the same, lower than the digits."""
    thin = [each for each in digits if each.digit.name == "1" and each.box[2] - each.box[0] <= THIN * each.height]
    others = [each.height for each in digits if each not in thin]
    if len(thin) < SIDES or not others:
        return []
    top, bottom = (median(each.box[i] for each in thin) for i in (1, 3))
    alike = [each for each in thin if max(abs(each.box[1] - top), abs(each.box[3] - bottom)) <= ALIKE]
    return alike if len(alike) >= SIDES and bottom - top <= LOW_SIDE * median(others) else []


def find_dotted(digits: Sequence[DecodedDigit], parts: Components) -> dict[int, str]:
    """Find upright strokes read as 1 with a dot above them, as i has it, or below, as an exclamation mark has it.

    Args:
        digits: the digits of a line.
        parts: the components of all ink.

    Returns:
        For the index of each such digit "letters" or "sign".
    """
    found: dict[int, str] = {}
    for at, each in enumerate(digits):
        if each.digit.name != "1" or each.box[2] - each.box[0] > SLIM * each.height:
            continue
        reason = _dotted(each, parts)
        if reason:
            found[at] = reason
    return found


def _dotted(stroke: DecodedDigit, parts: Components) -> str:
    """Tell whether a dot lies above a stroke ("letters"), below it ("sign"), or neither (empty)."""
    left, top, right, bottom = stroke.box
    height = float(stroke.height)
    reach = DOT_GAP[1] * height
    near = (parts.right > left - reach) & (parts.left < right + reach)
    near &= (parts.bottom > top - reach) & (parts.top < bottom + reach)
    low, high = np.minimum(parts.heights, parts.widths), np.maximum(parts.heights, parts.widths)
    dots = near & (low >= DOT_PIXELS) & (high <= np.minimum(DOT * height, COMPACT * low + 1))
    if not dots.any():
        return ""
    area = parts.labels[top:bottom, left:right]
    members = area[area >= 0]
    if not len(members):
        return ""
    stem = int(np.bincount(members).argmax())
    y, x = np.nonzero(area == stem)
    y, x = y + top, x + left
    if len(y) < 3 or np.ptp(y) < 3:
        return ""
    slope, start = np.polyfit(y, x, 1)
    height = float(np.ptp(y) + 1)
    dots &= low >= DOT_WIDTH * len(y) / height
    for i in np.flatnonzero(dots).tolist():
        row, column = (parts.top[i] + parts.bottom[i]) / 2, (parts.left[i] + parts.right[i]) / 2
        if abs(column - slope * row - start) > max(IN_LINE * height, (parts.right[i] - parts.left[i]) / 2):
            continue
        above, below = y.min() - parts.bottom[i], parts.top[i] - y.max() - 1
        if DOT_GAP[0] * height <= above <= reach:
            return "letters"
        if DOT_GAP[0] * height <= below <= reach:
            return "sign"
    return ""
