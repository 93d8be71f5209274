"""The rejection of digits that are seen together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mnistry.ocr.decoding import merge_readings
from mnistry.ocr.frame_removal import Cleaned
from mnistry.ocr.number_odds import Characters, part_numbers_and_words
from mnistry.ocr.rejection import reject_implausible
from mnistry.ocr.result import DecodedDigit, Digit
from mnistry.ocr.segmentation import Line, PageLayout
from mnistry.ocr.words import Number, drop_labels, drop_stroke

NAMES = tuple("0123456789")


def taken(start: int, *, sure: bool = True, digitness: float = 0.999, height: int = 50) -> DecodedDigit:
    """A digit made of the piece `start`."""
    probabilities = np.full(10, 0.0001, np.float32)
    probabilities[3] = 0.9991
    box = (start * 40, 0, 30, height)
    digit = Digit(3, 0.9991, probabilities, box, sure, digitness, np.zeros((28, 28), np.uint8), NAMES)
    return DecodedDigit(digit, start, start + 1, (start * 40, 0, start * 40 + 30, height))


def rejected(
    layout: PageLayout, lines: list[list[DecodedDigit]], threshold: float, cleaned: Cleaned | None = None
) -> list[list[Digit]]:
    """The digits of each line that are left."""
    cleaned = cleaned or Cleaned.nothing(layout.pieces.shape)
    return [[each.digit for each in line] for line in reject_implausible(layout, lines, cleaned, threshold).lines]


def writing(parts: list[int], ink: int | None = None) -> PageLayout:
    """A line of pieces of 30 × 50 pixels, each of a component."""
    pieces = np.full((50, 40 * len(parts)), -1, np.int32)
    for i in range(len(parts)):
        pieces[:, 40 * i : 40 * i + 30] = i
    boxes = np.array([(40 * i, 0, 40 * i + 30, 50) for i in range(len(parts))])
    line = Line(0, boxes, np.array(parts), 50.0)
    return PageLayout(pieces, (line,), 1500 * len(parts) if ink is None else ink)


def sure(lines: list[list[Digit]]) -> list[bool]:
    return [digit.sure for line in lines for digit in line]


def test_digits_of_whole_components_are_believed():
    assert sure(rejected(writing([0, 1, 2]), [[taken(0), taken(1), taken(2)]], 0.5)) == [True] * 3


def test_a_digit_cut_off_what_is_none_is_not_sure():
    assert sure(rejected(writing([0, 0, 1]), [[taken(0), taken(2)]], 0.5)) == [False, True]


def test_a_digit_cut_off_an_unsure_one_is_not_sure():
    assert sure(rejected(writing([0, 0, 1]), [[taken(0), taken(1, sure=False), taken(2)]], 0.5)) == [False, False, True]


def test_digits_that_were_parted_need_more():
    lines = [[taken(0, digitness=0.92), taken(1, digitness=0.92)]]  # each is believed by 0.91
    assert sure(rejected(writing([0, 0]), lines, 0.5)) == [False, False]
    assert sure(rejected(writing([0, 1]), lines, 0.5)) == [True, True]


def test_nothing_is_sure_where_most_of_the_ink_is_something_else():
    assert sure(rejected(writing([0, 1], ink=20_000), [[taken(0), taken(1)]], 0.5)) == [False, False]


@pytest.mark.parametrize(("digits", "wrong"), [(3, 1), (5, 2)])
def test_what_is_no_digit_is_left_out(digits, wrong):
    line = [taken(i, digitness=0.01 if i == wrong else 1.0) for i in range(digits)]
    kept = rejected(writing(list(range(digits))), [line], 0.5)
    assert [digit.box[0] for line in kept for digit in line] == [40 * i for i in range(digits) if i != wrong]


def test_digits_in_company_need_less():
    alone = rejected(writing([0]), [[taken(0, digitness=0.4, sure=False)]], 0.5)
    among = rejected(writing([0, 1, 2]), [[taken(0), taken(1, digitness=0.4, sure=False), taken(2)]], 0.5)
    assert (len(alone), len(among[0])) == (0, 3)


@pytest.mark.parametrize(("height", "kept"), [(15, [2]), (45, [2, 1])])
def test_a_lone_digit_beside_lines_must_be_like_them(height, kept):
    first, second = writing([0, 1]), writing([2])
    boxes = second.lines[0].boxes + np.array([80, 60, 80, 60])
    layout = PageLayout(first.pieces, (*first.lines, Line(2, boxes, np.array([2]), 50.0)), 3000)
    lines = [[taken(0), taken(1)], [taken(2, height=height)]]
    assert [len(line) for line in rejected(layout, lines, 0.5)] == kept


def test_no_digits_are_no_error():
    assert rejected(PageLayout(np.full((5, 5), -1, np.int32), (), 0), [], 0.5) == []


def characters(*shapes: tuple[int, int, int, float]) -> Characters:
    """Characters by left, right, height and score, all on one base line."""
    found: Characters = []
    for left, right, height, score in shapes:
        box = (left, 100 - height, right, 100)
        digit = Digit(3, score, np.zeros(10, np.float32), box, score > 0.97, 1.0, np.zeros((28, 28), np.uint8), NAMES)
        found.append((box, DecodedDigit(digit, 0, 1, box)))
    return found


def numbers(found: Characters) -> list[tuple[bool, int]]:
    """For each run whether it is a number, and how many characters it has."""
    return [(is_number, len(run)) for is_number, run in part_numbers_and_words(found, 50.0)]


def test_a_clear_gap_parts_a_word_from_its_number():
    word = (0, 40, 57, 0.2), (41, 70, 52, 0.1), (72, 90, 27, 0.46), (92, 98, 57, 1.0)
    assert numbers(characters(*word, (128, 158, 50, 1.0), (168, 198, 50, 1.0))) == [(False, 4), (True, 2)]


def test_characters_of_very_different_heights_are_a_word():
    heights = 50, 80, 35, 80, 50
    even = characters(*[(40 * i, 40 * i + 30, 50, 0.92) for i in range(len(heights))])
    uneven = characters(*[(40 * i, 40 * i + 30, height, 0.92) for i, height in enumerate(heights)])
    assert (numbers(even), numbers(uneven)) == ([(True, 5)], [(False, 5)])


@pytest.mark.parametrize(("digit", "number"), [(1, False), (4, True)])
def test_clear_digits_that_letters_are_rarely_read_as_are_a_number_before_a_word(digit, number):
    line = characters(*[(40 * i, 40 * i + 30, 50, 1.0 if i < 3 else 0.1) for i in range(6)])
    line = [(box, each and replace(each, digit=replace(each.digit, digit=digit))) for box, each in line]
    assert numbers(line) == ([(True, 3), (False, 3)] if number else [(False, 6)])


def low(number: int, height: int, bottom: int) -> DecodedDigit:
    """A digit of this height on this row."""
    each = taken(number, height=height)
    return replace(each, box=(each.box[0], bottom - height, each.box[2], bottom))


@pytest.mark.parametrize(
    ("heights", "bottoms", "uneven", "ragged"),
    [
        ((50, 50, 50, 50), (50, 50, 50, 50), False, False),
        ((50, 50, 36, 50), (50, 50, 50, 50), True, False),  # a small digit on the base line
        ((50, 34, 50, 50), (50, 36, 50, 50), True, True),  # it floats
        ((50, 46, 52, 50), (50, 66, 82, 98), False, False),  # a line that falls
    ],
)
def test_digits_of_unlike_heights_off_one_base_line_are_ragged(heights, bottoms, uneven, ragged):
    number = Number([low(i, *each) for i, each in enumerate(zip(heights, bottoms, strict=True))])
    assert (number.uneven >= 0.2, number.ragged) == (uneven, ragged)


@pytest.mark.parametrize(("sure", "kept"), [(False, 2), (True, 4)])
def test_two_digits_above_each_other_at_the_end_of_a_number_are_a_syllable(sure, kept):
    digits = [taken(0), taken(1), taken(2, sure=sure), taken(3)]
    digits[3] = replace(digits[3], box=(85, 20, 112, 50))
    found = drop_labels([[Number(digits)]], [], set())
    assert [len(line) for line in found] == [kept]


def test_two_strokes_of_one_piece_are_a_tick_whatever_their_width():
    ones = [replace(each, digit=replace(each.digit, digit=1)) for each in map(taken, range(2))]
    assert [drop_stroke(writing([0, 0]).lines[0], ones, at) for at in range(2)] == [None] * 2
    assert [drop_stroke(writing([0, 1]).lines[0], ones, at) for at in range(2)] == ones


@pytest.mark.parametrize(("gap", "height", "found"), [(2, 30, True), (2, 50, False), (10, 30, False)])
def test_a_smaller_end_beside_a_letter_belongs_to_that(gap, height, found):
    digits = [taken(0), taken(1), taken(2, height=height)]
    beyond = (110 + gap, 0, 150, 50)
    assert Number(digits).attached([beyond]) == ([digits[2]] if found else [])


def test_a_low_digit_does_not_make_a_number_a_word():
    digits = [(40 * i, 40 * i + 30, height, 1.0) for i, height in enumerate((50, 25, 50, 50))]
    assert numbers(characters(*digits)) == [(True, 4)]


def test_strokes_of_one_component_are_a_letter():
    ones = [
        replace(each, digit=replace(each.digit, digit=1), box=(40 * i, 0, 40 * i + 12, 50))
        for i, each in enumerate(map(taken, range(3)))
    ]
    assert [drop_stroke(writing([0, 0, 0]).lines[0], ones, at) for at in range(3)] == [None] * 3
    assert [drop_stroke(writing([0, 1, 2]).lines[0], ones, at) for at in range(3)] == ones


def test_small_digits_that_two_readings_differ_in_are_not_sure():
    first, other = [taken(0), taken(1)], [taken(0), replace(taken(1), digit=replace(taken(1).digit, digit=8))]
    assert [each.digit.sure for each in merge_readings([first], [other])[0]] == [True, False]
    assert [each.digit.sure for each in merge_readings([first], [first[:1]])[0]] == [False, False]
    unlikely = replace(first[1], digit=replace(first[1].digit, digitness=0.1))
    (merged,) = merge_readings([[first[0], unlikely]], [other])
    assert [(each.digit.digit, each.digit.sure) for each in merged] == [(first[0].digit.digit, True), (8, False)]


@pytest.mark.parametrize(("scores", "kept"), [((0.7, 0.99, 0.7), [False] * 3), ((0.3, 0.3, 0.3), [])])
def test_what_may_be_a_badly_written_number_beside_another_is_not_sure(scores, kept):
    layout = writing(list(range(10)))
    first = layout.lines[0]  # without a piece: a gap between the two
    line = replace(first, boxes=np.delete(first.boxes, 6, axis=0), parts=np.delete(first.parts, 6))
    shown = [taken(i, digitness=1.0) for i in range(6)] + [
        replace(taken(i, digitness=score, sure=score > 0.97), start=i - 1, stop=i)
        for i, score in zip((7, 8, 9), scores, strict=True)
    ]
    found = rejected(replace(layout, lines=(line,), ink=13_500), [shown], 0.5)
    assert sure(found) == [True] * 6 + kept


@pytest.mark.parametrize(("clear", "kept"), [(6, [True] * 6 + [False]), (2, [True] * 2 + [False])])
def test_a_doubtful_digit_apart_on_a_page_of_numbers_is_read_and_not_sure(clear, kept):
    layout = writing(list(range(clear + 2)))
    first = layout.lines[0]  # without a piece: a gap before the last
    line = replace(first, boxes=np.delete(first.boxes, clear, axis=0), parts=np.delete(first.parts, clear))
    digits = [taken(i, digitness=1.0) for i in range(clear)]
    last = replace(taken(clear + 1, digitness=0.4, sure=False), start=clear, stop=clear + 1)
    found = rejected(replace(layout, lines=(line,), ink=1500 * (clear + 1)), [[*digits, last]], 0.5)
    assert sure(found) == kept
