"""Ink is separated from paper in all light, colours and polarities; none on blank paper."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.writing import BLACK, BLUE, RED, WHITE, YELLOW, Page
from mnistry.ocr.background import content_region, estimate_background, even_background
from mnistry.ocr.binarization import _largest_around, foreground_candidates, middle_foreground

SIZE = 300, 140


def page(ink=BLACK, paper=WHITE, pen=6.0) -> Page:
    sheet = Page(*SIZE, paper=paper)
    sheet.write("2358", (30, 30), 80, ink=ink, pen=pen)
    return sheet


def drawn() -> np.ndarray:
    return np.asarray(page().image().convert("L")) < 128


def agreement(found: np.ndarray, expected: np.ndarray) -> float:
    """Intersection over union."""
    return float((found & expected).sum() / (found | expected).sum())


@pytest.mark.parametrize(
    ("ink", "paper"),
    [
        (BLACK, WHITE),
        (WHITE, BLACK),
        (BLUE, WHITE),
        (RED, (250, 240, 200)),
        (YELLOW, BLUE),
        (YELLOW, WHITE),
        (BLUE, (120, 60, 60)),
        ((180, 180, 180), (150, 150, 150)),
    ],
)
def test_the_strokes_are_found_in_all_colours(ink, paper):
    found = next(foreground_candidates(np.asarray(page(ink, paper).image())))
    assert agreement(found.mask, drawn()) > 0.85
    assert found.width == pytest.approx(6, rel=0.35)


@pytest.mark.parametrize("dimmest", [0.8, 0.4, 0.2])
@pytest.mark.parametrize("ink", [BLACK, BLUE])
def test_light_and_noise_of_a_photo_do_not_hide_them(dimmest, ink):
    found = next(foreground_candidates(np.asarray(page(ink).photo(dimmest=dimmest))))
    assert agreement(found.mask, drawn()) > 0.75


def test_a_shadow_with_a_hard_edge_is_no_ink():
    sheet = Page(900, 500)
    sheet.write("2358", (60, 60), 80)
    pixels = np.asarray(sheet.image()).astype(float)
    pixels[:, 450:] *= 0.5
    found = next(foreground_candidates(pixels.astype(np.uint8)))
    assert not found.mask[:, 480:].any()
    assert found.mask[:, :430].any()


@pytest.mark.parametrize("seed", range(3))
def test_blank_paper_has_hardly_any_ink(seed):
    found = next(foreground_candidates(np.asarray(Page(400, 300).photo(seed=seed, noise=8))))
    assert found.mask.mean() < 0.001


def test_an_even_picture_has_none_at_all():
    for level in (0, 128, 255):
        assert [each.mask.any() for each in foreground_candidates(np.full((50, 60, 3), level, np.uint8))] == [False]


def test_faint_strokes_count_beside_dark_ones():
    sheet = page()
    sheet.line([(20, 125), (280, 125)], (190, 190, 190), 4)
    found = next(foreground_candidates(np.asarray(sheet.image())))
    assert found.mask[125, 30:270].all()


def test_where_ink_is_most_of_the_picture_it_is_found_by_a_later_guess():
    pixels = np.full((60, 40, 3), 20, np.uint8)
    pixels[:12, :12] = pixels[:12, -8:] = pixels[-20:, :8] = pixels[-20:, -12:] = 250
    dark = pixels[:, :, 0] < 128
    assert any(agreement(each.mask, dark) > 0.95 for each in foreground_candidates(pixels))


def test_the_paper_amid_dense_writing_is_the_paper():
    sheet = Page(600, 600, paper=(230, 225, 210))
    for row in range(20):
        sheet.write("8" * 30, (5, 5 + 29 * row), 24)
    paper = estimate_background(np.asarray(sheet.image()))
    assert np.abs(paper - (230, 225, 210)).max() < 6


def test_the_paper_of_a_sheet_on_a_table_is_that_of_the_sheet():
    pixels = np.full((200, 300, 3), 60, np.uint8)
    pixels[50:150, 60:200] = 220
    among = pixels[:, :, 0] > 128
    assert np.abs(estimate_background(pixels, among)[60:140, 70:190] - 220).max() < 3


def test_where_a_drawing_lies_on_plain_paper_is_all_the_same():
    small = Page(130, 150)
    small.write("5", (35, 35), 80, pen=9)
    pixels = np.asarray(small.image())
    here = next(foreground_candidates(pixels))
    for down, across in ((0, 0), (3, 5), (101, 47)):
        sheet = np.full((400, 300, 3), pixels[0, 0], np.uint8)
        sheet[down : down + 150, across : across + 130] = pixels
        there = next(foreground_candidates(sheet))
        part = slice(down, down + 150), slice(across, across + 130)
        assert there.width == here.width
        np.testing.assert_array_equal(there.strength[part], here.strength)
        np.testing.assert_array_equal(there.mask[part], here.mask)
        assert there.mask.sum() == here.mask.sum()


@pytest.mark.parametrize("colour", [(255, 255, 255), (12, 200, 7), (0, 0, 0)])
def test_plain_paper_is_known_by_its_edge_and_by_half_of_the_picture(colour):
    sheet = np.full((60, 80, 3), colour, np.uint8)
    assert content_region(sheet) == (slice(0, 1), slice(0, 1))
    assert [ink.mask.any() for ink in foreground_candidates(sheet)] == [False]
    sheet[30:33, 40:60] = 99
    rows, columns = content_region(sheet)
    assert rows.start < 30
    assert rows.stop > 33
    assert columns.start < 40
    assert columns.stop > 60
    sheet[5:55, 5:70] = 99
    assert content_region(sheet) is None
    for row, column in ((0, 5), (59, 5), (5, 0), (5, 79)):
        spotted = np.full((60, 80, 3), colour, np.uint8)
        spotted[row, column, 2] ^= 1
        assert content_region(spotted) is None


def disc(side: int, ink: int, paper: int) -> np.ndarray:
    """A picture that is filled by a disc, uint8 (side, side, 3): three quarters of it are ink."""
    y, x = np.indices((side, side)) - (side - 1) / 2
    return np.where((x**2 + y**2 <= (side / 2) ** 2)[:, :, None], ink, paper).repeat(3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("side", [20, 60, 160])
def test_where_ink_is_most_of_the_picture_one_candidate_is_that_ink(side):
    picture = disc(side, 40, 210)
    masks = [ink.mask for ink in foreground_candidates(picture)]
    assert max(agreement(mask, picture[:, :, 0] == 40) for mask in masks) > 0.95


def test_the_paper_of_two_tones_is_at_the_edge():
    picture = np.full((80, 80, 3), (10, 20, 200), np.uint8)
    picture[8:72, 8:72] = (250, 240, 230)
    np.testing.assert_array_equal(even_background(picture), [10, 20, 200])
    ramp = np.linspace(0, 255, 80).astype(np.uint8)
    assert even_background(np.broadcast_to(ramp[:, None], (80, 80, 3))) is None


def test_the_ink_in_the_middle_is_found_beside_a_darker_line_at_the_edge():
    picture = np.full((60, 50, 3), 200, np.uint8)
    picture[20:40, 22:28] = 150  # faint ink
    picture[:, :8] = 0
    found = middle_foreground(picture)
    np.testing.assert_array_equal(found.mask[:, 8:], picture[:, 8:, 0] == 150)
    assert middle_foreground(np.full((60, 50, 3), 200, np.uint8)) is None


@pytest.mark.parametrize("block", [1, 3, 7, 50])
def test_the_largest_value_around_is_that_of_a_block_and_its_neighbours(block):
    values = np.random.default_rng(block).random((31, 47)).astype(np.float32)
    wanted = np.array([0, 46, 700, 30 * 47, 31 * 47 - 1])
    for pixel, largest in zip(wanted.tolist(), _largest_around(values, block, wanted).tolist(), strict=True):
        top, left = (max(0, (at // block - 1) * block) for at in divmod(pixel, 47))
        rows, columns = (
            slice(first, (at // block + 2) * block) for first, at in zip((top, left), divmod(pixel, 47), strict=True)
        )
        assert largest == values[rows, columns].max()
