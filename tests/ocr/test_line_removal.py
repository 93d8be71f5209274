"""Rulings go, digits stay, even where they cross."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.writing import Page
from mnistry.ocr import line_removal
from mnistry.ocr.binarization import foreground_candidates
from mnistry.ocr.components import find_components
from mnistry.ocr.line_removal import find_pale_lines, remove_ruling_lines


def cleaned(sheet: Page, *, photo: bool = False, turn: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The ink of a sheet before and after."""
    image = (sheet.photo() if photo else sheet.image()).rotate(turn, fillcolor=(250, 250, 247))
    found = next(foreground_candidates(np.asarray(image)))
    return found.mask, remove_ruling_lines(found.mask, found.contrast, found.width)


def sheet(*, squared: bool, text: str = "") -> Page:
    page = Page(400, 300)
    page.rule(40, squared=squared)
    page.write(text, (50, 70), 90, pen=7)
    return page


@pytest.mark.parametrize("squared", [False, True])
def test_an_empty_ruled_sheet_becomes_blank(squared):
    before, after = cleaned(sheet(squared=squared))
    assert before.mean() > 0.02
    assert after.mean() < 0.003


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("turn", [0.0, 2.0, -3.0])
def test_digits_on_rulings_stay(squared, turn):
    _, after = cleaned(sheet(squared=squared, text="2085"), turn=turn)
    plain = Page(400, 300)
    plain.write("2085", (50, 70), 90, pen=7)
    digits, _ = cleaned(plain, turn=turn)
    assert (after & digits).sum() > 0.93 * digits.sum()
    assert (after & ~digits).sum() < 0.25 * digits.sum()


@pytest.mark.parametrize("text", ["1111", "7777", "4444", "2525"])
def test_digits_without_rulings_are_not_touched(text):
    page = Page(400, 150)
    page.write(text, (50, 30), 90)
    before, after = cleaned(page)
    np.testing.assert_array_equal(before, after)


def test_a_digit_that_fills_the_picture_is_no_ruling():
    page = Page(60, 100)
    page.write("1", (20, 2), 96, pen=4)
    before, after = cleaned(page)
    assert after.sum() > 0.9 * before.sum()


def test_small_pictures_are_left_alone():
    mask = np.zeros((28, 28), bool)
    mask[14] = True
    assert remove_ruling_lines(mask, mask * np.float32(200), 1.0).all(axis=1)[14]


def test_the_search_for_rulings_ends_where_none_is_one(monkeypatch):
    tried = []
    monkeypatch.setattr(line_removal, "_is_ruling", lambda *_: bool(tried.append(1)))
    mask = np.zeros((600, 600), bool)
    mask[::8] = True
    assert (remove_ruling_lines(mask, np.where(mask, np.float32(200), np.float32(0)), 1.0) == mask).all()
    assert 0 < len(tried) <= 2 * line_removal.MOST_WRONG  # level and upright ones


@pytest.mark.parametrize(("side", "found"), [(20, 3), (4, 0)])
def test_corners_of_pale_frames_are_found_and_specks_of_faint_strokes_are_not(side, found):
    contrast = np.zeros((60, 120), np.float32)
    for x in (10, 40, 70):
        contrast[10, x : x + side] = contrast[10 : 10 + side, x] = 40
    contrast[10:40, 100:104] = 200
    parts = find_components(contrast > 0)
    assert np.count_nonzero(find_pale_lines(parts, contrast, 4.0)) == found
