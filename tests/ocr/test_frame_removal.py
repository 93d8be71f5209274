"""Boxes, combs, tables, circles and lines around numbers are not digits, and take nothing from those inside."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw

from helpers.writing import BLACK, RED, Page
from mnistry import Recognizer
from mnistry.ocr.components import find_components
from mnistry.ocr.frame_removal import enclosing, remove_frames, usual_height

CELL, TOP, HEIGHT = 64, 40, 60


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.load()


def cells(text: str, *, apart: int, pen: float, dashed: bool = False) -> Page:
    """Digits in cells of a form: a comb where they are not apart, else boxes."""
    page = Page(60 + (CELL + apart) * len(text), 150)
    for number, character in enumerate(text):
        left = 30 + (CELL + apart) * number
        corners = [(left, TOP - 14), (left + CELL, TOP - 14), (left + CELL, TOP + 74), (left, TOP + 74)]
        for start, stop in zip(corners, [*corners[1:], corners[0]], strict=True):
            steps = np.linspace(0, 1, 17 if dashed else 2)
            points = [tuple(np.array(start) + step * (np.array(stop) - start)) for step in steps]
            for first, last in list(pairwise(points))[:: 2 if dashed else 1]:
                page.line([first, last], BLACK, pen)
        page.write(character, (left + 14, TOP), HEIGHT, seed=number)
    return page


@pytest.mark.parametrize("pen", [1.0, 2.5, 4.0])
@pytest.mark.parametrize("apart", [0, 14])
def test_digits_in_cells_are_read_without_the_cells(recognizer, apart, pen):
    reading = recognizer.read(cells("208365", apart=apart, pen=pen).image())
    assert reading.text.replace(" ", "") == "208365"
    assert {mark.reason for mark in reading.skipped} <= {"frame"}


def test_a_photo_of_a_form_is_read(recognizer):
    assert recognizer.read(cells("28365", apart=14, pen=2).photo()).text.replace(" ", "") == "28365"


def test_dashed_boxes_are_no_digits(recognizer):
    assert recognizer.read(cells("28", apart=40, pen=2, dashed=True).image()).text.replace(" ", "") == "28"


def test_pale_boxes_are_no_digits_where_darker_strokes_reach_over_them(recognizer):
    page = Page(360, 130)
    for number, character in enumerate("46285"):
        left = 30 + 56 * number
        page.line([(left, 36), (left, 92), (left + 56, 92), (left + 56, 36), (left, 36)], (90, 140, 200), 1.5)
        page.write(character, (left + 10, 34), 60, pen=6, seed=number)
    reading = recognizer.read(page.image())
    assert (reading.text, reading.sure) == ("46285", True)


def test_dashed_lines_between_the_cells_of_a_comb_are_no_digits(recognizer):
    page = Page(330, 90)
    page.line([(29, 23), (29, 71), (269, 71), (269, 23), (29, 23)], (90, 140, 200), 2)
    for number, character in enumerate("72635"):
        for y in range(23, 68, 7) if number else ():
            page.line([(29 + 48 * number, y), (29 + 48 * number, y + 3)], (90, 140, 200), 2)
        page.write(character, (41 + 48 * number, 28), 38, pen=3, seed=number)
    assert recognizer.read(page.image()).text.replace(" ", "") == "72635"


def test_a_digit_keeps_its_bar_beside_a_number_that_is_struck_out_at_that_height(recognizer):
    page = Page(640, 130)
    page.write("1754", (40, 35), 56, pen=4)
    page.write("26", (290, 35), 56, pen=4)
    page.line([(275, 69), (390, 69)], RED, 4)
    assert recognizer.read(page.image()).text == "1754"


def test_a_circle_around_a_number_is_no_zero(recognizer):
    page = Page(320, 200)
    page.write("36", (100, 70), 60)
    image = page.image()
    ImageDraw.Draw(image).ellipse((50, 30, 250, 170), outline=RED, width=5)
    reading = recognizer.read(image)
    assert (reading.text, [mark.reason for mark in reading.skipped]) == ("36", ["frame"])


@pytest.mark.parametrize("gap", [-2, 4, 14])
@pytest.mark.parametrize("text", ["2835", "36"])
def test_an_underline_is_no_digit(recognizer, text, gap):
    page = Page(420, 200)
    page.write(text, (60, 60), 70)
    page.line([(50, 135 + gap), (60 + 60 * len(text), 133 + gap)], BLACK, 4)
    assert recognizer.read(page.image()).text == text


def test_a_number_that_is_struck_out_is_skipped(recognizer):
    page = Page(700, 160)
    page.write("283", (60, 50), 70)
    page.line([(50, 84), (240, 82)], BLACK, 4)
    page.write("65", (480, 50), 70)
    reading = recognizer.read(page.image())
    assert reading.text == "65"
    assert [mark.reason for mark in reading.skipped].count("struck out") == 3


def test_a_table_becomes_rows_with_blanks(recognizer):
    page = Page(560, 260)
    for x in (20, 200, 370, 540):
        page.line([(x, 20), (x, 240)], BLACK, 2)
    for y in (20, 130, 240):
        page.line([(20, y), (540, y)], BLACK, 2)
    for row, numbers in enumerate([("20", "8", "36"), ("5", "98", "2")]):
        for column, number in enumerate(numbers):
            page.write(number, (50 + 170 * column, 48 + 110 * row), 56)
    assert recognizer.read(page.image()).text == "20 8 36\n5 98 2"


def test_what_encloses_ink_is_found_and_what_encloses_a_speck_is_not():
    image = Image.new("L", (200, 80))
    draw = ImageDraw.Draw(image)
    draw.rectangle((5, 5, 75, 75), outline=1, width=2)
    draw.rectangle((25, 25, 50, 60), fill=1)
    draw.ellipse((105, 5, 175, 75), outline=1, width=2)
    draw.rectangle((135, 35, 141, 41), fill=1)
    mask = np.asarray(image) > 0
    parts = find_components(mask)
    assert parts.left[enclosing(parts)].tolist() == [5]


def test_the_pieces_of_a_table_do_not_set_the_usual_height():
    image = Image.new("L", (600, 300))
    draw = ImageDraw.Draw(image)
    for x in (40, 170, 300, 430):
        draw.line([(x, 30), (x, 270)], fill=1, width=2)
        draw.line([(x, 270), (x + 60, 270)], fill=1, width=2)
        for y in (40, 100, 160, 220):
            draw.ellipse((x + 15, y, x + 39, y + 32), outline=1, width=3)
            draw.line([(x + 60, y), (x + 60, y + 32)], fill=1, width=3)
    parts = find_components(np.asarray(image) > 0)
    assert usual_height(parts, np.ones(len(parts), bool)) == 33


def test_ink_without_lines_stays_as_it_is():
    page = Page(300, 120)
    page.write("2036", (30, 30), 60)
    mask = np.asarray(page.image().convert("L")) < 128
    cleaned = remove_frames(mask, find_components(mask), np.zeros_like(mask), mask.astype(np.float32), 5.0)
    np.testing.assert_array_equal(cleaned.mask, mask)
    assert (len(cleaned.level), len(cleaned.upright), len(cleaned.boxes)) == (0, 0, 0)


def test_open_frames_that_fade_and_nothing_else_are_no_digits(recognizer):
    picture = np.full((260, 560), 250.0)
    strength = np.maximum(235 / 1.1 ** np.maximum(np.arange(260) - 91, 0), 50.0)[::-1]  # pale, then dark
    for left in (40, 200, 360):
        picture[40:43, left : left + 100] = 250 - strength[:100][::-1]
        picture[40:200, left : left + 3] = 250 - strength[100:, None]
    assert recognizer.read(picture.astype(np.uint8)).text == ""
