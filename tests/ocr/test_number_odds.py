"""Characters beside each other as a number or a word."""

from __future__ import annotations

import numpy as np
import pytest

from mnistry.ocr.number_odds import Characters, log_odds, part_numbers_and_words
from mnistry.ocr.result import DecodedDigit, Digit

NAMES = tuple("0123456789")


def group(names: str, scores: float | list[float] = 1.0, heights: int | list[int] = 50) -> Characters:
    """Characters beside each other, read as these digits; a question mark is one that is not read."""
    scores = [scores] * len(names) if isinstance(scores, float) else scores
    heights = [heights] * len(names) if isinstance(heights, int) else heights
    found: Characters = []
    for i, (name, score, height) in enumerate(zip(names, scores, heights, strict=True)):
        box = (40 * i, 100 - height, 40 * i + 30, 100)
        probabilities, image = np.zeros(10, np.float32), np.zeros((28, 28), np.uint8)
        digit = Digit(int(name), score, probabilities, box, True, 1.0, image, NAMES) if name != "?" else None
        found.append((box, None if digit is None else DecodedDigit(digit, i, i + 1, box)))
    return found


@pytest.mark.parametrize("names", ["3472", "10", "5", "00000", "1111"])
def test_sure_digits_are_a_number(names):
    assert log_odds(group(names)) > 0


def test_the_digits_that_letters_are_read_as_are_less_likely_a_number():
    assert log_odds(group("101")) < log_odds(group("202")) < log_odds(group("383"))


@pytest.mark.parametrize("scores", [[1.0, 0.01, 1.0], [0.3, 0.02, 1.0, 1.0, 1.0]])
def test_a_line_is_parted_alike_from_both_ends(scores):
    def parted(scores: list[float]) -> list[int]:
        runs = part_numbers_and_words(group("4" * len(scores), scores), 50)
        return [int(is_number) for is_number, run in runs for _ in run]

    assert parted(scores) == parted(scores[::-1])[::-1]


def test_unread_unsure_and_uneven_characters_are_rather_a_word():
    number = log_odds(group("4726"))
    assert log_odds(group("47?6")) < number
    assert log_odds(group("4726", 0.6)) < 0 < number
    assert log_odds(group("4726", heights=[50, 30, 70, 50])) < number


def test_low_zeros_are_as_good_as_high_ones():
    assert log_odds(group("8084", heights=[50, 25, 50, 50])) == log_odds(group("8084"))


def test_a_page_of_numbers_makes_no_unread_character_a_digit():
    assert log_odds(group("47?6"), prior=2.0) == log_odds(group("47?6"))
    assert log_odds(group("4726"), prior=2.0) == pytest.approx(log_odds(group("4726")) + 2.0)


def test_a_word_close_to_a_number_needs_more_than_one_far_from_it():
    word = [((box[0] + 160, *box[1:2], box[2] + 160, box[3]), each) for box, each in group("0", 0.5)]
    far = [((box[0] + 120, box[1], box[2] + 120, box[3]), each) for box, each in word]
    assert [is_number for is_number, _ in part_numbers_and_words([*group("4726"), *word], 50.0)] == [True]
    assert [is_number for is_number, _ in part_numbers_and_words([*group("4726"), *far], 50.0)] == [True, False]
