"""Pieces to digits: the best way through a line, on lines made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mnistry.ocr.decoding import MOST_PIECES, Hypothesis, decode, hypotheses
from mnistry.ocr.segmentation import Line

HEIGHT = 100.0


def line(*pieces: tuple[int, int], parts: list[int] | None = None, height: int = 100) -> Line:
    """Pieces from column to column, all as high as the line."""
    boxes = np.array([(left, 0, right, height) for left, right in pieces])
    return Line(0, boxes, np.array(parts or range(len(pieces))), HEIGHT)


def chosen(line: Line, beliefs: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    found = hypotheses([line])[0]

    def ask(wanted: Sequence[tuple[int, int]]) -> list[float]:
        return [beliefs.get((found[i].start, found[i].stop), 0.01) for _, i in wanted]

    way = decode([line], [found], ask)[0]
    return [(found[i].start, found[i].stop) for i in way]


def test_every_piece_and_its_neighbours_are_candidates():
    spans = {(each.start, each.stop) for each in hypotheses([line((0, 40), (50, 90), (100, 140))])[0]}
    assert spans == {(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)}


def test_candidates_are_no_wider_than_a_digit_may_be_and_have_no_wide_gap():
    assert {(e.start, e.stop) for e in hypotheses([line((0, 90), (95, 190))])[0]} == {(0, 1), (1, 2)}
    assert {(e.start, e.stop) for e in hypotheses([line((0, 20), (60, 80))])[0]} == {(0, 1), (1, 2)}


def test_a_candidate_has_so_many_pieces_at_most():
    many = line(*[(10 * i, 10 * i + 8) for i in range(12)], parts=[0] * 12)
    assert max(each.stop - each.start for each in hypotheses([many])[0]) == MOST_PIECES


def test_low_pieces_are_no_candidates():
    assert hypotheses([line((0, 60), height=20)])[0] == []


def test_a_box_holds_all_its_pieces():
    uneven = Line(0, np.array([(0, 10, 40, 80), (45, 0, 60, 50)]), np.array([0, 1]), HEIGHT)
    assert hypotheses([uneven])[0][1] == Hypothesis(0, 2, (0, 0, 60, 80))


def test_digits_that_stand_apart_are_taken_one_by_one():
    assert chosen(line((0, 50), (60, 110)), {(0, 1): 0.9, (1, 2): 0.9, (0, 2): 0.9}) == [(0, 1), (1, 2)]


def test_one_component_in_pieces_is_cut_where_the_parts_are_more_believable():
    halves = line((0, 50), (50, 100), parts=[0, 0])
    assert chosen(halves, {(0, 2): 0.95, (0, 1): 0.95, (1, 2): 0.95}) == [(0, 2)]
    assert chosen(halves, {(0, 2): 0.1, (0, 1): 0.9, (1, 2): 0.9}) == [(0, 1), (1, 2)]


def test_a_broken_digit_is_joined():
    assert chosen(line((0, 40), (40, 80)), {(0, 2): 0.9, (0, 1): 0.05, (1, 2): 0.05}) == [(0, 2)]


def test_a_dash_is_passed_over():
    boxes = np.array([(0, 0, 60, 100), (70, 50, 110, 58), (120, 0, 180, 100)])
    dash = Line(0, boxes, np.arange(3), HEIGHT)
    assert chosen(dash, {(0, 1): 0.9, (2, 3): 0.9, (1, 2): 0.9}) == [(0, 1), (2, 3)]


@pytest.mark.parametrize("belief", [0.0, 1e-9])
def test_a_line_without_candidates_or_belief_is_no_error(belief):
    nothing = Line(0, np.zeros((0, 4), np.int64), np.zeros(0, np.int64), HEIGHT)
    assert chosen(nothing, {}) == []
    assert chosen(line((0, 50)), {(0, 1): belief}) in ([], [(0, 1)])
