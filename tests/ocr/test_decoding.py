"""Pieces to digits: the best way through a line, on lines made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mnistry.ocr import decoding
from mnistry.ocr.decoding import MOST_PIECES, Hypothesis, decode, hypotheses
from mnistry.ocr.segmentation import Line

HEIGHT = 100.0


def line(*pieces: tuple[int, int], parts: list[int] | None = None, height: int = 100) -> Line:
    """Pieces from column to column, all as high as the line."""
    boxes = np.array([(left, 0, right, height) for left, right in pieces])
    return Line(0, boxes, np.array(parts or range(len(pieces))), HEIGHT)


def candidates(line: Line) -> list[Hypothesis]:
    found = hypotheses([line])
    assert found is not None
    return found[0]


def chosen(line: Line, beliefs: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    found = candidates(line)

    def ask(wanted: Sequence[tuple[int, int]]) -> list[float]:
        return [beliefs.get((found[i].start, found[i].stop), 0.01) for _, i in wanted]

    ways = decode([line], [found], ask)
    assert ways is not None
    return [(found[i].start, found[i].stop) for i in ways[0]]


def test_every_piece_and_its_neighbours_are_candidates():
    spans = {(each.start, each.stop) for each in candidates(line((0, 40), (50, 90), (100, 140)))}
    assert spans == {(0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)}


def test_candidates_are_no_wider_than_a_digit_may_be_and_have_no_wide_gap():
    assert {(e.start, e.stop) for e in candidates(line((0, 90), (95, 190)))} == {(0, 1), (1, 2)}
    assert {(e.start, e.stop) for e in candidates(line((0, 20), (60, 80)))} == {(0, 1), (1, 2)}


def test_a_candidate_has_so_many_pieces_at_most():
    many = line(*[(10 * i, 10 * i + 8) for i in range(12)], parts=[0] * 12)
    assert max(each.stop - each.start for each in candidates(many)) == MOST_PIECES


def test_low_pieces_are_no_candidates():
    assert candidates(line((0, 60), height=20)) == []


def test_a_box_holds_all_its_pieces():
    uneven = Line(0, np.array([(0, 10, 40, 80), (45, 0, 60, 50)]), np.array([0, 1]), HEIGHT)
    assert candidates(uneven)[1] == Hypothesis(0, 2, (0, 0, 60, 80))


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


def test_a_page_with_more_pieces_than_may_be_asked_about_has_no_candidates():
    row = line(*[(100 * i, 100 * i + 90) for i in range(10)])
    found = hypotheses([row, row], most=20)
    assert found is not None
    assert [len(each) for each in found] == [10, 10]
    assert hypotheses([row, row], most=19) is None


def test_candidates_are_counted_no_further_than_they_may_be(monkeypatch):
    made = []
    real = decoding.Hypothesis
    monkeypatch.setattr(decoding, "Hypothesis", lambda *values: made.append(values) or real(*values))
    row = line(*[(100 * i, 100 * i + 90) for i in range(200)])
    assert hypotheses([row] * 5, most=50) is None
    assert len(made) <= 3 * 51  # with nine, three and one piece to a digit


def test_where_nothing_is_answered_there_is_no_way():
    row = line((0, 50), (60, 110))
    assert decode([row], [candidates(row)], lambda wanted: None) is None
