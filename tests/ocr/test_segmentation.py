"""Lines of writing, and the pieces they are made of."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.writing import Page
from mnistry.ocr.components import find_components
from mnistry.ocr.segmentation import PageLayout, middle_digit, segment_lines


def found(sheet: Page) -> PageLayout:
    grey = np.asarray(sheet.image().convert("L"), np.float32)
    return segment_lines(find_components(grey < 128), 255 - grey)


def test_lines_are_found_from_top_to_bottom_and_pieces_from_left_to_right():
    sheet = Page(500, 400)
    for row, text in enumerate(["207", "35", "6824"]):
        sheet.write(text, (40, 30 + 120 * row), 80)
    writing = found(sheet)
    assert len(writing.lines) == 3
    assert [len(np.unique(line.parts)) for line in writing.lines] == [3, 2, 4]
    for line in writing.lines:
        assert (np.diff(line.boxes[:, [0, 2]].mean(axis=1)) >= 0).all()
        assert line.height == pytest.approx(88, abs=8)


@pytest.mark.parametrize("slope", [-0.1, 0.1])
def test_a_line_may_rise_or_fall(slope):
    sheet = Page(900, 400)
    for i in range(8):
        sheet.write("8", (40 + 100 * i, 160 + slope * 100 * i), 70)
    assert [len(np.unique(line.parts)) for line in found(sheet).lines] == [8]


def test_every_piece_is_where_its_box_says():
    sheet = Page(500, 150)
    sheet.write("2083", (40, 30), 90, gap=-0.1)
    writing = found(sheet)
    (line,) = writing.lines
    assert len(line) > 4  # what touches is cut
    for number, (left, top, right, bottom) in enumerate(line.boxes, start=line.first):
        rows, columns = np.nonzero(writing.pieces == number)
        assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)


def test_specks_and_shadows_at_the_edge_are_no_pieces():
    sheet = Page(500, 200)
    sheet.write("208", (60, 50), 90)
    for x in range(20, 480, 30):
        sheet.line([(x, 15), (x + 1, 15)], (20, 20, 24), 2)
    sheet.line([(0, 0), (0, 200)], (20, 20, 24), 14)
    writing = found(sheet)
    assert sum(len(np.unique(line.parts)) for line in writing.lines) == 3
    assert (writing.pieces[:, :10] < 0).all()


def test_faint_traces_beside_ink_are_no_pieces():
    sheet = Page(500, 200)
    sheet.write("208", (60, 50), 90)
    sheet.write("3", (400, 50), 90, ink=(215, 215, 215))
    grey = np.asarray(sheet.image().convert("L"), np.float32)
    writing = segment_lines(find_components(grey < 230), 250 - grey)
    assert sum(len(np.unique(line.parts)) for line in writing.lines) == 3


def test_nothing_has_no_lines():
    writing = segment_lines(find_components(np.zeros((20, 30), bool)), np.zeros((20, 30), np.float32))
    assert (writing.lines, writing.ink) == ((), 0)


def test_the_digit_in_the_middle_is_kept_with_its_pieces_and_without_its_neighbours():
    mask = np.zeros((60, 60), bool)
    mask[15:50, 26:34] = True  # the digit
    mask[8:12, 27:33] = True  # its hat, apart
    expected = mask.copy()
    mask[5:55, 0:14] = True  # a larger neighbour, cut off at the edge
    mask[44:50, 42:48] = True  # a full stop
    np.testing.assert_array_equal(middle_digit(find_components(mask)), expected)
    np.testing.assert_array_equal(middle_digit(find_components(expected)), expected)
